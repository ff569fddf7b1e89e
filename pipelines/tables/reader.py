"""Read tables: Parquet, CSV and SQL to DataFrames.

Reading goes through Arrow and takes only the columns asked for. An id stays the text it was:
``007`` keeps its zeros, an integer with missing neighbors does not become ``7.0``.

Rows in messages are counted from 1, without a CSV file's header.
"""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.tables.csv_files import CsvFile, CsvFormat, csv_suffix, read_csv, with_points
from pipelines.tables.output import check_suffix
from pipelines.tables.parquet import ParquetRows, parquet_schema, read_parquet
from pipelines.tables.sql import FetchedRows, SqlQuery, fetch
from retrieval import InputError, Offense, TableError, first_few

Kind = Literal["string", "date", "number", "flag", "any"]

_DELIMITER = re.compile(r"[,;|\t]")
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
# A moment's time zone is dropped: the local day is the day of the sale.
_OFFSET = re.compile(r"([T ]\d\d:\d\d.*?)(?:Z|[+-]\d\d:?\d\d)$")


Source = Path | str | CsvFile | ParquetRows | SqlQuery | FetchedRows


def read_table(
    source: Source,
    columns: Mapping[str, Kind] | None = None,
    *,
    id_col: str | None = None,
    optional: Collection[str] = (),
    skip: Collection[int] = (),
) -> pd.DataFrame:
    """Read a table, or some columns of it.

    Args:
        source: A ``.parquet`` file, a folder of these, a ``.csv`` file (also ``.csv.gz``,
            ``.csv.zst``; dates are ISO), or a query. A CSV file by its path is UTF-8 with commas
            and decimal points; `CsvFile` tells otherwise.
        columns: The columns to read and what they hold, in the order wanted; None: all, as they
            come. "string" keeps every character, "date" gives timestamps without a time zone,
            "number" floats, "flag" booleans (or 0 and 1); "any" keeps a file's own type (of a CSV
            file: numbers where all are numbers).
        id_col: The column that names a row in messages.
        optional: Those of `columns` that the table may lack.
        skip: Positions of rows to leave out, from 0; messages count them all the same.

    Raises:
        TableError: The file is no such table, lacks a column, or a cell does not fit.
        InputError: There is no such file, its suffix is unknown, the query is wrong.
        DatabaseError: The database does not answer.
    """
    wanted = None if columns is None else list(dict.fromkeys(columns))
    table, untyped = _load(source, wanted, optional)
    first = source.start if isinstance(source, ParquetRows) else 0
    rows = np.arange(first, first + table.num_rows)
    if skip:
        kept = ~np.isin(rows, list(skip))
        rows, table = rows[kept], table.filter(pa.array(kept))
    kinds: dict[str, Kind] = dict.fromkeys(table.column_names, "any")
    if id_col in kinds:
        kinds[id_col] = "string"
    kinds |= columns or {}
    ids = _as_text(table[id_col], id_col, source) if id_col in table.column_names else None
    cells = {
        name: _series(table[name], kinds[name], _Place(source, name, id_col, ids, rows), untyped)
        for name in table.column_names
    }
    return pd.DataFrame(cells)


# --- reading -----------------------------------------------------------------------------------


