"""What is known about a launch at the moment it is forecast, from itself and from its analogues.

The same functions serve training and prediction. Each row carries its standing period, the last one
seen, and nothing that belongs to a later period is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.analogues import Pool
from forecasting.panel import Floats, Ints, Panel

RECENT = 4  # periods a recent level is averaged over
LONGER = 8
_MARKET_BASE = 12
_NEAREST = (5, 20)
_OLDEST = 52  # periods after which an incumbent is simply old
TEMPERATURE = 0.05


@dataclass(frozen=True)
class Launches:
    """n launches to forecast, each from its own standing period.

    Attributes:
        ids: (n,) item ids.
        vectors: (n, d) unit vectors of their texts.
        period: (n,) period of launch.
        standing: (n,) last period seen; before ``period``.
        attributes: (n, a) numbers, and categories as strings.
    """

    ids: npt.NDArray[np.object_]
    vectors: npt.NDArray[np.float32]
    period: Ints
    standing: Ints
    attributes: pd.DataFrame

    def __len__(self) -> int:
        """Return the number of launches."""
        return len(self.ids)

    def __getitem__(self, rows: slice) -> Launches:
        """Return some of the rows."""
        return Launches(
            self.ids[rows],
            self.vectors[rows],
            self.period[rows],
            self.standing[rows],
            self.attributes.iloc[rows].reset_index(drop=True),
        )


class History:
    """A panel, ready to answer what an item had sold as of a period.

    Args:
        panel: The sales.
        attributes: (items, a) attributes of the panel's items.
        horizon: Length of a launch curve.
    """

    def __init__(self, panel: Panel, attributes: pd.DataFrame, horizon: int) -> None:
        self.panel = panel
        self.attributes = attributes
        self.horizon = horizon
        self.curves = panel.curves(horizon).astype(np.float64)
        units = np.nan_to_num(panel.units)
        self._sold = _sums(units)
        self._active = _sums(units > 0)
        self._market = self._sold.sum(axis=0)

    def level(self, items: Ints, standing: Ints, window: int) -> Floats:
        """Mean units a period over the window up to ``standing``; NaN where not visible yet."""
        return self._window(self._sold, items, standing, window)

    def share_selling(self, items: Ints, standing: Ints, window: int) -> Floats:
        """Share of those periods in which the item sold at all."""
        return self._window(self._active, items, standing, window)

    def curve(self, items: Ints, standing: Ints) -> Floats:
        """Launch curves (..., horizon) as far as they had been seen, NaN after."""
        reached = standing - self.panel.launch[items]
        hidden = np.arange(self.horizon) > reached[..., None]
        return np.where(hidden, np.nan, self.curves[items])

    def market(self, standing: Ints, window: int) -> Floats:
        """Units a period of all items together."""
        start = np.maximum(standing + 1 - window, 0)
        return _ratio(self._market[standing + 1] - self._market[start], standing + 1 - start)

    def _window(self, sums: Floats, items: Ints, standing: Ints, window: int) -> Floats:
        end = standing + 1
        start = np.maximum(np.maximum(end - window, 0), self.panel.visible[items])
        length = end - start
        total = sums[items, end] - sums[items, np.minimum(start, end)]
        return _ratio(total, length)


def own_features(history: History, rows: Launches) -> pd.DataFrame:
    """Features (n, f) that need no analogue: attributes, lead, and the state of the market."""
    recent = history.market(rows.standing, RECENT)
    base = history.market(rows.standing, _MARKET_BASE)
    out = pd.DataFrame(
        {
            "lead": rows.period - rows.standing - 1,
            "market_trend": np.log1p(recent) - np.log1p(base),
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
    return out


def neighbor_features(
    history: History, rows: Launches, incumbents: Pool, launches: Pool
) -> pd.DataFrame:
    """Features (n, f) from the analogues in both pools."""
    columns = _from_incumbents(history, rows.standing, incumbents)
    columns |= _from_launches(history, rows.standing, launches)
    for name in rows.attributes.columns:
        if pd.api.types.is_numeric_dtype(rows.attributes[name]):
            own = rows.attributes[name].to_numpy(dtype=float)
            known = history.attributes[name].to_numpy(dtype=float)
            columns[f"{name}_to_incumbents"] = _log_ratio(own, known, incumbents)
            columns[f"{name}_to_launches"] = _log_ratio(own, known, launches)
    return pd.DataFrame(columns)


def analogue_curves(history: History, standing: Ints, launches: Pool) -> Floats:
    """Mean curve (n, horizon) of each row's launch analogues, as far as they had been seen."""
    return _mean(
        _seen_curves(history, standing, launches), launches.weights(TEMPERATURE)[..., None]
    )


