"""What `launches.py` forecasts: items, their sales, and the cutoffs to forecast from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from forecasting import LaunchForecaster, backtest
from forecasting.data.items import item_lives
from forecasting.data.sales import Sales
from forecasting.evaluation.backtest import BacktestResult
from forecasting.evaluation.cohorts import Cohort, make_cohorts
from pipelines.demo.complete_journey import (
    FORECAST_ATTRIBUTES,
    FORECAST_TEXT,
    load_complete_journey,
)
from retrieval import Encoder

HORIZON = 8
# Cutoffs, and the last launch date scored, whose eighth week is seen.
ON = {
    "dev": (("2017-05-22", "2017-06-19", "2017-07-17", "2017-08-14"), "2017-08-21"),
    "test": (("2017-08-21", "2017-09-11", "2017-10-02", "2017-10-23"), "2017-11-06"),
}


@dataclass(frozen=True)
class Setting:
    """What was asked for on the command line."""

    on: str
    seeds: tuple[int, ...]
    quick: bool


@dataclass(frozen=True)
class Trial:
    """Items, sales, and what to forecast of them.

    Attributes:
        items: As for `LaunchForecaster.fit`, with a column product_id.
        sales: The same.
        cutoffs: Last weeks seen.
        last: The latest launch date scored.
        text: Columns to embed.
        attributes: Columns to learn from.
        encoder: Turns texts into vectors.
    """

    items: pd.DataFrame
    sales: pd.DataFrame
    cutoffs: tuple[str, ...]
    last: str
    text: Sequence[str] = FORECAST_TEXT
    attributes: Sequence[str] = FORECAST_ATTRIBUTES
    encoder: Encoder = field(default_factory=Encoder)

    def forecaster(self, seed: int, **changed: Any) -> LaunchForecaster:
        """Return an unfitted forecaster; in all that is not given it has its defaults."""
        given = {} if "index" in changed else {"encoder": self.encoder}
        return LaunchForecaster(
            **given,
            item_id="product_id",
            text=self.text,
            attributes=self.attributes,
            horizon=HORIZON,
            seed=seed,
            **changed,
        )

    def backtest(self, seed: int) -> BacktestResult:
        """Our forecasts and those of every baseline, beside what came."""
        return backtest(
            self.forecaster(seed),
            self.items,
            self.sales,
            self.cutoffs,
            last=self.last,
            progress=False,
        )

    def cohorts(self) -> list[Cohort]:
        """Return the launches that `backtest` scores, with what they sold."""
        lives = item_lives(self.items["product_id"], self.items["launch_date"])
        panel = Sales.read(self.sales, lives, freq="W-MON").panel()
        return make_cohorts(
            panel, HORIZON, cutoffs=self.cutoffs, n_windows=None, step=1, last=self.last
        )

    def launches(self, cohort: Cohort) -> pd.DataFrame:
        """Return the items of a cohort, in its order."""
        return self.items.set_index("product_id").loc[cohort.came.index].reset_index()

    def without(self, ids: pd.Series) -> Trial:
        """Return the same as if some items had never been."""
        return replace(
            self,
            items=self.items[~self.items["product_id"].isin(ids)].reset_index(drop=True),
            sales=self.sales[~self.sales["unique_id"].isin(ids)].reset_index(drop=True),
        )

    def later(self, weeks: int) -> Trial:
        """Return the same, moved in the calendar."""
        shift = pd.Timedelta(weeks=weeks)
        return replace(
            self,
            items=self.items.assign(launch_date=self.items["launch_date"] + shift),
            sales=self.sales.assign(ds=self.sales["ds"] + shift),
            cutoffs=tuple(_day(pd.Timestamp(cutoff) + shift) for cutoff in self.cutoffs),
            last=_day(pd.Timestamp(self.last) + shift),
        )

    def windows(self) -> list[Trial]:
        """Return the same, a trial for each cutoff."""
        ends = [*self.cutoffs[1:], self.last]
        return [
            replace(self, cutoffs=(cutoff,), last=end)
            for cutoff, end in zip(self.cutoffs, ends, strict=True)
        ]


def complete_journey(setting: Setting, *, on: str | None = None) -> Trial:
    """Return true introductions of Complete Journey; with ``--quick`` those after one cutoff only.

    Args:
        setting: As asked for.
        on: Instead of what the setting says.
    """
    data = load_complete_journey()
    trial = Trial(data.items, data.sales, *ON[on or setting.on])
    return trial.windows()[0] if setting.quick else trial


def pooled(results: Sequence[BacktestResult]) -> BacktestResult:
    """Several backtests of different launches as one."""
    return replace(
        results[-1],
        **{
            name: pd.concat([getattr(result, name) for result in results], ignore_index=True)
            for name in ("predictions", "totals", "items", "left_out")
        },
    )


def bucket(name: str, n: int) -> int:
    """One of n groups, by the name alone: nobody chooses, and every machine agrees."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % n


def _day(date: pd.Timestamp) -> str:
    return f"{date:%Y-%m-%d}"
