"""Cells that a spreadsheet would take for formulas: guarded where people will open the file.

A text that begins with ``= + - @``, a tab or the end of a line is run, not shown, by programs that
open CSV files. An apostrophe before it says text to them. Whatever looks guarded already gets one
more, so that reading takes away what writing added, and nothing else. Numbers, also those written
as text, are left alone.
"""

import re
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_GUARD = "'"
_BEGINNINGS = r"[=+\-@\t\r\n]"
_LOOKS_GUARDED = re.compile(f"{_GUARD}+{_BEGINNINGS}")
_BEGINS = re.compile(_BEGINNINGS)
_NUMBER = re.compile(r"[+-]?\d[\d.,]*(?:[eE][+-]?\d+)?", re.ASCII)


def guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its texts and the names of its columns guarded."""
    table = frame.copy(deep=False)
    for place in text_columns(frame):
        column: Any = table.iloc[:, place].astype(object).map(_guarded_cell)
        table.isetitem(place, column)
    return table.set_axis([_guarded_cell(name) for name in frame.columns], axis=1)


def text_columns(frame: pd.DataFrame) -> list[int]:
    """Return the places of the columns that may hold text."""
    return [
        place
        for place, kind in enumerate(frame.dtypes)
        if isinstance(kind, pd.CategoricalDtype | pd.StringDtype) or kind.kind == "O"
    ]


def unguarded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts without the guards of `guarded`."""
    return pc.replace_substring_regex(
        column, pattern=f"^{_GUARD}({_GUARD}*{_BEGINNINGS})", replacement=r"\1"
    )


def unguarded_name(name: str) -> str:
    """Return the name of a column without the guard of `guarded`."""
    return name[1:] if _LOOKS_GUARDED.match(name) else name


def _guarded_cell(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    begins = _BEGINS.match(cell) and not _NUMBER.fullmatch(cell)
    return _GUARD + cell if begins or _LOOKS_GUARDED.match(cell) else cell
