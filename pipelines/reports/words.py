"""Numbers, dates and names as reports write them."""

from __future__ import annotations

import math
from typing import TypeGuard

import pandas as pd


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number: none where nothing was sold to relate it to (null in JSON)."""
    return value is not None and not math.isnan(value)


def number(value: float | None, pattern: str = "{:.3f}") -> str:
    """Return a number, or that there is none."""
    return pattern.format(value) if known(value) else "n/a"


def date(value: pd.Timestamp) -> str:
    """Return a day: 2024-12-31."""
    return f"{value:%Y-%m-%d}"


def counted(n: int, what: str, many: str = "s") -> str:
    """How many there are: 1 item, 1,200 items."""
    return f"{n:,} {what}{'' if n == 1 else many}"


def short(text: object, width: int) -> str:
    """Return a text, or its beginning where it is longer than that."""
    words = str(text)
    return words if len(words) <= width else words[: width - 1] + "…"
