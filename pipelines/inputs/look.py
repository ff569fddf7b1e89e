"""Look at tables: what each column was read as, and settings that would read it so.

The settings are a draft for a person to read: which column is what is guessed from names and cells.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from pipelines.config.tables import TablesSettings
from pipelines.inputs.dialect import is_ascii, with_dialect
from pipelines.inputs.profile import COMMA, POINT, ColumnProfile, kinds, profile_of
from pipelines.tables.csv_files import delimiter_of
from pipelines.tables.formats import TableFile, check_suffix, csv_suffix, is_untyped
from pipelines.tables.parquet import parquet_schema, read_parquet
from pipelines.tables.reader import read_raw
from retrieval import ISO, InputError, NumberFormat, replacing

_ID = re.compile(
    r"(?i)(^|[^a-z])(id|nr|no|sku|ean|gtin|key|code|number|nummer)([^a-z]|$)|(id|nr|no)$"
)
_TEXT = re.compile(
    r"(?i)name|text|title|titel|desc|beschreib|bezeichn|subject|betreff|body|message"
)
_LABEL = re.compile(r"(?i)label|categ|kateg|gruppe|group|class|klasse|type|typ|queue|team|tag")
_LAUNCH = re.compile(r"(?i)launch|start|einf|first|erst|intro|since|ab$|release|date|datum")
_TARGET = re.compile(r"(?i)^y$|qty|quantity|menge|units|sales|absatz|sold|verk|st(ü|ue)ck")
_MOST_LABELS = 500
_ROWS_A_LABEL = 2
_TEXT_LENGTH = 12.0  # characters, on average, of what describes an item
_CATEGORIES = 0.5  # share of different values up to which a text is an attribute
_HEAD = """\
# A draft by `likewise look`. Which column is what is guessed from names and cells: read it, and
# change what is wrong. docs/jobs.md lists all keys.
"""


@dataclass(frozen=True)
class Look:
    """A table that was looked at.

    Attributes:
        file: Where it is, and how it is written.
        columns: Name → what it was read as.
        rows: How many it has.
    """

    file: TableFile
    columns: Mapping[str, ColumnProfile]
    rows: int

    @property
    def lines(self) -> list[str]:
        """What to tell a person of it, a line a column."""
        how = ""
        if csv_suffix(self.file.path) is not None:
            mark = {"\t": "tab"}.get(delimiter_of(self.file), delimiter_of(self.file))
            how = f", {self.file.csv.encoding}, delimiter {mark}"
        head = f"{self.file}: {self.rows:,} row{'' if self.rows == 1 else 's'}{how}"
        return [head, *(f"  {one.line}" for one in self.columns.values())]


def look_at(path: Path, tables: TablesSettings) -> Look:
    """Read a table as it stands, and say what its columns hold.

    Args:
        path: A file, or a folder of Parquet files.
        tables: What is known of how it is written; encoding, delimiter and the form of dates are
            found out where it says nothing.

    Raises:
        InputError: There is no such file, or it is no table.
    """
    if not path.is_dir():
        check_suffix(path, to_read=True)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
    file = with_dialect(tables.at(path), tables)
    raw = read_raw(file) if is_untyped(path) else read_parquet(path, parquet_schema(path).names)
    date_format = tables.date_format if "date_format" in tables.model_fields_set else None
    numbers = file.cells.numbers
    columns = {name: _profiled(name, raw[name], numbers, date_format) for name in raw.column_names}
    return Look(file, columns, raw.num_rows)


def _profiled(
    name: str, column: pa.ChunkedArray, numbers: NumberFormat, date_format: str | None
) -> ColumnProfile:
    return profile_of(name, column.to_pandas(), numbers, date_format)


def draft(looks: Sequence[Look], config: Path) -> dict[str, Any]:
    """Return settings that read these tables, for a file at `config`.

    The first table of items is ``items``, the next ``new_items``; one of sales is ``sales``.
    """
    sections: dict[str, Any] = {"tables": _written(looks)}
    for look in looks:
        section, roles = _roles(look)
        if section in sections:
            section, roles = ("new_items", {}) if section == "items" else (section, {})
        if section in sections:
            continue
        where = os.path.relpath(look.file.path.resolve(), config.resolve().parent)
        sections[section] = {"path": where, **roles, **_otherwise(look, sections["tables"])}
        if section == "sales" and look.columns[roles["time"]].rhythm == "month":
            sections.setdefault("forecast", {})["freq"] = "MS"
    items = sections.get("items", {})
    if "sales" in sections and "label" in items:  # what an item is tells how it sells, too
        attributes = [items["label"], *items.get("attributes", ())]
        sections["forecast"] = {**sections.pop("forecast", {}), "attributes": attributes}
    return {name: keys for name, keys in sections.items() if keys}


def write_draft(looks: Sequence[Look], config: Path) -> None:
    """Write such settings to a new file.

    Raises:
        InputError: There is one already.
    """
    if config.exists():
        raise InputError(f"--write {config}: is there already; choose another name")
    written = yaml.safe_dump(draft(looks, config), sort_keys=False, allow_unicode=True, width=100)
    with replacing(config) as path:
        path.write_text(_HEAD + written, encoding="utf-8")


def _written(looks: Sequence[Look]) -> dict[str, str]:
    """How the first table is written that is written in an unusual way; a later one adds to it."""
    usual = {"decimal": ".", "date_format": ISO}
    forms = [
        {key: value for key, value in _form(look).items() if usual.get(key) != value}
        for look in looks
    ]
    return {key: value for form in reversed(forms) for key, value in form.items()}


def _form(look: Look) -> dict[str, str]:
    form: dict[str, str] = {}
    if csv_suffix(look.file.path) is not None:
        if look.file.csv.encoding != "utf-8":
            form["encoding"] = look.file.csv.encoding
        if look.file.csv.delimiter not in (None, ","):
            form["delimiter"] = str(look.file.csv.delimiter)
    told = " ".join(one.form for one in look.columns.values() if one.kind == "numbers")
    if COMMA in told or POINT in told:
        form["decimal"] = "," if COMMA in told else "."
    forms = [one.form for one in look.columns.values() if one.kind == "dates"]
    chosen = next((one for one in forms if one not in ("", ISO)), None)
    if chosen is not None and " " not in chosen:
        form["date_format"] = chosen
    if look.file.sheet is not None:
        form["sheet"] = look.file.sheet
    return form


def _otherwise(look: Look, of_all: Mapping[str, str]) -> dict[str, Any]:
    """Return what this table is written in otherwise than all, as its own section has it."""
    own, section = _form(look), dict[str, Any]()
    usual = {"date_format": ISO} if kinds(look.columns, "dates") else {}
    if csv_suffix(look.file.path) is not None:
        usual |= {"delimiter": delimiter_of(look.file)}
        usual |= {} if is_ascii(look.file) else {"encoding": "utf-8"}
    for key, part in (
        ("encoding", "csv"),
        ("delimiter", "csv"),
        ("decimal", "numbers"),
        ("date_format", None),
    ):
        value = own.get(key, usual.get(key))
        if key in of_all and value not in (None, of_all[key]):
            (section if part is None else section.setdefault(part, {}))[key] = value
    return section


def _roles(look: Look) -> tuple[str, dict[str, Any]]:
    """Return which section a table is for, and what its columns are there."""
    columns = look.columns
    dates, numbers = kinds(columns, "dates"), kinds(columns, "numbers")
    item_id = _item_id(columns)
    target = next((name for name in numbers if _TARGET.search(name)), None)
    repeats = item_id is not None and columns[item_id].differ < columns[item_id].known
    if item_id is not None and dates and (repeats or target) and (target or len(numbers) == 1):
        roles = {"id": item_id, "time": dates[0], "target": target or numbers[0]}
        if columns[dates[0]].rhythm == "day":
            roles["repeats"] = "sum"  # receipts, to be added up by period
        return "sales", roles
    return "items", _item_roles(columns, item_id, dates)


def _item_roles(
    columns: Mapping[str, ColumnProfile], item_id: str | None, dates: Sequence[str]
) -> dict[str, Any]:
    texts = [name for name in kinds(columns, "text") if name != item_id]
    label = next((name for name in texts if _LABEL.search(name) and _is_label(columns[name])), None)
    rest = [name for name in texts if name != label]
    named = [name for name in rest if _TEXT.search(name)]
    long = [name for name in rest if columns[name].mean_length >= _TEXT_LENGTH]
    text = named or long or rest[:1]
    few = [name for name in rest if name not in text and _is_category(columns[name])]
    roles: dict[str, Any] = {"id": item_id, "text": text, "label": label}
    launch = [name for name in dates if _LAUNCH.search(name)]
    roles["launch_date"] = launch[0] if launch else None
    numbers = [name for name in kinds(columns, "numbers") if name != item_id]
    roles["attributes"] = [name for name in columns if name in {*few, *numbers}]
    return {key: value for key, value in roles.items() if value}


def _item_id(columns: Mapping[str, ColumnProfile]) -> str | None:
    """Return the column that names an item: by its name, else the first that never repeats."""
    whole = [one for one in columns.values() if one.known == one.rows]
    whole = [one for one in whole if one.kind in ("text", "numbers")]
    named = [one.name for one in whole if _ID.search(one.name)]
    differ = [one.name for one in whole if one.differ == one.known and one.mean_length <= 40]
    return next(iter([*named, *differ]), None)


def _is_label(column: ColumnProfile) -> bool:
    return 2 <= column.differ <= min(_MOST_LABELS, column.known // _ROWS_A_LABEL)


def _is_category(column: ColumnProfile) -> bool:
    return 2 <= column.differ <= _CATEGORIES * column.known
