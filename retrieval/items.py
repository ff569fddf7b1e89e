"""Item tables, checked once at the boundary."""

from __future__ import annotations

import hashlib
import logging
import numbers
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
from pandas.api import types as dtypes
from pandera.errors import SchemaErrors

from retrieval.arguments import HALF, has_half_character, require_characters
from retrieval.errors import InputError, Offense, TableError, first_few
from retrieval.pictures.column import as_words
from retrieval.pictures.sources import FROM_FILES, PictureSources
from retrieval.values.attributes import Kind, as_attribute
from retrieval.values.cells import LOST, as_label_list, cell_texts, lost
from retrieval.values.dates import NOT_A_DATE, parse_dates

_log = logging.getLogger(__name__)

_YEARS = (1700, 2261)
_PANDERA_CHECKS = {"not_nullable": "is missing", "field_uniqueness": "is there more than once"}


def validate_items(
    items: pd.DataFrame,
    *,
    item_id: str,
    text: str | Sequence[str],
    label: str | None = None,
    launch_date: str | None = None,
    attributes: Sequence[str] = (),
    kinds: Mapping[str, Kind] | None = None,
    image: str | Sequence[str] = (),
    pictures: PictureSources = FROM_FILES,
    source: str = "items",
) -> pd.DataFrame:
    """Check an item table and return a clean copy that holds the named columns only.

    Ids and labels become strings, blank labels missing; the launch date becomes a datetime without
    time zone; attributes float64 or strings, as `retrieval.values.attributes` says. The order of
    rows is kept, the index is renumbered.

    Args:
        items: One row an item.
        item_id: Column of unique, non-empty ids. Columns that are named by numbers, as those of a
            file without a header, go by these as strings.
        text: Column or columns that describe the item; single ones may be empty, all of them not.
            Those of `image` among them, or after them.
        label: Column of labels, or of lists of labels, also in JSON; missing means unlabeled.
        launch_date: Column of dates; missing means "has always been there".
        attributes: Further columns to keep.
        kinds: Attribute → what it is known to hold, for example by a collection that has it.
        image: Column or columns that show it: paths, bytes, ``data:`` addresses, or pictures as
            `read_pictures` returns them, which is what they become.
        pictures: Where these may come from.
        source: What to call the table in messages, for example its file name.

    Returns:
        Columns `item_id`, the text columns, `label`, `launch_date` and the attributes, under their
        own names.

    Raises:
        TableError: Lists the first offenders, with row (the first data row is row 1), item and
            column.
    """
    items = named_columns(items, source)
    images = content_columns((), image)
    texts = content_columns(text, images)
    attributes = column_names(attributes, "attributes")
    item_id, label = column_name(item_id, "item_id"), optional_name(label, "label")
    launch_date = optional_name(launch_date, "launch_date")
    wanted = list(dict.fromkeys([item_id, *texts, label, launch_date, *attributes]))
    columns = [column for column in wanted if column is not None]
    if not texts:
        raise InputError("text: name the column, or columns, that hold the text")
    _require_columns(items, columns, source)
    clean = items[columns].reset_index(drop=True)
    for column in columns:
        _require_characters(clean[column], source)
    for column in images:
        clean[column] = as_words(clean[column], pictures, source=source)

    clean[item_id] = _as_ids(clean[item_id], source)
    rules = {**dict.fromkeys([item_id, *texts], _TEXT), item_id: _ID}
    if label is not None:
        clean[label] = _as_labels(clean[label], source)
    if launch_date is not None:
        clean[launch_date] = _as_dates(clean[launch_date], source)
    for column in attributes:
        if column not in (item_id, *texts, label, launch_date):
            clean[column] = _as_attribute(clean[column], (kinds or {}).get(column), source)
            if dtypes.is_float_dtype(clean[column]):
                rules[column] = _NUMBER
    _require_order(clean, rules, texts, source)
    return clean


def named_columns(items: pd.DataFrame, source: str = "items") -> pd.DataFrame:
    """Return the table with columns that are named by strings.

    Raises:
        InputError: It is no table.
    """
    if not isinstance(items, pd.DataFrame):
        raise InputError(f"{source}: expected a pandas DataFrame, got {type(items).__name__}")
    if all(isinstance(name, str) for name in items.columns):
        return items
    return items.set_axis([str(name) for name in items.columns], axis=1)


