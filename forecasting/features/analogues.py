"""The pools of analogues, and retrieval from them as of a moment.

- *incumbents*: all items visible at that moment; what they tell is their recent level.
- *launches*: those with a launch date; what they tell is their launch curve, as far as it had been
  seen.
- *siblings*: the launches of the last weeks, which meet the same market.
- *elsewhere*: the same product in other stores or channels, where items are told apart by both.
- *concept*: what is near in a graph of concepts, where there is one that helps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import NEVER, Bools, Floats, Grid, Ints, Panel
from forecasting.data.pools import POOLS, PoolName
from forecasting.features.demand_space import DemandSpace
from retrieval import IN_MEMORY, Encoder, InputError, ItemIndex, Neighbors

ELSEWHERE = "elsewhere"
CONCEPT = "concept"
Measure = Literal["text", "demand", "product", "graph"]

_POOL = "pool"
_LAUNCH, _INCUMBENT = "launch", "incumbent"
DIGITS = 5  # of similarity; beyond them it depends on how a matrix product was cut into blocks
_MOST_ELSEWHERE = 20


@dataclass(frozen=True)
class Pool:
    """The analogues of n rows in one pool, most similar first.

    Attributes:
        position: (n, k) their rows in the panel, -1 where fewer than k were visible.
        similarity: (n, k) cosine similarity, NaN where padded.
        temperature: Of the softmax that turns similarity into weight.
        factor: (n, k) what else an analogue's weight is multiplied by.
        measure: What similarity is of: ``"text"``, ``"demand"``, the same ``"product"``, or half
            text and half ``"graph"``.
    """

    position: Ints
    similarity: Floats
    temperature: float
    factor: Floats
    measure: Measure = "text"

    @property
    def valid(self) -> Bools:
        """(n, k) True where there is an analogue."""
        return self.position >= 0

    @cached_property
    def weights(self) -> Floats:
        """(n, k) how much each counts; sums to 1 over a row that has any, zero where padded."""
        return self.weights_at(self.temperature)

    def weights_at(self, temperature: float) -> Floats:
        """(n, k) the same at another temperature."""
        return _to_one(self._closeness(temperature) * self.factor)

    def softmax(self, temperature: float) -> Floats:
        """(n, k) weights by similarity alone."""
        return _to_one(self._closeness(temperature))

    def __getitem__(self, rows: slice | Ints) -> Pool:
        """Return some of the rows."""
        return replace(
            self,
            position=self.position[rows],
            similarity=self.similarity[rows],
            factor=self.factor[rows],
        )

    def weighted(self, factor: Floats) -> Pool:
        """Return the same with (n, k) weights multiplied."""
        return replace(self, factor=self.factor * factor)

    def only(self, chosen: Bools) -> Pool:
        """Return the same without the analogues not chosen; their places are padded."""
        return replace(
            self,
            position=np.where(chosen, self.position, -1),
            similarity=np.where(chosen, self.similarity, np.nan),
        )

    def spread(self, standing: Ints) -> tuple[Ints, Ints]:
        """Positions (n, k), any item where padded, and the standing period of each."""
        positions = np.maximum(self.position, 0)
        return positions, np.broadcast_to(standing[:, None], positions.shape)

    def masked(self, values: npt.ArrayLike) -> Floats:
        """(n, k) values, NaN where padded."""
        return np.where(self.valid, values, np.nan)

    def curves(self, history: History, standing: Ints) -> Floats:
        """(n, k, horizon) launch curves of whole periods, as far as they had been seen."""
        items, when = self.spread(standing)
        return np.where(self.valid[..., None], history.curve(items, when), np.nan)

    def _closeness(self, temperature: float) -> Floats:
        similarity = np.where(self.valid, self.similarity, -np.inf)
        best = np.maximum(similarity.max(axis=1, keepdims=True, initial=-np.inf), -1.0)
        closeness: Floats = np.exp((similarity - best) / temperature)
        return closeness


@dataclass(frozen=True)
class Pools:
    """The analogues of n rows.

    Attributes:
        incumbents: Among all items.
        launches: Among those with a launch date.
        siblings: The launches, the latest only.
        elsewhere: The same product in other places; None where products are not told.
        likeness: (n,) similarity of the most similar text, where a pool is by demand, which says
            nothing of how novel a launch is; None where all are by text.
        concepts: Near in the graph of concepts; None where none is used.
    """

    incumbents: Pool
    launches: Pool
    siblings: Pool
    elsewhere: Pool | None
    likeness: Floats | None = None
    concepts: Pool | None = None

    def __getitem__(self, rows: slice | Ints) -> Pools:
        """Return some of the rows."""
        likeness = None if self.likeness is None else self.likeness[rows]
        return replace(self.each(lambda pool: pool[rows]), likeness=likeness)

    def each(self, change: Callable[[Pool], Pool]) -> Pools:
        """Return the same with every pool changed."""
        return Pools(
            change(self.incumbents),
            change(self.launches),
            change(self.siblings),
            None if self.elsewhere is None else change(self.elsewhere),
            self.likeness,
            None if self.concepts is None else change(self.concepts),
        )

    def named(self) -> dict[str, Pool]:
        """Return the pools by the names that a user reads."""
        three = (self.incumbents, self.launches, self.siblings)
        pools: dict[str, Pool] = dict(zip(POOLS, three, strict=True))
        further = {ELSEWHERE: self.elsewhere, CONCEPT: self.concepts}
        return pools | {name: pool for name, pool in further.items() if pool is not None}

    @property
    def best_similarity(self) -> Floats:
        """(n,) similarity of the text of the best analogue; -1 where there is none."""
        if self.likeness is not None:
            return self.likeness
        both = np.hstack([self.incumbents.similarity, self.launches.similarity])
        best: Floats = np.where(np.isfinite(both), both, -1.0).max(axis=1, initial=-1.0)
        return best


class AnalogueIndex:
    """Items of a panel, searched in memory, each visible from its launch or else its first sale.

    Args:
        collection: Has their vectors, made of the same columns, and is only read; items that it
            lacks are encoded. None to encode all of them.
        encoder: Where there is no collection; None for the default one.
        panel: What they sold.
        texts: (items,) their texts, in the panel's order.
        products: (items,) what each item is, wherever it is sold; None where that is not told.
        vectors: (items, d) their vectors, where they have been made and there is no collection.
        shared: Another panel's, seen from a later cutoff, whose index is used; as of a date the
            items that came later cannot be seen.

    Attributes:
        index: The items; its attribute ``pool`` tells launches from incumbents.
    """

    def __init__(
        self,
        collection: ItemIndex | None,
        encoder: Encoder | None,
        panel: Panel,
        texts: pd.Series,
        products: npt.NDArray[np.object_] | None = None,
        vectors: npt.NDArray[np.float32] | None = None,
        shared: AnalogueIndex | None = None,
    ) -> None:
        self.collection = collection
        self.index: ItemIndex
        if shared is not None:
            self.index = shared.index
        elif collection is not None:
            self.index = ItemIndex(IN_MEMORY, collection.encoder)
        else:
            self.index = ItemIndex(IN_MEMORY, encoder)
        self.panel = panel
        self.texts = texts.reset_index(drop=True)
        self.products = products
        self._position = pd.Index(panel.ids, dtype=object)
        self._same = {} if products is None else _by_product(products, panel.visible)
        items = pd.DataFrame(
            {
                "item_id": panel.ids,
                "text": texts.to_numpy(),
                "visible_from": panel.grid.dates(panel.visible),
                _POOL: np.where(panel.launch == NEVER, _INCUMBENT, _LAUNCH),
            }
        )
        if collection is not None:
            vectors = _vectors_of(items, collection)
        self.index.upsert(
            items, text="text", launch_date="visible_from", attributes=[_POOL], vectors=vectors
        )

    def find(
        self,
        rows: Launches,
        k: int,
        *,
        temperature: float,
        recency: float | None,
        lately: int,
        demand: Mapping[PoolName, DemandSpace] = {},
    ) -> Pools:
        """Find what is most like each row, as seen at the end of its standing period.

        Items that share the row's id are left out, as are items of a shared index that are not in
        the panel.

        Args:
            rows: The n launches.
            k: Analogues per pool.
            temperature: Of the softmax that turns similarity into weight.
            recency: Periods after which a launch counts half; None: they all count alike.
            lately: Periods within which a launch is a sibling.
            demand: By pool, where it is to be of items near in demand instead of in words; siblings
                are among the launches.
        """
        as_of = _last_day(self.panel.grid, rows.standing)
        ids = list(rows.ids)
        launches = self.index.neighbors(
            rows.vectors, k, as_of=as_of, ids=ids, where={_POOL: _LAUNCH}
        )
        incumbents, found = self.nearest(rows, k, temperature), self._pool(launches, temperature)
        likeness = None
        if demand:
            likeness = Pools(incumbents, found, found, None).best_similarity
        if "incumbent" in demand:
            everything = np.ones(len(self.panel.ids), dtype=bool)
            incumbents = _by_demand(demand["incumbent"], rows, incumbents, everything)
        if "launch" in demand:
            found = _by_demand(demand["launch"], rows, found, self.panel.launch != NEVER)
        items, when = found.spread(rows.standing)
        passed = when - self.panel.launch[items]
        if recency is not None:
            found = found.weighted(0.5 ** (np.where(found.valid, passed, 0) / recency))
        return Pools(
            incumbents=incumbents,
            launches=found,
            siblings=found.only(found.valid & (passed < lately)),
            elsewhere=None if self.products is None else self._find_elsewhere(rows),
            likeness=likeness,
        )

    def nearest(self, rows: Launches, k: int, temperature: float = 1.0) -> Pool:
        """Find the items most like each row by text, as `find` does, launched or not."""
        as_of = _last_day(self.panel.grid, rows.standing)
        every = self.index.neighbors(rows.vectors, k, as_of=as_of, ids=list(rows.ids))
        return self._pool(every, temperature)

    def _pool(self, near: Neighbors, temperature: float) -> Pool:
        ids = pd.Index(near.ids.ravel(), dtype=object)
        position = self._position.get_indexer(ids).reshape(near.ids.shape)
        similarity: Floats = near.similarity.astype(np.float64).round(DIGITS)
        similarity[position < 0] = np.nan
        return Pool(position.astype(np.int64), similarity, temperature, np.ones(position.shape))

    def _find_elsewhere(self, rows: Launches) -> Pool:
        """Return the latest items that are the same product, visible by then."""
        position = np.full((len(rows), _MOST_ELSEWHERE), -1, dtype=np.int64)
        nothing = np.empty(0, dtype=np.int64)
        for row, (product, name) in enumerate(zip(rows.product, rows.ids, strict=True)):
            same = self._same.get(product, nothing)
            same = same[self.panel.visible[same] <= rows.standing[row]]
            same = same[self.panel.ids[same] != name][-_MOST_ELSEWHERE:]
            position[row, : len(same)] = same[::-1]
        similarity = np.where(position >= 0, np.float64(1.0), np.float64(np.nan))
        return Pool(position, similarity, 1.0, np.ones(position.shape), "product")


def _by_demand(space: DemandSpace, rows: Launches, text: Pool, among: Bools) -> Pool:
    """Return the pool of what is nearest in demand; of rows before the first map, that by text."""
    k = text.position.shape[1]
    position, similarity, compared = space.nearest(rows, k, among)
    if not compared.any():
        return text
    return replace(
        text,
        position=np.where(compared[:, None], position, text.position),
        similarity=np.where(compared[:, None], similarity, text.similarity),
        measure="demand",
    )


def same_text(collection: ItemIndex, text: str | Sequence[str]) -> ItemIndex:
    """Refuse a collection whose vectors are made of other columns than new items' will be.

    Raises:
        InputError: They are, or the collection is empty.
    """
    columns = (text,) if isinstance(text, str) else tuple(text)
    if collection.layout.text != columns:
        raise InputError(
            f"the vectors of collection {collection.collection!r} are made of "
            f"{', '.join(collection.layout.text)}, not of {', '.join(columns)}: pass the former as "
            "text=, or leave index= out"
        )
    return collection


def _vectors_of(items: pd.DataFrame, collection: ItemIndex) -> npt.NDArray[np.float32]:
    """(items, d) vectors out of a collection; of items that it lacks, made from their texts."""
    vectors = collection.vectors(items["item_id"].tolist())
    is_missing = np.isnan(vectors[:, 0])
    if is_missing.any():
        vectors[is_missing] = collection.encoder.encode(items["text"][is_missing].tolist())
    return vectors


def _by_product(products: npt.NDArray[np.object_], visible: Ints) -> dict[object, Ints]:
    """Product → positions of its items, by the period they became visible."""
    order = np.argsort(visible, kind="stable")
    groups = pd.Series(order).groupby(products[order], sort=False)
    return {product: rows.to_numpy(dtype=np.int64) for product, rows in groups}


def _to_one(raw: Floats) -> Floats:
    """Rows divided by their sums; zero where that is zero."""
    total = raw.sum(axis=1, keepdims=True)
    weights: Floats = np.divide(raw, total, out=np.zeros_like(raw), where=total > 0)
    return weights


def _last_day(grid: Grid, periods: Ints) -> pd.DatetimeIndex:
    return grid.dates(periods + 1) - pd.Timedelta(days=1)
