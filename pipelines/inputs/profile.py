"""What the columns of a table were read as: kinds, examples, gaps, and cells that are likely slips.

A cell that breaks a column's kind would be refused by a job, or set aside; here it is told with its
row. Rows are counted from 1, without a CSV file's header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types as dtypes

from retrieval import AMBIGUOUS, ISO, NumberFormat, cell_texts, parse_dates, read_numbers

COMMA, POINT = "decimal comma", "decimal point"

Kind = Literal["numbers", "dates", "truth values", "text", "nothing"]
"""What a column was read as."""

Rhythm = Literal["week", "month", "day"]

_EXAMPLES = 3
_LONGEST = 40  # characters of an example
_SLIPS = 3  # that are listed
_FEW = 0.1  # share of odd cells that are slips rather than another kind
_HALF = 0.5
_FORMS = (ISO, "dayfirst", "monthfirst", "iso-week")
# What stands for an unreadable character, and what UTF-8 looks like when it is read as cp1252.
_SPOILED = re.compile("\ufffd|\u00c3[\u00a4\u00b6\u00bc\u0178\u00a9\u00a8]|\u00e2\u201a\u00ac")
_UNSURE = AMBIGUOUS.partition(" (")[0]
_POINT = r"\d\.\d"
_TRUTHS = frozenset({"true", "false"})


@dataclass(frozen=True)
class ColumnProfile:
    """A column.

    Attributes:
        name: Its name.
        kind: What it was read as.
        form: How it is written, such as "decimal comma" or "dayfirst"; "" as a rule.
        rows: How many cells there are.
        known: How many are not missing.
        distinct: How many of these differ; None: nobody counted.
        examples: Some of them.
        slips: What is likely to be wrong, each with its rows.
        mean_length: Characters of a cell.
        rhythm: Of dates: all on one weekday, all first or all last of a month, or neither.
    """

    name: str
    kind: Kind
    form: str
    rows: int
    known: int
    distinct: int | None
    examples: tuple[str, ...] = ()
    slips: tuple[str, ...] = ()
    mean_length: float = 0.0
    rhythm: Rhythm | None = None

    @property
    def differ(self) -> int:
        """How many values differ; 0 where nobody counted."""
        return self.distinct or 0

    @property
    def words(self) -> str:
        """What it was read as, and its gaps; nothing of what stands in the cells."""
        form = f" ({self.form})" if self.form else ""
        values = f"{self.known:,} value{'' if self.known == 1 else 's'}"
        if self.distinct is not None and self.known > 1:
            if self.distinct == self.known and self.kind in ("text", "numbers"):
                values += ", all different"
            elif self.kind == "text":
                values += f", {self.distinct:,} different"
        missing = f", {self.rows - self.known:,} missing" if self.known < self.rows else ""
        return f"{self.kind}{form}, {values}{missing}" if self.known else "nothing: all missing"

    @property
    def line(self) -> str:
        """The same with examples and slips."""
        shown = f": {' · '.join(self.examples)}" if self.examples else ""
        return "; ".join([f"{self.name}: {self.words}{shown}", *self.slips])


def profile_of(
    name: str, cells: pd.Series, numbers: NumberFormat, date_format: str | None
) -> ColumnProfile:
    """Profile a column.

    Args:
        name: Its name.
        cells: (n,) text as it stands in the file, or values of a type.
        numbers: How numbers are written, as far as it is declared.
        date_format: That of dates; None: whichever fits best.
    """
    kind, form, odd = _read(cells, numbers, date_format)
    written = cell_texts(cells)
    known = written[written.notna()].astype("str")
    values = known.drop_duplicates()
    slips = [*_odd(kind, written, odd)]
    if kind == "text":
        slips += [*_spellings(values), *_spoiled(known)]
    return ColumnProfile(
        name=name,
        kind=kind,
        form=form,
        rows=len(cells),
        known=len(known),
        distinct=len(values),
        examples=tuple(_short(one) for one in values[:_EXAMPLES]),
        slips=tuple(slips),
        mean_length=float(known.str.len().mean()) if len(known) else 0.0,
        rhythm=_rhythm(cells, form) if kind == "dates" else None,
    )


def as_read(frame: pd.DataFrame) -> dict[str, str]:
    """Return what each column of a table that a job has read holds, for its log: no cell of it."""
    return {name: _typed(name, frame[name]).words for name in frame.columns}


def _typed(name: str, cells: pd.Series) -> ColumnProfile:
    known = int(cells.notna().sum())
    kind = _kind_of_type(cells) if known else "nothing"
    return ColumnProfile(name, kind, "", len(cells), known, None)


def _kind_of_type(cells: pd.Series) -> Kind:
    if dtypes.is_bool_dtype(cells.dtype):
        return "truth values"
    if dtypes.is_numeric_dtype(cells.dtype):
        return "numbers"
    return "dates" if dtypes.is_datetime64_any_dtype(cells.dtype) else "text"


def _read(
    cells: pd.Series, how: NumberFormat, date_format: str | None
) -> tuple[Kind, str, npt.NDArray[np.bool_]]:
    """Return what a column is, in which form, and which of its cells are not."""
    none = np.zeros(len(cells), dtype=bool)
    known = cells.notna().to_numpy()
    if not known.any():
        return "nothing", "", none
    if not isinstance(cells.dtype, pd.StringDtype) and cells.dtype != object:
        return _kind_of_type(cells), "", none
    texts = cell_texts(cells)
    if set(texts.dropna().str.strip().str.casefold()) <= _TRUTHS:
        return "truth values", "", none
    form, dates = _dates(texts, known, date_format)
    if form is not None:
        return "dates", form, known & ~dates
    read = read_numbers(texts, how)
    is_number = pd.isna(pd.Series(read.problems)).to_numpy() & known
    if read.are_meant(int(known.sum()), untyped=True):
        point = bool(texts[known].str.contains(_POINT).any()) and "comma" not in read.recognized
        form = ", ".join(filter(None, [POINT if point else "", read.recognized]))
        unsure = [str(one).startswith(_UNSURE) for one in read.problems[known & ~is_number]]
        if unsure and all(unsure):
            form = "which mark is which? declare tables.decimal or tables.thousands"
        return "numbers", form, known & ~is_number
    if not read.are_codes and is_number.sum() > _HALF * known.sum():
        return "text", "", known & ~is_number
    return "text", "", none


def _dates(
    texts: pd.Series, known: npt.NDArray[np.bool_], date_format: str | None
) -> tuple[str | None, npt.NDArray[np.bool_]]:
    """Return the form in which nearly all are dates, and which are; None where there is none."""
    best, most, found = None, 0, known
    fits: list[int] = []
    for form in _FORMS if date_format is None else dict.fromkeys((date_format, ISO)):
        dates = ~np.isnat(parse_dates(texts, form).to_numpy())
        fits.append(int(dates.sum()))
        if fits[-1] > most:
            best, most, found = form, fits[-1], dates
    if most < (1 - _FEW) * known.sum():
        return None, known
    if date_format is None and best == "dayfirst" and fits[1] == fits[2] and _slashed(texts):
        return "day or month first: both fit, declare tables.date_format", found
    return best, found


def _rhythm(cells: pd.Series, form: str) -> Rhythm:
    days = parse_dates(cells, form if form in _FORMS else ISO).dropna()
    if days.day_of_week.nunique() <= 1:
        return "week"
    return "month" if (days.day == 1).all() or days.is_month_end.all() else "day"


def _slashed(texts: pd.Series) -> bool:
    return bool(texts.dropna().str.contains("/", regex=False).any())


def _odd(kind: Kind, texts: pd.Series, odd: npt.NDArray[np.bool_]) -> list[str]:
    rows = np.flatnonzero(odd)
    if len(rows) == 0:
        return []
    listed = ", ".join(f"row {row + 1} ({_short(str(texts.iloc[row]))!r})" for row in rows[:_SLIPS])
    more = f" and {len(rows) - _SLIPS:,} more" if len(rows) > _SLIPS else ""
    if kind == "text":
        return [f"numbers but for {listed}{more}"]
    return [f"no {'number' if kind == 'numbers' else 'date'}: {listed}{more}"]


def _spellings(values: pd.Series) -> list[str]:
    """Values that differ in nothing but case and blanks."""
    if len(values) > 10_000:
        return []
    alike: dict[str, list[str]] = {}
    for one in values:
        alike.setdefault(" ".join(one.casefold().split()), []).append(one)
    groups = [group for group in alike.values() if len(group) > 1]
    told = [" = ".join(repr(_short(one)) for one in group[:2]) for group in groups[:_SLIPS]]
    return [f"differ in case or blanks alone: {', '.join(told)}"] if told else []


def _spoiled(known: pd.Series) -> list[str]:
    spoiled = known[known.map(lambda one: _SPOILED.search(one) is not None)]
    if spoiled.empty:
        return []
    return [f"another encoding? {_short(spoiled.iloc[0])!r} and {len(spoiled) - 1:,} more"]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def kinds(profiles: Mapping[str, ColumnProfile], kind: Kind) -> list[str]:
    """Return the names of the columns of a kind."""
    return [name for name, one in profiles.items() if one.kind == kind]
