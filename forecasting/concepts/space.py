"""Items where a graph puts them: what concepts sold as of a period, and what is near in the graph.

Levels are in units of the market (`History.unit`). Of a branch the sums are differences of running
sums over its items, which stand next to each other in the order of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.concepts.knowledge import NOT_LINKED, Knowledge
from forecasting.data.history import History, ratio
from forecasting.data.launches import Launches
from forecasting.data.panel import NEVER, Bools, Floats, Ints

_LEAN = 5.0  # launches of a parent that those of a concept lean on
_LEAN_UNITS = 50.0  # units of the market's season that a concept's leans on
_DIGITS = 5  # of similarity; beyond them it depends on how a matrix product was cut into blocks
_UPWARDS = 3  # levels told of: a launch's concept, its parent, that one's parent
NAMES = ("concept", "concept_parent", "concept_grandparent")


@dataclass(frozen=True)
class _Seen:
    """The linked items that were visible at the end of a period, in the order of the tree.

    Attributes:
        items: (v,) positions in the panel.
        concept: (v,) position in the tree, ascending.
    """

    items: Ints
    concept: Ints

    def span(self, start: Ints, end: Ints) -> tuple[Ints, Ints]:
        """(n,) (n,) the places of the items of concepts from one up to another."""
        first = np.searchsorted(self.concept, start)
        return first.astype(np.int64), np.searchsorted(self.concept, end).astype(np.int64)


class ConceptSpace:
    """What a graph says of a panel's items.

    Args:
        history: What they sold.
        knowledge: The graph.
        vectors: (items, d) unit vectors of their texts.
    """

    def __init__(
        self, history: History, knowledge: Knowledge, vectors: npt.NDArray[np.float32]
    ) -> None:
        self.history = history
        self.knowledge = knowledge
        self.vectors = vectors
        self._seen: dict[int, _Seen] = {}

    @cached_property
    def position(self) -> pd.Index:
        """The panel's items by id."""
        return pd.Index(self.history.panel.ids, dtype=object)

    @property
    def has_concepts(self) -> bool:
        """Whether any item has one."""
        return bool((self.knowledge.concept >= 0).any())

    def concepts_of(self, rows: Launches, near: Ints, weights: Floats) -> Ints:
        """(n,) the concept of each launch as of its standing period, negative for none.

        A launch that nobody has linked is of the concept that has most weight among like items.

        Args:
            rows: The launches.
            near: (n, k) positions of like items, -1 where there are fewer.
            weights: (n, k) theirs.
        """
        knowledge = self.knowledge
        concept = knowledge.concepts_of(rows.ids, rows.standing)
        strangers = np.flatnonzero(concept == NOT_LINKED)
        ids = self.history.panel.ids[np.maximum(near[strangers], 0)]
        when = np.repeat(rows.standing[strangers], ids.shape[1])
        theirs = knowledge.concepts_of(ids.ravel(), when).reshape(ids.shape)
        heavy = np.where((near[strangers] >= 0) & (theirs >= 0), weights[strangers], 0.0)
        for row, each, weight in zip(strangers, theirs, heavy, strict=True):
            if weight.any():
                unique, inverse = np.unique(each, return_inverse=True)
                concept[row] = unique[np.bincount(inverse, weight).argmax()]
        return concept

    def features(self, rows: Launches, concept: Ints) -> dict[str, Floats]:
        """Features (n,) by name of launches of n concepts; NaN where one is of none.

        Args:
            rows: The launches.
            concept: (n,) of each.
        """
        n, tree = len(rows), self.knowledge.tree
        out = {name: np.full(n, np.nan) for name in feature_names()}
        if not self.has_concepts:
            return out
        for standing, here in _moments(rows.standing):
            seen = self._at(standing)
            sums = self._sums(seen, standing)
            rates = self._rates(seen, standing, sums)
            for steps, name in enumerate(NAMES):
                node = tree.above(concept[here], steps)
                known = node >= 0
                to, node = here[known], node[known]
                span = seen.span(node, tree.end[node])
                of = {key: values[span[1]] - values[span[0]] for key, values in sums.items()}
                level = np.log1p(ratio(of["level"], of["known"]))
                out[f"{name}_level"][to] = level
                if steps < _UPWARDS - 1:
                    recent = np.log1p(ratio(of["recent"], of["known"]))
                    out[f"{name}_trend"][to] = recent - np.log1p(ratio(of["before"], of["known"]))
                    out[f"{name}_count"][to] = np.log1p(of["launched"])
                out[f"{name}_launches"][to] = np.log1p(rates[node])
            out["concept_season"][here] = self._season(
                seen, standing, rows.period[here], concept[here]
            )
        return out

    def nearest(self, rows: Launches, concept: Ints, k: int) -> tuple[Ints, Floats]:
        """Find the k items nearest to each of n launches in the graph.

        Candidates are the items of its concept, or of the lowest one above it that has k of them,
        and what it is related to. Half of the similarity is how near the concepts are (what is
        related is as near as can be), half is that of the texts.

        Args:
            rows: The launches; an item that has a row's id is left out.
            concept: (n,) of each.
            k: How many.

        Returns:
            (n, k) positions in the panel, -1 where there are fewer; (n, k) similarities, NaN there.
        """
        position = np.full((len(rows), k), -1, dtype=np.int64)
        similarity = np.full((len(rows), k), np.nan)
        own = self.position.get_indexer(pd.Index(rows.ids, dtype=object))
        related = self._related(rows)
        tree = self.knowledge.tree
        for standing, here in _moments(rows.standing):
            seen = self._at(standing)
            for one, group in _moments(concept[here]):
                chosen = here[group]
                items, near = np.empty(0, np.int64), np.empty(0)
                if one >= 0:
                    low, high = self._branch(seen, one, k + 1)
                    items = seen.items[low:high]
                    near = tree.nearness(np.full(high - low, one), seen.concept[low:high])
                is_plain = np.array([row not in related for row in chosen])
                parts = [(chosen[is_plain], items, near)]
                for row in chosen[~is_plain]:
                    left = ~np.isin(items, related[row])
                    wider = np.concatenate([related[row], items[left]])
                    first = np.ones(len(related[row]))
                    parts.append((np.array([row]), wider, np.concatenate([first, near[left]])))
                for some, candidates, nearness in parts:
                    text = rows.vectors[some] @ self.vectors[candidates].T
                    alike = ((text + nearness) / 2).astype(np.float64).round(_DIGITS)
                    alike[own[some][:, None] == candidates] = -np.inf
                    _keep(alike, candidates, some, position, similarity)
        return position, similarity

    def _related(self, rows: Launches) -> dict[int, Ints]:
        """Row → the visible items that it is related to."""
        at, names = self.knowledge.related(rows.ids, rows.standing, None)
        found = self.position.get_indexer(pd.Index(names, dtype=object))
        visible = self.history.panel.visible[np.maximum(found, 0)] <= rows.standing[at]
        ok = (found >= 0) & visible
        return {row: np.unique(found[ok][at[ok] == row]) for row in np.unique(at[ok]).tolist()}

    def _branch(self, seen: _Seen, concept: int, least: int) -> tuple[int, int]:
        """Places of the items of the lowest concept above one, or itself, that has enough."""
        tree = self.knowledge.tree
        way = tree.way[concept][tree.way[concept] >= 0]
        low, high = seen.span(way, tree.end[way])
        enough = np.flatnonzero(high - low >= least)
        at = int(enough[-1]) if len(enough) else 0
        return int(low[at]), int(high[at])

    def _at(self, standing: int) -> _Seen:
        if standing not in self._seen:
            panel = self.history.panel
            concept = self.knowledge.concepts_of(panel.ids, standing)
            items = np.flatnonzero((panel.visible <= standing) & (concept >= 0))
            items = items[np.argsort(concept[items], kind="stable")]
            self._seen[standing] = _Seen(items, concept[items])
        return self._seen[standing]

    def _sums(self, seen: _Seen, standing: int) -> dict[str, Floats]:
        """(v + 1,) running sums over the visible items."""
        history, items = self.history, seen.items
        windows, when = history.windows, np.full(len(items), standing)
        unit = history.unit(np.array([standing]))[0]
        earlier = np.maximum(when - windows.recent, 0)
        level = history.level(items, when, windows.longer) / unit
        values = {
            "level": level,
            "known": np.isfinite(level),
            "recent": history.level(items, when, windows.recent) / unit,
            "before": history.level(items, earlier, windows.recent) / unit,
        }
        launch = history.panel.launch[items]
        rate = _row_mean(history.curve(items, when)) / unit
        rate[(launch == NEVER) | (launch > standing)] = np.nan
        values |= {"rate": rate, "launched": np.isfinite(rate)}
        return {name: _running(one) for name, one in values.items()}

    def _rates(self, seen: _Seen, standing: int, sums: dict[str, Floats]) -> Floats:
        """(c,) units a period of launches so far, each concept's leaning on its parent's."""
        tree = self.knowledge.tree
        low, high = seen.span(np.arange(len(tree.ids)), tree.end)
        total = sums["rate"][high] - sums["rate"][low]
        count = sums["launched"][high] - sums["launched"][low]
        everything = float(ratio(sums["rate"][-1:], sums["launched"][-1:])[0])
        out = np.full(len(tree.ids), np.nan)
        depth = tree.depth
        for level in range(1, tree.way.shape[1] + 1):
            here = np.flatnonzero(depth == level)
            above = everything if level == 1 else out[tree.way[here, level - 2]]
            out[here] = (total[here] + _LEAN * above) / (count[here] + _LEAN)
        return out

    def _season(self, seen: _Seen, standing: int, period: Ints, concept: Ints) -> Floats:
        """(n,) logarithm of what a concept's items sold in the season ahead, a year ago.

        Over their mean in the last year; NaN where that had not been seen.
        """
        history, tree = self.history, self.knowledge.tree
        year, horizon = history.windows.year, history.horizon
        out = np.full(len(period), np.nan)
        for start, here in _moments(period):
            last = start - year + horizon - 1
            if start < year or last > standing or standing + 1 < year:
                continue
            items, each = seen.items, np.ones(len(seen.items), dtype=np.int64)
            then = np.nan_to_num(history.level(items, each * last, horizon)) * horizon
            usual = np.nan_to_num(history.level(items, each * standing, year)) * horizon
            there = history.panel.visible[items] <= start - year
            ahead, base = _running(np.where(there, then, 0)), _running(np.where(there, usual, 0))
            market = float(ratio(ahead[-1:], base[-1:])[0])
            known = here[concept[here] >= 0]
            low, high = seen.span(concept[known], tree.end[concept[known]])
            made = (ahead[high] - ahead[low] + _LEAN_UNITS * market) / (
                base[high] - base[low] + _LEAN_UNITS
            )
            out[known] = np.log(np.maximum(made, 0.05))
        return out


