"""The part of `launches.py` that bends real data: markets that move, seasons, large volumes.

Complete Journey's market is flat. Here its pieces are thinned by chance (each is kept with the
probability of its week), so that launches, curves and skew stay real and the market moves as
wanted. Only the launches of the dev cutoffs are scored. Where they shall meet Christmas, the year
is moved by 17 weeks, so that they come from September to December.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecasts.launch_scores import PLAIN, comparison_table, show
from benchmarks.forecasts.launch_trials import Setting, Trial, bucket, complete_journey
from forecasting.data.panel import Floats
from forecasting.evaluation.backtest import FORECASTER

SEED = 0
TO_CHRISTMAS = 17  # weeks from the first dev launches to the end of September
YEAR = 52  # weeks
PEAK = (47, 51)
LAST_RANGE = "2017-08-14"  # later ones hold products that dev does not score
BATCH = 800  # products, in the order of the catalog
PER_PIECE = 100
SHOWN = (FORECASTER, PLAIN, "incumbents' level", "global mean")

Weeks = npt.NDArray[np.int64]


def stress(setting: Setting) -> None:
    """Bias, errors and coverage where the market moves."""
    trial = complete_journey(setting, on="dev")
    seed = setting.seeds[0]
    for title, bend in BENT.items():
        bent = bend(trial)
        result = bent.backtest(seed)
        n, units = len(result.items), result.totals.query("method == @NAME")["y"]
        print(
            f"\nStress: {title}; cutoffs {', '.join(bent.cutoffs)}; {n:,} launches, total units "
            f"{units.mean():.1f} on average, median {units.median():.0f}; seed {seed}"
        )
        show("all cutoffs", comparison_table([result.compare(seed=seed)]))
        bias = (100 * result.metrics["bias"]).unstack("method")[list(SHOWN)].round(1)
        show("bias in percent, by cutoff", bias)


def as_it_is(trial: Trial) -> Trial:
    """Complete Journey, to compare with."""
    return trial


def growing(trial: Trial) -> Trial:
    """Let the market grow fourfold over the year."""
    return _thinned(trial, _through_the_year(trial, 0.25, 1.0))


def shrinking(trial: Trial) -> Trial:
    """Let the market lose half over the year."""
    return _thinned(trial, _through_the_year(trial, 1.0, 0.5))


def first_christmas(trial: Trial) -> Trial:
    """Let the market double in weeks 47 to 51, as has never been seen before."""
    moved = trial.later(TO_CHRISTMAS)
    return _thinned(moved, np.where(_week(moved).between(*PEAK), 1.0, 0.5))


def second_autumn(trial: Trial) -> Trial:
    """Two years with a season that doubles the market up to the end of November.

    The first year is the same one with half its pieces, 52 weeks earlier. A launch is in one of the
    two: products of even hash are launched in the first and are on sale in the second (there their
    sales begin anew in the week of their launch; the weeks before it are zeros), those of odd hash
    do not exist in the first. Noise of the market is the same in both years, so that a season seen
    a year ago says a little more here than it would elsewhere.
    """
    first, second = _with_year_before(trial.later(TO_CHRISTMAS))
    both = pd.concat([first.sales, second.sales], ignore_index=True)
    season = np.interp(_week(replace(second, sales=both)), [1, 36, 47, 52], [0.5, 0.5, 1.0, 0.5])
    level = np.repeat([0.5, 1.0], [len(first.sales), len(second.sales)])
    return _thinned(replace(second, sales=both), season * level)


def ranges(trial: Trial) -> Trial:
    """Products that came together are one item: real sales in larger volumes.

    New products of one category and brand launched between two cutoffs (four weeks) are one launch,
    from the first one's launch date on. Old ones are put together by category, brand and batch of
    the catalog, in batches of about as many products.
    """
    items = trial.items
    first_after = pd.Timestamp(trial.cutoffs[0]) + pd.Timedelta(weeks=1)
    block = (items["launch_date"] - first_after).dt.days // 28
    batch = items["catalog_number"].rank().sub(1) // BATCH
    came = np.where(block.notna(), "new " + block.astype(str), "batch " + batch.astype(str))
    keys = ["department", "product_category", "brand"]
    name = items[keys].astype(str).agg(" | ".join, axis=1) + " | " + came
    grouped = items.assign(product_id=name).groupby("product_id", as_index=False)
    coarse = grouped.agg(
        {**dict.fromkeys(keys, "first"), "catalog_number": "min", "launch_date": "min"}
    )
    of = pd.Series(name.to_numpy(), index=items["product_id"])
    sales = trial.sales.assign(unique_id=trial.sales["unique_id"].map(of))
    return replace(
        trial,
        items=coarse,
        sales=sales.groupby(["unique_id", "ds"], as_index=False)["y"].sum(),
        text=tuple(keys),
        attributes=(*keys[1:], keys[0], "catalog_number"),
        cutoffs=trial.cutoffs[:3],
        last=min(trial.last, LAST_RANGE),
    )


def hundredfold(trial: Trial) -> Trial:
    """Each piece stands for about a hundred, by chance: large numbers that do not tie."""
    rng = np.random.default_rng(SEED)
    y = rng.poisson(PER_PIECE * rng.gamma(trial.sales["y"].to_numpy(dtype=float)))
    return replace(trial, sales=trial.sales.assign(y=y))


BENT: dict[str, Callable[[Trial], Trial]] = {
    "as it is": as_it_is,
    "growing fourfold in a year": growing,
    "losing half in a year": shrinking,
    "twofold at Christmas, never seen before": first_christmas,
    "second year, twice the first, with a season that peaks in November": second_autumn,
    "ranges of products": ranges,
    "a hundred pieces for each": hundredfold,
}


def _thinned(trial: Trial, keep: Floats) -> Trial:
    """Keep each piece of (rows,) sales with a probability; rows without one left are left out."""
    rng = np.random.default_rng(SEED)
    y = rng.binomial(trial.sales["y"].to_numpy(dtype=np.int64), keep)
    return replace(trial, sales=trial.sales.assign(y=y)[y > 0].reset_index(drop=True))


def _through_the_year(trial: Trial, start: float, end: float) -> Floats:
    day = trial.sales["ds"]
    passed = ((day - day.min()) / (day.max() - day.min())).to_numpy(dtype=np.float64)
    return start + (end - start) * passed


def _week(trial: Trial) -> pd.Series:
    """(rows,) week of the calendar year."""
    return trial.sales["ds"].dt.isocalendar().week.astype(int)


def _with_year_before(trial: Trial) -> tuple[Trial, Trial]:
    """Return the year before, and the year, with each launch in one of them."""
    items, year = trial.items, pd.Timedelta(weeks=YEAR)
    odd = items["product_id"].map(lambda name: bucket(f"year:{name}", 2) == 1)
    launch = items["launch_date"]
    items = items.assign(launch_date=launch.where(odd, launch - year))
    # The first week has one day only, and would lie in the last week of the year before.
    sales = trial.sales[trial.sales["ds"] > trial.sales["ds"].min()]
    second_only = items.loc[odd & launch.notna(), "product_id"]
    before = sales[~sales["unique_id"].isin(second_only)]
    return (
        replace(trial, items=items, sales=before.assign(ds=before["ds"] - year)),
        replace(trial, items=items, sales=sales),
    )
