"""Rows of a table as they are in its source: all columns, unread and untyped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.inputs.items import TableInput
from pipelines.queries import FetchedRows, SqlQuery, fetch
from pipelines.tables.csv_files import CsvFile, CsvFormat, csv_suffix, read_csv
from pipelines.tables.parquet import parquet_files


def held(source: TableInput) -> TableInput:
    """The same table, which can be read twice: a query's rows are fetched now, once for all."""
    return FetchedRows(source, fetch(source)) if isinstance(source, SqlQuery) else source


def suffix_of(source: TableInput) -> str:
    """What a file of such rows is called: ``.csv`` where the cells are text, else ``.parquet``."""
    path = source.path if isinstance(source, CsvFile) else source
    is_csv = isinstance(path, Path | str) and csv_suffix(Path(path)) is not None
    return ".csv" if is_csv else ".parquet"


def whole_rows(source: TableInput, rows: Sequence[int]) -> pa.Table:
    """Some rows with all their columns.

    Args:
        source: The table; one that `held` returned, if it is a query.
        rows: Their positions, from 0, ascending.
    """
    wanted = np.asarray(rows, dtype=np.int64)
    parts: list[pa.Table] = []
    start = 0
    for part in _parts(source):
        inside = wanted[(wanted >= start) & (wanted < start + part.num_rows)] - start
        if len(inside) or not parts:
            parts.append(part.take(pa.array(inside)))
        start += part.num_rows
    return pa.concat_tables(parts, promote_options="permissive")


def texts_of(rows: pa.Table, column: str) -> list[str | None]:
    """A column (n,) of such rows as the text it is read as; None where a cell is empty."""
    cells = rows[column].to_pylist()
    if pa.types.is_floating(rows[column].type):  # integers with gaps between them; 7.0 was 7
        cells = [
            int(one) if one is not None and one.is_integer() else one
            for one in (None if cell != cell else cell for cell in cells)
        ]
    return [None if one is None else str(one) for one in cells]


def _parts(source: TableInput) -> Iterator[pa.Table]:
    """The table in pieces, so that a large file is never whole in memory."""
    if isinstance(source, pd.DataFrame):
        yield _arrow(source)
    elif isinstance(source, FetchedRows):
        yield source.rows
    elif suffix_of(source) == ".csv":
        file = source if isinstance(source, CsvFile) else CsvFile(Path(str(source)), CsvFormat())
        yield read_csv(file, lambda names: [name for name in names if names.count(name) == 1])
    else:
        for path in parquet_files(Path(str(source))):
            with pq.ParquetFile(path) as file:
                yield file.schema_arrow.empty_table()
                for batch in file.iter_batches():
                    yield pa.Table.from_batches([batch])


def _arrow(frame: pd.DataFrame) -> pa.Table:
    """A frame whose cells may be of any kind; a column of several kinds becomes text."""
    columns = {}
    for place, name in enumerate(frame.columns):
        cells = frame.iloc[:, place]  # by place: a name may stand twice
        try:
            columns[str(name)] = pa.array(cells, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns[str(name)] = pa.array(cells.map(str, na_action="ignore"), pa.string())
    return pa.table(columns)
