"""What a graph says of items, by the periods of a panel: which concept each is of, and relations.

A link or a relation counts from the end of the period in which it became known on; what has no date
is known as long as the item. The tree of the concepts has no dates: it is the one of today.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.panel import NEVER, Bools, Grid, Ints
from retrieval import ConceptGraph, ConceptTree

ALWAYS = -NEVER
NOT_LINKED = -2
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Relations:
    """r relations.

    Attributes:
        source: (r,) item ids.
        word: (r,) ``replaces``, ``variant_of``, and so on.
        target: (r,) item ids.
        first: (r,) period at whose end they are known.
        last: (r,) period at whose end they no longer hold.
    """

    source: npt.NDArray[np.object_]
    word: npt.NDArray[np.object_]
    target: npt.NDArray[np.object_]
    first: Ints
    last: Ints

    @classmethod
    def of(cls, table: pd.DataFrame, grid: Grid) -> Relations:
        """Read a table of source, relation, target, from, until."""
        return cls(
            table["source"].to_numpy(dtype=object),
            table["relation"].to_numpy(dtype=object),
            table["target"].to_numpy(dtype=object),
            _periods(table["from"], grid),
            grid.index(table["until"] + _DAY),
        )

    def holding(self, word: str | None, standing: int) -> Bools:
        """(r,) which of them say a word, None for any, and hold at the end of a period."""
        held: Bools = (self.first <= standing) & (self.last > standing)
        return held if word is None else held & (self.word == word)


@dataclass(frozen=True)
class Knowledge:
    """What is known of items.

    Attributes:
        tree: The concepts.
        items: (l,) ids, ascending, one several times where its concept has changed.
        concept: (l,) position in the tree, -1 where it is of none.
        since: (l,) period at whose end that is known, ascending within an item.
        relations: Between items.
        graph: Where it was read, to be asked again; None where it was loaded.
    """

    tree: ConceptTree
    items: npt.NDArray[np.object_]
    concept: Ints
    since: Ints
    relations: Relations
    graph: ConceptGraph | None = None

    @classmethod
    def read(cls, graph: ConceptGraph, grid: Grid) -> Knowledge:
        """Read all that a graph says."""
        tree = ConceptTree.of(graph.concepts)
        relations = Relations.of(graph.relations(every=True), grid)
        return cls(tree, *_links(graph.link_history(), tree, grid), relations, graph)

    def again(self, ids: npt.NDArray[np.object_], grid: Grid) -> Knowledge:
        """Return the same with what the graph says by now of relations, and of some items."""
        if self.graph is None:
            return self
        self.graph.refresh()
        fresh = _links(self.graph.link_history([str(one) for one in ids]), self.tree, grid)
        old = ~np.isin(self.items.astype(str), fresh[0].astype(str))
        items, concept, since = (
            np.concatenate([kept[old], new])
            for kept, new in zip((self.items, self.concept, self.since), fresh, strict=True)
        )
        order = np.lexsort((since, items.astype(str)))
        made = replace(
            self,
            items=items[order],
            concept=concept[order],
            since=since[order],
            relations=Relations.of(self.graph.relations(every=True), grid),
        )
        return self if made.same_as(self) else made

    def same_as(self, other: Knowledge) -> bool:
        """Whether both say the same of items."""
        mine, theirs = (
            [*vars(one.relations).values(), one.items, one.concept, one.since]
            for one in (self, other)
        )
        return all(np.array_equal(one, two) for one, two in zip(mine, theirs, strict=True))

    @cached_property
    def _spans(self) -> tuple[pd.Index, Ints]:
        """The items, each once, and the place of the last that is known of each."""
        names = pd.Index(self.items, dtype=object)
        last = ~names.duplicated(keep="last")
        return names[last], np.flatnonzero(last)

    def concepts_of(self, ids: npt.NDArray[np.object_], standing: Ints | int) -> Ints:
        """(n,) the concept of each item as of a period; -1: of none, -2: nobody had said by then.

        Args:
            ids: (n,) items.
            standing: (n,) last period seen, or one for all.
        """
        names, last = self._spans
        at = names.get_indexer(pd.Index(ids, dtype=object))
        if not len(last):
            return np.full(len(ids), NOT_LINKED, dtype=np.int64)
        place = np.where(at >= 0, last[np.maximum(at, 0)], -1)
        first = np.where(at > 0, last[np.maximum(at - 1, 0)] + 1, 0)
        when = np.broadcast_to(np.asarray(standing), place.shape)
        early = (place >= 0) & (self.since[np.maximum(place, 0)] > when)
        while early.any():
            place = np.where(early, np.where(place > first, place - 1, -1), place)
            early = (place >= 0) & (self.since[np.maximum(place, 0)] > when)
        return np.where(place >= 0, self.concept[np.maximum(place, 0)], NOT_LINKED)

    def turned(self, word: str) -> Knowledge:
        """Return the same with source and target of a relation the other way round."""
        told, is_word = self.relations, self.relations.word == word
        source = np.where(is_word, told.target, told.source)
        target = np.where(is_word, told.source, told.target)
        return replace(self, relations=replace(told, source=source, target=target))

    def related(
        self, ids: npt.NDArray[np.object_], standing: Ints, word: str | None
    ) -> tuple[Ints, npt.NDArray[np.object_]]:
        """Rows, and what they are said to have to do with, as of the period of each.

        Args:
            ids: (n,) items.
            standing: (n,) last period seen.
            word: What is said of them, as the source; None: anything, from either side.
        """
        rows, targets = [], []
        for moment in np.unique(standing):
            held = self.relations.holding(word, int(moment))
            pairs = [(self.relations.source[held], self.relations.target[held])]
            if word is None:
                pairs.append(pairs[0][::-1])
            here = np.flatnonzero(standing == moment)
            own = pd.Series(here).groupby(ids[here]).indices
            for sources, others in pairs:
                for source, other in zip(sources, others, strict=True):
                    for at in own.get(source, ()):
                        rows.append(here[at])
                        targets.append(other)
        return np.array(rows, dtype=np.int64), np.array(targets, dtype=object)


def _periods(days: pd.Series, grid: Grid) -> Ints:
    """Period each day lies in; as long as ever where it is missing."""
    return np.where(days.isna(), ALWAYS, grid.index(days))


def _links(
    table: pd.DataFrame, tree: ConceptTree, grid: Grid
) -> tuple[npt.NDArray[np.object_], Ints, Ints]:
    """Items, concepts and since when, of a table of `ConceptGraph.link_history`."""
    place = pd.Index(tree.ids, dtype=object)
    concept = place.get_indexer(pd.Index(table["concept_id"], dtype=object)).astype(np.int64)
    since = _periods(table["since"], grid)
    items = table["item_id"].to_numpy(dtype=object)
    order = np.lexsort((np.arange(len(items)), since, items.astype(str)))
    return items[order], concept[order], since[order]
