"""A planner's hand: what somebody knows better than the data does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import NEVER, Ints
from forecasting.features.analogues import Pool, Pools
from forecasting.models.sample_paths import Paths
from retrieval import InputError, first_few

ALL = "*"


@dataclass(frozen=True)
class Adjustments:
    """What to do differently, by item id; the id ``"*"`` stands for every item asked about.

    Items that nothing is said about are forecast as without adjustments, to the last bit.

    Attributes:
        exclude: Analogues that must not count.
        include: Analogues that must count, as much as the most similar one; a finished launch among
            them gets as much weight among the courses as the heaviest.
        pin: The only analogues that count: their curves alone, in today's market, are the forecast.
        weights: Analogue → factor on its weight.
        scale: Factor on the forecast: the mean exactly, and every quantile, up to whole units
            where units are whole; a larger one lowers none.
        changes: Column → value to try in the item's row, such as price or launch date.

    Raises:
        InputError: One of them is no mapping.
    """

    exclude: Mapping[str, Collection[str]] = field(default_factory=dict)
    include: Mapping[str, Collection[str]] = field(default_factory=dict)
    pin: Mapping[str, Collection[str]] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take ids that are numbers for the texts that they become in the tables."""
        for one in fields(self):
            told = getattr(self, one.name)
            nested = one.name in ("weights", "changes")
            shape = "{item: {name: value}}" if nested else "{item: ...}"
            given = list(told.values()) if isinstance(told, Mapping) else [None]
            if None in given or (nested and not all(isinstance(each, Mapping) for each in given)):
                raise InputError(f"{one.name}: give a mapping {shape}, not {told!r}")
            object.__setattr__(self, one.name, {str(key): told[key] for key in told})

    def changed(self, items: pd.DataFrame, item_id: str) -> pd.DataFrame:
        """Return the item table with the changes to try.

        Raises:
            InputError: An item or column is not there.
        """
        if item_id not in items.columns:
            return items  # whose turn it is to say so comes next
        ids = items[item_id].astype(str)
        self._check_items(ids)
        table = items.copy()
        for name, changes in self.changes.items():
            rows = np.ones(len(ids), dtype=bool) if name == ALL else (ids == name).to_numpy()
            for column, value in changes.items():
                if column not in table.columns:
                    there = ", ".join(map(str, table.columns))
                    raise InputError(f"changes: no column {column!r} to change; there are: {there}")
                values = table[column].tolist()
                fresh = [value if chosen else old for old, chosen in zip(values, rows, strict=True)]
                table[column] = pd.Series(fresh, index=table.index)
        return table

    def on(self, ids: npt.NDArray[np.object_], history: History) -> Hand:
        """Return the same for n items, ready to be applied.

        Raises:
            InputError: An analogue is not among the items seen by the cutoff, or a factor is
                negative.
        """
        position = pd.Index(history.panel.ids)
        for name in ("exclude", "include", "pin", "weights"):
            for analogues in getattr(self, name).values():
                if isinstance(analogues, str) or not isinstance(analogues, Collection):
                    raise InputError(f"{name}: give a list of analogues, not {analogues!r} alone")
                missing = [one for one in map(str, analogues) if one not in position]
                if missing:
                    shown = ", ".join(first_few(missing))
                    raise InputError(f"{name}: not among the items seen by the cutoff: {shown}")
        factors = [*self.scale.values()]
        factors += [one for given in self.weights.values() for one in given.values()]
        if not all(isinstance(one, Real) and np.isfinite(one) and one >= 0 for one in factors):
            raise InputError("scale and weights must be numbers of at least 0")
        return Hand(self, ids, history, position)

    def of(self, name: str, item: object) -> list[tuple[str, object]]:
        """Tell what one of the attributes says of an item: pairs, the value None in collections."""
        told = getattr(self, name)
        out: list[tuple[str, object]] = []
        for key in (ALL, str(item)):
            given = told.get(key, ())
            pairs = given.items() if isinstance(given, Mapping) else ((one, None) for one in given)
            out.extend((str(one), value) for one, value in pairs)
        return out

    def _check_items(self, ids: pd.Series) -> None:
        known = {ALL, *ids}
        for one in fields(self):
            missing = [name for name in getattr(self, one.name) if str(name) not in known]
            if missing:
                shown = ", ".join(first_few(missing))
                raise InputError(f"{one.name}: not among the items asked about: {shown}")


