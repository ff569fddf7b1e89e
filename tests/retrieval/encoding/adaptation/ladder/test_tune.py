from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sentence_transformers import SentenceTransformer

from classifiers import NeighborClassifier
from retrieval import Encoder, InputError, TuneReport, UnreadTextWarning, tune
from retrieval.encoding.adaptation.gate import compare
from retrieval.encoding.adaptation.ladder.climb import memory_free

Examples = tuple[list[str], list[str]]


@pytest.fixture(scope="module")
def examples(products: pd.DataFrame) -> Examples:
    """Products and their departments."""
    texts = products["product_type"] + " " + products["brand"]
    return texts.tolist(), products["department"].tolist()


@pytest.fixture(scope="module")
def tuned(
    encoder: Encoder, examples: Examples, tmp_path_factory: pytest.TempPathFactory
) -> TuneReport:
    out = tmp_path_factory.mktemp("tuned") / "encoder"
    return tune(encoder, *examples, method="map", out=out)


def test_what_is_better_is_written(encoder: Encoder, tuned: TuneReport, examples: Examples) -> None:
    frozen, mapped = tuned.rungs
    assert (frozen.verdict, mapped.verdict, tuned.chosen) == ("start", "better", "map")
    assert frozen.accuracy is not None and mapped.gain is not None
    assert mapped.accuracy == pytest.approx(frozen.accuracy + mapped.gain.accuracy)
    assert mapped.gain.is_better
    assert tuned.out is not None
    made = Encoder(str(tuned.out))
    assert made.identity.revision != encoder.identity.revision
    some = examples[0][:20]
    alone = SentenceTransformer(str(tuned.out), device="cpu").encode(some, show_progress_bar=False)
    assert np.abs(alone - made.encode(some)).max() < 0.01  # of bfloat16, where it is used


def test_votes_follow_labels_that_come_later(tuned: TuneReport, examples: Examples) -> None:
    """The map has not seen the last label; examples of it are added, nothing is fitted anew."""
    texts, labels = (np.array(part, dtype=object) for part in examples)
    early, late = labels != "DELI", np.flatnonzero(labels == "DELI")
    votes = NeighborClassifier(encoder=Encoder(str(tuned.out)), head=None, prototypes=False)
    votes.fit(texts[early].tolist(), labels[early].tolist())
    votes.add_examples(texts[late[::2]].tolist(), labels[late[::2]].tolist())
    right = votes.predict(texts[late[1::2]].tolist()) == "DELI"
    assert right.mean() > 0.5


def test_the_card_tells_scores_and_limits(tuned: TuneReport) -> None:
    assert tuned.out is not None
    card = (tuned.out / "README.md").read_text(encoding="utf-8")
    for said in ("## Limits", "| map | ", "all-MiniLM-L6-v2", "4 labels", "better"):
        assert said in card
    assert "nan" not in card
    assert json.loads(json.dumps(tuned.to_dict()))["chosen"] == "map"
    assert "written to" in str(tuned)


def test_what_is_not_better_is_refused(
    encoder: Encoder, examples: Examples, tmp_path: Path
) -> None:
    texts, labels = examples
    drawn = np.random.default_rng(0).permutation(np.array(labels, dtype=object)).tolist()
    report = tune(encoder, texts, drawn, method="map", out=tmp_path / "encoder")
    assert (report.chosen, report.out, report.is_tuned) == ("frozen", None, False)
    assert report.rungs[1].verdict == "not better"
    assert report.rungs[1].gain is not None
    assert "nothing was written" in str(report)
    assert list(tmp_path.iterdir()) == []


def test_a_tuned_encoder_can_be_tuned_on(
    tuned: TuneReport, examples: Examples, tmp_path: Path
) -> None:
    again = tune(Encoder(str(tuned.out)), *examples, method="map", out=tmp_path / "encoder")
    if again.is_tuned:  # one dense layer still
        modules = json.loads((tmp_path / "encoder" / "modules.json").read_text())
        assert sum(one["type"].endswith("Dense") for one in modules) == 1


