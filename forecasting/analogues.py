"""The two pools of analogues, and retrieval from them as of a moment.

*Incumbents* are all items visible at that moment; what they tell is their recent level. *Launches*
are those with a launch date; what they tell is their launch curve, as far as it had been seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.panel import NEVER, Bools, Floats, Grid, Ints, Panel
from retrieval import Encoder, ItemIndex, Neighbors
from retrieval.private_index import open_private_index

_POOL = "pool"
_LAUNCH, _INCUMBENT = "launch", "incumbent"
_DIGITS = 5  # of similarity; beyond them it depends on how a matrix product was cut into blocks


@dataclass(frozen=True)
class Pool:
    """The analogues of n rows in one pool, most similar first.

    Attributes:
        position: (n, k) their rows in the panel, -1 where fewer than k were visible.
        similarity: (n, k) cosine similarity, NaN where padded.
    """

    position: Ints
    similarity: Floats

    @property
    def valid(self) -> Bools:
        """(n, k) True where there is an analogue."""
        return self.position >= 0

    def __getitem__(self, rows: slice) -> Pool:
        """Return some of the rows."""
        return Pool(self.position[rows], self.similarity[rows])

    def weights(self, temperature: float) -> Floats:
        """(n, k) softmax of similarity over each row, zero where padded."""
        similarity = np.where(self.valid, self.similarity, -np.inf)
        best = np.maximum(similarity.max(axis=1, keepdims=True, initial=-np.inf), -1.0)
        raw = np.exp((similarity - best) / temperature)
        total = raw.sum(axis=1, keepdims=True)
        weights: Floats = np.divide(raw, total, out=np.zeros_like(raw), where=total > 0)
        return weights


class AnalogueIndex:
    """Items of a panel in an `ItemIndex`, each visible from its launch or else its first sale.

    Args:
        index: Where to keep them; its attribute ``pool`` tells launches from incumbents. None for a
            temporary one, deleted together with this object.
        encoder: The encoder of a temporary index; None for the default one.
        panel: What they sold.
        texts: (items,) their texts, in the panel's order.
    """

    def __init__(
        self, index: ItemIndex | None, encoder: Encoder | None, panel: Panel, texts: pd.Series
    ) -> None:
        self.index = open_private_index(self, encoder)[0] if index is None else index
        self._grid = panel.grid
        self._position = pd.Index(panel.ids)
        items = pd.DataFrame(
            {
                "item_id": panel.ids,
                "text": texts.to_numpy(),
                "visible_from": panel.grid.dates(panel.visible),
                _POOL: np.where(panel.launch == NEVER, _INCUMBENT, _LAUNCH),
            }
        )
        self.index.upsert(items, text="text", launch_date="visible_from", attributes=[_POOL])

    def find(
        self, vectors: npt.NDArray[np.float32], ids: npt.NDArray[np.object_], standing: Ints, k: int
    ) -> tuple[Pool, Pool]:
        """Find the incumbents and launches most like each row at the end of its standing period.

        Items that share the row's id are left out, as are items of the index that are not in the
        panel.
        """
        as_of = _last_day(self._grid, standing)
        every = self.index.neighbors(vectors, k, as_of=as_of, ids=list(ids))
        launches = self.index.neighbors(
            vectors, k, as_of=as_of, ids=list(ids), where={_POOL: _LAUNCH}
        )
        return self._pool(every), self._pool(launches)

    def _pool(self, near: Neighbors) -> Pool:
        position = self._position.get_indexer(pd.Index(near.ids.ravel())).reshape(near.ids.shape)
        similarity = np.round(near.similarity.astype(np.float64), _DIGITS)
        return Pool(position.astype(np.int64), np.where(position >= 0, similarity, np.nan))


def _last_day(grid: Grid, periods: Ints) -> pd.DatetimeIndex:
    return grid.dates(periods + 1) - pd.Timedelta(days=1)
