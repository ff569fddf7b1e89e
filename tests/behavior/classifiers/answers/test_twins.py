"""Examples that read the same: no id has a say in what they vote for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from retrieval import Encoder, ItemIndex
from tests.classifiers.conftest import Shelf

TEXTS = ["please call me back", "where is my parcel", "cancel my order", "thank you"]
MAJORITY = 0.65


def _tickets() -> pd.DataFrame:
    """Of each text 35 of a label whose ids come first, and 65 of another."""
    rows = [
        (f"{one:03d}-{number}", text, f"{number}-{'a' if one < 35 else 'b'}")
        for number, text in enumerate(TEXTS)
        for one in range(100)
    ]
    return pd.DataFrame(rows, columns=["item_id", "text", "label"])


@pytest.mark.parametrize("head", ["linear", None])
def test_the_majority_of_twins_is_named_at_its_share(encoder: Encoder, head: str | None) -> None:
    tickets = _tickets()
    classifier = NeighborClassifier(encoder=encoder, head=head)  # type: ignore[arg-type]
    classifier.fit(tickets[["item_id", "text"]], tickets["label"])
    labels = classifier.classify(TEXTS)
    assert labels["label"].tolist() == [f"{number}-b" for number in range(len(TEXTS))]
    np.testing.assert_allclose(labels["probability"], MAJORITY, atol=0.06)
    for near in labels["neighbors"]:
        assert [one["count"] for one in near] == [65, 35]
        np.testing.assert_allclose([one["weight"] for one in near], [0.65, 0.35], atol=1e-9)


def test_other_ids_and_another_order_give_the_same_labels_table(encoder: Encoder) -> None:
    tickets = _tickets()
    mixed = tickets.sample(frac=1, random_state=3).reset_index(drop=True)
    mixed["item_id"] = [f"n{one}" for one in np.random.default_rng(1).permutation(len(mixed))]
    tables = [
        NeighborClassifier(encoder=encoder, k=30)
        .fit(table[["item_id", "text"]], table["label"])
        .classify([*TEXTS, "call me", "track my parcel"])
        for table in (tickets, mixed)
    ]
    one, other = tables
    assert one["label"].tolist() == other["label"].tolist()
    assert one["label_set"].tolist() == other["label_set"].tolist()
    np.testing.assert_allclose(one["probability"], other["probability"], atol=1e-6)
    np.testing.assert_allclose(one["novelty"], other["novelty"], atol=1e-5)
    for mine, its in zip(one["neighbors"], other["neighbors"], strict=True):
        assert [(x["label"], x["count"]) for x in mine] == [(x["label"], x["count"]) for x in its]


def test_behind_a_filter_twins_vote_at_their_share(encoder: Encoder, tmp_path: Path) -> None:
    tickets = _tickets().assign(shop="s")
    with ItemIndex(str(tmp_path / "tickets.db"), encoder) as index:
        index.upsert(tickets, text="text", label="label", attributes=["shop"])
        classifier = NeighborClassifier(index).fit()
        proba = classifier.predict_proba(TEXTS, where={"shop": "s"})
        best = proba[np.arange(len(TEXTS)), proba.argmax(axis=1)]
        assert classifier.predict(TEXTS, where={"shop": "s"}).tolist() == [
            "0-b",
            "1-b",
            "2-b",
            "3-b",
        ]
        np.testing.assert_allclose(best, MAJORITY, atol=0.06)


@pytest.mark.parametrize("head", ["linear", None])
@pytest.mark.parametrize("saved", [False, True])
def test_a_correction_wins(
    encoder: Encoder, shelf: Shelf, tmp_path: Path, head: str | None, saved: bool
) -> None:
    texts = [f"{text} {number}" for number, text in enumerate(shelf.texts)]  # no two the same
    classifier = NeighborClassifier(encoder=encoder, head=head)  # type: ignore[arg-type]
    classifier.fit(texts, shelf.labels)
    odd = "potato chips salted 7 oz"
    (was,) = classifier.predict([odd]).tolist()
    other = next(label for label in classifier.classes_.tolist() if label != was)
    near = [odd, "potato chips salted 8 oz"]
    place = classifier.classes_.tolist().index(other)
    before = classifier.predict_proba(near)[:, place]
    classifier.add_examples([odd], [other])
    if saved:
        classifier.save(tmp_path / "model")
        classifier = NeighborClassifier.load(tmp_path / "model", encoder=encoder)
    after = classifier.predict_proba(near)[:, place]
    assert classifier.predict(["a new shoe", odd, odd.upper()]).tolist()[1:] == [other, other]
    assert after[0] > 0.75
    assert (after > before).all()