def test_variants_are_held_out_together(encoder: Encoder, tmp_path: Path) -> None:
    """Three of each text, all but equal: alone, each is found among its twins."""
    drawn = np.random.default_rng(0).integers(2, size=24)
    kinds = [f"{color} {thing}" for color in ["red", "green", "blue"] for thing in "abcdefgh"]
    texts = [f"{kind}{mark}" for kind in kinds for mark in (" ", "!", "?")]
    labels = [f"label {one}" for one in drawn for _ in range(3)]
    groups = [place for place in range(len(kinds)) for _ in range(3)]
    alone = tune(encoder, texts, labels, method="map", out=tmp_path / "alone").rungs[0]
    together = tune(
        encoder, texts, labels, groups=groups, method="map", out=tmp_path / "together"
    ).rungs[0]
    assert alone.accuracy is not None and together.accuracy is not None
    assert alone.accuracy > together.accuracy + 0.2


KINDS = ("card", "parcel", "refund", "phone")
PAIRS = [(one, other) for one in ("now", "then", "soon") for other in ("late", "here", "often")]


@pytest.mark.parametrize("method", ["full", "lora", "auto"])
def test_the_weights_are_rungs_of_the_ladder(tiny: Path, tmp_path: Path, method: Any) -> None:
    texts = [f"the {one} of a {kind} {other}" for kind in KINDS for one, other in PAIRS]
    labels = [kind for kind in KINDS for _ in PAIRS]
    small = Encoder(str(tiny), backend="torch", cache_dir=False)
    report = tune(small, texts, labels, method=method, out=tmp_path / "encoder", folds=2)
    tried = [rung.method for rung in report.rungs]
    assert tried == ["frozen", *(("map", "lora", "full") if method == "auto" else (method,))]
    for rung in report.rungs[1:]:
        assert rung.gain is not None
        assert rung.memory > 0
        assert rung.verdict == ("better" if rung.gain.is_better else "not better")
    if report.is_tuned:
        made = Encoder(str(tmp_path / "encoder"), backend="torch", cache_dir=False)
        assert made.identity.revision != small.identity.revision
        card = (tmp_path / "encoder" / "README.md").read_text(encoding="utf-8")
        assert f"| {report.chosen} | " in card
    assert [one.name for one in tmp_path.iterdir()] == ["encoder"] * report.is_tuned


def test_a_turn_that_was_finished_is_not_trained_again(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"the {one} of a {kind} {other}" for kind in KINDS for one, other in PAIRS]
    labels = [kind for kind in KINDS for _ in PAIRS]
    small = Encoder(str(tiny), backend="torch", cache_dir=False)
    arguments: Any = {"method": "full", "out": tmp_path / "encoder", "folds": 2}

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("retrieval.encoding.adaptation.ladder.climb.compare", stopped)
        with pytest.raises(KeyboardInterrupt):
            tune(small, texts, labels, **arguments)
    assert [one.name for one in tmp_path.iterdir()] == [".encoder.tuning"]
    kept = {one: one.stat().st_mtime_ns for one in tmp_path.rglob("model.safetensors")}
    assert len(kept) == 2

    def looked(*given: Any) -> Any:
        assert {one: one.stat().st_mtime_ns for one in kept} == kept
        return compare(*given)

    monkeypatch.setattr("retrieval.encoding.adaptation.ladder.climb.compare", looked)
    report = tune(small, texts, labels, **arguments)
    assert [one.name for one in tmp_path.iterdir()] == ["encoder"] * report.is_tuned


