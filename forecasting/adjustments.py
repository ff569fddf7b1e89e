"""A planner's hand: what somebody knows better than the data does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.analogues import Pool, Pools
from forecasting.history import History
from forecasting.launches import Launches
from forecasting.panel import NEVER
from forecasting.paths import Paths
from retrieval import InputError

ALL = "*"

_SHOWN = 5


@dataclass(frozen=True)
class Adjustments:
    """What to do differently, by item id; the id ``"*"`` stands for every item asked about.

    Attributes:
        exclude: Analogues that must not count.
        include: Analogues that must count, as much as the most similar one; a finished launch among
            them gets as much weight among the courses as the heaviest.
        pin: The only analogues that count: their curves alone are the forecast, by vote.
        weights: Analogue → factor on its weight.
        scale: Factor on the forecast, all quantiles included.
        changes: Column → value to try in the item's row, such as price or launch date.
    """

    exclude: Mapping[str, Collection[str]] = field(default_factory=dict)
    include: Mapping[str, Collection[str]] = field(default_factory=dict)
    pin: Mapping[str, Collection[str]] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def changed(self, items: pd.DataFrame, item_id: str) -> pd.DataFrame:
        """The item table with the changes to try.

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
        """The same for n items, ready to be applied.

        Raises:
            InputError: An analogue is not among the items seen by the cutoff, or a factor is
                negative.
        """
        position = pd.Index(history.panel.ids)
        for name in ("exclude", "include", "pin", "weights"):
            for analogues in getattr(self, name).values():
                if isinstance(analogues, str):
                    raise InputError(f"{name}: give a list of analogues, not {analogues!r} alone")
                missing = [one for one in map(str, analogues) if one not in position]
                if missing:
                    shown = ", ".join(missing[:_SHOWN])
                    raise InputError(f"{name}: not among the items seen by the cutoff: {shown}")
        factors = [*self.scale.values()]
        factors += [one for given in self.weights.values() for one in given.values()]
        if not all(np.isfinite(one) and one >= 0 for one in factors):
            raise InputError("scale and weights must be numbers of at least 0")
        return Hand(self, ids, history, position)

    def of(self, name: str, item: object) -> list[tuple[str, object]]:
        """What one of the attributes says about an item: pairs, the value None in collections."""
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
                shown = ", ".join(map(str, missing[:_SHOWN]))
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
        """The analogues as the planner wants them."""
        launch = self.history.panel.launch
        lately = rows.standing - self.history.windows.longer
        added = [np.union1d(self._at(row, "include"), self._at(row, "pin")) for row in self._rows()]
        dated = [one[launch[one] != NEVER] for one in added]
        late = [one[launch[one] > when] for one, when in zip(dated, lately, strict=True)]
        edited = Pools(
            _with(pools.incumbents, added),
            _with(pools.launches, dated),
            _with(pools.siblings, late),
            pools.elsewhere,
        )
        return edited.each(self._weighed)

    def paths(self, courses: Paths, votes: Paths, reference: npt.NDArray[np.object_]) -> Paths:
        """The courses as the planner wants them.

        Args:
            courses: As forecast from the edited analogues.
            votes: The vote of the edited analogues, for items whose analogues are pinned.
            reference: (N,) ids of the launches whose courses are drawn from.
        """
        known = pd.Index(reference)
        weight = courses.weight.copy()
        for row in self._rows():
            heaviest = weight[row].max(initial=0.0)
            for name, value in (
                *((one, 0.0) for one, _ in self.told.of("exclude", self.ids[row])),
                *self.told.of("weights", self.ids[row]),
            ):
                weight[row, self._courses_of(courses, row, name, known)] *= value
            for name, _ in self.told.of("include", self.ids[row]):
                weight[row, self._courses_of(courses, row, name, known)] = heaviest
        total = weight.sum(axis=1, keepdims=True)
        weight = np.where(total > 0, weight / np.where(total > 0, total, 1.0), courses.weight)
        pinned = np.array([bool(self.told.of("pin", item)) for item in self.ids])
        mixed = _either(replace(courses, weight=weight), votes, pinned)
        scale = [
            np.prod([self.told.scale.get(key, 1.0) for key in (ALL, str(item))])
            for item in self.ids
        ]
        return mixed.scaled(np.array(scale, dtype=np.float64))

    def _rows(self) -> range:
        return range(len(self.ids))

    def _at(self, row: int, name: str) -> npt.NDArray[np.int64]:
        """Positions in the panel of what is told of a row, itself left out."""
        names = [one for one, _ in self.told.of(name, self.ids[row]) if one != self.ids[row]]
        return self.position.get_indexer(pd.Index(names, dtype=object)).astype(np.int64)

    def _weighed(self, pool: Pool) -> Pool:
        factor, chosen = np.ones(pool.position.shape), pool.valid
        for row in self._rows():
            at = pool.position[row]
            pinned = self._at(row, "pin")
            if len(pinned):
                chosen[row] &= np.isin(at, pinned)
            chosen[row] &= ~np.isin(at, self._at(row, "exclude"))
            for name, value in self.told.of("weights", self.ids[row]):
                factor[row, at == self.position.get_loc(name)] *= value
        return pool.only(chosen).weighted(factor)

    @staticmethod
    def _courses_of(courses: Paths, row: int, name: str, known: pd.Index) -> npt.NDArray[np.bool_]:
        at = np.flatnonzero(known == name)
        mine: npt.NDArray[np.bool_] = np.isin(courses.position[row], at)
        return mine


def _with(pool: Pool, added: list[npt.NDArray[np.int64]]) -> Pool:
    """A pool with more analogues in front, each as similar as the most similar one."""
    widest = max((len(one) for one in added), default=0)
    if not widest:
        return pool
    n = len(pool.position)
    position = np.full((n, widest), -1, dtype=np.int64)
    similarity = np.full((n, widest), np.nan)
    there = pool.valid
    for row, more in enumerate(added):
        position[row, : len(more)] = more
        best = pool.similarity[row][there[row]]
        similarity[row, : len(more)] = best.max() if len(best) else 1.0
        there[row] &= ~np.isin(pool.position[row], more)
    kept = pool.only(there)
    return replace(
        pool,
        position=np.hstack([position, kept.position]),
        similarity=np.hstack([similarity, kept.similarity]),
        factor=np.hstack([np.ones(position.shape), kept.factor]),
    )


def _either(one: Paths, other: Paths, take_other: npt.NDArray[np.bool_]) -> Paths:
    """The rows of one, or of the other where chosen."""
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