@dataclass(frozen=True)
class Hand:
    """Adjustments for n items.

    Attributes:
        told: The adjustments.
        ids: (n,) the items.
        history: What had been sold.
        position: Ids of the panel's items, in their order.
    """

    told: Adjustments
    ids: npt.NDArray[np.object_]
    history: History
    position: pd.Index

    def edit(self, rows: Launches, pools: Pools) -> Pools:
        """Return the analogues as the planner wants them."""
        launch = self.history.panel.launch
        lately = rows.standing - self.history.windows.longer
        added = [np.union1d(self._at(row, "include"), self._at(row, "pin")) for row in self._rows()]
        dated = [one[launch[one] != NEVER] for one in added]
        late = [one[launch[one] > when] for one, when in zip(dated, lately, strict=True)]
        edited = replace(
            pools,
            incumbents=_with(pools.incumbents, added),
            launches=_with(pools.launches, dated),
            siblings=_with(pools.siblings, late),
        )
        return edited.each(self._weighed)

    def paths(
        self, courses: Paths, votes: Paths, origin: Ints, voters: Ints, *, voted: bool
    ) -> tuple[Paths, Ints]:
        """Return the courses as the planner wants them.

        Args:
            courses: As forecast from the edited analogues.
            votes: The vote of the edited analogues, for items whose analogues are pinned.
            origin: (curves of the courses,) positions in the panel of the launches they are of, -1
                for those of no launch.
            voters: (curves of the votes,) the same.
            voted: Whether the courses are a vote too, so that analogues have been weighed already.

        Returns:
            The courses, and the origin of their curves.
        """
        weight, by_vote = courses.weight.copy(), np.zeros(len(courses), dtype=bool)
        level = votes.factor.copy()
        more: list[tuple[int, int, float]] = []
        for row in self._rows():
            if not self._touches(row):
                continue
            item = origin[courses.position[row]]
            mine = weight[row].copy()
            for name, value in self.told.of("weights", self.ids[row]):
                mine[item == self.position.get_loc(name)] *= 1.0 if voted else value
            mine[np.isin(item, self._at(row, "exclude"))] = 0.0
            most = np.bincount(item[item >= 0], mine[item >= 0]).max(initial=0.0)
            for one in np.unique(self._at(row, "include")):
                there = item == one
                curves = np.flatnonzero(origin == one)
                if there.any():
                    mine[there] = most / there.sum()
                elif len(curves):
                    more.extend((row, int(curve), most / len(curves)) for curve in curves)
            weight[row] = mine
            # With all courses excluded, what is left of the analogues votes.
            pinned = bool(self.told.of("pin", self.ids[row]))
            by_vote[row] = pinned or not mine.any()
            level[row] = 1.0 if pinned else level[row]  # that of the curve pinned
        edited = _normed(_with_courses(replace(courses, weight=weight), more), self._touched())
        scale = [
            np.prod([self.told.scale.get(key, 1.0) for key in (ALL, str(item))])
            for item in self.ids
        ]
        mixed = _either(edited, replace(votes, factor=level), by_vote)
        if self.told.scale:
            mixed = mixed.by_hand(np.array(scale, dtype=np.float64))
        return mixed, np.concatenate([origin, voters]) if by_vote.any() else origin

    def _rows(self) -> range:
        return range(len(self.ids))

    def _touches(self, row: int) -> bool:
        """Whether anything is told of the analogues of a row."""
        return any(
            self.told.of(name, self.ids[row]) for name in ("exclude", "include", "pin", "weights")
        )

    def _touched(self) -> npt.NDArray[np.bool_]:
        return np.array([self._touches(row) for row in self._rows()], dtype=bool)

    def _at(self, row: int, name: str) -> npt.NDArray[np.int64]:
        """Positions in the panel of what is told of a row, itself left out."""
        names = [one for one, _ in self.told.of(name, self.ids[row]) if one != self.ids[row]]
        return self.position.get_indexer(pd.Index(names, dtype=object)).astype(np.int64)

    def _weighed(self, pool: Pool) -> Pool:
        """Return the pool without what must not count, gaps closed, and with weights."""
        factor, chosen = np.ones(pool.position.shape), pool.valid
        order = np.tile(np.arange(pool.position.shape[1]), (len(pool.position), 1))
        for row in self._rows():
            if not self._touches(row):
                continue
            at = pool.position[row]
            pinned = self._at(row, "pin")
            if len(pinned):
                chosen[row] &= np.isin(at, pinned)
            chosen[row] &= ~np.isin(at, self._at(row, "exclude"))
            for name, value in self.told.of("weights", self.ids[row]):
                factor[row, at == self.position.get_loc(name)] *= value
            order[row] = np.argsort(~chosen[row], kind="stable")
        edited = pool.only(chosen).weighted(factor)
        return replace(
            edited,
            position=np.take_along_axis(edited.position, order, axis=1),
            similarity=np.take_along_axis(edited.similarity, order, axis=1),
            factor=np.take_along_axis(edited.factor, order, axis=1),
        )


