"""Numbers that are written as words: with a decimal comma, thousands marks, a currency or a unit.

What a column's marks can only mean is read so, and told; what may be two numbers (1,234) is refused
until it is declared. The cells of a column are read together: 1.299,00 tells what 1.234 is there.

A column of text is meant as numbers, and its other cells are bad, if

- more than half of its cells carry what no code has: a decimal mark, a currency or a unit; or
- at least nine of ten cells are numbers, and one of them carries such a mark, or the column comes
  from a file without types. In a column of sizes words and numbers (38, M, 40/42) mix evenly, and
  slips in a column of prices are rare: a tenth lies between.

Digits alone, in a column that is text by its type, stay codes; so does, everywhere, a column with
leading zeros or several units. pandas' type ``category`` says it of any column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.values.cells import EXACT

NOT_A_NUMBER = "is not a number"
AMBIGUOUS = "may be two numbers (declare its mark, numbers: {thousands} or {decimal})"
BEYOND = "has so many digits that it cannot be kept as a number"
FOREIGN = "is a number in another unit than most"

_FEW = 0.1
_MOST = 0.5
_CELL = re.compile(
    r"(?P<before>[^\d.,+-]*)(?P<sign>[+-]?)(?P<between>[^\d.,+-]*)"
    r"(?P<body>[.,]?\d[\d.,' ]*)(?P<after>[^\d]*)"
)
_PLAIN = re.compile(r"(?P<sign>[+-]?)(?P<body>(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+)")
_SHAPE = re.compile(
    r"\d+(?:[.,]\d*)?|[.,]\d+"
    r"|\d{1,3}(?P<mark>[.,' ])\d{3}(?:(?P=mark)\d{3})*(?:(?!(?P=mark))[.,]\d*)?"
)
# In such a number the mark groups digits or begins the fraction.
_UNSURE = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_SPELLINGS = dict.fromkeys(map(ord, "\u00a0\u202f"), " ") | {0x2019: "'", 0x2212: "-"}
_MONEY = re.compile(
    r"[A-Z]{0,3}[$\u00a2-\u00a5\u20a0-\u20cf]|zł|Kč|kr|%|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|"
    r"HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|RON|SEK|SGD|TRY|USD|ZAR"
)
# One letter alone may be a size.
_UNITS = frozenset(["kg", "mg", "ml", "cl", "oz", "lb", "lbs", "cm", "mm", "km"])

Decimal = Literal[".", ","]
Thousands = Literal[",", ".", "'", " "]


@dataclass(frozen=True)
class NumberFormat:
    """How a table writes numbers; what is not declared is recognized where it is unambiguous.

    Attributes:
        decimal: The decimal mark; None: a point, unless the cells tell.
        thousands: What groups the digits before it; None: nothing, unless the cells tell.
        units: What may stand before or after a number and does not count.
    """

    decimal: Decimal | None = None
    thousands: Thousands | None = None
    units: tuple[str, ...] = ()


@dataclass(frozen=True)
class Read:
    """A column of text, read as numbers.

    Attributes:
        values: (n,) the numbers; NaN where a cell is missing, or none.
        problems: (n,) what is wrong with a cell that is there and no number; None elsewhere.
        like: (n,) which cells look like numbers, bad ones too.
        marked: (n,) which of these carry a decimal mark, a currency or a unit.
        are_codes: Whether there are leading zeros, or several units.
        recognized: What was read that nobody had declared; "" where nothing.
    """

    values: npt.NDArray[np.float64]
    problems: npt.NDArray[np.object_]
    like: npt.NDArray[np.bool_]
    marked: npt.NDArray[np.bool_]
    are_codes: bool
    recognized: str

    def doubt(self, n_known: int) -> str:
        """Return what to tell of a column that is not meant so, though many cells look like it."""
        many = int(self.like.sum())
        doubtful = not self.are_codes and self.marked.any() and many > _MOST * n_known
        return f"categories, though {many} of {n_known} cells look like numbers" if doubtful else ""

    def are_meant(self, n_known: int, *, untyped: bool) -> bool:
        """Whether the column is meant as numbers; the module says when.

        Args:
            n_known: How many cells are not missing.
            untyped: Whether the column comes from a file without types.
        """
        if self.are_codes or not self.like.any():
            return False
        few_are_odd = n_known - self.like.sum() <= _FEW * n_known
        by_marks = self.marked.sum() > _MOST * n_known
        return bool(by_marks or (few_are_odd and (untyped or self.marked.any())))


def read_numbers(texts: pd.Series, how: NumberFormat = NumberFormat()) -> Read:
    """Read a column of text as numbers.

    Args:
        texts: (n,) strings, or missing.
        how: What is declared of them.
    """
    codes, distinct = pd.factorize(texts)
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct)).tolist()
    cells = [_cell(str(one), how.units) for one in distinct]
    unit, several = _common_unit(cells, counts)
    form = _Form.of(cells, counts, how)
    values, problems, like = [], [], []
    for cell in cells:
        value = form.number(cell)
        problem = None if value is not None else form.problem(cell)
        if cell.is_like and cell.unit not in ("", unit):
            value, problem = None, FOREIGN
        if value is not None and abs(value) > EXACT and cell.body.isdecimal():
            value, problem = None, BEYOND
        # Digits in groups between blanks may be a code, unless other cells tell.
        like.append(cell.is_like and (value is not None or " " not in cell.body))
        values.append(np.nan if value is None else value)
        problems.append(problem)
    return Read(
        values=np.array([*values, np.nan], dtype=np.float64)[codes],  # -1: missing
        problems=np.array([*problems, None], dtype=object)[codes],
        like=np.array([*like, False], dtype=bool)[codes],
        marked=np.array([*(one.is_marked for one in cells), False], dtype=bool)[codes],
        are_codes=several or any(one.is_code for one in cells),
        recognized=form.told(cells, unit, how),
    )


@dataclass(frozen=True)
class _Cell:
    """A cell in its parts; `body` has digits and marks, and is empty where it is no number.

    `unit` is one that nobody declared.
    """

    sign: str = ""
    body: str = ""
    unit: str = ""
    has_declared_unit: bool = False

    @property
    def is_like(self) -> bool:
        return self.body != ""

    @property
    def has_mark(self) -> bool:
        return "." in self.body or "," in self.body

    @property
    def is_code(self) -> bool:
        if not self.body.isdecimal():
            return False
        return (self.body[0] == "0" and len(self.body) > 1) or int(self.body) > EXACT

    @property
    def is_marked(self) -> bool:
        has_unit = self.unit != "" or self.has_declared_unit
        return self.is_like and (self.has_mark or has_unit)


def _cell(text: str, declared: Sequence[str]) -> _Cell:
    text = text.strip().translate(_SPELLINGS)
    if found := _PLAIN.fullmatch(text):
        return _Cell(found["sign"], found["body"])
    found = _CELL.fullmatch(text)
    if found is None:
        return _Cell()
    body = found["body"].rstrip(" '")
    around = [found[name].strip() for name in ("before", "between", "after")]
    around = [one for one in around if one]
    if not _SHAPE.fullmatch(body) or len(around) > 1:
        return _Cell()
    if not around:
        return _Cell(found["sign"], body)
    if around[0].casefold() in [one.casefold() for one in declared]:
        return _Cell(found["sign"], body, has_declared_unit=True)
    if _MONEY.fullmatch(around[0]):
        return _Cell(found["sign"], body, around[0])
    unit = around[0].lower()
    return _Cell(found["sign"], body, unit) if unit in _UNITS and found["after"] else _Cell()


def _common_unit(cells: Sequence[_Cell], counts: Sequence[int]) -> tuple[str, bool]:
    """Return the most frequent unit, and whether others, or none, beside it make codes of all."""
    seen: Counter[str] = Counter()
    for cell, count in zip(cells, counts, strict=True):
        if cell.is_like:
            seen[cell.unit] += count
    with_unit = [unit for unit, _ in seen.most_common() if unit]
    several = len(seen) > 1 and any(unit in _UNITS for unit in with_unit)
    return (with_unit[0] if with_unit else "", several)


@dataclass(frozen=True)
class _Form:
    """What the marks of a column mean."""

    decimal: str
    thousands: str | None

    @classmethod
    def of(cls, cells: Sequence[_Cell], counts: Sequence[int], how: NumberFormat) -> _Form:
        decimals, groups = Counter[str](), Counter[str]()
        for cell, count in zip(cells, counts, strict=True):
            fraction, group = _meaning(cell)
            decimals[fraction] += count if fraction else 0
            groups[group] += count if group else 0
        decimal = how.decimal or _other(how.thousands)
        if decimal is None:
            told = decimals[","] - decimals["."] or groups["."] - groups[","]
            decimal = "," if told > 0 else "."
        seen = [group for group, count in groups.most_common() if count and group != decimal]
        return cls(decimal, how.thousands or (seen[0] if seen else None))

    def number(self, cell: _Cell) -> float | None:
        body = cell.body
        if _PLAIN.fullmatch(body):
            return float(cell.sign + body) if self.decimal == "." or "." not in body else None
        if self.thousands is not None and self.thousands in body:
            whole, mark, rest = body.partition(self.decimal)
            if not re.fullmatch(rf"\d{{1,3}}(?:{re.escape(self.thousands)}\d{{3}})+", whole):
                return None
            body = whole.replace(self.thousands, "") + mark + rest
        whole, _, rest = body.partition(self.decimal)
        is_number = body != "" and (whole + rest).isdecimal()
        return float(f"{cell.sign}{whole or 0}.{rest or 0}") if is_number else None

    def problem(self, cell: _Cell) -> str:
        if not _UNSURE.fullmatch(cell.body):
            return NOT_A_NUMBER
        mark = "," if "," in cell.body else "."
        return AMBIGUOUS.format(thousands=f'thousands: "{mark}"', decimal=f'decimal: "{mark}"')

    def told(self, cells: Sequence[_Cell], unit: str, how: NumberFormat) -> str:
        read = "".join(cell.body for cell in cells if self.number(cell) is not None)
        said = []
        if how.decimal is None and self.decimal == "," and "," in read:
            said.append("decimal comma")
        if how.thousands is None and self.thousands is not None and self.thousands in read:
            said.append(f"{self.thousands!r} between thousands")
        return ", ".join([*said, *([f"unit {unit}"] if unit else [])])


def _other(mark: str | None) -> str | None:
    return {",": ".", ".": ","}.get(mark or "")


def _meaning(cell: _Cell) -> tuple[str, str]:
    """Return the decimal mark and the thousands mark that a cell can only have; "" elsewhere."""
    found = _SHAPE.fullmatch(cell.body)
    if found is None:
        return "", ""
    group, body = found["mark"], cell.body
    marks = [one for one in body if one in ".,"]
    if group is None:
        return (marks[0] if marks and not _UNSURE.fullmatch(body) else ""), ""
    rest = [one for one in marks if one != group]
    if group in ".," and not rest and body.count(group) == 1:
        return "", ""
    # Digits in groups without any other mark may be a code.
    is_code = group == " " and not rest and not cell.unit
    return (rest[0] if rest else ""), ("" if is_code else group)
