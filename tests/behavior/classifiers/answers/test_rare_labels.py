"""A record of a rare class: found, not called unknown, and in the label sets."""

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from retrieval import Encoder
from tests.classifiers.conftest import ASTRONOMY, Shelf

ADJECTIVES = [
    "great",
    "wonderful",
    "excellent",
    "lovely",
    "superb",
    "terrible",
    "awful",
    "boring",
    "decent",
    "fine",
]
NOUNS = [
    "movie",
    "hotel",
    "phone",
    "book",
    "meal",
    "service",
    "game",
    "car",
    "concert",
    "course",
    "lamp",
    "chair",
]
REVIEWS = [
    f"{adjective} {noun}, would {verb} again"
    for adjective in ADJECTIVES
    for noun in NOUNS
    for verb in ("buy", "visit", "use")
]
FRAUDS = [
    "my credit card was stolen",
    "unknown charge on my account",
    "someone used my card in another city",
    "I never made this payment",
    "please block my card, it was copied",
    "suspicious transfer yesterday",
    "my bank login was hacked",
    "a stranger withdrew money",
    "fraudulent purchase on my statement",
    "card details leaked online",
    "got charged twice by a fake shop",
    "phishing mail took my password",
    "money vanished from my account",
    "thief emptied my wallet and used the card",
    "unauthorised withdrawal at an ATM",
    "someone cloned my debit card",
    "I did not approve this transaction",
    "strange debit from a foreign store",
    "scammer called and charged me",
    "identity theft on my bank profile",
]


@pytest.mark.parametrize("n", [4, 8, 12])
def test_of_a_label_of_few_examples_beside_hundreds_new_items_are_known(
    encoder: Encoder, n: int
) -> None:
    clf = NeighborClassifier(encoder=encoder)
    clf.fit(REVIEWS + FRAUDS[:n], ["review"] * len(REVIEWS) + ["fraud"] * n)
    table = clf.classify(FRAUDS[12:])
    right = table[table["label"] == "fraud"]
    assert len(right) >= 6
    assert right["known"].mean() >= 0.75, "without: 0 to 25 %"
    assert np.mean(["fraud" in one for one in table["label_set"]]) >= 0.75, "without: none"
    # A 90 % promise takes nine answers, and nothing here could be cut to give more.
    assert (right["assured"] == (n >= 9)).all()
    reviews = clf.classify([f"{text} soon" for text in REVIEWS[::20]])
    assert reviews["known"].mean() > 0.9
    assert reviews["assured"].all()
    assert (reviews["label_set"].map(len) <= 1).mean() > 0.9, "their sets do not grow"
    assert not clf.classify(ASTRONOMY)["known"].any()


def _with_few(shelf: Shelf, rare: str, few: int) -> tuple[list[str], list[str]]:
    place = pd.Series(shelf.labels).groupby(shelf.labels).cumcount()
    kept = [
        row
        for row, label in enumerate(shelf.labels)
        if label != rare or place[row] < few  # the first ones of a shuffled shelf
    ]
    return [shelf.texts[row] for row in kept], [shelf.labels[row] for row in kept]


def test_a_rare_category_is_in_the_sets_and_strangers_stay_strange(
    encoder: Encoder, shelf: Shelf
) -> None:
    known, held, sure, shared = [], [], [], []
    for rare in ("SOUP", "BEEF", "VITAMINS"):
        clf = NeighborClassifier(encoder=encoder, head=None, prototypes=True)
        clf.fit(*_with_few(shelf, rare, 5))
        sets = clf.knowledge_.trained.decision.label_sets
        assert sets is not None
        assert len(sets.scores) > len(sets.out_of_fold), "labels were cut for the sake of the small"
        new = [
            text
            for text, label in zip(shelf.new_texts, shelf.new_labels, strict=True)
            if label == rare
        ]
        table = clf.classify(new)
        known += table["known"].tolist()
        threshold = clf.knowledge_.trained.decision.novelty.threshold
        shared += (table["novelty"] <= threshold).tolist()
        held += [rare in one for one in table["label_set"]]
        sure += clf.classify(ASTRONOMY)["known"].tolist()
    assert np.mean(known) > 0.75
    assert sum(known) > sum(shared), "with one threshold for all labels"
    assert np.mean(held) > 0.8
    assert np.mean(sure) < 0.1


def test_the_order_of_the_examples_changes_nothing(encoder: Encoder, shelf: Shelf) -> None:
    texts, labels = _with_few(shelf, "SOUP", 5)
    order = np.random.default_rng(0).permutation(len(texts))
    one, other = (
        NeighborClassifier(encoder=encoder, head=None, prototypes=True).fit(x, y)
        for x, y in (
            (texts, labels),
            ([texts[row] for row in order], [labels[row] for row in order]),
        )
    )
    mine, its = (clf.classify(shelf.new_texts[:60]) for clf in (one, other))
    assert (mine["known"] == its["known"]).all()
    assert mine["label_set"].tolist() == its["label_set"].tolist()
    assert mine["assured"].tolist() == its["assured"].tolist()


def test_a_label_that_comes_later_promises_nothing(encoder: Encoder, shelf: Shelf) -> None:
    clf = NeighborClassifier(encoder=encoder, head=None, prototypes=True)
    clf.fit(shelf.texts, shelf.labels)
    clf.add_examples(["red lipstick", "lipstick matte pink"], ["MAKEUP"] * 2)
    (row,) = clf.classify(["lipstick nude"]).to_dict("records")
    assert (row["label"], row["assured"]) == ("MAKEUP", False)
    assert clf.classify(shelf.new_texts[:20])["assured"].all()
