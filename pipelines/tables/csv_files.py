"""CSV files of any encoding and delimiter, plain or compressed, as text cells.

Every cell stays the text it was; `pipelines.tables.cells` makes numbers and dates of them. A file
whose name ends in ``.gz`` or ``.zst`` is compressed, and one with ``.tsv`` has tabs.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from pipelines.tables.formats import CSV_SUFFIXES, TableFile, csv_suffix
from pipelines.tables.formulas import guarded, text_columns, unguarded, unguarded_name
from retrieval import TableError

_BLOCK = 1 << 20


def read_csv(file: TableFile, choose: Callable[[list[str]], list[str]]) -> pa.Table:
    """Read columns of a CSV file as text; empty cells are missing.

    Args:
        file: The file.
        choose: The columns to read, of those in the header.

    Raises:
        TableError: It is not whole, not in this encoding, or not CSV.
    """
    path, how = file.path, file.csv
    try:
        names = _header(file)
        told = [unguarded_name(name) if how.guarded else name for name in names]
        chosen = choose(told)
        _check_quotes(file)
        with pa.input_stream(path, compression=_compression(path)) as stream:
            table = pa_csv.read_csv(
                stream,
                # One thread: only then do Arrow's messages carry the row.
                read_options=pa_csv.ReadOptions(use_threads=False, encoding=how.encoding),
                parse_options=pa_csv.ParseOptions(
                    delimiter=delimiter_of(file), newlines_in_values=True
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=[names[told.index(name)] for name in chosen],
                    null_values=[""],  # "NA" and "None" are words
                    strings_can_be_null=True,
                ),
            )
        columns = [unguarded(one) for one in table.columns] if how.guarded else table.columns
        return pa.table(columns, names=chosen)
    except UnicodeError as error:
        name = how.encoding.upper()
        hint = f"its encoding is a setting, {file.cells.setting('csv.encoding')}"
        where = f"{path}: {_undecodable_row(file)}"
        raise TableError(f"{where}not {name} text: {error}; {hint}") from error
    except pa.ArrowInvalid as error:
        # Arrow counts the header as row 1.
        problem = re.sub(r"Row #(\d+)", lambda row: f"row {int(row[1]) - 1}", str(error))
        raise TableError(f"{path}: broken CSV: {problem}") from error
    except OSError as error:
        if error.filename is not None:  # of the file system: no permission, no such file
            raise
        raise TableError(f"{path}: not a whole {path.suffix} file: {error}") from error


def write_csv(frame: pd.DataFrame, path: Path, suffix: str, *, guard: bool = True) -> None:
    """Write a table as UTF-8 with commas, compressed as the suffix says.

    Args:
        frame: The table.
        path: The file.
        suffix: Of the file.
        guard: Whether cells that a spreadsheet would run are guarded.
    """
    table = guarded(frame) if guard else frame
    with pa.output_stream(path, compression=CSV_SUFFIXES[suffix]) as stream:
        table.to_csv(
            stream,
            sep=_delimiter(suffix),
            index=False,
            mode="wb",
            encoding="utf-8",
            lineterminator=_line_end(table),
        )


def _line_end(table: pd.DataFrame) -> str:
    """Return what ends a line: with a CR only if a cell holds one, which else would not be quoted.

    `csv.writer` quotes the characters that end its lines, and no other ends of lines.
    """
    names = [str(name) for name in table.columns]
    columns = (table.iloc[:, place] for place in text_columns(table))
    cells = (cell for column in columns for cell in column if isinstance(cell, str))
    return "\r\n" if any("\r" in text for text in chain(names, cells)) else "\n"


def delimiter_of(file: TableFile) -> str:
    """Return what separates cells, by the settings or by the suffix."""
    suffix = csv_suffix(file.path) or ""
    return file.csv.delimiter or _delimiter(suffix)


def _delimiter(suffix: str) -> str:
    return "\t" if suffix.startswith(".tsv") else ","


def _header(file: TableFile) -> list[str]:
    with _text(file, errors="strict") as text:
        names = next(csv.reader(text, delimiter=delimiter_of(file)), None)
    if not names:
        raise TableError(f"{file}: the file is empty")
    return names


def _check_quotes(file: TableFile) -> None:
    """Refuse a quote that is never closed: it swallows the file's rest, and Arrow does not mind."""
    with _text(file) as text:
        quotes = sum(block.count('"') for block in iter(lambda: text.read(_BLOCK), ""))
    if quotes % 2 == 0:
        return
    row = 0
    with _text(file) as text:
        try:
            for _ in csv.reader(text, delimiter=delimiter_of(file), strict=True):
                row += 1
        except csv.Error as error:
            problem = f"row {row}: a quote is not closed ({error})"
            raise TableError(f"{file}: broken CSV: {problem}") from error


def _undecodable_row(file: TableFile) -> str:
    """Name the first row that is not in the file's encoding; "" where rows cannot be told."""
    if file.csv.encoding.lower().startswith(("utf-16", "utf-32", "utf_16", "utf_32")):
        return ""  # the end of a line is no byte of its own there
    with pa.input_stream(file.path, compression=_compression(file.path)) as stream:
        for row, line in enumerate(io.BufferedReader(stream)):
            try:
                line.decode(file.csv.encoding)
            except UnicodeError:
                return f"row {row}: " if row else "header: "
    return ""


@contextmanager
def _text(file: TableFile, errors: str = "replace") -> Iterator[io.TextIOWrapper]:
    """Provide the file's characters without byte order mark; Arrow names the row of bad ones."""
    codec = file.csv.encoding.lower().replace("_", "-")
    encoding = "utf-8-sig" if codec in ("utf-8", "utf8") else codec
    with (
        pa.input_stream(file.path, compression=_compression(file.path)) as stream,
        io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="") as text,
    ):
        yield text


def _compression(path: Path) -> str | None:
    suffix = csv_suffix(path)
    return CSV_SUFFIXES[suffix] if suffix else None
