"""Columns of a table as what they are meant to hold: text, labels, dates, numbers, flags."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.tables.formats import CellFormat
from retrieval import (
    ISO,
    LOST,
    NOT_A_DATE,
    NumberFormat,
    Offense,
    Read,
    TableError,
    cell_texts,
    first_few,
    lost,
    parse_dates,
    read_numbers,
)

Kind = Literal["string", "name", "label", "category", "date", "number", "flag", "any"]
"""What a column holds; `pipelines.tables.read_table` says what becomes of it."""

_log = logging.getLogger(__name__)

_EXACT = 2**52
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
_OTHER_DATES = "another form of dates is a setting, {}"
_OTHER_NUMBERS = "marks and units of numbers are settings, {}"
_CATEGORY = "if these are no numbers but categories, name the column in items.categories"


@dataclass(frozen=True)
class Place:
    """Where a column stands, for messages.

    Attributes:
        source: What the table is called.
        column: The column.
        id_col: The column that names a row; None without one.
        ids: (n,) those names.
        rows: (n,) positions of the cells in the source.
        cells: How they are written.
        untyped: Whether they are text because the file knows no types.
    """

    source: str
    column: str
    id_col: str | None
    ids: pa.ChunkedArray | None
    rows: npt.NDArray[np.int64]
    cells: CellFormat
    untyped: bool

    def refuse(
        self, bad: npt.NDArray[np.bool_], cells: pd.Series, problem: str, *hints: str
    ) -> None:
        """Raise a TableError that lists the first cells marked `bad`, if any is."""
        rows = np.flatnonzero(bad)
        if len(rows) == 0:
            return
        lines = first_few(
            rows.tolist(), lambda row: f"{self._row(row)}: {cells.iloc[row]!r} {problem}"
        )
        found = [cells.iloc[row] for row in rows]
        offense = Offense(self.source, self.rows[rows].tolist(), self.column, problem, found)
        raise TableError("\n".join([*lines, *hints]), [offense])

    def wrong_type(self, column: pa.ChunkedArray, wanted: str) -> TableError:
        """Return the error of a column of another type."""
        return TableError(f"{self.source}: column {self.column!r} is {column.type}, not {wanted}")

    @property
    def other_dates(self) -> str:
        """Return what to set where dates are written otherwise."""
        return _OTHER_DATES.format(self.cells.setting("date_format"))

    @property
    def other_numbers(self) -> str:
        """Return what to set where numbers are."""
        return _OTHER_NUMBERS.format(self.cells.setting("numbers"))

    def _row(self, row: int) -> str:
        named = f" ({self.id_col} {self.ids[row].as_py()!r})" if self.ids is not None else ""
        return f"{self.source}: row {self.rows[row] + 1}{named}: {self.column}"


def as_kind(column: pa.ChunkedArray, kind: Kind, place: Place) -> pd.Series:
    """Return a column (n,) as what it holds.

    Raises:
        TableError: A cell does not fit; the message names its row.
    """
    match kind:
        case "string":
            return _pandas(as_text_column(column, place))
        case "name":
            return _as_names(column, place)
        case "label":
            return _as_labels(column, place)
        case "category":
            return _pandas(as_text_column(column, place)).astype("category")
        case "date":
            return _as_dates(column, place)
        case "number":
            return _as_numbers(column, place)
        case "flag":
            return _as_flags(column, place)
        case "any":
            return _as_any(column, place)


def as_text_column(column: pa.ChunkedArray, place: Place) -> pa.ChunkedArray:
    """Return a column as text, which of numbers, dates and truth values is as everywhere."""
    if _is_text(column):
        return column
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    if pa.types.is_nested(column.type):
        raise place.wrong_type(column, "text")
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column.cast(pa.string())
    cells = _pandas(column)
    place.refuse(lost(cells), cells, LOST)
    return pa.chunked_array([pa.array(cell_texts(cells), pa.string(), from_pandas=True)])


def _as_labels(column: pa.ChunkedArray, place: Place) -> pd.Series:
    """Return names, or lists of them as they are kept."""
    separator = place.cells.label_separator
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return cell_texts(_pandas(column))
    if separator is None:
        return _as_names(column, place)
    cells = _pandas(as_text_column(column, place))
    return cells.map(lambda cell: _listed(cell, separator), na_action="ignore")


def _as_names(column: pa.ChunkedArray, place: Place) -> pd.Series:
    """Labels and ids: in a file without types, what pandas reads as numbers with gaps counts so."""
    cells = _pandas(as_text_column(column, place))
    if not _is_text(column):
        return cells
    known = cells.dropna()
    if not place.untyped or known.empty:
        return cells
    if known.str.fullmatch(r"[+-]?\d+\.0").all():
        return cells.str.removesuffix(".0")
    return cells.str.lower() if known.str.fullmatch("(?i:true|false)").all() else cells


def _listed(cell: str, separator: str) -> str:
    names = {part.strip() for part in cell.split(separator)} - {""}
    return json.dumps(sorted(names), ensure_ascii=False)


def _as_dates(column: pa.ChunkedArray, place: Place) -> pd.Series:
    if column.null_count == len(column):
        return pd.Series(pd.NaT, index=range(len(column)), dtype="datetime64[us]")
    date_format, cells = place.cells.date_format, _pandas(column)
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if is_number and date_format == ISO:
        raise TableError(f"{place.wrong_type(column, 'dates')}; {place.other_dates}")
    if not (_is_text(column) or pa.types.is_temporal(column.type) or is_number):
        raise place.wrong_type(column, "dates")
    dates = pd.Series(parse_dates(cells, date_format))
    bad = (dates.isna() & cells.notna()).to_numpy()
    if date_format == ISO:
        place.refuse(bad, cells, NOT_A_DATE, place.other_dates)
    place.refuse(bad, cells, f"is not a date of the format {date_format!r}")
    return dates


def _as_numbers(column: pa.ChunkedArray, place: Place) -> pd.Series:
    cells = _pandas(column)
    if pa.types.is_nested(column.type) or pa.types.is_temporal(column.type):
        raise place.wrong_type(column, "numbers")
    if not _is_text(column):
        numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
        place.refuse((numbers.isna() & cells.notna()).to_numpy(), cells, "is not a number")
        return numbers
    return _numbers(read_numbers(cells, place.cells.numbers), cells, place, place.other_numbers)


def _numbers(read: Read, cells: pd.Series, place: Place, *hints: str) -> pd.Series:
    for problem in dict.fromkeys(one for one in read.problems if one is not None):
        place.refuse(read.problems == problem, cells, problem, *hints)
    if read.recognized:
        _log.warning(
            "%s: column %s is read as numbers: %s", place.source, place.column, read.recognized
        )
    return pd.Series(read.values)


def _as_flags(column: pa.ChunkedArray, place: Place) -> pd.Series:
    """Booleans out of text; what has a type of its own is what it is."""
    cells = _pandas(column)
    if not _is_text(column):
        return cells
    flags = cells.astype(object).map(lambda cell: _FLAGS.get(cell.lower()), na_action="ignore")
    place.refuse((flags.isna() & cells.notna()).to_numpy(), cells, "is neither true nor false")
    return flags


def _as_any(column: pa.ChunkedArray, place: Place) -> pd.Series:
    if pa.types.is_decimal(column.type):
        return _pandas(column.cast(pa.float64()))
    is_declared = place.cells.numbers != NumberFormat()
    cells = _pandas(column)
    if not _is_text(column) or not (place.untyped or is_declared) or not cells.notna().any():
        return cells
    plain = _plain_numbers(column, place.cells.numbers.decimal)
    if plain is not None:
        return _pandas(plain)
    read = read_numbers(cells, place.cells.numbers)
    n_known = int(cells.notna().sum())
    if not read.are_meant(n_known, untyped=place.untyped):
        return cells  # `retrieval.values.attributes` tells of doubts
    return _numbers(read, cells, place, place.other_numbers, _CATEGORY)


def _plain_numbers(text: pa.ChunkedArray, decimal: str | None) -> pa.ChunkedArray | None:
    """Numbers, unless a cell is none or has a leading zero, which the code 00501 would lose."""
    if pc.any(pc.match_substring_regex(text, r"^[+-]?0\d")).as_py():
        return None
    with suppress(pa.ArrowInvalid):
        return text.cast(pa.int64())
    digits_alone = not pc.any(pc.match_substring_regex(text, r"\D")).as_py()
    if digits_alone or decimal == ",":  # of more digits than a number keeps; or 1.5 may be none
        return None
    with suppress(pa.ArrowInvalid):
        numbers = text.cast(pa.float64())
        return numbers if pc.all(pc.is_finite(numbers)).as_py() else None
    return None


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _pandas(column: pa.ChunkedArray) -> pd.Series:
    # Whole numbers with gaps would become decimal ones, and lose their last digits.
    is_whole = pa.types.is_integer(column.type) and column.null_count > 0
    exact = is_whole and pc.max(pc.abs(column.cast(pa.float64(), safe=False))).as_py() > _EXACT
    series: pd.Series = column.to_pandas(integer_object_nulls=exact)
    return series
