"""Neighbors, prototypes and head together, calibrated: what changes with each, what does not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss

from classifiers import NeighborClassifier
from retrieval import Encoder
from tests.classifiers.conftest import ASTRONOMY, Shelf

PARTS = {"neighbors", "prototypes", "head"}


@pytest.fixture(scope="module")
def pure(encoder: Encoder, shelf: Shelf) -> NeighborClassifier:
    clf = NeighborClassifier(encoder=encoder, head=None, calibrate=False)
    return clf.fit(shelf.texts, shelf.labels)


def test_new_items_are_labeled_rightly(learned: NeighborClassifier, shelf: Shelf) -> None:
    assert accuracy_score(shelf.new_labels, learned.predict(shelf.new_texts)) > 0.95


def test_every_part_has_its_share_of_the_probability(learned: NeighborClassifier) -> None:
    row = learned.classify(["ground coffee, dark roast"]).iloc[0]
    assert set(row["parts"]) == PARTS
    assert all(added > 0 for added in row["parts"].values())
    # What is left is spread over all labels: none is impossible.
    assert 0.95 * row["probability"] < sum(row["parts"].values()) <= row["probability"]


@pytest.mark.parametrize(
    ("parameters", "parts"),
    [
        ({"head": None}, {"neighbors"}),
        ({"prototypes": False}, {"neighbors", "head"}),
        ({"head": None, "prototypes": True}, {"neighbors", "prototypes"}),
    ],
)
def test_parts_can_be_left_out(
    encoder: Encoder, shelf: Shelf, parameters: dict[str, object], parts: set[str]
) -> None:
    clf = NeighborClassifier(encoder=encoder, **parameters)  # type: ignore[arg-type]
    clf.fit(shelf.texts, shelf.labels)
    assert set(clf.classify(["coffee"])["parts"][0]) == parts
    assert accuracy_score(shelf.new_labels, clf.predict(shelf.new_texts)) > 0.95


def test_calibration_makes_surprises_rarer(
    learned: NeighborClassifier, pure: NeighborClassifier, shelf: Shelf
) -> None:
    losses = [
        log_loss(shelf.new_labels, one.predict_proba(shelf.new_texts), labels=one.classes_)
        for one in (learned, pure)
    ]
    assert losses[0] < losses[1]


def test_a_classifier_that_was_never_wrong_is_not_sure_of_everything(
    encoder: Encoder, texts: list[str], groceries: pd.DataFrame
) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(texts, groceries["category"])
    assert clf.predict(texts).tolist() == groceries["category"].tolist()
    assert np.median(clf.predict_proba(ASTRONOMY).max(axis=1)) < 0.95


def test_calibration_of_pure_neighbors_changes_no_label(
    encoder: Encoder, pure: NeighborClassifier, shelf: Shelf
) -> None:
    calibrated = NeighborClassifier(encoder=encoder, head=None).fit(shelf.texts, shelf.labels)
    raw, scaled = (one.predict_proba(shelf.new_texts) for one in (pure, calibrated))
    assert (raw.argmax(axis=1) == scaled.argmax(axis=1)).all()
    assert np.abs(raw - scaled).max() > 0.01


def test_the_order_of_the_examples_does_not_matter(
    encoder: Encoder, learned: NeighborClassifier, shelf: Shelf
) -> None:
    order = np.random.default_rng(4).permutation(len(shelf.texts))
    shuffled = NeighborClassifier(encoder=encoder).fit(
        [shelf.texts[row] for row in order], [shelf.labels[row] for row in order]
    )
    items = shelf.new_texts + ASTRONOMY
    np.testing.assert_allclose(
        shuffled.predict_proba(items), learned.predict_proba(items), atol=1e-6
    )
    one, other = shuffled.classify(items), learned.classify(items)
    assert one["label"].tolist() == other["label"].tolist()
    assert one["label_set"].tolist() == other["label_set"].tolist()
    assert one["known"].tolist() == other["known"].tolist()
    np.testing.assert_allclose(one["novelty"], other["novelty"], atol=1e-4)


def test_groups_go_with_their_examples_in_any_order(encoder: Encoder, shelf: Shelf) -> None:
    X, y, groups = shelf.texts[:60], shelf.labels[:60], [text.split()[0] for text in shelf.texts]
    forward = NeighborClassifier(encoder=encoder).fit(X, y, groups=groups[:60])
    backward = NeighborClassifier(encoder=encoder).fit(X[::-1], y[::-1], groups=groups[:60][::-1])
    without = NeighborClassifier(encoder=encoder).fit(X, y)
    novelty = [one.novelty(shelf.new_texts) for one in (forward, backward, without)]
    np.testing.assert_allclose(novelty[0], novelty[1], atol=1e-4)
    assert np.abs(novelty[0] - novelty[2]).max() > 0.01


def test_the_same_seed_gives_the_same_answers_to_the_bit(
    encoder: Encoder, learned: NeighborClassifier, shelf: Shelf
) -> None:
    again = NeighborClassifier(encoder=encoder).fit(shelf.texts, shelf.labels)
    assert (again.predict_proba(shelf.new_texts) == learned.predict_proba(shelf.new_texts)).all()
    assert (again.novelty(ASTRONOMY) == learned.novelty(ASTRONOMY)).all()
    other = NeighborClassifier(encoder=encoder, random_state=1).fit(shelf.texts, shelf.labels)
    assert (other.novelty(ASTRONOMY) != learned.novelty(ASTRONOMY)).any()


def test_texts_that_are_all_the_same_are_learned(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(
        ["coffee"] * 30 + ["cheese"] * 30, ["drink"] * 30 + ["food"] * 30
    )
    assert len(clf.knowledge_.example_ids) == 60
    assert clf.predict(["coffee", "cheese"]).tolist() == ["drink", "food"]
    nearest = clf.classify(["coffee"])["neighbors"][0][0]
    assert nearest["similarity"] == pytest.approx(1)
    assert nearest["count"] == 30


def test_one_text_with_two_labels_is_undecided(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder, head=None, calibrate=False)
    clf.fit(["milk", "milk"], ["drink", "food"])
    assert clf.predict_proba(["milk"]).tolist() == [[0.5, 0.5]]
