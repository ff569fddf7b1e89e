"""Refuse values that cannot be right, in words that say what they have to be."""

from collections.abc import Sequence

import numpy as np

from retrieval import InputError


def check_choice(name: str, value: object, known: Sequence[str]) -> None:
    """Raise an InputError that lists what exists where a parameter's value does not."""
    if value not in known:
        raise InputError(f"unknown {name} {value!r}; there are: {', '.join(known)}")


def check_whole(name: str, value: object, least: int) -> None:
    """Raise an InputError where a parameter is no whole number, or too small a one."""
    if not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value}")


def check_above_zero(name: str, value: float | None) -> None:
    """Raise an InputError where a parameter is not above 0."""
    if not (value and value > 0):
        raise InputError(f"{name} must be above 0, got {value}")


def check_levels(levels: Sequence[float]) -> None:
    """Raise an InputError where quantile levels are out of order, out of range or lack 0.5."""
    levels = list(levels)
    if levels != sorted(set(levels)) or 0.5 not in levels or not all(0 < q < 1 for q in levels):
        raise InputError(f"quantiles must ascend between 0 and 1 with 0.5 among them, got {levels}")