def _from_incumbents(history: History, standing: Ints, pool: Pool) -> dict[str, Floats]:
    items, when = _spread_out(pool, standing)
    recent = _masked(history.level(items, when, RECENT), pool)
    before = _masked(history.level(items, np.maximum(when - RECENT, 0), RECENT), pool)
    longer = _masked(history.level(items, when, LONGER), pool)
    selling = _masked(history.share_selling(items, when, LONGER), pool)
    age = np.minimum(when - history.panel.visible[items], _OLDEST)
    weights = pool.weights(TEMPERATURE)
    out = {
        "incumbent_similarity_best": pool.similarity[:, 0],
        "incumbent_similarity_mean": _mean(pool.similarity, pool.valid),
        "incumbent_age": _mean(_masked(age, pool), weights),
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


def _from_launches(history: History, standing: Ints, pool: Pool) -> dict[str, Floats]:
    items, when = _spread_out(pool, standing)
    curves = _seen_curves(history, standing, pool)
    first, later, rate = curves[..., 0], _row_mean(curves[..., 1:]), _row_mean(curves)
    total = curves.sum(axis=2)  # NaN until the last age has been seen
    sibling = pool.valid & (when - history.panel.launch[items] < LONGER)
    weights = pool.weights(TEMPERATURE)
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
        "sibling_count": sibling.sum(axis=1).astype(float),
        "sibling_rate": np.log1p(_mean(rate, weights * sibling)),
    }
    for k in _NEAREST:
        out[f"launch_total_{k}"] = np.log1p(_mean(total[:, :k], pool.valid[:, :k]))
        out[f"launch_later_{k}"] = np.log1p(_mean(later[:, :k], pool.valid[:, :k]))
    return out


def _rank_among_launches(history: History, rows: Launches, name: str) -> Floats:
    """Where a number stands among those of the launches of the last few periods, from 0 to 1."""
    known = history.attributes[name].to_numpy(dtype=float)
    own = rows.attributes[name].to_numpy(dtype=float)
    launch = history.panel.launch
    out = np.full(len(rows), np.nan)
    for standing in np.unique(rows.standing):
        recent = known[(launch <= standing) & (launch > standing - LONGER)]
        recent = np.sort(recent[np.isfinite(recent)])
        here = (rows.standing == standing) & np.isfinite(own)
        if len(recent):
            out[here] = np.searchsorted(recent, own[here]) / len(recent)
    return out


def _log_ratio(own: Floats, known: Floats, pool: Pool) -> Floats:
    """Log ratio of a number to its mean among the analogues; NaN where one is not positive."""
    mean = _mean(_masked(known[np.maximum(pool.position, 0)], pool), pool.weights(TEMPERATURE))
    positive = (own > 0) & (mean > 0)
    ratio = np.divide(own, mean, out=np.ones_like(mean), where=positive)
    return np.where(positive, np.log(ratio), np.nan)


def _seen_curves(history: History, standing: Ints, pool: Pool) -> Floats:
    items, when = _spread_out(pool, standing)
    return np.where(pool.valid[..., None], history.curve(items, when), np.nan)


def _spread_out(pool: Pool, standing: Ints) -> tuple[Ints, Ints]:
    """Positions (n, k), any item where padded, and the standing period of each."""
    return np.maximum(pool.position, 0), np.broadcast_to(standing[:, None], pool.position.shape)


def _masked(values: npt.ArrayLike, pool: Pool) -> Floats:
    return np.where(pool.valid, values, np.nan)


def _mean(values: Floats, weights: npt.NDArray[np.bool_] | Floats) -> Floats:
    """Weighted mean over axis 1 of what is not NaN; NaN where nothing has weight."""
    weight = np.where(np.isnan(values), 0.0, weights)
    total = weight.sum(axis=1)
    summed = (np.nan_to_num(values) * weight).sum(axis=1)
    return _ratio(summed, total)


def _dispersion(values: Floats, weights: Floats) -> Floats:
    center = _mean(values, weights)
    return np.sqrt(_mean((values - center[:, None]) ** 2, weights))


def _highest(values: Floats) -> Floats:
    top = np.where(np.isnan(values), -np.inf, values).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(top), top, np.nan)


def _row_mean(curves: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    seen = np.isfinite(curves).sum(axis=-1)
    summed = np.nan_to_num(curves).sum(axis=-1)
    return _ratio(summed, seen)


def _ratio(part: Floats, whole: Floats | Ints) -> Floats:
    """Part over whole; NaN where the whole is not positive."""
    out = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def _sums(values: npt.NDArray[np.float32] | npt.NDArray[np.bool_]) -> Floats:
    """Cumulative sums over periods, starting from 0: a window's sum is one subtraction."""
    out = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, dtype=np.float64, out=out[:, 1:])
    return out
