"""Labels in words, of examples and in an index: the same label spelled otherwise is one."""

import warnings

import numpy as np
import pandas as pd
import pytest

from classifiers import LabelSpellingWarning, NeighborClassifier
from retrieval import Encoder, InputError
from tests.milvus_places import Places

WORDS = {"dairy": "milk, cheese and yogurt", "snacks": "chips, pretzels and cookies"}
X = ["whole milk", "cheddar cheese", "potato chips", "salted pretzels"]
Y = ["dairy", "dairy", "snacks", "snacks"]
NEW = ["greek yogurt", "tortilla chips", "butter cookies"]

OTHERWISE = [
    "Dairy",
    "DAIRY ",
    "\uff24\uff41\uff49\uff52\uff59",  # full width
    "dai\u200bry",  # a zero-width space
    "\ufeffdairy",  # a byte order mark
]


def _words(spelling: str) -> dict[str, str]:
    return {spelling: WORDS["dairy"], "snacks": WORDS["snacks"]}


@pytest.mark.parametrize("spelling", OTHERWISE)
def test_words_take_the_spelling_of_the_examples(encoder: Encoder, spelling: str) -> None:
    same = NeighborClassifier(encoder=encoder).fit(X, Y, labels=WORDS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf = NeighborClassifier(encoder=encoder).fit(X, Y, labels=_words(spelling))
    if spelling.strip() != "dairy":
        (told,) = (one for one in caught if one.category is LabelSpellingWarning)
        assert "is 'dairy'" in str(told.message)
        assert told.filename == __file__
    assert clf.classes_.tolist() == ["dairy", "snacks"]
    assert clf.predict_proba(NEW) == pytest.approx(same.predict_proba(NEW), abs=1e-6)


def test_normalize_labels_does_so_without_a_word(encoder: Encoder) -> None:
    y = ["Dairy", "dairy", "dairy", "snacks"]
    words = {"DAIRY": WORDS["dairy"], "Snacks": "chips", "SNACKS": "cookies"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = NeighborClassifier(encoder=encoder, normalize_labels=True).fit(X, y, labels=words)
        assert clf.classes_.tolist() == ["dairy", "snacks"]
        clf.add_examples(["sour cream"], ["DAIRY"])
        clf.add_examples(["trail mix"], [" Snacks"])
    assert clf.classes_.tolist() == ["dairy", "snacks"]
    assert clf.knowledge_.counts.tolist() == [4, 2]


def test_lists_of_labels_are_spelled_alike_too(encoder: Encoder) -> None:
    y = [["Cold", "coffee"], ["cold"], ["cold", "coffee"], []]
    clf = NeighborClassifier(encoder=encoder, normalize_labels=True)
    assert clf.fit(X, y).classes_.tolist() == ["coffee", "cold"]
    with pytest.warns(LabelSpellingWarning, match="'cold' / 'Cold'"):
        NeighborClassifier(encoder=encoder).fit(X, y)
    with pytest.warns(LabelSpellingWarning, match="'COFFEE' is 'coffee'"):
        words = NeighborClassifier(encoder=encoder).fit(X, [["coffee"]] * 4, labels={"COFFEE": "x"})
    assert words.classes_.tolist() == ["coffee"]


@pytest.mark.parametrize("spelling", OTHERWISE)
def test_another_spelling_of_a_label_cannot_be_added(encoder: Encoder, spelling: str) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(X, Y)
    with pytest.raises(InputError, match="exists"):
        clf.add_label(spelling, "milk")
    assert clf.classes_.tolist() == ["dairy", "snacks"]
    assert clf.index_.count() == 4


def test_examples_of_a_label_in_words_take_its_spelling(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(labels=WORDS)
    with pytest.warns(LabelSpellingWarning, match="'Dairy' is 'dairy'") as caught:
        clf.add_examples(["whole milk"], ["Dairy"])
    assert caught[0].filename == __file__
    assert clf.classes_.tolist() == ["dairy", "snacks"]
    assert clf.knowledge_.counts.tolist() == [1, 0]
    # Now it has an example, and another spelling is a label of its own, as in `fit`.
    with pytest.warns(LabelSpellingWarning, match="'Dairy' / 'dairy'"):
        clf.add_examples(["skim milk"], ["Dairy"])
    assert clf.classes_.tolist() == ["Dairy", "dairy", "snacks"]


def test_an_index_and_words_are_one(milvus: Places, encoder: Encoder) -> None:
    items = pd.DataFrame({"item_id": list("abcd"), "name": X, "kind": Y})
    with milvus().open(encoder) as index:
        index.upsert(items, text="name", label="kind")
        words = {name.title(): text for name, text in WORDS.items()}
        with pytest.warns(LabelSpellingWarning, match="'Dairy' is 'dairy'; 'Snacks' is 'snacks'"):
            clf = NeighborClassifier(index).fit(labels=words)
        assert clf.classes_.tolist() == ["dairy", "snacks"]
        quiet = NeighborClassifier(index, normalize_labels=True).fit(labels=words)
        assert np.array_equal(quiet.predict_proba(NEW), clf.predict_proba(NEW))
        # Labels in words whose first example others write take the spelling of that.
        clf.add_label("cleaning", "soap and bleach")
        soap = pd.DataFrame({"item_id": ["e"], "name": ["hand soap"], "kind": ["CLEANING"]})
        index.upsert(soap, text="name", label="kind")
        assert clf.catch_up().classes_.tolist() == ["CLEANING", "dairy", "snacks"]
        # What the index itself spells in two ways is told and stays.
        index.upsert(soap.assign(item_id="f", kind="Cleaning"), text="name", label="kind")
        with pytest.warns(LabelSpellingWarning, match="'CLEANING' / 'Cleaning'"):
            NeighborClassifier(index).fit()
