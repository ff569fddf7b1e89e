"""Parquet in parts: a file, or the files of a folder, as one table of which some rows are read.

The files of a folder are taken by name; those whose names begin with a dot or an underscore are
not. A column may be an integer in one file and missing or a decimal number in another: the wider
type counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.tables.formats import PARQUET_SUFFIX
from retrieval import InputError, TableError


@dataclass(frozen=True)
class ParquetRows:
    """Some rows of a table in Parquet.

    Attributes:
        path: A file, or a folder of files.
        start: The first row, from 0.
        stop: The row after the last one.
    """

    path: Path
    start: int
    stop: int

    def __str__(self) -> str:
        """Its path, as messages name it."""
        return str(self.path)

    def __len__(self) -> int:
        """How many rows there are."""
        return self.stop - self.start


def is_parquet(path: Path) -> bool:
    """Whether this is a Parquet file by its name, or a folder."""
    return path.suffix.lower() == PARQUET_SUFFIX or path.is_dir()


def count_rows(path: Path) -> int:
    """How many rows there are; nothing but the ends of the files is read."""
    return sum(_end(file).rows for file in parquet_files(path))


def parquet_schema(path: Path) -> pa.Schema:
    """Return the columns and their types.

    Raises:
        InputError: There is no such file, or no Parquet file in the folder.
        TableError: A file is not whole, or the files of a folder do not fit together.
    """
    schemas = [_end(file).schema for file in parquet_files(path)]
    if len(schemas) == 1:
        return schemas[0]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TableError(f"{path}: its files do not fit together: {error}") from error


def read_parquet(
    path: Path, columns: list[str], start: int = 0, stop: int | None = None
) -> pa.Table:
    """Return some columns of some rows, of which only the row groups they lie in are read.

    Args:
        path: A file, or a folder of files.
        columns: The columns, all of them in the schema.
        start: The first row.
        stop: The row after the last one; None: all.
    """
    schema = parquet_schema(path)
    wanted = pa.schema([schema.field(name) for name in columns])
    parts = [wanted.empty_table()]
    first = 0
    for path_of_one in parquet_files(path):
        rows = _end(path_of_one).rows
        if first + rows > start and (stop is None or first < stop):
            end = rows if stop is None else min(rows, stop - first)
            with _opened(path_of_one) as file:
                parts.append(_aligned(_slice(file, columns, max(0, start - first), end), wanted))
        first += rows
    return pa.concat_tables(parts)


def _slice(file: pq.ParquetFile, columns: list[str], start: int, stop: int) -> pa.Table:
    there = [name for name in columns if name in file.schema_arrow.names]
    groups, begin, first = [], None, 0
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if first < stop and first + rows > start:
            groups.append(group)
            begin = first if begin is None else begin
        first += rows
    if begin is None:
        return file.schema_arrow.empty_table().select(there)
    table = file.read_row_groups(groups, columns=there)
    return table.slice(start - begin, stop - start)


def _aligned(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Return the columns in order and type; one that a file lacks is missing in all its rows."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in wanted
    ]
    return pa.table(columns, schema=wanted)


def parquet_files(path: Path) -> list[Path]:
    """Return the files of a table, in order.

    Raises:
        InputError: There is no such file, or no Parquet file in the folder.
    """
    if not path.is_dir():
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        return [path]
    found = [file for file in sorted(path.glob(f"*{PARQUET_SUFFIX}")) if file.name[0] not in "._"]
    if not found:
        raise InputError(f"{path}: a folder without {PARQUET_SUFFIX} files")
    return found


@dataclass(frozen=True)
class _End:
    """What the end of a file tells."""

    rows: int
    schema: pa.Schema


def _end(path: Path) -> _End:
    found = path.stat()
    return _read_end(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4_096)  # asked for with each block of a folder; a file that changed is another
def _read_end(path: Path, changed: int, size: int) -> _End:
    with _opened(path) as file:
        return _End(int(file.metadata.num_rows), file.schema_arrow.remove_metadata())


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        problem = str(error).splitlines()[0]
        raise TableError(f"{path}: not a whole Parquet file (cut off?): {problem}") from error
