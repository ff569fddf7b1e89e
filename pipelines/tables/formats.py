"""Kinds of files, by their suffix, and how the cells of a table are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from retrieval import ISO, InputError, NumberFormat

_COMPRESSIONS = {"": None, ".gz": "gzip", ".zst": "zstd"}


def _compressed(*suffixes: str) -> dict[str, str | None]:
    return {one + end: how for one in suffixes for end, how in _COMPRESSIONS.items()}


PARQUET_SUFFIX = ".parquet"
CSV_SUFFIXES = _compressed(".csv", ".tsv")
JSON_SUFFIXES = _compressed(".jsonl", ".ndjson")
EXCEL_SUFFIXES = (".xlsx", ".xlsm")


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written.

    Attributes:
        encoding: A codec of Python's.
        delimiter: What separates cells; None: a comma, in a ``.tsv`` file a tab.
        decimal: The decimal mark of numbers, if `NumberFormat` does not say it.
        guarded: Whether a cell that `pipelines.tables.formulas` guarded loses its guard.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    decimal: Literal[".", ","] | None = None
    guarded: bool = True


_NUMBERS = NumberFormat()


@dataclass(frozen=True)
class CellFormat:
    """How dates, numbers and lists are written, where they are text; what has a type has its own.

    Attributes:
        date_format: As `retrieval.parse_dates` takes it.
        numbers: Marks and units of numbers.
        label_separator: What stands between the labels of one item; None: it has one label, or a
            list as JSON has it.
        section: That of the settings which says so, for messages; None: none does.
    """

    date_format: str = ISO
    numbers: NumberFormat = _NUMBERS
    label_separator: str | None = None
    section: str | None = field(default=None, compare=False)

    def setting(self, key: str) -> str:
        """Name a setting by its full path; what no section reads, by that of all tables."""
        if self.section is not None:
            return f"{self.section}.{key}"
        return {"numbers": "tables.decimal and tables.thousands"}.get(
            key, f"tables.{key.removeprefix('csv.')}"
        )


PLAIN = CellFormat()
"""Nothing is declared."""


@dataclass(frozen=True)
class TableFile:
    """A file of which more is known than its path says.

    Attributes:
        path: Where it is.
        csv: How it is written, if it is CSV.
        cells: How its cells are written.
        sheet: Which sheet, if it is a workbook; None: the only one that is not empty.
    """

    path: Path
    csv: CsvFormat = CsvFormat()
    cells: CellFormat = PLAIN
    sheet: str | None = None

    def __str__(self) -> str:
        """Its path, as messages name it."""
        return str(self.path)


def is_untyped(path: Path) -> bool:
    """Whether a file is one of those whose cells have no types of their own, or few."""
    return csv_suffix(path) is not None or json_suffix(path) is not None or is_excel(path)


def csv_suffix(path: Path) -> str | None:
    """Return the suffix that says CSV, and how it is compressed; None for another file."""
    return _suffix(path, CSV_SUFFIXES)


def json_suffix(path: Path) -> str | None:
    """Return the suffix that says lines of JSON; None for another file."""
    return _suffix(path, JSON_SUFFIXES)


def is_excel(path: Path) -> bool:
    """Whether this is a workbook by its name."""
    return path.suffix.lower() in EXCEL_SUFFIXES


def check_suffix(path: Path, *, to_read: bool) -> None:
    """Refuse a suffix that tells no kind of table.

    Raises:
        InputError: It lists the suffixes that there are.
    """
    known = [PARQUET_SUFFIX, *CSV_SUFFIXES]
    if to_read:
        known += [*JSON_SUFFIXES, *EXCEL_SUFFIXES]
    if _suffix(path, known) is None:
        there = ", ".join(known)
        raise InputError(f"{path}: unknown suffix {path.suffix!r} (there are: {there})")


def _suffix(path: Path, known: dict[str, str | None] | list[str]) -> str | None:
    name = path.name.lower()
    return next((one for one in known if name.endswith(one)), None)
