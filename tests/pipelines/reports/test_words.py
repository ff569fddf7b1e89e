import math

import pandas as pd
import pytest

from pipelines.reports.words import counted, date, number, short


@pytest.mark.parametrize("value", [None, math.nan])
def test_what_there_is_not_is_said(value: float | None) -> None:
    assert number(value) == number(value, "{:+.0%}") == "n/a"


def test_numbers_and_days_are_written_as_asked() -> None:
    assert (number(0.12345), number(0.5, "{:+.0%}")) == ("0.123", "+50%")
    assert date(pd.Timestamp("2024-12-31 10:00")) == "2024-12-31"


def test_one_is_no_plural() -> None:
    assert (counted(1, "item"), counted(1_200, "launch", "es")) == ("1 item", "1,200 launches")


def test_only_a_long_text_is_cut() -> None:
    assert (short("green tea", 9), short("green teas", 9)) == ("green tea", "green te…")
