"""One conversion of cells: the same value is the same text, wherever it comes from."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from retrieval import as_text, cell_texts, lost


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (np.float32(3), "3"),
        (Decimal("3.00"), "3"),
        (1.5, "1.5"),
        (np.float32(1.1), "1.1"),
        (Decimal("1.50"), "1.5"),
        (True, "true"),
        (np.bool_(False), "false"),
        ("True", "True"),
        (9007199254740993, "9007199254740993"),
        (dt.date(2024, 3, 1), "2024-03-01"),
        (pd.Timestamp("2024-03-01"), "2024-03-01"),
        (np.datetime64("2024-03-01T12:30"), "2024-03-01T12:30:00"),
        (["b", "a", "b"], '["a", "b"]'),
        (np.array(["é"], dtype=object), '["é"]'),
        ([], "[]"),
    ],
)
def test_a_value_has_one_text(value: Any, text: str) -> None:
    assert as_text(value) == text


@given(st.lists(st.none() | st.integers(-(2**53) + 1, 2**53 - 1)))
def test_gaps_do_not_change_whole_numbers(values: list[int | None]) -> None:
    want = [None if one is None else str(one) for one in values]
    for column in (
        pd.Series(values, dtype=object),
        pd.Series(values, dtype="Int64"),
        pd.Series(values, dtype="float64"),
    ):
        assert not lost(column).any()
        assert [None if pd.isna(one) else one for one in cell_texts(column)] == want


def test_decimal_numbers_that_lost_their_digits_are_marked() -> None:
    for dtype in ("float64", object):
        marks = lost(pd.Series([2.0**53, 2.0**53 - 1, None, np.inf], dtype=dtype))
        assert marks.tolist() == [True, False, False, False]
    assert not lost(pd.Series([2**60])).any()
