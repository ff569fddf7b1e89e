"""Labels known by name or description alone."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from classifiers import NeighborClassifier
from retrieval import Encoder, InputError
from tests.classifiers.conftest import SHELVES, Shelf

NEW = ["espresso beans, dark roast 12 OZ", "shredded mozzarella", "lavender hand wash refill"]
NEW_LABELS = ["COFFEE", "CHEESE", "SOAP - LIQUID & BAR"]


def _accuracy(classifier: NeighborClassifier, shelf: Shelf) -> float:
    return float(accuracy_score(shelf.new_labels, classifier.predict(shelf.new_texts)))


def test_names_are_enough(encoder: Encoder, shelf: Shelf) -> None:
    names = NeighborClassifier(encoder=encoder).fit(labels=list(SHELVES))
    assert names.classes_.tolist() == sorted(SHELVES)
    assert _accuracy(names, shelf) > 0.75
    proba = names.predict_proba(NEW)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (proba > 0).all(), "no label is impossible"


def test_descriptions_say_more_than_bare_codes(encoder: Encoder, shelf: Shelf) -> None:
    codes = {f"{number:02d}": text for number, text in enumerate(SHELVES.values())}
    code_of = dict(zip(SHELVES, codes, strict=True))
    truth = [code_of[label] for label in shelf.new_labels]
    described = NeighborClassifier(encoder=encoder).fit(labels=codes)
    assert accuracy_score(truth, described.predict(shelf.new_texts)) > 0.8
    bare = NeighborClassifier(encoder=encoder).fit(labels=list(codes))
    assert accuracy_score(truth, bare.predict(shelf.new_texts)) < 0.4


def test_a_label_may_have_several_descriptions(encoder: Encoder) -> None:
    several = {"drink": ["coffee", "orange juice"], "wash": ["hand soap", "laundry detergent"]}
    both = NeighborClassifier(encoder=encoder).fit(labels=several)
    texts = ["espresso", "juice of oranges", "soap bar", "washing powder"]
    assert both.predict(texts).tolist() == ["drink", "drink", "wash", "wash"]
    first = NeighborClassifier(encoder=encoder).fit(labels={k: v[0] for k, v in several.items()})
    juice = both.classes_.tolist().index("drink")
    before, now = (one.predict_proba(["juice of oranges"])[0, juice] for one in (first, both))
    assert now > before


def test_unlabeled_items_sharpen_the_labels(encoder: Encoder, shelf: Shelf) -> None:
    alone = NeighborClassifier(encoder=encoder).fit(labels=SHELVES)
    helped = NeighborClassifier(encoder=encoder).fit(labels=SHELVES, unlabeled=shelf.texts)
    assert _accuracy(helped, shelf) > _accuracy(alone, shelf)


def test_a_batch_of_two_of_the_labels_does_not_mislead_the_others(
    encoder: Encoder, shelf: Shelf
) -> None:
    two = np.isin(shelf.new_labels, ["BEEF", "SOUP"])
    batch = np.array(shelf.new_texts)[two].tolist()
    truth = np.array(shelf.new_labels)[two]
    alone = NeighborClassifier(encoder=encoder).fit(labels=list(SHELVES))
    helped = NeighborClassifier(encoder=encoder).fit(labels=list(SHELVES), unlabeled=batch)
    assert accuracy_score(truth, helped.predict(batch)) >= accuracy_score(
        truth, alone.predict(batch)
    )
    assert _accuracy(helped, shelf) > 0.7, "nor about items that were not in the batch"


def test_what_a_batch_taught_is_saved(encoder: Encoder, shelf: Shelf, tmp_path: Path) -> None:
    helped = NeighborClassifier(encoder=encoder).fit(labels=SHELVES, unlabeled=shelf.texts)
    table = helped.classify(NEW)
    assert set(table["parts"][0]) == {"neighbors", "prototypes", "head"}
    helped.save(tmp_path / "model")
    loaded = NeighborClassifier.load(tmp_path / "model", encoder=encoder)
    np.testing.assert_array_equal(loaded.predict_proba(NEW), helped.predict_proba(NEW))
    assert "learned from one batch" in (tmp_path / "model" / "README.md").read_text("utf-8")
    np.testing.assert_array_equal(helped.refit_head().predict_proba(NEW), loaded.predict_proba(NEW))
    helped.add_label("TEAS", "tea bags, iced tea")
    assert helped.predict(["green tea bags", *NEW]).tolist() == ["TEAS", *table["label"]]


def test_what_examples_would_tell_is_not_claimed_without_them(encoder: Encoder) -> None:
    names = NeighborClassifier(encoder=encoder).fit(labels=["COFFEE", "CHEESE"])
    table = names.classify(["espresso", "the moons of Jupiter"])
    assert table["known"][0]
    assert table["label_set"].isna().all()
    assert table["novelty"].is_monotonic_increasing
    assert set(table["parts"][0]) == {"neighbors", "prototypes"}
    with pytest.raises(InputError, match="needs more examples"):
        names.predict_set(["espresso"])


def test_pure_neighbors_can_do_it_too(encoder: Encoder) -> None:
    pure = NeighborClassifier(encoder=encoder, k=1, head=None, calibrate=False)
    pure.fit(labels=NEW_LABELS)
    assert pure.predict(NEW).tolist() == NEW_LABELS
    assert (pure.predict_proba(NEW) > 0).all(), "every label votes, whatever k is"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "labels is empty"),
        ({}, "labels is empty"),
        ("coffee", "got the string 'coffee'"),
        ({"a": " "}, "blank name or description"),
        ({"a": []}, "'a' has no description"),
        (["a", "a "], "'a' appears twice"),
        ([1, 2], "not two strings"),
    ],
)
def test_labels_must_be_names_or_descriptions(
    encoder: Encoder, labels: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        NeighborClassifier(encoder=encoder).fit(labels=labels)  # type: ignore[arg-type]
