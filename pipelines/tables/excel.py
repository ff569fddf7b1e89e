"""Sheets of Excel workbooks, by openpyxl: the first row names the columns."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from pipelines.tables.columns import to_table
from pipelines.tables.formats import TableFile
from retrieval import InputError, TableError, as_text


def read_sheet(file: TableFile) -> pa.Table:
    """Read all columns of a sheet; of a formula its last value counts.

    Rows that are empty to the end of the sheet, and columns without a name and a value, are not
    read.

    Raises:
        TableError: It is no whole workbook, or a column has no name.
        InputError: There is no such sheet, several hold something and none is named, or openpyxl
            is not installed.
    """
    with _opened(file) as book:
        rows = _rows(_chosen(book, file))
    while rows and not any(value is not None for value in rows[-1]):
        rows.pop()
    if not rows:
        raise TableError(f"{file}: the sheet is empty")
    width = max(len(row) for row in rows)
    padded = [[*row, *[None] * (width - len(row))] for row in rows]
    header, columns = padded[0], list(zip(*padded[1:], strict=True)) or [()] * width
    named = {}
    for place, (name, values) in enumerate(zip(header, columns, strict=True), start=1):
        if name is None and any(value is not None for value in values):
            raise TableError(f"{file}: column {place} has no name in the first row")
        if name is not None:
            text = as_text(name).strip()
            if text in named:
                raise TableError(f"{file}: column {text!r} appears twice")
            named[text] = values
    return to_table(list(named), list(named.values()))


@contextmanager
def _opened(file: TableFile) -> Iterator[Any]:
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise InputError(f"{file}: pip install 'likewise[excel]' to read workbooks") from error
    try:
        with warnings.catch_warnings():
            # Of what a sheet has beside its cells: styles, validation, headers.
            warnings.simplefilter("ignore", UserWarning)
            book = openpyxl.load_workbook(file.path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise TableError(f"{file}: not a whole Excel workbook: {error}") from error
    try:
        yield book
    finally:
        book.close()


def _rows(sheet: Any) -> list[list[Any]]:
    sheet.reset_dimensions()  # some programs write wrong ones
    return [[_value(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]


def _value(cell: Any) -> Any:
    return None if isinstance(cell, str) and not cell.strip() else cell


def _chosen(book: Any, file: TableFile) -> Any:
    names = [sheet.title for sheet in book.worksheets]
    if file.sheet is not None:
        if file.sheet not in names:
            there = ", ".join(names)
            raise InputError(f"{file}: no sheet {file.sheet!r} (there are: {there})")
        return book[file.sheet]
    filled = [name for name in names if any(any(row) for row in _rows(book[name]))]
    if len(filled) > 1:
        there = ", ".join(filled)
        raise InputError(f"{file}: which sheet? Set sheet in the config (there are: {there})")
    return book[filled[0] if filled else names[0]]
