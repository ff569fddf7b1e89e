"""Whether past launches were better told by items near in demand than by items near in words.

Asked of each pool alone: as seen before each past launch, what its analogues sold tells what it
will sell, once by text and once by demand. Of launches the maps had not seen it is then known which
was nearer. Each is taken at its best temperature, since analogues counted more alike tell more by
being more, whatever they are near in. Demand is used where the interval of the difference says so,
and else refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.data.groups import ratio_interval
from forecasting.data.history import History, ratio
from forecasting.data.launches import Launches
from forecasting.data.panel import Bools, Floats, Ints
from forecasting.data.pools import PoolName
from forecasting.features.analogues import Pool

FEWEST_HELD_OUT = 50  # launches, those of one group counted once
_WIDER = (1.0, 2.0, 4.0, 10.0)  # times the temperature


@dataclass(frozen=True)
class SimilarityVerdict:
    """Which similarity a pool is by, and why.

    Attributes:
        pool: Its name.
        used: ``"text"`` or ``"demand"``.
        reason: In plain words.
        launches: How many told.
        text: Mean absolute error of what analogues by text say of totals, over their mean (WAPE).
        demand: The same by demand.
        low: 95 % interval of how much lower the latter is, over groups of launches.
        high: Its upper end. None of them where nothing was compared.
    """

    pool: PoolName
    used: str
    reason: str
    launches: int = 0
    text: float | None = None
    demand: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """Say it in one line."""
        said = f"{self.pool}: similarity by {self.used}, {self.reason}"
        if self.text is None or self.demand is None:
            return said
        return (
            f"{said} (error of totals {self.text:.3f} by text, {self.demand:.3f} by demand; lower "
            f"by {self.text - self.demand:+.3f} [{self.low:+.3f}, {self.high:+.3f}] on "
            f"{self.launches:,} past launches)"
        )


def judge(
    name: PoolName, history: History, rows: Launches, launched: Ints, text: Pool, demand: Pool
) -> SimilarityVerdict:
    """Compare two similarities on past launches, each as seen before its start.

    Args:
        name: Of the pool.
        history: What had been sold.
        rows: The n launches.
        launched: (n,) their positions in the panel.
        text: Their analogues by text.
        demand: Their analogues by demand.
    """
    came = history.even_curves[launched].mean(axis=1) / history.unit(rows.standing)
    told = [_told(name, history, rows.standing, pool) for pool in (text, demand)]
    known = np.isfinite(came) & np.isfinite(told[0]).all(axis=0) & np.isfinite(told[1]).all(axis=0)
    group = np.unique(rows.group[known], return_inverse=True)[1]
    if len(np.unique(group)) < FEWEST_HELD_OUT or not came[known].sum() > 0:
        return SimilarityVerdict(name, "text", "because too few launches could tell")
    came = came[known]
    errors = [_errors(one[:, known], came, group % 2 == 0) / came.mean() for one in told]
    low, high = ratio_interval(errors[0] - errors[1], np.ones(len(came)), group)
    used, reason = ("demand", "which told more") if low > 0 else ("text", "demand told no more")
    return SimilarityVerdict(
        name, used, reason, len(came), float(errors[0].mean()), float(errors[1].mean()), low, high
    )


def _told(name: PoolName, history: History, standing: Ints, pool: Pool) -> Floats:
    """(t, n) units a period that analogues sold, in units of the market, by temperature."""
    unit = history.unit(standing)[:, None]
    if name == "incumbent":
        items, when = pool.spread(standing)
        sold = pool.masked(history.level(items, when, history.windows.longer)) / unit
    else:
        curves = pool.curves(history, standing)
        seen = np.isfinite(curves)
        sold = ratio(np.nan_to_num(curves).sum(axis=2), seen.sum(axis=2)) / unit
    log, known = np.log1p(np.nan_to_num(sold)), np.isfinite(sold)
    told = []
    for wider in _WIDER:
        weight = np.where(known, pool.weights_at(pool.temperature * wider), 0.0)
        told.append(np.expm1(ratio((log * weight).sum(axis=1), weight.sum(axis=1))))
    return np.array(told)


def _errors(told: Floats, came: Floats, half: Bools) -> Floats:
    """(n,) absolute errors of (t, n) numbers, at what is best for the groups a row is not among.

    That is which of the t, and the factor to multiply it by.
    """
    out = np.empty(len(came))
    for here, other in ((half, ~half), (~half, half)):
        scales = [_best_scale(one[other], came[other]) for one in told]
        missed = [
            np.abs(scale * one[other] - came[other]).sum()
            for scale, one in zip(scales, told, strict=True)
        ]
        best = int(np.argmin(missed))
        out[here] = np.abs(scales[best] * told[best][here] - came[here])
    return out


def _best_scale(told: Floats, came: Floats) -> float:
    """Return the factor that makes the sum of absolute errors least: a weighted median."""
    useful = told > 0
    if not useful.any():
        return 1.0
    factor, weight = came[useful] / told[useful], told[useful]
    order = np.argsort(factor, kind="stable")
    reached = np.cumsum(weight[order])
    return float(factor[order][np.searchsorted(reached, reached[-1] / 2)])
