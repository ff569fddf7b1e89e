"""The parts of `launches.py` that ask how good forecasts of true introductions are."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.forecasts.launch_scores import (
    calibration_table,
    comparison_table,
    goals,
    ratios,
    show,
)
from benchmarks.forecasts.launch_trials import Setting, Trial, complete_journey, pooled
from forecasting import ModelOptions
from forecasting.evaluation.backtest import BacktestResult
from forecasting.evaluation.comparison import paired_difference
from forecasting.evaluation.metrics import score
from retrieval import ItemIndex

GROUPS = 4
WINDOWS = slice(1, 3)  # the cutoffs at which departments are held out
FULL = "full"

# Each part of the forecaster changed, one at a time.
VARIANTS: dict[str, dict[str, Any]] = {
    FULL: {},
    "without incumbents": {"options": ModelOptions(pools=("launch", "sibling"))},
    "without launches": {"options": ModelOptions(pools=("incumbent", "sibling"))},
    "without siblings": {"options": ModelOptions(pools=("incumbent", "launch"))},
    "without any pool": {"options": ModelOptions(pools=())},
    "courses by text": {"options": ModelOptions(courses="text")},
    "without calibration": {"options": ModelOptions(calibrate=False)},
    "old launches count alike": {"options": ModelOptions(recency=None)},
    "votes alone": {"method": "knn"},
}


def accuracy(setting: Setting) -> None:
    """Score launches after each cutoff and before the next, beside every baseline."""
    trial = complete_journey(setting)
    results = {}
    for seed in setting.seeds:
        results[seed] = trial.backtest(seed)
        n = len(results[seed].items)
        title = f"Accuracy, {setting.on}: {n:,} launches, cutoffs {', '.join(trial.cutoffs)}"
        show(f"{title}; seed {seed}", comparison_table([results[seed].compare(seed=seed)]))
    report(f"{title}; seeds {', '.join(map(str, setting.seeds))}", results)


def report(title: str, results: Mapping[int, BacktestResult]) -> None:
    """Print the scores over seeds, the calibration, and which goals are met."""
    compared = [result.compare(seed=seed) for seed, result in results.items()]
    show(title, comparison_table(compared))
    show("Our totals and their quantiles, in percent", calibration_table(list(results.values())))
    print(f"\n{ratios(compared)}\nGoals")
    print("\n".join(goals(list(results.values()), compared)), flush=True)


def departments(setting: Setting) -> None:
    """Score launches of departments in which nothing had ever been launched.

    Departments are dealt into four groups in the order of their launches before the first cutoff.
    The two largest hold four fifths of all launches; held out together they leave few to learn
    from. That is shown as well, and is not part of the figures over all groups.
    """
    trial = complete_journey(setting)
    windows = trial.windows()[:1] if setting.quick else trial.windows()[WINDOWS]
    ranked = _by_launches(trial.items, trial.cutoffs[0])
    groups = {f"group {group}": ranked[group::GROUPS] for group in range(GROUPS)}
    parts: dict[int, list[BacktestResult]] = {seed: [] for seed in setting.seeds}
    for name, held_out in (*groups.items(), ("the two largest", ranked[:2])):
        inside = trial.items["department"].isin(held_out)
        _describe_hidden(trial.items, inside, windows[0].cutoffs[0])
        unseen = [_hide(window, inside) for window in windows]
        results = {
            seed: pooled([window.backtest(seed) for window in unseen]) for seed in setting.seeds
        }
        compared = [result.compare(seed=seed) for seed, result in results.items()]
        n = len(results[setting.seeds[0]].items)
        show(f"Departments, {name} held out: {n:,} launches", comparison_table(compared))
        if name in groups:
            for seed, result in results.items():
                parts[seed].append(result)
    together = {seed: pooled(results) for seed, results in parts.items()}
    n = len(together[setting.seeds[0]].items)
    report(f"Departments, all groups: {n:,} launches", together)


def _by_launches(items: pd.DataFrame, cutoff: str) -> list[str]:
    """Return the departments, those with most launches up to a cutoff first."""
    earlier = items["launch_date"] <= pd.Timestamp(cutoff)
    counts = earlier.groupby(items["department"]).sum().sort_index()
    return list(counts.sort_values(ascending=False, kind="stable").index)


def _hide(window: Trial, inside: pd.Series) -> Trial:
    """Leave out the earlier launches of some departments, and the later ones of all others.

    What is left to score are the launches of these departments.
    """
    launch = window.items["launch_date"]
    later = launch > pd.Timestamp(window.cutoffs[0])
    hidden = launch.notna() & (inside != later)
    return window.without(window.items.loc[hidden, "product_id"])


def _describe_hidden(items: pd.DataFrame, inside: pd.Series, cutoff: str) -> None:
    own = items[inside]
    launch = own["launch_date"]
    earlier = int((launch <= pd.Timestamp(cutoff)).sum())
    names = ", ".join(sorted(own.loc[launch.notna(), "department"].unique()))
    print(
        f"\nheld out: {names}\n  hidden: their {earlier:,} launches up to {cutoff} (and those up "
        f"to a later cutoff), with their sales\n  not hidden: their {int(launch.isna().sum()):,} "
        "items without launch date, which are on sale or in the catalog"
    )


def ablation(setting: Setting) -> None:
    """Each part of the forecaster changed, one at a time; always on the dev cutoffs."""
    trial = complete_journey(setting, on="dev")
    seed = setting.seeds[0]
    totals, curves = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        ItemIndex(str(Path(folder) / "items.db"), trial.encoder) as index,
    ):
        for name, changed in VARIANTS.items():
            total, curve = forecasts(trial, seed, changed | {"index": index})
            totals.append(total.assign(method=name))
            curves.append(curve.assign(method=name))
    together = pd.concat(totals, ignore_index=True)
    levels = trial.forecaster(seed).quantiles
    scores = score(together, pd.concat(curves, ignore_index=True), levels)
    compared = scores.join(paired_difference(together, levels, FULL, seed=seed))
    table = comparison_table([compared])
    table.columns = [name.replace("ours", FULL) for name in table.columns]
    show(f"Ablation, dev, seed {seed}", table)


def forecasts(
    trial: Trial, seed: int, changed: dict[str, Any], future: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Totals and curves of every cohort by our forecaster alone, with what came.

    Args:
        trial: What to forecast.
        seed: Of the forecaster.
        changed: Its parameters that are not the defaults.
        future: Plans.
    """
    totals, curves = [], []
    for cohort in trial.cohorts():
        fitted = trial.forecaster(seed, **changed)
        fitted.fit(trial.items, trial.sales, cohort.cutoff, future=future)
        launches = trial.launches(cohort)
        came = cohort.came.to_numpy()
        curve, total = fitted.predict_both(launches, future=future)
        totals.append(total.assign(y=came.sum(axis=1)))
        curves.append(curve.assign(y=came.ravel()))
    return (
        pd.concat(totals, ignore_index=True).drop(columns=["method"]),
        pd.concat(curves, ignore_index=True),
    )
