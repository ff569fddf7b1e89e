import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from retrieval import Encoder, InputError
from retrieval.encoding.adaptation import training
from retrieval.encoding.adaptation.cost import probe
from retrieval.encoding.adaptation.fine_tuning import fine_tune
from retrieval.encoding.adaptation.schedule import batches, hold_out

KINDS = ("card", "parcel", "refund", "phone")
TAILS = ("now", "today", "please", "again", "so late", "at all", "then", "really")
TEXTS = [f"the {tail} of a {kind} {tail}" for kind in KINDS for tail in TAILS]
LABELS = [kind for kind in KINDS for _ in TAILS]


@pytest.fixture
def small(tiny: Path) -> Encoder:
    return Encoder(str(tiny), backend="torch", cache_dir=False)


def _vectors(folder: Path) -> np.ndarray:
    return Encoder(str(folder), backend="torch", cache_dir=False).encode(TEXTS)


def _apart(vectors: np.ndarray) -> float:
    """How much more similar texts of one label are than those of two."""
    similarity, names = vectors @ vectors.T, np.array(LABELS)
    alike = names[:, None] == names
    return float(similarity[alike].mean() - similarity[~alike].mean())


@pytest.mark.parametrize("method", ["full", "lora"])
def test_neighbors_have_the_label_of_a_text_afterwards(
    small: Encoder, tmp_path: Path, method: str
) -> None:
    before = _apart(small.encode(TEXTS))
    tuned = fine_tune(
        small,
        TEXTS,
        LABELS,
        method=method,
        out=tmp_path / "out",
        epochs=40,  # type: ignore[arg-type]
    )
    assert _apart(_vectors(tuned.path)) > 1.2 * before
    assert tuned.epochs == 40 and tuned.held == 0 and tuned.ended == "all"
    # Anybody can load it, without us, and there is nothing in it that could be executed.
    alone = SentenceTransformer(str(tuned.path), device="cpu").encode(
        TEXTS, normalize_embeddings=True
    )
    np.testing.assert_allclose(alone, _vectors(tuned.path), atol=1e-5)
    kinds = {path.suffix for path in tuned.path.rglob("*") if path.is_file()}
    assert kinds <= {".json", ".safetensors", ".txt", ".md"}
    assert not (tmp_path / ".out").exists()


def test_held_out_texts_choose_the_weights(small: Encoder, tmp_path: Path) -> None:
    tuned = fine_tune(small, TEXTS, LABELS, method="full", out=tmp_path / "out")
    assert tuned.held == 3
    assert tuned.losses[int(tuned.epochs)] == min(tuned.losses[1:])
    assert "held-out texts" in (tmp_path / "out" / "README.md").read_text()


def test_resumed_is_as_if_never_killed(
    small: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tune(name: str) -> np.ndarray:
        done = fine_tune(
            small, TEXTS, LABELS, method="full", out=tmp_path / name, checkpoint=kept, seed=3
        )
        assert done.resumed == (name == "second")
        return _vectors(done.path)

    kept = tmp_path / "kept"
    whole = tune("first")
    assert not kept.exists()

    step, seen = training.Training._step, []

    def dies(self: training.Training, batch: np.ndarray) -> None:
        seen.append(batch)
        if len(seen) == 4:
            raise KeyboardInterrupt
        step(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(training.Training, "_step", dies)
        with pytest.raises(KeyboardInterrupt):
            tune("died")
    assert not (tmp_path / "died").exists()
    np.testing.assert_array_equal(tune("second"), whole)
    assert not kept.exists()


def test_a_checkpoint_of_other_texts_or_a_damaged_one_is_not_resumed(
    small: Encoder, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "training.json").write_text(json.dumps({"task": "another"}))
    (kept / "training.safetensors").write_bytes(b"\x80\x04K\x01.")
    done = fine_tune(
        small, TEXTS, LABELS, method="full", out=tmp_path / "out", checkpoint=kept, epochs=1
    )
    assert not done.resumed


def test_killed_it_goes_on_where_it_was(tiny: Path, tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from retrieval import Encoder
from retrieval.encoding.adaptation import training
from retrieval.encoding.adaptation.fine_tuning import fine_tune
training._KEEP_EVERY = 0.0
texts, labels = {TEXTS!r}, {LABELS!r}
encoder = Encoder({str(tiny)!r}, backend="torch", cache_dir=False)
print("begins", flush=True)
fine_tune(encoder, texts, labels, method="full", out=Path("out"), checkpoint=Path("kept"),
          epochs=100_000)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(training.__file__).parents[3])},
    ) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "kept" / "training.json").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    encoder = Encoder(str(tiny), backend="torch", cache_dir=False)
    done = fine_tune(
        encoder,
        TEXTS,
        LABELS,
        method="full",
        out=tmp_path / "out",
        checkpoint=tmp_path / "kept",
        epochs=100_000,
        budget_s=1.0,
    )
    assert done.resumed and done.ended == "budget"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_what_cannot_work_is_told_before_any_work(small: Encoder, tmp_path: Path) -> None:
    def refused(*args: object, **options: object) -> str:
        with pytest.raises(InputError) as error:
            fine_tune(small, *args, out=tmp_path / "out", **options)  # type: ignore[arg-type]
        assert not (tmp_path / "out").exists()
        return str(error.value)

    assert "at least two" in refused(["a", "b"], ["x", "x"], method="full")
    assert "none" in refused([], [], method="full")
    assert "2 texts and 1 labels" in refused(["a", "b"], ["x"], method="full")
    assert "lora, full" in refused(TEXTS, LABELS, method="fast")
    assert "1 groups" in refused(TEXTS, LABELS, method="full", groups=["g"])
    assert "too small" in refused(TEXTS, LABELS, method="full", budget_s=1e-6)


def test_one_example_a_label_and_the_same_text_twice(small: Encoder, tmp_path: Path) -> None:
    done = fine_tune(small, [*KINDS, "card"], [*KINDS, "card"], method="full", out=tmp_path / "out")
    assert done.held == 0 and done.losses == () and np.isfinite(_vectors(done.path)).all()


@pytest.mark.parametrize("method", ["full", "lora"])
def test_costs_are_told_before(small: Encoder, method: str) -> None:
    cost = probe(small, TEXTS * 10, method)  # type: ignore[arg-type]
    assert cost.seconds > 0
    assert 1e6 < cost.memory_bytes < 1e9


def test_whole_groups_are_held_out_and_no_label_is_lost() -> None:
    lot = np.random.default_rng(0)
    labels = np.sort(lot.integers(0, 12, 400))
    labels[:1] = 12
    groups = [f"g{one}" for one in lot.integers(0, 150, 400)]
    held = hold_out(labels, groups, seed=1)
    inside = {group for group, out in zip(groups, held, strict=True) if out}
    assert inside.isdisjoint(group for group, out in zip(groups, held, strict=True) if not out)
    assert set(labels[~held]) == set(range(13))
    assert 10 < held.sum() <= 40


def test_a_pass_reads_each_text_once_and_like_lengths_together() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 3_000)
    made = batches(lengths, seed=0, epoch=2)
    assert sorted(np.concatenate(made).tolist()) == list(range(3_000))
    spread = np.mean([lengths[one].max() - lengths[one].min() for one in made])
    assert spread < 10
    again = batches(lengths, seed=0, epoch=2)
    assert all((one == other).all() for one, other in zip(made, again, strict=True))
