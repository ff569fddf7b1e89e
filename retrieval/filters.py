"""Filter items by attributes: typed conditions for Milvus and memory, and as text."""

from __future__ import annotations

import csv
import math
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.errors import InputError

Kind = Literal["number", "string"]
"""What an attribute column holds."""

# Milvus before 2.5 knows no null. What is missing is stored as one of these, and no filter ever
# matches them.
MISSING_NUMBER = -1.7976931348623157e308
MISSING_STRING = ""

# All that Milvus Lite's grammar knows; any other character stands for itself.
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


@dataclass(frozen=True)
class Between:
    """A range of numbers, both ends included; None leaves an end open."""

    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Refuse a range that says nothing."""
        ends = [end for end in (self.low, self.high) if end is not None]
        if not ends or any(not isinstance(end, numbers.Real) or math.isnan(end) for end in ends):
            raise InputError(
                f"Between needs a number at one end at least, got {self.low} and {self.high}"
            )


ParsedCondition = str | float | list[str] | list[float] | Between

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})?\.\.({_NUMBER})?", re.IGNORECASE)


Scalar = str | bool | int | float
Condition = Scalar | Sequence[Scalar] | Between
Where = Mapping[str, Condition]
"""Column → a value (equality), several (membership) or a `Between` (range); all must hold."""


@dataclass(frozen=True)
class _OneOf:
    values: tuple[str, ...] | tuple[float, ...]


ParsedWhere = Mapping[str, _OneOf | Between]
"""A filter whose columns exist and whose values fit them."""


def parse_where(where: Where, kinds: Mapping[str, Kind]) -> ParsedWhere:
    """Check a filter against the attribute columns that exist.

    Raises:
        InputError: Unknown column, or a value that does not fit the column.
    """
    if not isinstance(where, Mapping):
        raise InputError(f"where must map attributes to values, got {type(where).__name__}")
    parsed: dict[str, _OneOf | Between] = {}
    for column, condition in where.items():
        if column not in kinds:
            there = ", ".join(sorted(kinds)) or "none"
            raise InputError(f"where: unknown attribute {column!r}; the collection has: {there}")
        parsed[column] = _parse_condition(column, kinds[column], condition)
    return parsed


def _parse_condition(column: str, kind: Kind, condition: Condition) -> _OneOf | Between:
    if isinstance(condition, Between):
        if kind != "number":
            raise InputError(f"where: {column!r} holds strings; a range needs a number column")
        return condition
    values = [condition] if isinstance(condition, (str, int, float)) else list(condition)
    if kind == "number":
        return _OneOf(tuple(_as_number(column, value) for value in values))
    return _OneOf(tuple(_as_string(column, value) for value in values))


def _as_number(column: str, value: Any) -> float:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and value != MISSING_NUMBER:
        return float(value)
    raise InputError(f"where: {column!r} holds numbers, got {value!r}")


def _as_string(column: str, value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if not isinstance(value, str) or value == MISSING_STRING:
        raise InputError(f"where: {column!r} holds non-empty strings, got {value!r}")
    return value


def to_expression(parsed: ParsedWhere, fields: Mapping[str, str]) -> str:
    """Write a parsed filter in Milvus' expression language, every literal escaped."""
    clauses: list[str] = []
    for column, condition in parsed.items():
        field = fields[column]
        if isinstance(condition, _OneOf):
            clauses.append(member(field, condition.values))
            continue
        low = MISSING_NUMBER if condition.low is None else condition.low
        clauses.append(f"{field} {'>' if condition.low is None else '>='} {_literal(low)}")
        if condition.high is not None:
            clauses.append(f"{field} <= {_literal(condition.high)}")
    return " and ".join(clauses)


def member(field: str, values: Iterable[str] | Iterable[float]) -> str:
    """``field in [...]`` with escaped literals."""
    return f"{field} in [{', '.join(_literal(value) for value in values)}]"


def equals(field: str, value: str) -> str:
    """``field == value`` with an escaped literal."""
    return f"{field} == {_literal(value)}"


def after(field: str, value: str) -> str:
    """``field > value`` with an escaped literal."""
    return f"{field} > {_literal(value)}"


def _literal(value: str | float) -> str:
    return f'"{value.translate(_ESCAPES)}"' if isinstance(value, str) else repr(float(value))


def to_mask(parsed: ParsedWhere, columns: Mapping[str, pd.Series]) -> npt.NDArray[np.bool_] | None:
    """Evaluate a parsed filter on columns in memory; None where every row passes."""
    mask: npt.NDArray[np.bool_] | None = None
    for column, condition in parsed.items():
        values = columns[column]
        if isinstance(condition, _OneOf):
            passes = values.isin(condition.values).to_numpy()
        else:
            low = -math.inf if condition.low is None else condition.low
            high = math.inf if condition.high is None else condition.high
            passes = (values.ne(MISSING_NUMBER) & values.between(low, high)).to_numpy()
        mask = passes if mask is None else mask & passes
    return mask


def parse_conditions(
    conditions: Sequence[str], kinds: Mapping[str, Literal["number", "string"]]
) -> dict[str, ParsedCondition]:
    """Return what `ItemIndex.neighbors` takes as ``where``; all conditions must hold.

    Args:
        conditions: ``col=value``; ``col=a,b`` for one of several; ``col=1..3`` for a range with
            both ends, ``1..`` or ``..3`` for one open end. A value with a comma in it stands in
            double quotes.
        kinds: What each attribute of the collection holds. Only a number column has ranges, so a
            string ``1..3`` can be asked for.

    Raises:
        InputError: A condition has another form, names no attribute, or twice the same.
    """
    where: dict[str, ParsedCondition] = {}
    for condition in conditions:
        column, equals, value = condition.partition("=")
        if not equals or not value:
            raise InputError(f"where {condition!r}: write col=value, col=a,b or col=1..3")
        if column not in kinds:
            there = ", ".join(kinds) or "none"
            raise InputError(f"where {condition!r}: no attribute {column!r} (there are: {there})")
        if column in where:
            raise InputError(f"where {condition!r}: {column!r} has a condition already")
        where[column] = _numeric(condition, value) if kinds[column] == "number" else _words(value)
    return where


def _numeric(condition: str, value: str) -> float | list[float] | Between:
    if (bounds := _RANGE.fullmatch(value)) and value != "..":
        low, high = (float(bound) if bound else None for bound in bounds.groups())
        return Between(low, high)
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        raise InputError(f"where {condition!r}: {value!r} is not a number, list or range") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _words(value: str) -> str | list[str]:
    words = next(csv.reader([value]))
    return words[0] if len(words) == 1 else words