@pytest.mark.parametrize("each", [1, 2])
def test_too_few_to_judge_leaves_the_encoder_as_it_is(
    encoder: Encoder, tmp_path: Path, each: int
) -> None:
    texts = [f"{thing} {place}" for thing in ("milk", "drill", "shirt") for place in range(each)]
    labels = [text.split()[0] for text in texts]
    report = tune(encoder, texts, labels, out=tmp_path / "encoder")
    assert not report.is_tuned
    assert "can be held out" in report.rungs[0].note
    assert not (tmp_path / "encoder").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"labels": ["one"] * 400}, "the same label"),
        ({"labels": ["one", "two"]}, "400 texts and 2 labels"),
        ({"labels": ["one", "  "] * 200}, "label 1 is no text"),
        ({"labels": ["one", None] * 200}, "label 1 is no text"),
        ({"texts": [], "labels": []}, "no texts"),
        ({"groups": [1]}, "1 groups"),
        ({"method": "magic"}, "there are: auto"),
        ({"budget": 0}, "budget"),
        ({"budget": 0.001}, "budget=0.001 s is too small"),
        ({"folds": 1}, "folds"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_input_is_told_before_the_work(
    encoder: Encoder, examples: Examples, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    arguments = {"texts": examples[0], "labels": examples[1], "method": "map", **given}
    with pytest.raises(InputError, match=said):
        tune(encoder, out=tmp_path / "encoder", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_holds_something_is_refused(
    encoder: Encoder, examples: Examples, tuned: TuneReport, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="no tuned encoder"):
        tune(encoder, *examples, out=tmp_path, overwrite=True)
    assert tuned.out is not None
    with pytest.raises(InputError, match="holds a tuned encoder already"):
        tune(encoder, *examples, out=tuned.out)


def test_texts_over_the_length_are_told_of(encoder: Encoder, tmp_path: Path) -> None:
    texts = [f"{thing} {place} " * 200 for thing in ("milk", "drill") for place in range(12)]
    labels = [text.split()[0] for text in texts]
    with pytest.warns(UnreadTextWarning, match="texts to tune on"):
        tune(encoder, texts, labels, method="map", out=tmp_path / "encoder")


def test_costs_are_told_before_each_rung(
    encoder: Encoder,
    examples: Examples,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="retrieval"):
        report = tune(encoder, *examples, method="map", out=tmp_path / "encoder", budget=10_000)
    told = [one.getMessage() for one in caplog.records if "tuning by map" in one.getMessage()]
    assert len(told) == 1
    assert "of the" in told[0]
    assert report.rungs[1].expected_seconds > 0
    assert report.rungs[1].memory > 0


@pytest.mark.parametrize("method", ["map", "full"])
def test_texts_without_a_label_teach_where_that_helps(
    tiny: Path, tmp_path: Path, method: Any
) -> None:
    texts = [f"the {one} of a {kind} {other}" for kind in KINDS for one, other in PAIRS]
    labels = [kind for kind in KINDS for _ in PAIRS]
    others = [f"a {kind} {one} {two}" for kind in KINDS for one in "abcde" for two in "fghij"]
    small = Encoder(str(tiny), backend="torch", cache_dir=False)
    report = tune(
        small,
        texts,
        labels,
        unlabeled=[*others, *texts],
        method=method,
        out=tmp_path / "encoder",
        folds=2,
    )
    assert [rung.method for rung in report.rungs] == ["frozen", method, f"{method}, unlabeled"]
    taught = report.rungs[2]
    assert taught.gain is not None
    assert taught.expected_seconds > 0  # how long, the moment decides
    assert report.is_tuned == any(rung.verdict == "better" for rung in report.rungs)
    assert [one.name for one in tmp_path.iterdir()] == ["encoder"] * report.is_tuned


def test_what_does_not_fit_in_memory_is_not_tried(
    encoder: Encoder, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory_free() is None or 1e6 < (memory_free() or 0) < 1e15
    monkeypatch.setattr("retrieval.encoding.adaptation.ladder.climb.memory_free", lambda: 1_000_000)
    report = tune(encoder, *examples, method="map", out=tmp_path / "encoder")
    assert report.rungs[1].verdict == "not tried"
    assert "of 0.0 GiB that are free" in report.rungs[1].note
    assert list(tmp_path.iterdir()) == []
