"""Which launches share their fate, told by a column or recognized by day and text."""

import logging

import numpy as np
import pandas as pd
import pytest

from forecasting.data.groups import near_twins, told_groups

DAY = pd.Timestamp("2024-03-04")
SHIRT = "organic cotton shirt with long sleeves"


def sets(groups: np.ndarray) -> set[frozenset[int]]:
    rows = pd.Series(np.arange(len(groups))).groupby(groups)
    return {frozenset(one) for _, one in rows}


def test_a_name_is_a_group_and_without_one_an_item_is_alone() -> None:
    found = told_groups(np.array(["a", None, "b", "a", np.nan, ""], dtype=object))
    assert sets(found) == {frozenset(one) for one in ([0, 3], [1], [2], [4], [5])}


def test_colors_launched_on_one_day_are_twins(caplog: pytest.LogCaptureFixture) -> None:
    texts = pd.Series([f"{SHIRT}, {color}" for color in ("red", "Blue", "green")] + ["brass lamp"])
    with caplog.at_level(logging.INFO, logger="forecasting"):
        found = near_twins(texts, pd.Series([DAY] * 4))
    assert sets(found) == {frozenset([0, 1, 2]), frozenset([3])}
    assert "3 launches of one day" in caplog.text
    assert "Columns(group=...)" in caplog.text


def test_another_day_or_none_is_another_group() -> None:
    texts = pd.Series([f"{SHIRT}, red", f"{SHIRT}, blue"] * 2)
    later = DAY + pd.Timedelta(days=1)
    found = near_twins(texts, pd.Series([DAY, later, pd.NaT, pd.NaT]))
    assert sets(found) == {frozenset([row]) for row in range(4)}


def test_stores_that_sell_the_same_are_twins_and_likeness_is_passed_on() -> None:
    texts = pd.Series([SHIRT, SHIRT, f"{SHIRT} red", f"{SHIRT} red stripes"])
    assert len(sets(near_twins(texts, pd.Series([DAY] * 4)))) == 1


@pytest.mark.parametrize("texts", [[], [""], ["", ""], [".", "."], ["red", "blue"]])
def test_little_text_makes_no_twins(texts: list[str]) -> None:
    found = near_twins(pd.Series(texts, dtype="str"), pd.Series([DAY] * len(texts)))
    assert len(sets(found)) == len(texts)


def test_the_order_of_items_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    words = np.array(["red", "blue", "mug", "cup", "tall", "wide", "new", "old"])
    texts = pd.Series([" ".join(rng.choice(words, 5)) for _ in range(60)])
    days = pd.Series(DAY + pd.to_timedelta(rng.integers(0, 4, 60), unit="D"))
    order = rng.permutation(60)
    again = near_twins(texts.iloc[order].reset_index(drop=True), days.iloc[order])
    there = np.empty(60, dtype=np.int64)
    there[order] = again
    assert sets(there) == sets(near_twins(texts, days))