def feature_names() -> list[str]:
    """Return the names of `ConceptSpace.features`."""
    levels = [f"{name}_level" for name in NAMES]
    more = [f"{name}_{what}" for name in NAMES[:-1] for what in ("trend", "count")]
    return [*levels, *more, *(f"{name}_launches" for name in NAMES), "concept_season"]


def _moments(values: Ints) -> Iterator[tuple[int, Ints]]:
    """Each distinct value with its places, ascending."""
    order = np.argsort(values, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(values[order])) + 1):
        if len(places):
            yield int(values[places[0]]), places


def _running(values: npt.NDArray[np.float64] | Bools) -> Floats:
    return np.concatenate([[0.0], np.cumsum(np.nan_to_num(values.astype(np.float64)))])


def _row_mean(curves: Floats) -> Floats:
    seen = np.isfinite(curves).sum(axis=-1)
    return ratio(np.nan_to_num(curves).sum(axis=-1), seen)


def _keep(alike: Floats, items: Ints, rows: Ints, position: Ints, similarity: Floats) -> None:
    """Write the most similar of the items into the rows; of equal ones the first."""
    k = min(position.shape[1], alike.shape[1])
    best = np.argsort(-alike, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(alike, best, axis=1)
    there = np.isfinite(found)
    position[rows, :k] = np.where(there, items[best], -1)
    similarity[rows, :k] = np.where(there, found, np.nan)