def _with(pool: Pool, added: list[npt.NDArray[np.int64]]) -> Pool:
    """Return a pool with more analogues in front, each as similar as the most similar one.

    They take the places of the least similar ones: the pool of a row without any stays as it is.
    """
    there, width = pool.valid, max([pool.position.shape[1], *map(len, added)])
    wider = ((0, 0), (0, width - pool.position.shape[1]))
    position = np.pad(pool.position, wider, constant_values=-1)
    similarity = np.pad(pool.similarity, wider, constant_values=np.nan)
    factor = np.pad(pool.factor, wider, constant_values=1.0)
    for row, more in enumerate(added):
        if not len(more):
            continue
        left = np.flatnonzero(there[row] & ~np.isin(pool.position[row], more))
        left, first = left[: width - len(more)], slice(0, len(more))
        last = slice(len(more), len(more) + len(left))
        best = pool.similarity[row][there[row]].max(initial=-1.0)
        position[row], similarity[row], factor[row] = -1, np.nan, 1.0
        position[row, first], position[row, last] = more, pool.position[row, left]
        similarity[row, first] = best if there[row].any() else 1.0
        similarity[row, last] = pool.similarity[row, left]
        factor[row, last] = pool.factor[row, left]
    return replace(pool, position=position, similarity=similarity, factor=factor)


def _with_courses(paths: Paths, more: list[tuple[int, int, float]]) -> Paths:
    """Courses with further ones: row, curve and weight of each."""
    if not more:
        return paths
    n = len(paths)
    place = [sum(one[0] == row for one in more[:at]) for at, (row, _, _) in enumerate(more)]
    position = np.zeros((n, max(place) + 1), dtype=np.int64)
    weight, factor = np.zeros(position.shape), np.ones(position.shape)
    for at, (row, curve, how_much) in zip(place, more, strict=True):
        position[row, at], weight[row, at] = curve, how_much
        factor[row, at] = paths.factor[row, paths.weight[row].argmax()]
    return replace(
        paths,
        position=np.hstack([paths.position, position]),
        weight=np.hstack([paths.weight, weight]),
        factor=np.hstack([paths.factor, factor]),
    )


def _normed(paths: Paths, rows: npt.NDArray[np.bool_]) -> Paths:
    """Return the same with the weights of some rows made to sum to 1, where there are any."""
    total = paths.weight.sum(axis=1, keepdims=True)
    usable = rows[:, None] & (total > 0)
    weight = np.where(usable, paths.weight / np.where(usable, total, 1.0), paths.weight)
    return replace(paths, weight=weight)


def _either(one: Paths, other: Paths, take_other: npt.NDArray[np.bool_]) -> Paths:
    """Return the rows of one, or of the other where chosen."""
    if not take_other.any():
        return one
    width = max(one.position.shape[1], other.position.shape[1])

    def padded(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.pad(values, ((0, 0), (0, width - values.shape[1])))

    rows = take_other[:, None]
    return Paths(
        curves=np.concatenate([one.curves, other.curves]),
        position=np.where(rows, padded(other.position + len(one.curves)), padded(one.position)),
        weight=np.where(rows, padded(other.weight), padded(one.weight)),
        factor=np.where(rows, padded(other.factor), padded(one.factor)),
        scale=np.where(rows, other.scale, one.scale),
        counts=one.counts,
    )
