"""Conditions on numbers and launch dates that a question states in words: ``under 5 dollars``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.answers.catalog import EXPECTED_SALES, Mask
from pipelines.answers.facts import field_words
from pipelines.answers.words import grams_of, terms_of
from retrieval import Kind

LAUNCH = "launch_date"

_NUMBER = r"\d+(?:[.,]\d{3})*(?:\.\d+)?"
_BELOW = ("under", "below", "less than", "fewer than", "cheaper than", "lower than")
_ABOVE = ("over", "above", "more than", "greater than", "higher than")
_MOST = ("at most", "up to", "no more than")
_LEAST = ("at least", "no less than", "no fewer than")
_WORDS = "|".join((*_BELOW, *_ABOVE, *_MOST, *_LEAST, "between", "exactly")).replace(" ", r"\s+")
_STATED = re.compile(
    rf"(?<![a-z])(?P<how>{_WORDS})\s+(?P<sign>[$€£])?\s*(?P<low>{_NUMBER})"
    rf"(?:\s*(?:and|to|-)\s*[$€£]?\s*(?P<high>{_NUMBER}))?"
    r"\s*(?P<unit>%|[a-z]+)?",
    re.IGNORECASE,
)
_MONTHS = "january february march april may june july august september october november december"
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS.split())
_LAUNCHED = re.compile(
    r"\b(?P<verb>launch(?:ed|es|ing)?|releas(?:ed|es|ing)|introduced)\s+"
    r"(?P<how>in|on|after|since|before|until)\s+"
    rf"(?:(?P<year>\d{{4}})(?:-(?P<month>\d{{2}})(?:-(?P<day>\d{{2}}))?)?\b"
    rf"|(?P<name>{_MONTH})\s+(?P<of>\d{{4}})\b)",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    r"\b(?P<when>next|this|last)\s+(?P<span>week|month|year)(?:'s)?(?:\s+launches)?\b",
    re.IGNORECASE,
)
_PRICES = frozenset(terms_of("price cost msrp"))
_MONEY = frozenset(("dollar", "dollars", "usd", "euro", "euros", "eur", "pounds", "gbp", "cents"))
_SALES = re.compile(r"\b(?:sell|sells|sold|sales|demand)\b", re.IGNORECASE)
_NAMED = 0.6  # share of a column name's spelling that must be in the words before a number
_AROUND = 40  # characters before a number in which its column is named


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        column: Of the items.
        low: Least value, itself allowed; None: none.
        high: Greatest value, itself allowed; None: none.
        words: How the question states it.
    """

    column: str
    low: float | pd.Timestamp | None
    high: float | pd.Timestamp | None
    words: str

    def mask(self, items: pd.DataFrame) -> Mask:
        """(n,) which items meet it; one whose value is missing does not."""
        values = items[self.column]
        passes = values.notna()
        if self.low is not None:
            passes &= values >= self.low
        if self.high is not None:
            passes &= values <= self.high
        return passes.to_numpy(dtype=bool)

    def __str__(self) -> str:
        """Say it in few words."""
        return f"{self.column}: {self.words}"


@dataclass(frozen=True)
class Stated:
    """What a question states.

    Attributes:
        conditions: Those understood.
        unclear: Words of those that name no column there is.
        rest: The question without them.
    """

    conditions: tuple[Condition, ...]
    unclear: tuple[str, ...]
    rest: str


def read_conditions(question: str, kinds: Mapping[str, Kind], today: pd.Timestamp) -> Stated:
    """Read the conditions of a question.

    Args:
        question: In English.
        kinds: Column → what it holds.
        today: What ``next month`` is counted from.
    """
    found: list[Condition] = []
    unclear: list[str] = []
    spans: list[tuple[int, int]] = []
    for stated in _STATED.finditer(question):
        column = _column_of(question, stated, kinds)
        if column is None:
            unclear.append(stated.group().strip())
            continue
        low, high = _ends(stated)
        found.append(Condition(column, low, high, stated.group().strip()))
        spans.append(stated.span())
    for stated in (*_LAUNCHED.finditer(question), *_RELATIVE.finditer(question)):
        days = _days(stated) if "verb" in stated.groupdict() else _relative(stated, today)
        if days is None or ("verb" not in stated.groupdict() and "launch" not in question.lower()):
            continue
        found.append(Condition(LAUNCH, *days, stated.group().strip()))
        spans.append(stated.span())
    rest = question
    for start, end in sorted(spans, reverse=True):
        rest = rest[:start] + " " + rest[end:]
    return Stated(tuple(found), tuple(unclear), re.sub(r"\s+", " ", rest).strip())


def _column_of(question: str, stated: re.Match[str], kinds: Mapping[str, Kind]) -> str | None:
    """Return the number column that a condition is about, by the words around it."""
    numbers = [column for column, kind in kinds.items() if kind == "number"]
    before = question[max(0, stated.start() - _AROUND) : stated.start()]
    unit = (stated["unit"] or "").lower()
    after = question[stated.start("unit") : stated.end() + _AROUND] if unit else ""
    for words in (before, after):
        grams = grams_of(words)
        shares = [len(grams_of(field_words(one)) & grams) / _size(one) for one in numbers]
        if shares and max(shares) >= _NAMED:
            return numbers[int(np.argmax(shares))]
    is_money = bool(stated["sign"]) or unit in _MONEY or stated["how"].lower().startswith("cheap")
    if is_money:
        return next((one for one in numbers if _PRICES & set(terms_of(field_words(one)))), None)
    if _SALES.search(before) and EXPECTED_SALES in numbers:
        return EXPECTED_SALES
    return None


def _size(column: str) -> int:
    return max(len(grams_of(field_words(column))), 1)


def _ends(stated: re.Match[str]) -> tuple[float | None, float | None]:
    how = " ".join(stated["how"].lower().split())
    low = _number(stated["low"])
    if how == "between" and stated["high"]:
        ends = sorted((low, _number(stated["high"])))
        return ends[0], ends[1]
    if how in _BELOW:
        return None, float(np.nextafter(low, -np.inf))
    if how in _ABOVE:
        return float(np.nextafter(low, np.inf)), None
    if how in _MOST:
        return None, low
    return low, (low if how == "exactly" else None)


def _number(text: str) -> float:
    return float(re.sub(r",(?=\d{3})", "", text).replace(",", "."))


Days = tuple[pd.Timestamp | None, pd.Timestamp | None]


def _days(stated: re.Match[str]) -> Days | None:
    """Return the first and last day of ``launched in March 2024``; None where there is no such."""
    names: Sequence[str] = [name[:3] for name in _MONTHS.split()]
    year = int(stated["year"] or stated["of"])
    month = names.index(stated["name"][:3].lower()) + 1 if stated["name"] else stated["month"]
    try:
        first = pd.Timestamp(year, int(month or 1), int(stated["day"] or 1))
    except ValueError:
        return None
    last = first.to_period("D" if stated["day"] else "M" if month else "Y").end_time.normalize()
    how = stated["how"].lower()
    if how == "after":
        return last + pd.Timedelta(days=1), None
    if how == "since":
        return first, None
    if how in ("before", "until"):
        return None, first - pd.Timedelta(days=1) if how == "before" else last
    return first, last


def _relative(stated: re.Match[str], today: pd.Timestamp) -> Days:
    code = {"week": "W", "month": "M", "year": "Y"}[stated["span"].lower()]
    shift = {"next": 1, "this": 0, "last": -1}[stated["when"].lower()]
    period = today.to_period(code) + shift
    return period.start_time.normalize(), period.end_time.normalize()
