"""How a CSV file is written, where nobody says so: its encoding and its delimiter, from its bytes.

Jobs guess nothing; this is for `likewise look`, whose guesses a person reads and keeps as settings.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import replace
from itertools import islice

import pyarrow as pa

from pipelines.config.tables import TablesSettings
from pipelines.tables.formats import CSV_SUFFIXES, CsvFormat, TableFile, csv_suffix

_SAMPLE = 1 << 18  # bytes
_ROWS = 50
_DELIMITERS = ",;\t|"
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WESTERN = "cp1252"


def with_dialect(file: TableFile, tables: TablesSettings) -> TableFile:
    """Return a CSV file with what the settings leave open found out; another file as it is."""
    suffix = csv_suffix(file.path)
    if suffix is None:
        return file
    sample = _sample(file)
    said = tables.model_fields_set
    encoding = file.csv.encoding if "encoding" in said else encoding_of(sample)
    delimiter = file.csv.delimiter
    if delimiter is None and not suffix.startswith(".tsv"):
        delimiter = delimiter_of(sample.decode(encoding, errors="replace"))
    return replace(file, csv=CsvFormat(encoding, delimiter, file.csv.decimal, file.csv.guarded))


def is_ascii(file: TableFile) -> bool:
    """Whether a CSV file is the same in every encoding that it could have."""
    return _sample(file).isascii()


def encoding_of(sample: bytes) -> str:
    """Return UTF-8, or UTF-16 where the bytes begin with its mark; else that of old Windows."""
    for mark, name in _MARKS.items():
        if sample.startswith(mark):
            return name
    # The last character may have been cut off.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(sample)
    except UnicodeDecodeError:
        return _WESTERN
    return "utf-8"


def delimiter_of(text: str) -> str:
    """Return the mark that cuts most of the first rows into as many cells as the header has."""

    def fit(mark: str) -> tuple[int, int]:
        rows = list(_first_rows(text, mark))
        width = len(rows[0]) if rows else 0
        same = sum(len(row) == width for row in rows) if width > 1 else 0
        return same, width

    return max(_DELIMITERS, key=fit)


def _first_rows(text: str, mark: str) -> list[list[str]]:
    try:
        return list(islice(csv.reader(io.StringIO(text), delimiter=mark), _ROWS))
    except csv.Error:
        return []


def _sample(file: TableFile) -> bytes:
    suffix = csv_suffix(file.path) or ""
    with pa.input_stream(file.path, compression=CSV_SUFFIXES[suffix]) as stream:
        return bytes(stream.read(_SAMPLE))