def column_names(names: object, what: str) -> list[str]:
    """Return the names of one column or several; numbers as strings, as in `named_columns`.

    Args:
        names: A name, or several.
        what: How messages call them.

    Raises:
        InputError: One is neither a string nor a number.
    """
    several = isinstance(names, (list, tuple, pd.Index, np.ndarray, pd.Series, dict))
    is_flat = not isinstance(names, np.ndarray) or names.ndim == 1
    listed = list(names) if several and is_flat else [names]  # type: ignore[call-overload]
    wrong = [
        one
        for one in listed
        if not isinstance(one, (str, numbers.Integral)) or isinstance(one, bool)
    ]
    if wrong:
        raise InputError(f"{what}: not the name of a column: {wrong[0]!r}")
    for one in listed:
        require_characters(str(one), what)
    return [str(one) for one in listed]


def column_name(name: object, what: str) -> str:
    """Return the name of one column, as `column_names` does."""
    if isinstance(name, (list, tuple, dict, np.ndarray, pd.Index, pd.Series)):
        raise InputError(f"{what}: not the name of one column: {name!r}")
    return column_names(name, what)[0]


def optional_name(name: object, what: str) -> str | None:
    """Return the name of one column, or None where there is none."""
    return None if name is None else column_name(name, what)


def content_columns(text: object, image: object) -> list[str]:
    """Return the columns of an item's content: of its texts, then of its pictures.

    Args:
        text: A column or several; may name those of pictures, too.
        image: A column or several; none is no picture.
    """
    named = {"text": text, "image": image}
    several = [
        column_names(names, what)
        for what, names in named.items()
        if not (isinstance(names, (list, tuple)) and not names)
    ]
    return list(dict.fromkeys(name for names in several for name in names))


def item_texts(items: pd.DataFrame, text: str | Sequence[str]) -> pd.Series:
    """Join the text columns of each row by blanks, leaving out what is missing.

    Returns:
        Series of strings on the index of `items`; empty where a row has no text at all.
    """
    texts = [text] if isinstance(text, str) else list(text)
    parts = [items[column].to_numpy(dtype=object, na_value="").tolist() for column in texts]
    rows = zip(*parts, strict=True)
    joined = [" ".join(str(value).strip() for value in row if value != "").strip() for row in rows]
    return pd.Series(joined, index=items.index, dtype="str")


def content_ids(contents: Iterable[str]) -> list[str]:
    """Make ids of items that have none, from what they hold: the same items, the same ids.

    Args:
        contents: What tells the items apart; repeats are numbered.
    """
    seen: Counter[str] = Counter()
    ids = []
    for content in contents:
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        ids.append(f"{digest}-{seen[digest]}")
        seen[digest] += 1
    return ids


def _require_columns(items: pd.DataFrame, columns: Sequence[str], source: str) -> None:
    missing = [column for column in columns if column not in items.columns]
    if missing:
        there = ", ".join(map(str, items.columns)) or "none"
        raise TableError(f"{source}: missing column {', '.join(missing)}; there are: {there}")
    repeated = items.columns[items.columns.duplicated()].intersection(list(columns))
    if len(repeated):
        raise TableError(f"{source}: column {repeated[0]} is there more than once")


def _as_ids(ids: pd.Series, source: str) -> pd.Series:
    _refuse(ids, lost(ids), LOST, source)
    return cell_texts(ids)


def _as_labels(labels: pd.Series, source: str) -> pd.Series:
    _refuse(labels, lost(labels), LOST, source)
    named = cell_texts(labels).str.strip().replace("", None)
    if not named.str.startswith("[").any():
        return named
    lists = named.map(as_label_list, na_action="ignore").astype("str")
    if lists.isna().all():
        return named
    _refuse(labels, lists.isna() & named.notna(), "is no list of labels, as others are", source)
    _refuse(labels, lists.str.contains('""', regex=False), "holds a blank label", source)
    return lists


def _as_dates(values: pd.Series, source: str) -> pd.Series:
    """Parse dates to days; of a moment with a time zone its local day counts."""
    parsed = parse_dates(values)
    _refuse(values, parsed.isna() & values.notna().to_numpy(), NOT_A_DATE, source)
    # Days are counted in nanoseconds of 64 bits.
    far = parsed.notna() & ((parsed.year < _YEARS[0]) | (parsed.year > _YEARS[1]))
    _refuse(values, far, f"is a date out of the years {_YEARS[0]} to {_YEARS[1]}", source)
    return pd.Series(parsed.normalize().astype("datetime64[ns]"), index=values.index)


def _as_attribute(values: pd.Series, kind: Kind | None, source: str) -> pd.Series:
    read = as_attribute(values, kind)
    for problem in dict.fromkeys(one for one in read.problems if one is not None):
        _refuse(values, read.problems == problem, problem, source)
    if read.told:
        _log.warning("%s: column %s is read as %s", source, values.name, read.told)
    return read.values


