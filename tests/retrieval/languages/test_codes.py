from __future__ import annotations

import pandas as pd
import pytest

from retrieval import TableError, language_code, language_codes


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("zh_Hant", "zh"),
        ("deu", "de"),
        ("und", "und"),
        ("mul", "und"),
        ("German", None),
        ("q1", None),
        ("", None),
    ],
)
def test_codes_are_read_as_they_are_written(written: str, code: str | None) -> None:
    assert language_code(written) == code


def test_a_column_keeps_what_is_missing() -> None:
    codes = language_codes(pd.Series(["de-DE", None, " ", "EN"], name="lang"))
    assert codes.dropna().tolist() == ["de", "en"]
    assert codes.isna().tolist() == [False, True, True, False]


def test_what_is_no_code_is_named_with_its_row() -> None:
    with pytest.raises(TableError, match="row 2, column lang is no code of a language: 'German'"):
        language_codes(pd.Series(["de", "German"], name="lang"), "items.csv")
