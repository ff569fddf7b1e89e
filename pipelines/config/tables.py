"""How tables are written: the keys that every section of a table has, and those of all together."""

import codecs
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from pipelines.tables.formats import (
    CellFormat,
    CsvFormat,
    TableFile,
    csv_suffix,
    is_excel,
    is_untyped,
)
from pipelines.tables.sql import SqlQuery
from retrieval import ISO, NumberFormat, check_date_format


def split(value: object) -> object:
    """Read a list that is one comma-separated string, as in the environment."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is named twice")
    return names


Names = Annotated[tuple[str, ...], BeforeValidator(split), AfterValidator(_distinct)]
"""Column names: a list, or one comma-separated string."""


def _check_encoding(value: str) -> str:
    try:
        codecs.lookup(value)
    except LookupError:
        raise ValueError("no such encoding; known ones are utf-8, cp1252, latin-1") from None
    return value


Encoding = Annotated[str, AfterValidator(_check_encoding)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1)]
Decimal = Literal[".", ","]
Thousands = Literal[",", ".", "'", " "]
DateFormat = Annotated[str, AfterValidator(check_date_format)]

_Part = TypeVar("_Part", "CsvSettings", "NumbersSettings")


class Section(BaseModel):
    """A section of the settings, or a part of one: an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse true and false, of which pydantic makes 1 and 0, where a number is meant."""
        if isinstance(value, bool):
            kinds = list(_kinds(cls.model_fields[str(info.field_name)].annotation))
            if bool not in kinds and (int in kinds or float in kinds):
                raise ValueError("write a number, not true or false")
        return value


def _kinds(annotation: object) -> Iterator[object]:
    """Yield a type and those that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


class CsvSettings(Section):
    """How the CSV files of a section are written.

    `guarded`: whether an apostrophe before ``= + - @``, a tab or the end of a line is no part of a
    cell, but what `sink.csv_guard` put there.
    """

    encoding: Encoding = CsvFormat.encoding
    delimiter: Delimiter | None = CsvFormat.delimiter
    decimal: Decimal | None = None
    guarded: bool = True


class NumbersSettings(Section):
    """How numbers are written where they are text; null: as the cells themselves can only mean it.

    `units`: what may stand before or after a number, such as EUR or kg.
    """

    decimal: Decimal | None = NumberFormat.decimal
    thousands: Thousands | None = NumberFormat.thousands
    units: Names = NumberFormat.units

    @model_validator(mode="after")
    def _two_marks(self) -> Self:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError("decimal and thousands are one mark")
        return self


class TableSection(Section):
    """Where a table is, a file or a query sent to a database, and how its cells are written.

    `date_format`: of dates that are text or numbers: iso, dayfirst, monthfirst, iso-week, excel
    (days as it counts them), or a format of strptime. `sheet`: of a workbook.
    """

    section_name: ClassVar[str]

    path: Path | None = None
    csv: CsvSettings = CsvSettings()
    sheet: str | None = None
    date_format: DateFormat = ISO
    numbers: NumbersSettings = NumbersSettings()
    sql: str | None = None
    url: SecretStr | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.path is not None and self.sql is not None:
            raise ValueError("give either path or sql with url, not both")
        if self.sql is not None and self.url is None:
            raise ValueError("sql needs url, the database's SQLAlchemy URL")
        return self

    @property
    def source(self) -> Path | TableFile | SqlQuery | None:
        """What `tables.reader.read_table` reads, or None where the section names no table."""
        if self.sql is None or self.url is None:
            return self.at(self.path)
        return SqlQuery(self.sql, self.url.get_secret_value(), self.cells)

    @property
    def cells(self) -> CellFormat:
        """How cells are written that are text."""
        numbers = NumberFormat(**self.numbers.model_dump())
        return CellFormat(self.date_format, numbers, section=self.section_name)

    def at(self, path: Path | None) -> Path | TableFile | None:
        """Return a file in place of the section's own, which is read as the section says."""
        if path is None:
            return None
        told = self.file(path)
        return told if is_untyped(path) or told != TableFile(path) else path

    def file(self, path: Path) -> TableFile:
        """Return a file with all that is known of it."""
        is_csv = csv_suffix(path) is not None
        csv = CsvFormat(**self.csv.model_dump()) if is_csv else CsvFormat()
        return TableFile(path, csv, self.cells, self.sheet if is_excel(path) else None)

    def inheriting(self, tables: "TablesSettings", over: Collection[str] = ()) -> Self:
        """Return the section with what holds for all tables, where it says nothing else itself.

        Args:
            tables: What holds for all.
            over: Keys of it that win all the same.

        Raises:
            ValueError: Both together make no sense.
        """
        said = tables.model_dump(include=tables.model_fields_set)
        csv = _over(self.csv, said, ("encoding", "delimiter"), over)
        own_decimal = "decimal" in self.csv.model_fields_set and "decimal" not in over
        marks = ("thousands", "units") if own_decimal else ("decimal", "thousands", "units")
        numbers = _over(self.numbers, said, marks, over)
        mine = self.model_fields_set.difference(over)
        changed: dict[str, Any] = {"csv": csv, "numbers": numbers}
        changed |= {key: said[key] for key in ("date_format", "sheet") if key in said.keys() - mine}
        return self.model_copy(update=changed)


class _Other(TableSection):
    """A table that has no section of its own."""

    section_name = "tables"

    @property
    def cells(self) -> CellFormat:
        """How cells are written that are text."""
        return replace(super().cells, section=None)


class TablesSettings(Section):
    """How all tables are written, where their own sections do not say it otherwise.

    The keys mean what they mean there: `encoding` and `delimiter` in `csv`, `decimal`, `thousands`
    and `units` in `numbers`.
    """

    encoding: Encoding = CsvFormat.encoding
    delimiter: Delimiter | None = CsvFormat.delimiter
    decimal: Decimal | None = NumberFormat.decimal
    thousands: Thousands | None = NumberFormat.thousands
    units: Names = NumberFormat.units
    date_format: DateFormat = ISO
    sheet: str | None = None

    def at(self, path: Path) -> TableFile:
        """Return a file that no section is about, which is read as all tables are."""
        return _Other().inheriting(self).file(path)


def _over(part: _Part, said: dict[str, Any], keys: Sequence[str], over: Collection[str]) -> _Part:
    """Return a part of a section with those keys of all tables that it does not say itself."""
    mine = part.model_fields_set.difference(over)
    taken = {key: said[key] for key in keys if key in said.keys() - mine}
    return type(part)(**{**part.model_dump(include=part.model_fields_set), **taken})