def _refuse(values: pd.Series, bad: npt.ArrayLike, problem: str, source: str) -> None:
    rows = np.flatnonzero(bad)
    if len(rows) == 0:
        return
    lines = [f"row {row + 1}, column {values.name} {problem}: {values.iloc[row]!r}" for row in rows]
    found = values.iloc[rows].tolist()
    offense = Offense(source, rows.tolist(), str(values.name), problem, found)
    raise TableError(_message(source, "bad rows", lines), [offense])


def _parts(cell: object) -> list[object]:
    """Return what a cell lists; nothing where it is no list."""
    is_list = isinstance(cell, (list, tuple, set, frozenset, np.ndarray))
    return list(np.ravel(np.array(cell, dtype=object))) if is_list else []


def _require_characters(values: pd.Series, source: str) -> None:
    if dtypes.is_object_dtype(values):  # pandas' own strings are encoded already
        bad = [
            any(isinstance(part, str) and has_half_character(part) for part in parts)
            for parts in ([one] if isinstance(one, str) else _parts(one) for one in values)
        ]
        _refuse(values, bad, HALF, source)


@dataclass(frozen=True)
class _Rule:
    """What the values of a column are.

    Attributes:
        dtype: Their type.
        holds: Which of the values that are not missing are in order.
        problem: What the others are.
        is_key: Every row has one, and another one than all other rows.
    """

    dtype: type | str
    holds: Callable[[pd.Series], pd.Series]
    problem: str
    is_key: bool = False

    def is_kept(self, values: pd.Series) -> bool:
        if self.is_key:
            return not values.hasnans and values.is_unique and bool(self.holds(values).all())
        return bool((self.holds(values) | values.isna()).all())

    def column(self) -> pa.Column:
        return pa.Column(
            self.dtype,
            pa.Check(self.holds, error=self.problem),
            nullable=not self.is_key,
            unique=self.is_key,
            coerce=self.dtype is object,
        )


def _are_strings(values: pd.Series) -> pd.Series:
    return pd.Series([isinstance(one, str) for one in values], index=values.index, dtype=bool)


_ID = _Rule("str", lambda ids: ids.str.strip().ne(""), "is empty", is_key=True)
_TEXT = _Rule(object, _are_strings, "is not a string")
_NUMBER = _Rule(float, np.isfinite, "is not a finite number")


def _require_order(
    items: pd.DataFrame, rules: Mapping[str, _Rule], text: Sequence[str], source: str
) -> None:
    """Refuse a table in which a rule is broken, or a row has no text.

    pandera knows every offender but takes 11 ms even for one row, more than a search: it is asked
    where something is wrong only.
    """

    def has_text(frame: pd.DataFrame) -> pd.Series:
        return item_texts(frame, text).ne("")

    is_kept = all(rule.is_kept(items[column]) for column, rule in rules.items())
    if is_kept and bool(has_text(items).all()):
        return
    described = pa.Check(has_text, error=f"column {', '.join(text)} holds no text")
    columns = {column: rule.column() for column, rule in rules.items()}
    schema = pa.DataFrameSchema(columns, checks=described)
    try:
        schema.validate(items, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases.sort_values("index", kind="stable").to_dict("records")
        lines = list(dict.fromkeys(_offender(case) for case in cases))
        raise TableError(_message(source, "bad rows", lines), _offenses(cases, source)) from None


def _offenses(cases: Sequence[dict[Hashable, object]], source: str) -> list[Offense]:
    """Return the failure cases of pandera by rule."""
    rules: dict[tuple[str, str], dict[int, object]] = {}
    for case in cases:
        column, check = str(case["column"]), str(case["check"])
        if case["schema_context"] == "DataFrameSchema":  # our check, "column X holds no text"
            column, check = check.removeprefix("column ").rsplit(" ", 3)[0], "holds no text"
        rule = rules.setdefault((column, _PANDERA_CHECKS.get(check, check)), {})
        rule[int(str(case["index"]))] = case["failure_case"]
    return [
        Offense(source, list(found), column, problem, list(found.values()))
        for (column, problem), found in rules.items()
    ]


def _offender(case: dict[Hashable, object]) -> str:
    check = _PANDERA_CHECKS.get(str(case["check"]), str(case["check"]))
    row = int(str(case["index"])) + 1
    if case["schema_context"] == "DataFrameSchema":
        return f"row {row}, {check}"
    value = "" if check == "is missing" else f": {case['failure_case']!r}"
    return f"row {row}, column {case['column']} {check}{value}"


def _message(source: str, what: str, lines: Sequence[str]) -> str:
    return "\n  ".join([f"{source}: {what}", *first_few(lines)])
