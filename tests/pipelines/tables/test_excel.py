"""Sheets of workbooks as tables."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from pipelines.tables.formats import TableFile
from pipelines.tables.reader import Kind, read_table
from retrieval import InputError, TableError

KINDS: dict[str, Kind] = {"id": "name", "name": "string", "day": "date", "price": "any"}
ROWS: list[list[Any]] = [
    ["id", "name", "day", "price"],
    [7, "milk", dt.datetime(2024, 3, 1), 3.5],
    [8.0, 404, "2024-03-08", None],
    [None, " ", None, None],
]


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_cells_of_a_sheet_are_what_their_types_say(tmp_path: Path) -> None:
    table = read_table(workbook(tmp_path / "t.XLSX", one=ROWS, empty=[]), KINDS)
    assert table["id"].tolist() == ["7", "8"]
    assert table["name"].tolist() == ["milk", "404"]
    assert table["day"].tolist() == [pd.Timestamp("2024-03-01"), pd.Timestamp("2024-03-08")]
    assert table["price"].tolist()[0] == 3.5


def test_of_several_sheets_one_is_named(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", items=ROWS, notes=[["x"], [1]])
    with pytest.raises(InputError, match=r"which sheet\? Set sheet .*there are: items, notes"):
        read_table(path)
    assert read_table(TableFile(path, sheet="notes")).to_dict("list") == {"x": [1]}
    with pytest.raises(InputError, match=r"no sheet 'sales' \(there are: items, notes\)"):
        read_table(TableFile(path, sheet="sales"))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "the sheet is empty"),
        ([["a", None], [1, 2]], "column 2 has no name"),
        ([["a", "a"], [1, 2]], "column 'a' appears twice"),
    ],
)
def test_a_sheet_that_is_no_table_is_refused(
    tmp_path: Path, rows: list[list[Any]], problem: str
) -> None:
    with pytest.raises(TableError, match=problem):
        read_table(workbook(tmp_path / "t.xlsx", one=rows))


def test_what_is_no_workbook_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(TableError, match=r"t.xlsx: not a whole Excel workbook"):
        read_table(tmp_path / "t.xlsx")
