"""Read tables: files of any kind and SQL to DataFrames.

Reading goes through Arrow and takes only the columns asked for. An id stays the text it was:
``007`` keeps its zeros, an integer with missing neighbors does not become ``7.0``.

Rows in messages are counted from 1, without a CSV file's header.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.tables.cells import Kind as Kind, Place, as_kind, as_text_column
from pipelines.tables.columns import is_mixed
from pipelines.tables.csv_files import read_csv
from pipelines.tables.excel import read_sheet
from pipelines.tables.formats import (
    PLAIN,
    CellFormat,
    TableFile,
    check_suffix,
    csv_suffix,
    is_excel,
    json_suffix,
)
from pipelines.tables.json_lines import read_json_lines
from pipelines.tables.parquet import ParquetRows, parquet_schema, read_parquet
from pipelines.tables.sql import FetchedRows, SqlQuery, fetch
from retrieval import InputError, TableError

_DELIMITER = re.compile(r"[,;|\t]")

Source = Path | str | TableFile | ParquetRows | SqlQuery | FetchedRows


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
        source: A ``.parquet`` file, a folder of these, ``.csv``, ``.tsv``, lines of JSON
            (``.jsonl``, ``.ndjson``), all of them also ``.gz`` and ``.zst``, ``.xlsx``, or a query.
            A file by its path is UTF-8, its dates ISO; `TableFile` tells otherwise.
        columns: The columns to read and what they hold, in the order wanted; None: all, as they
            come. "string" is text, as every character stands; "name" ids and other names; "label"
            names, or lists of them as `ItemIndex.upsert` keeps them; "category" text that is no
            number, whatever it looks like; "date" timestamps without a time zone; "number" floats;
            "flag" booleans (or 0 and 1); "any" keeps a type, and of a file without types reads
            numbers where `retrieval.values.numbers` finds that they are meant.
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
        kinds[id_col] = "name"
    kinds |= columns or {}
    how = format_of(source)
    nameless = Place(str(source), "", None, None, rows, how, untyped=untyped)
    place = nameless
    if id_col is not None and id_col in table.column_names:
        ids = as_text_column(table[id_col], replace(nameless, column=id_col))
        place = replace(nameless, id_col=id_col, ids=ids)
    cells = {}
    for name in table.column_names:
        here = replace(place, column=name, untyped=untyped or is_mixed(table, name))
        cells[name] = as_kind(table[name], kinds[name], here)
    return pd.DataFrame(cells)


# --- reading -----------------------------------------------------------------------------------


def _load(
    source: Source, wanted: list[str] | None, optional: Collection[str]
) -> tuple[pa.Table, bool]:
    """Return the table, and whether its cells are untyped text (CSV)."""

    def chosen(table: pa.Table) -> pa.Table:
        return table.select(_chosen(source, table.column_names, wanted, optional))

    if isinstance(source, SqlQuery | FetchedRows):
        return chosen(fetch(source) if isinstance(source, SqlQuery) else source.rows), False
    if isinstance(source, ParquetRows):
        return _load_parquet(source.path, wanted, optional, source), False
    file = source if isinstance(source, TableFile) else TableFile(Path(source))
    path = file.path
    if path.is_dir():
        return _load_parquet(path, wanted, optional, None), False
    check_suffix(path, to_read=True)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if csv_suffix(path) is not None:
        return read_csv(file, lambda names: _chosen(file, names, wanted, optional)), True
    if json_suffix(path) is not None or is_excel(path):
        return chosen(read_raw(file)), False
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
            setting = format_of(source).setting("csv.delimiter")
            there += f"; a CSV file's delimiter is a setting, {setting}"
        raise TableError(f"{source}: no column{plural} {listed} ({there})")
    return [name for name in wanted if name in names]


def format_of(source: object) -> CellFormat:
    """Return how the cells of a source are written, where they are text."""
    if isinstance(source, FetchedRows):
        return source.query.cells
    if not isinstance(source, TableFile):
        return source.cells if isinstance(source, SqlQuery) else PLAIN
    cells, decimal = source.cells, source.csv.decimal
    if decimal is None or cells.numbers.decimal is not None or csv_suffix(source.path) is None:
        return cells
    return replace(cells, numbers=replace(cells.numbers, decimal=decimal))


def read_raw(file: TableFile) -> pa.Table:
    """Return a file without types, or a workbook, as its cells are; a folder is none."""
    if json_suffix(file.path) is not None:
        return read_json_lines(file)
    if is_excel(file.path):
        return read_sheet(file)
    return read_csv(file, lambda names: [name for name in names if names.count(name) == 1])
