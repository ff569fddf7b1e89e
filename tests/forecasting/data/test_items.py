import pandas as pd
import pytest

from forecasting.data.items import item_lives
from retrieval import TableError

IDS = pd.Series(["b", "a"])


def test_lives_are_sorted_by_id_and_local() -> None:
    launch = pd.Series(["2024-01-10 23:30+01:00", None])
    lives = item_lives(IDS, launch)
    assert lives["id"].tolist() == ["a", "b"]
    assert lives["launch"].tolist() == [pd.NaT, pd.Timestamp("2024-01-10")]
    assert lives["delisted"].isna().all()


def test_what_is_no_date_names_the_table_and_the_item() -> None:
    with pytest.raises(TableError, match=r"new_items: launch date is not a date\s+row 1: item='b'"):
        item_lives(IDS, pd.Series(["soon", None]), source="new_items")
