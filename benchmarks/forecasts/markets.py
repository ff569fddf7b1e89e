"""Are intervals honest? Made-up markets whose truth is known, one kind of trouble in each.

    python -m benchmarks.forecasts.markets                  # all, under 10 minutes on two cores
    python -m benchmarks.forecasts.markets --seeds 0 1 2
    python -m benchmarks.forecasts.markets --market colors "stock-outs 60 %"

A row a market. Coverage is the probability, under the market's own law, that an 80 % interval
holds: of items, of sums by group (colors of a style, stores of a product; else eighths of the
launches), by week of launch and by calendar period. Width is beside that of an oracle's, who knows
the market and not its luck. WAPE is the expected one of the medians of totals, the oracle's and the
best baseline's beside it; bias that of the mean, beside its root mean square over seeds. Thirds are
those of what the oracle expects.

What all past launches of one run had in common is one draw, however many they are: three seeds tell
a sum's coverage to some 5 to 15 percent. "± x" is the standard error over seeds.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.forecasts.market import Market, World
from benchmarks.measuring.circumstances import machine_and_versions
from forecasting import Columns, LaunchForecaster
from forecasting.data.panel import Floats
from forecasting.evaluation.baselines import BASELINES, Case
from retrieval import Encoder

ENGINES = ("numpy", "pandas", "lightgbm", "faiss-cpu")
DRAWS = 300
BUNDLES = 8
LOW, MIDDLE, HIGH = "0.1", "0.5", "0.9"
COMPARED = ("global mean", "category mean", "embedding kNN", "LightGBM without neighbors")

STYLES: dict[str, Any] = {"incumbents": 20, "launches": 60, "new": 24, "size": 6}
STORES: dict[str, Any] = {
    "incumbents": 15,
    "launches": 50,
    "new": 16,
    "size": 10,
    "as_stores": True,
}


@dataclass(frozen=True)
class Setup:
    """A market, and what the forecaster is told.

    Attributes:
        market: Its rules.
        columns: Of the forecaster.
        settings: What else is not its default.
    """

    market: Market
    columns: Columns = field(default_factory=Columns)
    settings: Mapping[str, Any] | None = None


SOLD_OUT = Columns(in_stock="on_shelf")
PLANS = Columns(covariates=("promotion",))

MARKETS: dict[str, Setup] = {
    "plain": Setup(Market()),
    "slow sellers": Setup(Market(level=0.4)),
    "colors": Setup(Market(**STYLES, spread=0.8, own=0.25)),
    "stores": Setup(Market(**STORES, spread=0.8)),
    "followers": Setup(Market(**STORES, followers=True, spread=0.8), Columns(elsewhere="group")),
    "shocks by week of launch": Setup(Market(cohort=0.3)),
    "shocks by calendar week": Setup(Market(calendar=0.25)),
    "four launch dates": Setup(Market(cohort=0.3, dates=4)),
    "stock-outs 10 %": Setup(Market(stockouts=0.1), SOLD_OUT),
    "stock-outs 30 %": Setup(Market(stockouts=0.3), SOLD_OUT),
    "stock-outs 60 %": Setup(Market(stockouts=0.6), SOLD_OUT),
    "plans": Setup(Market(promotion=0.7), PLANS),
    "plans that do not arrive": Setup(Market(promotion=0.7, plans_arrive=False), PLANS),
    "price unknown": Setup(Market(price=1.5, price_known=False)),
    "novel texts": Setup(Market(novel=True)),
    "thin catalogue": Setup(Market(incumbents=6, launches=12, new=40)),
    "one item": Setup(Market(incumbents=1, launches=0, new=40)),
    "growth": Setup(Market(growth=0.015)),
    "monthly": Setup(Market(freq="MS", periods=40, horizon=6)),
    "daily": Setup(Market(freq="D", periods=120, horizon=14, level=8.0)),
}


def main() -> None:
    """Print the table of the markets asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--market", nargs="+", choices=list(MARKETS), default=list(MARKETS))
    given = parser.parse_args()
    pd.set_option("display.width", 250, "display.max_columns", 30)
    print(machine_and_versions(ENGINES))
    print(f"seeds {', '.join(map(str, given.seeds))}; {DRAWS} courses of each market", flush=True)
    start = time.perf_counter()
    rows = {}
    for name in given.market:
        made = [score(MARKETS[name], seed) for seed in given.seeds]
        rows[name] = shown(made)
        print(f"{name}: {rows[name]}", flush=True)
    print(pd.DataFrame.from_dict(rows, orient="index").to_string())
    print(f"({time.perf_counter() - start:,.0f} s)")


def score(setup: Setup, seed: int) -> dict[str, float]:
    """Return the scores of one run of a market."""
    world = setup.market.world(seed)
    forecaster = fitted(setup, world, seed)
    plans = _plans(setup, world.new_plans)
    new = world.new_items.assign(bundle=bundles(world))
    coming, oracle = world.courses(DRAWS, seed), world.courses(DRAWS, seed + 1000)
    totals = forecaster.predict_total(new, future=plans)
    found = _items(totals, coming.sum(axis=2), oracle.sum(axis=2), world.expected)
    for name, by in (("group", "bundle"), ("launch week", "launch_date")):
        table = forecaster.predict_sum(new, by=by, future=plans)
        sums = (_by(courses.sum(axis=2), new[by]) for courses in (coming, oracle))
        found |= _held(name, table, *sums)
    table = forecaster.predict_sum(new, per="period", future=plans)
    found |= _held("period", table, *(_by_period(courses, world) for courses in (coming, oracle)))
    return found | _baselines(forecaster, new, plans, coming.sum(axis=2))


