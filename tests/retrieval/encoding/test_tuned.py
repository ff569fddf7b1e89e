from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from retrieval import ArtifactError, Encoder
from retrieval.encoding import encoder as encoder_module
from retrieval.encoding.adaptation.folder import write_mapped
from retrieval.encoding.tuned import RECORD

TEXTS = ["whole milk 1 gal", "potato chips", "AA batteries, 4 pack", "a"]
OTHERS = ["skimmed milk", "tortilla crisps", "so " * 99]
ENGINES: Any = ("torch", "openvino")


def _matrix(rows: int = 384, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, 384)) / 40
    return (drawn + np.eye(rows, 384)).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def folder(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "encoder"
    write_mapped(out, encoder, _matrix(), "# A card\n")
    return out


@pytest.mark.parametrize("engine", ENGINES)
def test_sentence_transformers_alone_gives_the_same_vectors(folder: Path, engine: Any) -> None:
    mapped = Encoder(str(folder), backend=engine, precision="float32", cache_dir=False)
    alone = SentenceTransformer(str(folder), device="cpu")
    there = alone.encode(TEXTS + OTHERS, show_progress_bar=False)
    np.testing.assert_allclose(mapped.encode(TEXTS + OTHERS), there, rtol=0, atol=1e-5)
    assert np.linalg.norm(there, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_the_base_has_encoded_costs_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Any
) -> None:
    base = Encoder(backend=engine, cache_dir=tmp_path)
    mapped = Encoder(str(folder), backend=engine, cache_dir=tmp_path)
    before = base.encode(TEXTS)
    with monkeypatch.context() as patched:
        patched.delattr(encoder_module, "shared_backend")  # no forward pass, no tokenizer either
        after = mapped.encode(TEXTS)
    np.testing.assert_allclose(after, _unit(before @ _matrix().T), rtol=0, atol=1e-6)
    # And what the mapped one encodes is there for its base.
    mapped.encode(OTHERS)
    monkeypatch.delattr(encoder_module, "shared_backend")
    again = Encoder(backend=engine, cache_dir=tmp_path).encode(OTHERS)
    np.testing.assert_allclose(mapped.encode(OTHERS), _unit(again @ _matrix().T), atol=1e-6)


def test_the_identity_covers_the_map_and_the_base(
    encoder: Encoder, folder: Path, tmp_path: Path
) -> None:
    write_mapped(tmp_path / "other", encoder, _matrix(seed=1))
    mapped, other = Encoder(str(folder)), Encoder(str(tmp_path / "other"))
    revisions = {one.identity.revision for one in (encoder, mapped, other)}
    assert len(revisions) == 3
    shutil.copytree(folder, tmp_path / "copy")
    assert Encoder(str(tmp_path / "copy")).identity.same_space(mapped.identity)


def test_two_maps_become_one(encoder: Encoder, folder: Path, tmp_path: Path) -> None:
    first = Encoder(str(folder), backend="torch")
    narrow = _matrix(64, seed=2)
    write_mapped(tmp_path / "twice", first, narrow)
    twice = Encoder(str(tmp_path / "twice"), backend="torch")
    assert twice.dim == 64
    expected = _unit(first.encode(TEXTS) @ narrow.T)
    np.testing.assert_allclose(twice.encode(TEXTS), expected, rtol=0, atol=1e-5)
    modules = json.loads((tmp_path / "twice" / "modules.json").read_text())
    assert [one["type"].split(".")[-1] for one in modules][-2:] == ["Dense", "Normalize"]
    assert len(modules) == 5


def test_a_vector_does_not_depend_on_what_else_is_encoded(folder: Path) -> None:
    mapped = Encoder(str(folder))
    together = mapped.encode(TEXTS + OTHERS)
    for row, text in enumerate(TEXTS + OTHERS):
        np.testing.assert_array_equal(mapped.encode([text])[0], together[row])


@pytest.mark.parametrize(
    "file", ["3_Dense/model.safetensors", "vocab.txt", "modules.json", "added.json", RECORD]
)
def test_a_folder_that_was_touched_is_refused(folder: Path, tmp_path: Path, file: str) -> None:
    shutil.copytree(folder, tmp_path / "touched")
    with (tmp_path / "touched" / file).open("a") as stream:
        stream.write(" nothing\n")
    with pytest.raises(ArtifactError, match="tune it anew"):
        Encoder(str(tmp_path / "touched"))


def test_the_card_may_be_edited(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "edited")
    (tmp_path / "edited" / "README.md").write_text("# Mine\n")
    assert Encoder(str(tmp_path / "edited")).identity == Encoder(str(tmp_path / "edited")).identity


def test_a_record_of_another_base_is_refused(folder: Path, tmp_path: Path) -> None:
    """Else its vectors would stand in the cache as that base's."""
    shutil.copytree(folder, tmp_path / "forged")
    record = json.loads((folder / RECORD).read_text())
    record["base"]["revision"] = "0" * 16
    (tmp_path / "forged" / RECORD).write_text(json.dumps(record))
    with pytest.raises(ArtifactError, match=RECORD):
        Encoder(str(tmp_path / "forged"))
