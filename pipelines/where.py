"""Conditions on attributes as a person types them: ``col=value``, ``col=a,b``, ``col=1..3``."""

import csv
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from retrieval import Between, InputError

Condition = str | float | list[str] | list[float] | Between

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})?\.\.({_NUMBER})?", re.IGNORECASE)


def parse_where(
    conditions: Sequence[str], kinds: Mapping[str, Literal["number", "string"]]
) -> dict[str, Condition]:
    """What `ItemIndex.neighbors` takes as ``where``; all conditions must hold.

    Args:
        conditions: ``col=value``; ``col=a,b`` for one of several; ``col=1..3`` for a range with
            both ends, ``1..`` or ``..3`` for one open end. A value with a comma in it stands in
            double quotes.
        kinds: What each attribute of the collection holds. Only a number column has ranges, so a
            string ``1..3`` can be asked for.

    Raises:
        InputError: A condition has another form, names no attribute, or twice the same.
    """
    where: dict[str, Condition] = {}
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
