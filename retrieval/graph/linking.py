"""The links of an index's items: which are to be made anew, how sure they must be, what is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.errors import InputError, first_few
from retrieval.graph.concepts import Concepts
from retrieval.graph.ledger import Ledger
from retrieval.graph.links import Found, Taught, as_taught, find_concepts, rank_concepts, threshold
from retrieval.graph.names import NameVectors
from retrieval.graph.stops import FEWEST_KNOWN, Stops, find_ways, learn_stops
from retrieval.graph.tree import ConceptTree
from retrieval.index import ItemIndex
from retrieval.queries import distinct, item_ids, to_vectors

By = Literal["graph", "person", "table"]
GRAPH: Final = "graph"
PERSON: Final = "person"
TABLE: Final = "table"

_SUFFIX = "_links"
_STATE = "\x1fstate"  # no item's id begins so
_SAMPLE = 5_000
_FEW = 200
_BLOCK = 10_000


@dataclass(frozen=True)
class Link:
    """An item's concept.

    Attributes:
        concept: Its id; None where the item is of none.
        similarity: To the nearest concept, linked or not; NaN where it was told.
        by: Who says so: the graph, a person, or a table.
        content: Hash of the item as it was; empty where it is not in the index.
        since: First day on which that was known, ``2024-05-01``; None: as long as the item.
        before: What was known before: pairs of a concept, or None, and since when; oldest first.
    """

    concept: str | None
    similarity: float
    by: By
    content: str = ""
    since: str | None = None
    before: tuple[tuple[str | None, str | None], ...] = ()

    @property
    def states(self) -> tuple[tuple[str | None, str | None], ...]:
        """Every concept that was ever known, and since when, oldest first."""
        return (*self.before, (self.concept, self.since))

    def as_of(self, day: str) -> tuple[str | None, str | None] | None:
        """Return the state that held on a day; None where nothing was known yet."""
        known = [one for one in self.states if one[1] is None or one[1] <= day]
        return known[-1] if known else None

    def after(self, earlier: Link | None) -> Link:
        """Return the same, told after what was known of the item; a day's last word is its word."""
        if earlier is None or self.since is None:
            return self
        kept = tuple(one for one in earlier.states if one[1] is None or one[1] < self.since)
        return replace(self, before=kept)

    def record(self) -> list[Any]:
        """Return what is kept of it."""
        similarity = None if np.isnan(self.similarity) else round(self.similarity, 4)
        kept = [self.concept, similarity, self.by, self.content]
        return kept if self.since is None else [*kept, self.since, [*map(list, self.before)]]

    @classmethod
    def of_record(cls, kept: Sequence[Any]) -> Link:
        """Read what `record` has made."""
        similarity = float("nan") if kept[1] is None else float(kept[1])
        since = kept[4] if len(kept) > 4 else None
        before = tuple((one, day) for one, day in kept[5]) if len(kept) > 5 else ()
        return cls(kept[0], similarity, kept[2], kept[3], since, before)


@dataclass(frozen=True)
class _Sure:
    """How sure a link must be: where its probability is known, instead of a similarity."""

    stops: Stops
    precision: float
    tree: ConceptTree

    def concepts(self, vectors: npt.NDArray[np.float32], names: NameVectors) -> list[str | None]:
        """(n,) the lowest concept of each item that is sure enough."""
        first, kind = distinct(vectors, None)
        ways = find_ways(vectors[first], names, self.tree, self.stops.temperature)
        lowest, _ = self.stops.lowest(ways, self.precision)
        return [self.tree.ids[one] if one >= 0 else None for one in lowest[kind]]


