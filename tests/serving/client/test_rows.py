"""The client says of a table what the library would read in it."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from retrieval import InputError
from serving.client.rows import options_of, rows_of


def test_a_table_is_told_as_the_library_reads_it() -> None:
    items = pd.DataFrame(
        {
            "item_id": [7.0, 8.0],
            "name": ["tea", "soap"],
            "label": [1.0, np.nan],
            "launch": [dt.date(2024, 3, 1), None],
            "code": [9007199254740993, 5],
            "organic": [True, False],
            "since": pd.to_datetime(["2024-03-01", None]),
        }
    )
    rows = rows_of(items, "name", "item_id", "label", "launch", ["code", "organic", "since"])
    assert json.loads(json.dumps(rows[0])) == {
        "text": {"name": "tea"},
        "item_id": "7",
        "label": "1",
        "launch_date": "2024-03-01",
        "attributes": {"code": 9007199254740993, "organic": True, "since": "2024-03-01"},
    }
    assert (rows[1]["label"], rows[1]["launch_date"], rows[1]["attributes"]["since"]) == (
        (None,) * 3
    )


def test_what_would_lose_something_is_refused() -> None:
    items = pd.DataFrame({"item_id": [2.0**53], "name": ["tea"], "launch": ["03/01/2024"]})
    with pytest.raises(
        InputError, match=r"column item_id: 9007199254740992\.0 is a decimal number"
    ):
        rows_of(items, "name", "item_id", None, None, ())
    with pytest.raises(InputError, match="launch: '03/01/2024' is not a date"):
        rows_of(items, "name", None, None, "launch", ())


def test_dates_of_a_question_are_iso() -> None:
    where = {"since": dt.date(2024, 3, 1), "code": [1, 2], "price": {"low": 1}}
    assert options_of(as_of=pd.Timestamp("2024-03-01"), where=where, k=3, labeled=None) == {
        "as_of": "2024-03-01",
        "where": {"since": "2024-03-01", "code": [1, 2], "price": {"low": 1}},
        "k": 3,
    }
    with pytest.raises(InputError, match="as_of: 20240301 is not a date"):
        options_of(as_of=20240301)
