"""Concepts and their tree: checked when they come in, asked for paths, parents and children."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

import pandas as pd

from retrieval.errors import InputError, Offense, TableError, first_few

SEPARATOR = " > "
CONCEPT_COLUMNS = (
    "concept_id",
    "name",
    "kind",
    "synonyms",
    "language",
    "parents",
    "description",
)


@dataclass(frozen=True)
class Concept:
    """A thing that items are of.

    Attributes:
        concept_id: Its id.
        name: What it is called.
        kind: What it is: a category, a brand, an ingredient; the caller's word.
        synonyms: What else it is called, in other languages too.
        language: Of the name; empty where nobody said.
        parents: Ids of the concepts right above it.
        description: A sentence about it.
        place: File and row it was read from, for messages; not kept.
    """

    concept_id: str
    name: str
    kind: str = "concept"
    synonyms: tuple[str, ...] = ()
    language: str = ""
    parents: tuple[str, ...] = ()
    description: str = ""
    place: str = field(default="", compare=False)

    def record(self, *, with_texts: bool) -> dict[str, Any]:
        """Return what is kept of it; without texts, its id, kind and parents alone."""
        kept: dict[str, Any] = {"kind": self.kind, "parents": list(self.parents)}
        if with_texts:
            kept |= {
                "name": self.name,
                "synonyms": list(self.synonyms),
                "language": self.language,
                "description": self.description,
            }
        return kept

    @classmethod
    def of_record(cls, concept_id: str, kept: Mapping[str, Any]) -> Concept:
        """Read what `record` has made; one without texts is called by its id."""
        return cls(
            concept_id,
            kept.get("name") or concept_id,
            kept["kind"],
            tuple(kept.get("synonyms", ())),
            kept.get("language", ""),
            tuple(kept["parents"]),
            kept.get("description", ""),
        )


class Concepts(Mapping[str, Concept]):
    """Concepts by their id, in a tree, or in a net where some have several parents.

    Raises:
        TableError: A parent is none of them, parents go round in a circle, or two are twins: of one
            name under the same parents.
    """

    def __init__(self, concepts: Iterable[Concept] = ()) -> None:
        self._all = {one.concept_id: one for one in concepts}
        self._check_parents()
        self._check_circles()
        self._check_twins()

    def __getitem__(self, concept_id: str) -> Concept:
        try:
            return self._all[concept_id]
        except KeyError:
            close = ", ".join(first_few(list(self._all)))
            raise InputError(f"there is no concept {concept_id!r} (there are: {close})") from None

    def __contains__(self, concept_id: object) -> bool:
        return concept_id in self._all

    def __iter__(self) -> Any:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """Concept → those right below it; without an entry where there are none."""
        below: dict[str, list[str]] = defaultdict(list)
        for one in self._all.values():
            for parent in one.parents:
                below[parent].append(one.concept_id)
        return dict(below)

    @cached_property
    def paths(self) -> dict[str, tuple[str, ...]]:
        """Concept → ids from a root down to it, by the first parent of each."""
        known: dict[str, tuple[str, ...]] = {}
        for one in self._downwards:
            above = self._all[one].parents
            known[one] = (*(known[above[0]] if above else ()), one)
        return known

    def path(self, concept_id: str, separator: str = SEPARATOR) -> str:
        """Return the names from a root down to a concept."""
        self[concept_id]
        return separator.join(self._all[one].name for one in self.paths[concept_id])

    def root(self, concept_id: str) -> str:
        """Return the root of a concept's path."""
        self[concept_id]
        return self.paths[concept_id][0]

    def above(self, concept_id: str) -> list[str]:
        """Return all concepts above one, the nearest first."""
        return self._reached(concept_id, lambda one: self._all[one].parents)

    def below(self, concept_id: str) -> list[str]:
        """Return all concepts below one, the nearest first."""
        return self._reached(concept_id, lambda one: self.children.get(one, ()))

    def named(self, name: str) -> list[str]:
        """Return the concepts of an id, a name, a synonym or a path; case does not matter."""
        if name in self._all:
            return [name]
        wanted = name.casefold().strip()
        return [
            one.concept_id
            for one in self._all.values()
            if wanted in {text.casefold() for text in (one.name, *one.synonyms)}
            or (SEPARATOR.strip() in wanted and self.path(one.concept_id).casefold() == wanted)
        ]

    def one_named(self, name: str) -> str:
        """Return the concept of an id, a name, a synonym or a path.

        Raises:
            InputError: There is none, or there are several.
        """
        found = self.named(name)
        if len(found) == 1:
            return found[0]
        if not found:
            shown = first_few([one.name for one in self._all.values()])
            raise InputError(f"there is no concept {name!r} (there are: {', '.join(shown) or '-'})")
        shown = first_few(found, lambda one: f"{one} ({self.path(one)})")
        raise InputError(f"{len(found)} concepts are called {name!r}: {'; '.join(shown)}")

    def merged(self, others: Iterable[Concept]) -> Concepts:
        """Return these and others, which take the place of those of the same id."""
        return Concepts({**self._all, **{one.concept_id: one for one in others}}.values())

    def without(self, concept_ids: Collection[str]) -> Concepts:
        """Return all but some; what was right below one of them is below its parents then."""
        gone = set(concept_ids)
        left = []
        for one in self._all.values():
            if one.concept_id not in gone:
                left.append(replace(one, parents=self._remaining(one.parents, gone)))
        return Concepts(left)

    def frame(self) -> pd.DataFrame:
        """Return them as a table of `CONCEPT_COLUMNS` and the path in names."""
        rows = [
            {name: getattr(one, name) for name in CONCEPT_COLUMNS} | {"path": self.path(key)}
            for key, one in self._all.items()
        ]
        return pd.DataFrame(rows, columns=[*CONCEPT_COLUMNS, "path"])

    def _remaining(self, parents: Sequence[str], gone: Collection[str]) -> tuple[str, ...]:
        kept: list[str] = []
        for parent in parents:
            kept += self._remaining(self._all[parent].parents, gone) if parent in gone else [parent]
        return tuple(dict.fromkeys(kept))

    def _reached(self, start: str, step: Any) -> list[str]:
        self[start]
        seen, waiting = {start: None}, [start]
        while waiting:
            found = [one for now in waiting for one in step(now) if one not in seen]
            waiting = list(dict.fromkeys(found))
            seen |= dict.fromkeys(waiting)
        return list(seen)[1:]

    @cached_property
    def _downwards(self) -> list[str]:
        """Every concept after its parents."""
        above = {one.concept_id: one.parents for one in self._all.values()}
        return list(TopologicalSorter(above).static_order())

    def _check_parents(self) -> None:
        for one in self._all.values():
            unknown = [parent for parent in one.parents if parent not in self._all]
            if unknown:
                there = ", ".join(first_few(list(self._all)))
                raise _wrong(
                    one, f"parent {unknown[0]!r} is no concept (there are: {there})", "parents"
                )

    def _check_circles(self) -> None:
        try:
            self._downwards  # noqa: B018
        except CycleError as error:
            circle = error.args[1][:-1]
            names = " → ".join([*circle, circle[0]])
            raise _wrong(
                self._all[circle[0]], f"parents go round in a circle: {names}", "parents"
            ) from None

    def _check_twins(self) -> None:
        seen: dict[object, Concept] = {}
        for one in self._all.values():
            key = one.name.casefold(), one.kind, frozenset(one.parents)
            twin = seen.setdefault(key, one)
            if twin is not one:
                problem = f"is a twin of {twin.concept_id!r}"
                where = f" ({twin.place})" if twin.place else ""
                raise _wrong(one, f"{problem}{where}: {one.name!r} under the same parents", "name")


def _wrong(one: Concept, problem: str, column: str) -> TableError:
    place = one.place or "concepts"
    return TableError(
        f"{place}: concept {one.concept_id!r}: {problem}",
        [Offense(place, [], column, problem)],
    )
