"""What is known about a launch at the moment it is forecast, from itself and from its analogues.

The same functions serve training and prediction. Each row carries its standing period, the last one
seen, and nothing that belongs to a later period is read. Units are divided by what an item on sale
sold at that time (`History.unit`), so that a larger market, or another currency of counting, makes
the same features.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.concepts.kin import Kin, find_kin
from forecasting.concepts.knowledge import Knowledge
from forecasting.concepts.space import ConceptSpace
from forecasting.concepts.verdict import ConceptVerdict
from forecasting.data.history import History, launched, ratio
from forecasting.data.launches import Launches
from forecasting.data.panel import Bools, Floats, Ints
from forecasting.data.pools import PoolName
from forecasting.features.analogues import CONCEPT, ELSEWHERE, AnalogueIndex, Pool, Pools
from forecasting.features.demand_space import DemandSpace
from forecasting.features.imputation import DRAWS, imputed, lacking
from forecasting.features.similarity_gate import SimilarityVerdict

_NEAREST = (5, 20)
_LEAN = 5.0  # launches of all categories that a category's own lean on
_OLDEST = 52  # periods after which an incumbent is simply old

_DIGITS = 6  # of features made of sales; beyond them trees would learn the unit of counting
_BLOCK = 2048  # rows whose analogues' curves are held in memory at once
_OF_MARKET = ("market_trend", "season_ahead")

Edit = Callable[[Launches, Pools], Pools]


def own_features(history: History, rows: Launches) -> pd.DataFrame:
    """Features (n, f) that need no analogue: attributes, lead, plan and the state of the market."""
    windows, unit = history.windows, history.unit(rows.standing)
    recent = history.market(rows.standing, windows.recent) / unit
    base = history.market(rows.standing, windows.base) / unit
    periods = rows.period[:, None] + np.arange(history.horizon)
    outlook = history.outlook(rows.standing, periods).mean(axis=1)
    out = pd.DataFrame(
        {
            "lead": rows.period - rows.standing - 1,
            "market_trend": np.log1p(recent) - np.log1p(base),
            "season_ahead": np.log(outlook / unit),
        }
    )
    for name in rows.attributes.columns:
        column = rows.attributes[name].reset_index(drop=True)
        if pd.api.types.is_numeric_dtype(column):
            out[name] = column
            out[f"{name}_rank"] = _rank_among_launches(history, rows, name)
        else:
            known = sorted(history.attributes[name].dropna().unique())
            out[name] = pd.Categorical(column.where(column.isin(known)), categories=known)
    for number in range(rows.plan.shape[2]):
        planned = rows.plan[:, :, number]
        made = (planned[:, 0], _row_mean(planned), _highest(planned))
        out = out.assign(**dict(zip(plan_features(number), made, strict=True)))
    return out


def without_plan(features: pd.DataFrame, covariates: int) -> pd.DataFrame:
    """Features without those of the plan of so many covariates."""
    names = [name for number in range(covariates) for name in plan_features(number)]
    return features.drop(columns=names)


def plan_features(number: int) -> list[str]:
    """Return the names of the features of one covariate."""
    return [f"plan_{number}_{what}" for what in ("first", "mean", "highest")]


def neighbor_features(
    history: History, rows: Launches, pools: Pools, use: Collection[str]
) -> pd.DataFrame:
    """Features (n, f) from the analogues in the pools in use, and in other places if told."""
    columns: dict[str, Floats] = {}
    unit = history.unit(rows.standing)[:, None]
    for name, pool in pools.named().items():
        if name in use or name in (ELSEWHERE, CONCEPT):
            columns |= _FROM[name](history, rows.standing, pool, unit)
    for name in rows.attributes.columns:
        if pd.api.types.is_numeric_dtype(rows.attributes[name]):
            own = rows.attributes[name].to_numpy(dtype=float)
            known = history.attributes[name].to_numpy(dtype=float)
            for kind, pool in pools.named().items():
                if kind in use and kind != "sibling":  # those are among the launches
                    columns[f"{name}_to_{kind}"] = _log_ratio(own, known, pool)
    if "launch" in use:
        columns |= _from_categories(history, rows)
    return pd.DataFrame(columns, index=range(len(rows)))


def _from_incumbents(
    history: History, standing: Ints, pool: Pool, unit: Floats
) -> dict[str, Floats]:
    items, when = pool.spread(standing)
    recent_window, longer_window = history.windows.recent, history.windows.longer
    earlier = np.maximum(when - recent_window, 0)
    recent = pool.masked(history.level(items, when, recent_window)) / unit
    before = pool.masked(history.level(items, earlier, recent_window)) / unit
    longer = pool.masked(history.level(items, when, longer_window)) / unit
    selling = pool.masked(history.share_selling(items, when, longer_window))
    age = np.minimum(when - history.panel.visible[items], _OLDEST)
    weights = pool.weights
    out = {
        "incumbent_similarity_best": pool.similarity[:, 0],
        "incumbent_similarity_mean": _mean(pool.similarity, pool.valid),
        "incumbent_age": _mean(pool.masked(age), weights),
        "incumbent_recent": np.log1p(_mean(recent, weights)),
        "incumbent_trend": np.log1p(_mean(recent, weights)) - np.log1p(_mean(before, weights)),
        "incumbent_level": np.log1p(_mean(longer, weights)),
        "incumbent_level_all": np.log1p(_mean(longer, pool.valid)),
        "incumbent_level_typical": _mean(np.log1p(longer), weights),
        "incumbent_level_dispersion": _dispersion(np.log1p(longer), weights),
        "incumbent_level_highest": np.log1p(_highest(longer)),
        "incumbent_selling": _mean(selling, weights),
    }
    for k in _NEAREST:
        out[f"incumbent_level_{k}"] = np.log1p(_mean(longer[:, :k], pool.valid[:, :k]))
    return out


def _from_launches(history: History, standing: Ints, pool: Pool, unit: Floats) -> dict[str, Floats]:
    curves = pool.curves(history, standing) / unit[..., None]
    first, later, rate = curves[..., 0], _row_mean(curves[..., 1:]), _row_mean(curves)
    total = curves.sum(axis=2)  # NaN until the last age has been seen
    weights = pool.weights
    out = {
        "launch_similarity_best": pool.similarity[:, 0],
        "launch_similarity_mean": _mean(pool.similarity, pool.valid),
        "launch_finished": np.isfinite(total).sum(axis=1).astype(float),
        "launch_total": np.log1p(_mean(total, weights)),
        "launch_total_typical": _mean(np.log1p(total), weights),
        "launch_total_dispersion": _dispersion(np.log1p(total), weights),
        "launch_total_highest": np.log1p(_highest(total)),
        "launch_rate": np.log1p(_mean(rate, weights)),
        "launch_first": np.log1p(_mean(first, weights)),
        "launch_later": np.log1p(_mean(later, weights)),
    }
    for k in _NEAREST:
        out[f"launch_total_{k}"] = np.log1p(_mean(total[:, :k], pool.valid[:, :k]))
        out[f"launch_later_{k}"] = np.log1p(_mean(later[:, :k], pool.valid[:, :k]))
    return out


def _from_siblings(history: History, standing: Ints, pool: Pool, unit: Floats) -> dict[str, Floats]:
    rate = _row_mean(pool.curves(history, standing) / unit[..., None])
    return {
        "sibling_count": pool.valid.sum(axis=1).astype(float),
        "sibling_rate": np.log1p(_mean(rate, pool.weights)),
    }


def _from_elsewhere(
    history: History, standing: Ints, pool: Pool, unit: Floats
) -> dict[str, Floats]:
    items, when = pool.spread(standing)
    level = pool.masked(history.level(items, when, history.windows.longer)) / unit
    curves = pool.curves(history, standing) / unit[..., None]
    return {
        "elsewhere_count": pool.valid.sum(axis=1).astype(float),
        "elsewhere_level": np.log1p(_mean(level, pool.valid)),
        "elsewhere_first": np.log1p(_mean(curves[..., 0], pool.valid)),
        "elsewhere_rate": np.log1p(_mean(_row_mean(curves), pool.valid)),
    }


def _from_graph(history: History, standing: Ints, pool: Pool, unit: Floats) -> dict[str, Floats]:
    items, when = pool.spread(standing)
    level = pool.masked(history.level(items, when, history.windows.longer)) / unit
    rate = _row_mean(pool.curves(history, standing) / unit[..., None])
    return {
        "near_concepts_similarity": pool.similarity[:, 0],
        "near_concepts_level": np.log1p(_mean(level, pool.weights)),
        "near_concepts_level_typical": _mean(np.log1p(level), pool.weights),
        "near_concepts_rate": np.log1p(_mean(rate, pool.weights)),
    }


def _from_categories(history: History, rows: Launches) -> dict[str, Floats]:
    """How earlier launches of the same category sold, as far as seen; a few lean on all others."""
    names = [
        name
        for name in rows.attributes.columns
        if not pd.api.types.is_numeric_dtype(rows.attributes[name])
    ]
    out = {f"{name}_launches": np.full(len(rows), np.nan) for name in names}
    past = launched(history.panel)
    for standing in np.unique(rows.standing):
        here = np.flatnonzero(rows.standing == standing)
        curves = history.curve(past, np.full(len(past), standing))
        rate = _row_mean(curves) / history.unit(np.array([standing]))[0]
        seen = np.isfinite(rate)
        if not seen.any():
            continue
        rate, items = rate[seen], past[seen]
        for name in names:
            known = history.attributes[name].to_numpy(dtype=object)[items]
            sums = pd.Series(rate).groupby(known).agg(["sum", "count"])
            leaning = (sums["sum"] + _LEAN * rate.mean()) / (sums["count"] + _LEAN)
            found = rows.attributes[name].iloc[here].map(leaning).to_numpy(dtype=np.float64)
            out[f"{name}_launches"][here] = np.log1p(
                np.where(np.isfinite(found), found, rate.mean())
            )
    return out


_FROM = {
    "incumbent": _from_incumbents,
    "launch": _from_launches,
    "sibling": _from_siblings,
    ELSEWHERE: _from_elsewhere,
    CONCEPT: _from_graph,
}


def _rank_among_launches(history: History, rows: Launches, name: str) -> Floats:
    """Where a number stands among those of the launches of the last few periods, from 0 to 1."""
    known = history.attributes[name].to_numpy(dtype=float)
    own = rows.attributes[name].to_numpy(dtype=float)
    launch = history.panel.launch
    out = np.full(len(rows), np.nan)
    for standing in np.unique(rows.standing):
        lately = (launch <= standing) & (launch > standing - history.windows.longer)
        recent = np.sort(known[lately & np.isfinite(known)])
        here = (rows.standing == standing) & np.isfinite(own)
        if len(recent):
            out[here] = np.searchsorted(recent, own[here]) / len(recent)
    return out


def _log_ratio(own: Floats, known: Floats, pool: Pool) -> Floats:
    """Log ratio of a number to its mean among the analogues; NaN where one is not positive."""
    mean = _mean(pool.masked(known[np.maximum(pool.position, 0)]), pool.weights)
    positive = (own > 0) & (mean > 0)
    shares = np.divide(own, mean, out=np.ones_like(mean), where=positive)
    return np.where(positive, np.log(shares), np.nan)


def _mean(values: Floats, weights: npt.NDArray[np.bool_] | Floats) -> Floats:
    """Weighted mean over axis 1 of what is not NaN; NaN where nothing has weight."""
    weight = np.where(np.isnan(values), 0.0, weights)
    return ratio((np.nan_to_num(values) * weight).sum(axis=1), weight.sum(axis=1))


def _dispersion(values: Floats, weights: Floats) -> Floats:
    center = _mean(values, weights)
    return np.sqrt(_mean((values - center[:, None]) ** 2, weights))


def _highest(values: Floats) -> Floats:
    top = np.where(np.isnan(values), -np.inf, values).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(top), top, np.nan)


def _row_mean(curves: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    seen = np.isfinite(curves).sum(axis=-1)
    return ratio(np.nan_to_num(curves).sum(axis=-1), seen)


@dataclass(frozen=True)
class Description:
    """What is known about n launches.

    Attributes:
        rows: The launches.
        pools: Their analogues, in all pools.
        features: (n, f) from themselves and from the pools in use.
        scale: (n, horizon) unit of the market to be expected at each age, less in a first period
            in which the item is on sale for a part only.
        concept: (n,) position of each one's concept in the graph, negative for none; None where
            there is no graph.
        kin: The levels of what they are related to; None where there is no graph.
    """

    rows: Launches
    pools: Pools
    features: pd.DataFrame
    scale: Floats
    concept: Ints | None = None
    kin: Kin | None = None

    @property
    def level(self) -> Floats:
        """(n,) level of the incumbents around each, in units of the market."""
        if "incumbent_level" not in self.features:
            return np.full(len(self.rows), np.nan)
        level: Floats = np.expm1(self.features["incumbent_level"].to_numpy(dtype=np.float64))
        return level


@dataclass(frozen=True)
class FeatureMaker:
    """How launches are described.

    Attributes:
        history: What had been sold.
        analogues: Where like items are found.
        pools: Names of the pools in use.
        k: Analogues per pool.
        temperature: Of the softmax that turns similarity into weight.
        recency: Periods after which a launch counts half; None: they all count alike.
        quantiles: The levels to be forecast.
        demand: By pool, where analogues are items near in demand instead of in words.
        verdicts: Why each pool is by what it is by; none where nothing was asked.
        knowledge: What a graph says of the items; None without one.
        concept_verdict: Whether launches are described by their concepts, too, and why.
    """

    history: History
    analogues: AnalogueIndex
    pools: Sequence[str]
    k: int
    temperature: float
    recency: float | None
    quantiles: Sequence[float]
    demand: Mapping[PoolName, DemandSpace] = field(default_factory=dict)
    verdicts: Sequence[SimilarityVerdict] = ()
    knowledge: Knowledge | None = None
    concept_verdict: ConceptVerdict | None = None

    def find(self, rows: Launches) -> Pools:
        """Return the analogues of launches, in all pools."""
        pools = self.analogues.find(
            rows,
            self.k,
            temperature=self.temperature,
            recency=self.recency,
            lately=self.history.windows.longer,
            demand=self.demand,
        )
        if self.space is None or not self.by_concept:
            return pools
        position, similarity = self.space.nearest(rows, self._concepts(rows, pools), self.k)
        even = np.ones(position.shape)
        return replace(pools, concepts=Pool(position, similarity, self.temperature, even, "graph"))

    @property
    def by_concept(self) -> bool:
        """Whether launches are described by their concepts, too."""
        return self.concept_verdict is not None and self.concept_verdict.used

    @cached_property
    def space(self) -> ConceptSpace | None:
        """Where the graph puts the items."""
        if self.knowledge is None:
            return None
        vectors = self.analogues.index.vectors(self.history.panel.ids.tolist())
        return ConceptSpace(self.history, self.knowledge, vectors)

    def renewed(self, ids: npt.NDArray[np.object_]) -> FeatureMaker:
        """Return the same with what somebody has said of launches since; as of the same cutoff."""
        if self.knowledge is None:
            return self
        known = self.knowledge.again(ids, self.history.panel.grid)
        return self if known is self.knowledge else replace(self, knowledge=known)

    def _concepts(self, rows: Launches, pools: Pools) -> Ints:
        """(n,) the concept of each launch, or of its like items where nobody has linked it."""
        assert self.space is not None
        return self.space.concepts_of(rows, pools.incumbents.position, pools.incumbents.weights)

    def describe(self, rows: Launches, edit: Edit | None = None) -> Description:
        """Describe launches; ``edit`` changes their analogues before features are made of them."""
        pools = self.find(rows)
        if edit is not None:
            pools = edit(rows, pools)
        return self._described(rows, pools)

    def lacking(self, rows: Launches) -> Bools:
        """(n,) whether launches lack attributes that past launches had."""
        missing: Bools = np.any(lacking(self.history, rows.attributes), axis=1)
        return missing

    def imputed(self, described: Description, rows: Ints) -> Description:
        """Describe some launches `DRAWS` times each, every time with other values they lack."""
        again = np.repeat(rows, DRAWS)
        whole = imputed(self.history, described.rows[rows], described.pools.launches[rows])
        return self._described(whole, described.pools[again])

    def _described(self, rows: Launches, pools: Pools) -> Description:
        parts = []
        for start in range(0, max(len(rows), 1), _BLOCK):  # no row is one empty block
            block = slice(start, start + _BLOCK)
            parts.append(neighbor_features(self.history, rows[block], pools[block], self.pools))
        own = own_features(self.history, rows)
        for name in _OF_MARKET:
            own[name] = own[name].to_numpy().round(_DIGITS)
        near = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
        concept = kin = None
        if self.space is not None:
            concept = self._concepts(rows, pools)
            kin = find_kin(self.history, self.space.knowledge, rows)
            if self.by_concept:
                near = near.assign(**self.space.features(rows, concept))
        features = pd.concat([own, near.round(_DIGITS)], axis=1)
        return Description(rows, pools, features, self.scale(rows), concept, kin)

    def scale(self, rows: Launches) -> Floats:
        """(n, horizon) unit of the market to be expected at each age."""
        periods = rows.period[:, None] + np.arange(self.history.horizon)
        scale = self.history.outlook(rows.standing, periods)
        scale[:, 0] *= rows.first_share
        return scale