class Linker:
    """Links items, and keeps the links.

    Args:
        index: Of the items.
        names: The names of the concepts as vectors.
        concepts: The concepts.
    """

    def __init__(
        self, index: ItemIndex, names: Callable[[], NameVectors], concepts: Callable[[], Concepts]
    ) -> None:
        self._index = index
        self._names = names
        self._concepts = concepts
        self._ledger = Ledger(index, _SUFFIX)

    def link(
        self,
        items: pd.DataFrame | Sequence[str] | None,
        version: str,
        false_alarm_rate: float,
        precision: float | None = None,
    ) -> dict[str, Link]:
        """Link items as `ConceptGraph.link` tells; item → link."""
        kept = self._ledger.read()
        state = kept.pop(_STATE, {})
        known = {item: Link.of_record(value) for item, value in kept.items()}
        mark = self._mark(version, false_alarm_rate, precision, known)
        if state.get("mark") != mark:
            least = self._threshold(known, false_alarm_rate)
            if items is None:
                state = {"mark": mark, "least": least}
            is_new = True
        else:
            least, is_new = float(state["least"]), False
        contents = self._contents(None if items is None else _ids_of(items, self._index))
        if isinstance(items, pd.DataFrame):
            vectors, names = to_vectors(items, None, self._index.layout, self._index.encoder)
            wanted = [str(one) for one in names]
        else:
            wanted = list(contents) if items is None else item_ids(items)
            self._require(wanted, contents)
            vectors = None
        done = {item: known[item] for item in wanted if item in known}
        stale = [
            place
            for place, item in enumerate(wanted)
            if item not in done
            or (done[item].by == GRAPH and (is_new or done[item].content != contents.get(item, "")))
        ]
        taught, days = self._taught(known)
        stops = None if precision is None or not stale else self._stops(known, precision)
        for start in range(0, len(stale), _BLOCK):
            places = stale[start : start + _BLOCK]
            block = [wanted[place] for place in places]
            some = self._index.vectors(block) if vectors is None else vectors[places]
            done |= self._made(block, some, (taught, days), stops or least, contents)
        fresh = {item: done[item] for item in wanted}
        changed = {
            item: link.record()
            for item, link in fresh.items()
            if item in contents and kept.get(item) != link.record()
        }
        self._ledger.write(changed)
        if items is None:
            gone = known.keys() - contents.keys()
            self._ledger.delete(sorted(gone))
            if is_new:
                self._ledger.write({_STATE: state})
        return fresh

    def tell(
        self, told: Mapping[str, str | None], by: By, since: Mapping[str, str] = {}
    ) -> dict[str, Link]:
        """Keep what somebody has said, and since when; a table does not overrule a person."""
        contents = self._contents(list(told))
        self._require(list(told), contents)
        there = {
            item: Link.of_record(value) for item, value in self._ledger.get(list(told)).items()
        }
        made = {}
        for item, concept in told.items():
            if by == TABLE and item in there and there[item].by == PERSON:
                made[item] = there[item]
            else:
                link = Link(concept, float("nan"), by, contents[item], since.get(item))
                made[item] = link.after(there.get(item))
        self._ledger.write({item: link.record() for item, link in made.items()})
        return made

    def kept(self, wanted: Sequence[str] | None) -> dict[str, Link]:
        """Return the links that are kept, of some items or of all, by item."""
        rows = self._ledger.read() if wanted is None else self._ledger.get(item_ids(wanted))
        rows.pop(_STATE, None)
        return {item: Link.of_record(rows[item]) for item in sorted(rows)}

    def forget(self, concepts: Collection[str]) -> None:
        """Remove the links to concepts."""
        kept = self.kept(None)
        self._ledger.delete([item for item, link in kept.items() if link.concept in concepts])

    def rank(self, vectors: npt.NDArray[np.float32], k: int) -> list[list[tuple[str, float]]]:
        """Return the k concepts each vector is most like, with their similarity."""
        return rank_concepts(vectors, self._names(), k)

    def _made(
        self,
        block: Sequence[str],
        vectors: npt.NDArray[np.float32],
        told: tuple[Taught, Sequence[str | None]],
        enough: float | _Sure,
        contents: Mapping[str, str],
    ) -> dict[str, Link]:
        taught, days = told
        alone, found = self._found(vectors, taught)
        if isinstance(enough, _Sure):
            of_names = enough.concepts(vectors, self._names())
            taught_ids = self._ids(found, np.inf)
            both = zip(found.is_taught, taught_ids, of_names, strict=True)
            linked = [theirs if is_taught else own for is_taught, theirs, own in both]
        else:
            of_names, linked = (self._ids(one, enough) for one in (alone, found))
        made = {}
        for row, item in enumerate(block):
            similarity, content = round(float(found.similarity[row]), 4), contents.get(item, "")
            since = days[found.teacher[row]] if found.is_taught[row] else None
            before = () if since is None else ((of_names[row], None),)
            made[item] = Link(linked[row], similarity, GRAPH, content, since, before)
        return made

    def _ids(self, found: Found, least: float) -> list[str | None]:
        """(n,) ids of the concepts that are near enough, or were taught."""
        names = self._names().concepts
        linked = (found.is_taught | (found.similarity >= least)) & ~found.is_none
        return [names[one] if ok else None for one, ok in zip(found.concept, linked, strict=True)]

    def _found(self, vectors: npt.NDArray[np.float32], taught: Taught) -> tuple[Found, Found]:
        """Find the concepts of items, by names alone and as taught; those that read the same once.

        What was taught is known since somebody told it, and what names say as long as the item.
        """
        first, kind = distinct(vectors, None)
        alone = find_concepts(vectors[first], self._names(), self._concepts())
        both = alone, as_taught(alone, vectors[first], taught)
        spread = (Found(**{name: one[kind] for name, one in vars(found).items()}) for found in both)
        return next(spread), next(spread)

    def _taught(self, known: Mapping[str, Link]) -> tuple[Taught, list[str | None]]:
        """Return what people told, and since when each is known."""
        position = {one: place for place, one in enumerate(self._names().concepts)}
        told = {item: one for item, one in sorted(known.items()) if one.by == PERSON}
        told = {item: one for item, one in told.items() if one.concept in {None, *position}}
        dim = self._index.encoder.dim
        vectors = self._index.vectors(list(told)) if told else np.empty((0, dim), np.float32)
        places = [-1 if one.concept is None else position[one.concept] for one in told.values()]
        there = ~np.isnan(vectors).any(axis=1)
        days = [one.since for one, kept in zip(told.values(), there, strict=True) if kept]
        return Taught(vectors[there], np.array(places, np.intp)[there]), days

    def _threshold(self, known: Mapping[str, Link], rate: float) -> float:
        """Return how similar is similar enough, as some of the index's items tell."""
        ids = sorted(self._index.ids(), key=lambda one: hashlib.blake2b(one.encode()).digest())
        sample = np.empty((0, self._index.encoder.dim), dtype=np.float32)
        if ids:
            sample = self._index.vectors(ids[:_SAMPLE])
        nobody = Taught(sample[:0], np.empty(0, np.intp))
        asked = sample
        if len(ids) < _FEW:  # the names of the concepts themselves tell more
            asked = np.concatenate([sample, self._names().vectors[:_SAMPLE]])
        least = threshold(self._found(asked, nobody)[0], rate)
        if len(sample) > 1:  # and no link is weaker than between two items of a different kind
            pairs = (sample * np.roll(sample, len(sample) // 2, axis=0)).sum(axis=1)
            least = max(least, float(np.quantile(pairs, 1 - rate)))
        return round(least, 4)

    def _stops(self, known: Mapping[str, Link], precision: float) -> _Sure:
        """Learn how far down a tree to go from the items whose concept is known."""
        tree = ConceptTree.of(self._concepts())
        place = {one: at for at, one in enumerate(tree.ids)}
        told = {item: one for item, one in known.items() if one.by in (PERSON, TABLE)}
        ids = sorted(told, key=lambda one: hashlib.blake2b(one.encode()).digest())[:_SAMPLE]
        dim = self._index.encoder.dim
        vectors = self._index.vectors(ids) if ids else np.empty((0, dim), np.float32)
        there = ~np.isnan(vectors).any(axis=1)
        truth = np.array([place.get(told[one].concept or "", -1) for one in ids], dtype=np.int64)
        stops = learn_stops(vectors[there], truth[there], self._names(), tree)
        if stops is None:
            raise InputError(
                f"precision: it is learned from items whose concept a person or a table has told, "
                f"{FEWEST_KNOWN} of them at least, some found rightly and some not; there are "
                f"{int(there.sum())}"
            )
        return _Sure(stops, precision, tree)

    def _mark(
        self, version: str, rate: float, precision: float | None, known: Mapping[str, Link]
    ) -> str:
        told = sorted(
            (item, one.concept or "", one.since or "")
            for item, one in known.items()
            if one.by == PERSON
        )
        encoder = self._index.encoder.identity.revision
        asked = [version, rate, encoder, told, *([] if precision is None else [precision])]
        content = json.dumps(asked)
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    def _contents(self, wanted: Sequence[str] | None) -> dict[str, str]:
        """Item → hash of its content, of those that the index has; None: of all, sorted."""
        if not self._index.exists:
            return {}
        store, fields = self._index.store, ["item_id", "content_hash"]
        if wanted is not None:
            return {row["item_id"]: row["content_hash"] for row in store.get(wanted, fields)}
        rows = [
            (row["item_id"], row["content_hash"]) for page in store.pages(fields) for row in page
        ]
        return dict(sorted(rows))

    def _require(self, wanted: Sequence[str], there: Collection[str]) -> None:
        missing = [one for one in wanted if one not in there]
        if missing:
            raise InputError(f"the index has no item {', '.join(map(repr, first_few(missing)))}")


def _ids_of(items: pd.DataFrame | Sequence[str], index: ItemIndex) -> list[str]:
    if isinstance(items, pd.DataFrame):
        column = index.layout.item_id
        if column not in items.columns:
            raise InputError(f"items: missing column {column}")
        return [str(one) for one in items[column]]
    return item_ids(items)