def fitted(setup: Setup, world: World, seed: int) -> LaunchForecaster:
    """Return a forecaster that has seen the market up to the cutoff."""
    attributes = ["category", "price"] if setup.market.size == 1 else ["category", "member"]
    forecaster = LaunchForecaster(
        encoder=_encoder(),
        freq=setup.market.freq,
        horizon=setup.market.horizon,
        text=["name"],
        attributes=attributes,
        columns=setup.columns,
        seed=seed,
        n_jobs=1,
        **(setup.settings or {}),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few launches are what some are about
        return forecaster.fit(
            world.items, world.sales, world.cutoff, future=_plans(setup, world.plans)
        )


@cache
def _encoder() -> Encoder:
    """Return one for all markets: to know its weights again takes as long as a small fit."""
    return Encoder()


def bundles(world: World) -> pd.Series:
    """(n,) what items are summed by."""
    several = world.market.size > 1
    numbers = pd.Series(np.arange(len(world.new_items)) % BUNDLES)
    return world.new_items["group"] if several else numbers


def _plans(setup: Setup, plans: pd.DataFrame) -> pd.DataFrame | None:
    return plans if setup.columns.covariates and len(plans) else None


def _items(
    totals: pd.DataFrame, coming: Floats, oracle: Floats, expected: Floats
) -> dict[str, float]:
    """Coverage, bias and errors of (n,) forecasts of (draws, n) totals, and bias by thirds."""
    found = _held("item", totals, coming, oracle)
    median = np.quantile(oracle, 0.5, axis=0)
    found |= {
        "bias": float(totals["mean"].sum() / coming.sum() * len(coming) - 1),
        "wape": _wape(totals[MIDDLE].to_numpy(), coming),
        "oracle wape": _wape(median, coming),
    }
    third = np.argsort(np.argsort(expected)) * 3 // len(expected)
    mean = totals["mean"].to_numpy()
    for number, name in enumerate(("low", "middle", "high")):
        rows = third == number
        found[f"bias {name}"] = float(mean[rows].sum() / coming[:, rows].sum() * len(coming) - 1)
        found[f"item {name}"] = _coverage(totals[rows], coming[:, rows])
    return found


def _held(name: str, table: pd.DataFrame, coming: Floats, oracle: Floats) -> dict[str, float]:
    """Coverage of (n,) intervals over (draws, n) sums, and their width over an oracle's."""
    low, high = np.quantile(oracle, [0.1, 0.9], axis=0)
    width = (table[HIGH] - table[LOW]).sum() / max((high - low).sum(), 1e-9)
    return {name: _coverage(table, coming), f"{name} width": float(width)}


def _coverage(table: pd.DataFrame, coming: Floats) -> float:
    low, high = table[LOW].to_numpy(), table[HIGH].to_numpy()
    return float(((low <= coming) & (coming <= high)).mean())


def _wape(median: Floats, coming: Floats) -> float:
    return float(np.abs(median - coming).sum() / coming.sum())


def _by(totals: Floats, groups: pd.Series) -> Floats:
    """(draws, groups) sums, in the order of the groups' names."""
    names, at = np.unique(groups.to_numpy(), return_inverse=True)
    return totals @ (at[:, None] == np.arange(len(names))).astype(float)


def _by_period(courses: Floats, world: World) -> Floats:
    """(draws, periods) sums by calendar period."""
    start = world.coming.launch - world.coming.launch.min()
    h = world.market.horizon
    summed = np.zeros((len(courses), start.max() + h))
    for row, first in enumerate(start):
        summed[:, first : first + h] += courses[:, row]
    return summed


def _baselines(
    forecaster: LaunchForecaster,
    new: pd.DataFrame,
    plans: pd.DataFrame | None,
    coming: Floats,
) -> dict[str, float]:
    """Return WAPE and coverage of the baseline that has the lowest WAPE."""
    case = Case.of(forecaster, new, plans)
    names = COMPARED if forecaster.engine_.model is not None else COMPARED[:-1]
    made = {}
    for name in names:
        table = forecaster._tables(case.rows, BASELINES[name](case))[1]
        made[name] = _wape(table[MIDDLE].to_numpy(), coming), _coverage(table, coming)
    wape, coverage = min(made.values())
    return {"baseline wape": wape, "baseline": coverage}


def shown(scores: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Return means over seeds as a row of text."""
    table = pd.DataFrame(list(scores))
    mean, error = table.mean(), table.std() / np.sqrt(len(table))

    def percent(*names: str) -> str:
        return " ".join(f"{100 * mean[name]:.0f}" for name in names)

    def held(name: str) -> str:
        seeds = f" ± {100 * error[name]:.0f}" if len(table) > 1 else ""
        return f"{percent(name)}{seeds} ({mean[f'{name} width']:.2f})"

    usual = float(np.sqrt((table["bias"] ** 2).mean()))
    return {
        "items % (width)": held("item"),
        "groups": held("group"),
        "launch weeks": held("launch week"),
        "periods": held("period"),
        "bias %, its rms": f"{percent('bias')}, {100 * usual:.0f}",
        "by thirds": percent("bias low", "bias middle", "bias high"),
        "items by thirds": percent("item low", "item middle", "item high"),
        "WAPE, oracle, baseline": " ".join(
            f"{mean[name]:.3f}" for name in ("wape", "oracle wape", "baseline wape")
        ),
        "baseline holds %": percent("baseline"),
    }


if __name__ == "__main__":
    main()