def _load(
    source: Source, wanted: list[str] | None, optional: Collection[str]
) -> tuple[pa.Table, bool]:
    """Return the table, and whether its cells are untyped text (CSV)."""
    if isinstance(source, SqlQuery | FetchedRows):
        table = fetch(source) if isinstance(source, SqlQuery) else source.rows
        return table.select(_chosen(source, table.column_names, wanted, optional)), False
    if isinstance(source, ParquetRows):
        return _load_parquet(source.path, wanted, optional, source), False
    path = source.path if isinstance(source, CsvFile) else Path(source)
    if path.is_dir():
        return _load_parquet(path, wanted, optional, None), False
    check_suffix(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if csv_suffix(path) is not None:
        file = source if isinstance(source, CsvFile) else CsvFile(path, CsvFormat())
        return read_csv(file, lambda names: _chosen(path, names, wanted, optional)), True
    return _load_parquet(path, wanted, optional, None), False


def _load_parquet(
    path: Path, wanted: list[str] | None, optional: Collection[str], rows: ParquetRows | None
) -> pa.Table:
    chosen = _chosen(path, parquet_schema(path).names, wanted, optional)
    if rows is None:
        return read_parquet(path, chosen)
    return read_parquet(path, chosen, rows.start, rows.stop)


def _chosen(
    source: Source, names: list[str], wanted: list[str] | None, optional: Collection[str]
) -> list[str]:
    """Return the columns to read: those wanted, without the optional ones that are not there."""
    twice = sorted({name for name in names if names.count(name) > 1} & set(wanted or names))
    if twice:
        raise TableError(f"{source}: column {twice[0]!r} appears twice")
    if wanted is None:
        return names
    missing = [name for name in wanted if name not in names and name not in optional]
    if missing:
        listed = ", ".join(map(repr, missing))
        plural = "s" if len(missing) > 1 else ""
        there = f"there are: {', '.join(names)}"
        if len(names) == 1 and _DELIMITER.search(names[0]):
            there += "; a CSV file's delimiter is a setting, csv.delimiter"
        raise TableError(f"{source}: no column{plural} {listed} ({there})")
    return [name for name in wanted if name in names]


# --- cells -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where a column stands, for messages; `rows` are the positions of its cells in the source."""

    source: Source
    column: str
    id_col: str | None
    ids: pa.ChunkedArray | None
    rows: np.ndarray

    @property
    def decimal(self) -> str:
        """The decimal mark of numbers that are text."""
        return self.source.format.decimal if isinstance(self.source, CsvFile) else "."

    def refuse(self, bad: np.ndarray, cells: pd.Series, problem: str) -> None:
        """Raise a TableError that lists the first cells marked `bad`, if any is."""
        rows = np.flatnonzero(bad)
        if len(rows) == 0:
            return
        lines = first_few(
            rows.tolist(), lambda row: f"{self._row(row)}: {cells.iloc[row]!r} {problem}"
        )
        found = [cells.iloc[row] for row in rows]
        offense = Offense(str(self.source), self.rows[rows].tolist(), self.column, problem, found)
        raise TableError("\n".join(lines), [offense])

    def _row(self, row: int) -> str:
        named = f" ({self.id_col} {self.ids[row].as_py()!r})" if self.ids is not None else ""
        return f"{self.source}: row {self.rows[row] + 1}{named}: {self.column}"


def _series(column: pa.ChunkedArray, kind: Kind, place: _Place, untyped: bool) -> pd.Series:
    if kind == "string":
        return _pandas(_as_text(column, place.column, place.source))
    if kind == "date":
        return _as_dates(column, place)
    if kind == "number":
        return _as_numbers(column, place)
    if kind == "flag":
        return _as_flags(column, place)
    if untyped:
        return _pandas(_inferred(column, place.decimal))
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return _pandas(column)


def _pandas(column: pa.ChunkedArray) -> pd.Series:
    series: pd.Series = column.to_pandas()
    return series


def _as_text(column: pa.ChunkedArray, name: str | None, source: Source) -> pa.ChunkedArray:
    if pa.types.is_floating(column.type):
        # An integer column with gaps arrives as floats from some writers; 7.0 was 7.
        with suppress(pa.ArrowInvalid):
            column = column.cast(pa.int64())
    try:
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise TableError(f"{source}: column {name!r} is {column.type}, not text") from error


def _as_dates(column: pa.ChunkedArray, place: _Place) -> pd.Series:
    cells = _pandas(column)
    if pa.types.is_temporal(column.type):
        dates = pd.to_datetime(cells)
        return dates.dt.tz_localize(None)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        if column.null_count == len(column):
            return pd.Series(pd.NaT, index=range(len(column)), dtype="datetime64[us]")
        raise TableError(f"{place.source}: column {place.column!r} is {column.type}, not dates")
    local = cells.str.replace(_OFFSET, r"\1", regex=True)
    dates = pd.to_datetime(local, format="ISO8601", errors="coerce")
    bad = (dates.isna() & cells.notna()).to_numpy()
    place.refuse(bad, cells, "is not a date (write YYYY-MM-DD)")
    return dates


def _as_numbers(column: pa.ChunkedArray, place: _Place) -> pd.Series:
    cells = _pandas(column)
    if pa.types.is_nested(column.type) or pa.types.is_temporal(column.type):
        raise TableError(f"{place.source}: column {place.column!r} is {column.type}, not numbers")
    marked = _pandas(with_points(column, place.decimal)) if place.decimal != "." else cells
    numbers = pd.to_numeric(marked, errors="coerce").astype("float64")
    place.refuse((numbers.isna() & cells.notna()).to_numpy(), cells, "is not a number")
    return numbers


def _as_flags(column: pa.ChunkedArray, place: _Place) -> pd.Series:
    """Booleans out of text; what has a type of its own is what it is."""
    cells = _pandas(column)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return cells
    flags = cells.astype(object).map(lambda cell: _FLAGS.get(cell.lower()), na_action="ignore")
    place.refuse((flags.isna() & cells.notna()).to_numpy(), cells, "is neither true nor false")
    return flags


def _inferred(text: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray:
    """Numbers, unless a cell is none or has a leading zero, which the code 00501 would lose."""
    coded = pc.any(pc.match_substring_regex(text, r"^[+-]?0\d")).as_py()
    if coded or text.null_count == len(text):
        return text
    for kind in (pa.int64(), pa.float64()):
        try:
            return with_points(text, decimal).cast(kind)
        except pa.ArrowInvalid:
            continue
    return text
