"""Attributes are numbers or categories; a price in words is never a category in silence."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from retrieval import validate_items
from retrieval.errors import TableError
from retrieval.values.attributes import as_attribute


@pytest.mark.parametrize(
    ("cells", "dtype", "want"),
    [
        ([1, 2, None], object, [1.0, 2.0]),
        ([Decimal("1.50"), 2.5], object, [1.5, 2.5]),
        (["3.99", "4.50"], object, [3.99, 4.5]),
        (["$3.99", "$4.50"], "str", [3.99, 4.5]),
        ([3.99, "4.50"], object, [3.99, 4.5]),
        (["38", "40"], "str", ["38", "40"]),
        (["38", "M", "40/42"], "str", ["38", "M", "40/42"]),
        (["S", 38, 40.0], object, ["S", "38", "40"]),
        (["3.99", "4.50"], "category", ["3.99", "4.50"]),
        ([True, False, None], object, ["true", "false"]),
        (["True", "FALSE", "yes"], "str", ["true", "false", "yes"]),
        ([2**53 + 1, 2], "int64", ["9007199254740993", "2"]),
        ([dt.date(2024, 3, 1), pd.Timestamp("2024-03-02")], object, ["2024-03-01", "2024-03-02"]),
        ([None, None], object, []),
    ],
)
def test_what_a_column_holds(cells: list[Any], dtype: Any, want: list[Any]) -> None:
    read = as_attribute(pd.Series(cells, dtype=dtype))
    assert read.values.dropna().tolist() == want
    assert not read.problems.any()


def test_what_is_known_of_a_column_is_not_guessed() -> None:
    assert as_attribute(pd.Series(["38.5"]), "string").values.tolist() == ["38.5"]
    assert as_attribute(pd.Series([3.0, 4.5]), "string").values.tolist() == ["3", "4.5"]
    assert as_attribute(pd.Series(["38"]), "number").values.tolist() == [38.0]
    assert as_attribute(pd.Series([None], dtype=object), "number").values.dtype == "float64"
    for cells in (["M"], [True], [2**53 + 1]):
        assert as_attribute(pd.Series(cells), "number").problems.all()


def test_a_bad_price_is_named_and_a_reading_is_told(caplog: pytest.LogCaptureFixture) -> None:
    items = pd.DataFrame({"item_id": list("abc"), "name": "tea", "price": ["3,99", "4,50", "n/a"]})
    with pytest.raises(TableError, match="row 3, column price is not a number: 'n/a'") as caught:
        validate_items(items, item_id="item_id", text="name", attributes=["price"])
    assert caught.value.offenses[0].rows == [2]
    validate_items(items[:2], item_id="item_id", text="name", attributes=["price"], source="new")
    assert "new: column price is read as numbers: decimal comma" in caplog.text
