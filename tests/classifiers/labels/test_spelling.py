import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from classifiers.labels.spelling import (
    LabelSpellingWarning,
    normalize_labels,
    similar_spellings,
    warn_of_similar_spellings,
)

_SPELLINGS = st.sampled_from(["Tea", "tea", " TEA", "green tea", "Green  tea ", "soap"])


@pytest.mark.parametrize(
    ("y", "normalized"),
    [
        (["Coffee", "coffee ", "COFFEE", "coffee"], ["coffee"] * 4),
        (["b", "B"], ["B", "B"]),
        (["Green  Tea", "green tea", "green tea"], ["green tea"] * 3),
        (["a b", "ab"], ["a b", "ab"]),
        ([" tea "], ["tea"]),
        ([2, 1, 2], [2, 1, 2]),
        ([None, "Tea", "Tea", "tea"], [None, "Tea", "Tea", "Tea"]),
        ([["Tea", "tea"], [], ["tea", "soap", "tea"]], [["tea"], [], ["tea", "soap"]]),
        ([("Tea",), {"Tea"}, np.array(["tea"])], [["Tea"], ["Tea"], ["Tea"]]),
        (pd.Series(["Tea", "Tea", "tea"], index=[5, 6, 7]), ["Tea"] * 3),
        ([], []),
    ],
)
def test_the_most_frequent_spelling_wins(y: list[object], normalized: list[object]) -> None:
    assert normalize_labels(y) == normalized


@given(st.lists(_SPELLINGS))
def test_normalized_labels_have_one_spelling_each(y: list[str]) -> None:
    normalized = normalize_labels(y)
    assert similar_spellings(normalized) == []
    assert normalize_labels(normalized) == normalized
    assert [" ".join(label.lower().split()) for label in y] == [
        " ".join(label.lower().split()) for label in normalized
    ]


@given(st.permutations(["Tea", "tea", "tea ", "SOAP", "soap", "oil"]))
def test_the_order_of_labels_does_not_matter(y: list[str]) -> None:
    assert similar_spellings(y) == [["SOAP", "soap"], ["tea", "Tea"]]


def test_blanks_around_a_label_are_no_spelling_of_its_own() -> None:
    assert similar_spellings(["tea", " tea", "tea "]) == []
    assert similar_spellings([["tea"], ["Tea", "soap"]]) == [["Tea", "tea"]]
    assert similar_spellings([1, None, np.nan, True]) == []


def test_the_warning_names_the_first_groups_and_the_way_out() -> None:
    y = [spelling for letter in "abcdefg" for spelling in (letter, letter.upper())]
    with pytest.warns(LabelSpellingWarning) as caught:
        warn_of_similar_spellings(y)
    message = str(caught[0].message)
    assert "'A' / 'a'; 'B' / 'b'" in message
    assert "'E' / 'e'; ... and 2 more" in message
    assert "normalize_labels" in message
    assert caught[0].filename == __file__


def test_labels_of_one_spelling_raise_no_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_similar_spellings(["tea", "soap", "tea"])
    assert not caught
