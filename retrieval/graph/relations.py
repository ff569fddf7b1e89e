"""Relations between concepts or items, each from a day to a day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from retrieval.errors import InputError, first_few
from retrieval.values.dates import parse_date

RELATION_COLUMNS = ("source", "relation", "target", "from", "until")
REPLACES, VARIANT_OF, COMPETES_WITH, PART_OF = "replaces", "variant_of", "competes_with", "part_of"
RELATED_TO = "related_to"


@dataclass(frozen=True)
class Relation:
    """One says something of another, as long as it holds.

    Attributes:
        source: A concept or an item, by its id.
        relation: What is said: ``replaces``, ``variant_of``, ``competes_with``, ``part_of``, or
            any other word.
        target: A concept or an item.
        start: First day it holds; None: it always has.
        until: Last day; None: it still does.
        place: File and row it was read from, for messages; not kept.
    """

    source: str
    relation: str
    target: str
    start: pd.Timestamp | None = None
    until: pd.Timestamp | None = None
    place: str = field(default="", compare=False)

    @property
    def key(self) -> str:
        """What tells it from others: the same said again, with another end, takes its place."""
        start = "" if self.start is None else self.start.date().isoformat()
        return "\x1e".join([self.source, self.relation, self.target, start])

    def holds(self, as_of: pd.Timestamp | None) -> bool:
        """Whether it holds on a day; without one, whether it has not ended."""
        if as_of is None:
            return self.until is None
        begun = self.start is None or self.start <= as_of
        return begun and (self.until is None or as_of <= self.until)

    def record(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return {
            "source": self.source,
            "relation": self.relation,
            "target": self.target,
            "from": None if self.start is None else self.start.date().isoformat(),
            "until": None if self.until is None else self.until.date().isoformat(),
        }

    @classmethod
    def of_record(cls, kept: Mapping[str, Any]) -> Relation:
        """Read what `record` has made."""
        return made_relation(
            kept["source"], kept["relation"], kept["target"], kept["from"], kept["until"]
        )


def made_relation(
    source: object,
    relation: object,
    target: object,
    start: Any = None,
    until: Any = None,
    place: str = "",
) -> Relation:
    """Return a checked relation.

    Raises:
        InputError: A part is blank, a date is none, it ends before it begins, or it is said of the
            concept or item itself.
    """
    where = f"{place}: " if place else ""
    parts = []
    for name, value in (("source", source), ("relation", relation), ("target", target)):
        text = "" if value is None else str(value).strip()
        if not text:
            raise InputError(f"{where}relation without a {name}")
        parts.append(text)
    word = "_".join(parts[1].casefold().replace("-", " ").split())
    if parts[0] == parts[2]:
        raise InputError(f"{where}{parts[0]!r} {word} itself")
    days = [
        None if day is None or pd.isna(day) or day == "" else parse_date(day, f"{where}{name}")
        for name, day in (("from", start), ("until", until))
    ]
    first, last = (None if day is None else day.normalize() for day in days)
    if first is not None and last is not None and last < first:
        raise InputError(f"{where}until {last.date()} is before from {first.date()}")
    return Relation(parts[0], word, parts[2], first, last, place)


def relations_frame(relations: Iterable[Relation]) -> pd.DataFrame:
    """Return relations as a table of `RELATION_COLUMNS`."""
    rows = [(one.source, one.relation, one.target, one.start, one.until) for one in relations]
    frame = pd.DataFrame(rows, columns=list(RELATION_COLUMNS))
    for column in ("from", "until"):
        frame[column] = pd.to_datetime(frame[column])
    return frame


def check_ends(relations: Iterable[Relation], known: Collection[str]) -> None:
    """Refuse relations whose ends are neither concepts nor items.

    Raises:
        InputError: Names the first, with file and row.
    """
    unknown = [
        f"{one.place or 'relations'}: {column} {end!r} is neither a concept nor an item"
        for one in relations
        for column, end in (("source", one.source), ("target", one.target))
        if end not in known
    ]
    if unknown:
        raise InputError("\n  ".join(first_few(unknown)))
