"""Items of a panel by their demand, as of each moment, and the nearest of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import Bools, Floats, Ints
from forecasting.features.demand_map import DemandMap, describe, learn_map, moments

_DIGITS = 5  # of similarity; beyond them it depends on how a matrix product was cut into blocks
_CELLS = 20_000_000  # similarities held in memory at once


class DemandSpace:
    """Items where maps of demand put them.

    A row is compared by the last map that had been learned by its standing period, so that nothing
    that came later moves what it is near to.

    Args:
        history: What the items sold.
        vectors: (items, d) unit vectors of their texts.
        maps: Period → the map learned at its end, where some have been learned before.
    """

    def __init__(
        self,
        history: History,
        vectors: npt.NDArray[np.float32],
        maps: Mapping[int, DemandMap | None] | None = None,
    ) -> None:
        panel = history.panel
        self._history = history
        self._vectors = describe(vectors, history.attributes, history.kinds)
        self._moments = moments(history)
        self._maps = {} if maps is None else dict(maps)
        self._order = np.argsort(panel.visible, kind="stable")
        self._visible = panel.visible[self._order]
        self._place = pd.Index(panel.ids[self._order], dtype=object)

    @property
    def last(self) -> tuple[int, DemandMap] | None:
        """The map by which new launches are compared, and the period after which it was learned."""
        moment = int(self._moments[-1]) if len(self._moments) else -1
        learned = self._map(moment) if moment >= 0 else None
        return None if learned is None else (moment, learned)

    @property
    def first(self) -> int:
        """The period after which the first map was learned; beyond the panel if there is none."""
        learned = (int(one) for one in self._moments if self._map(int(one)) is not None)
        return next(learned, self._history.panel.end + 1)

    def nearest(self, rows: Launches, k: int, among: Bools) -> tuple[Ints, Floats, Bools]:
        """Find the k items nearest to each of n rows in demand, among those visible to it.

        Args:
            rows: The launches; an item that has a row's id is left out.
            k: How many.
            among: (items,) which items there are to choose from.

        Returns:
            (n, k) positions in the panel, -1 where there are fewer; (n, k) similarities, NaN there;
            (n,) whether there was a map to compare by: nothing is found where there was none.
        """
        position = np.full((len(rows), k), -1, dtype=np.int64)
        similarity = np.full((len(rows), k), np.nan)
        compared = np.zeros(len(rows), dtype=bool)
        own = self._place.get_indexer(pd.Index(rows.ids, dtype=object))
        described = describe(rows.vectors, rows.attributes, self._history.kinds)
        last = np.searchsorted(self._moments, rows.standing, side="right") - 1
        for number in np.unique(last[last >= 0]):
            learned = self._map(int(self._moments[number]))
            if learned is None:
                continue
            places = learned.of(self._vectors[self._order])
            for standing in np.unique(rows.standing[last == number]):
                here = np.flatnonzero(rows.standing == standing)
                compared[here] = True
                seen = int(np.searchsorted(self._visible, standing, side="right"))
                candidates = np.flatnonzero(among[self._order[:seen]])
                for block in _blocks(here, len(candidates)):
                    near = learned.of(described[block]) @ places[candidates].T
                    near[own[block][:, None] == candidates] = -np.inf
                    at, found = _best(near, k)
                    position[block, : at.shape[1]] = np.where(
                        np.isfinite(found), self._order[candidates[at]], -1
                    )
                    similarity[block, : at.shape[1]] = found
        return position, similarity, compared

    def _map(self, moment: int) -> DemandMap | None:
        if moment not in self._maps:
            self._maps[moment] = learn_map(self._history, self._vectors, moment)
        return self._maps[moment]


def _blocks(rows: Ints, width: int) -> list[Ints]:
    """Cut rows into parts whose similarities to so many items fit in memory."""
    step = max(1, _CELLS // max(width, 1))
    return [rows[start : start + step] for start in range(0, len(rows), step)]


def _best(near: Floats, k: int) -> tuple[Ints, Floats]:
    """Places (n, k) of the highest, and their similarities; of equal ones the first; NaN for none.

    Rank and place make one whole number, so that no two are equal and which are the k best is the
    same however many rows are asked about at once.
    """
    n, width = near.shape
    k = min(k, width)
    if not k:
        return np.empty((n, 0), dtype=np.int64), np.empty((n, 0))
    left_out = ~np.isfinite(near)
    ranked = np.rint(np.where(left_out, 0.0, near) * 10**_DIGITS)
    ranked[left_out] = -(10.0 ** (_DIGITS + 1))
    key = ranked.astype(np.int64) * width - np.arange(width)
    best = -np.sort(-np.partition(key, width - k, axis=1)[:, width - k :], axis=1)
    rank = -(-best // width)
    at = rank * width - best
    found = rank / 10**_DIGITS
    return at, np.where(rank < -(10**_DIGITS) * 2, np.nan, found)
