"""What do launches take from their nearest siblings? Where it is known, and on Complete Journey.

    python -m benchmarks.forecasts.cannibalization                  # made-up markets, some minutes
    python -m benchmarks.forecasts.cannibalization --seeds 0 1 2 3
    python -m benchmarks.forecasts.cannibalization --cutoffs 2017-08-14 2017-12-25   # real sales

A row a run: the share that launches truly took, the estimate with its 95 % interval, the same of
made-up launch dates (a placebo test, which should find nothing), and whether a loss is shown. In
"by text" siblings are told by their names; in "spread" the names hide who loses to whom, so that
only a part of the losers are among the nearest items.
"""

from __future__ import annotations

import argparse
import time
import warnings

import pandas as pd

from benchmarks.forecasts.launch_trials import Setting, complete_journey
from benchmarks.forecasts.market import Market
from benchmarks.measuring.circumstances import machine_and_versions
from forecasting import Cannibalization, LaunchForecaster

ENGINES = ("numpy", "pandas", "faiss-cpu")
PLAIN = {"incumbents": 225, "launches": 150, "new": 4, "calendar": 0.1}
STYLES = {"incumbents": 60, "launches": 50, "new": 4, "size": 6, "own": 0.25, "calendar": 0.1}
MARKETS = {
    "nothing": Market(**PLAIN, lines=True),
    "40 %, by text": Market(**PLAIN, lines=True, taken=0.4),
    "20 %, by text": Market(**PLAIN, lines=True, taken=0.2),
    "40 %, spread": Market(**PLAIN, taken=0.4),
    "colors, nothing": Market(**STYLES, lines=True),
    "colors, 40 %": Market(**STYLES, lines=True, taken=0.4),
}


def main() -> None:
    """Print the table asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(8)))
    parser.add_argument("--cutoffs", nargs="+", help="of Complete Journey, instead of markets")
    given = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # analogues vote: nothing is trained here
    print(machine_and_versions(ENGINES), flush=True)
    start = time.perf_counter()
    rows = real(given.cutoffs) if given.cutoffs else made_up(given.seeds)
    print(pd.DataFrame(rows).to_string(index=False))
    print(f"({time.perf_counter() - start:,.0f} s)")


def made_up(seeds: list[int]) -> list[dict[str, object]]:
    """Return a row a market and seed."""
    rows = []
    for name, market in MARKETS.items():
        for seed in seeds:
            world = market.world(seed)
            forecaster = LaunchForecaster(
                text="name", horizon=market.horizon, method="knn", seed=seed
            )
            forecaster.fit(world.items, world.sales, world.cutoff)
            rows.append(
                {"market": name, "seed": seed, "true": f"{world.taken:.1%}"}
                | shown(forecaster.cannibalization())
            )
    return rows


def real(cutoffs: list[str]) -> list[dict[str, object]]:
    """Return a row a cutoff of Complete Journey."""
    trial = complete_journey(Setting(on="dev", seeds=(0,), quick=False))
    rows = []
    for cutoff in cutoffs:
        forecaster = trial.forecaster(0).set_params(method="knn")
        forecaster.fit(trial.items, trial.sales, cutoff)
        rows.append({"cutoff": cutoff} | shown(forecaster.cannibalization()))
    return rows


def shown(found: Cannibalization) -> dict[str, object]:
    """Return what was found as a row of text."""
    return {
        "launches": found.launches,
        "share": f"{found.share:.1%} [{found.low:.1%}, {found.high:.1%}]",
        "placebo": f"{found.placebo:.1%} [{found.placebo_low:.1%}, {found.placebo_high:.1%}]",
        "shown": "yes" if found.is_shown else "not shown",
    }


if __name__ == "__main__":
    main()
