"""The part of `launches.py` that asks how fast, how it grows, and where the time goes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import lightgbm as lgb
import pandas as pd

from benchmarks.forecasts.launch_scores import show
from benchmarks.forecasts.launch_trials import HORIZON, Setting, bucket
from benchmarks.measuring.own_process import alone, peak_memory
from benchmarks.measuring.stopwatch import timed, watching
from forecasting import LaunchForecaster
from forecasting.features.features import FeatureMaker
from pipelines.demo.complete_journey import (
    FORECAST_ATTRIBUTES,
    FORECAST_TEXT,
    load_complete_journey,
)
from retrieval import Encoder, ItemIndex

LARGEST_OWN = 30  # percent
LARGEST_RATIO = 11
CUTOFF = pd.Timestamp("2017-10-30")
FIRST_LAUNCH = pd.Timestamp("2017-02-13")  # the ninth week

ENGINES = {
    (Encoder, "encode"): "encoder",
    (ItemIndex, "upsert"): "search",
    (ItemIndex, "neighbors"): "search",
    (lgb, "train"): "LightGBM",
    (lgb.Booster, "predict"): "LightGBM",
}
STAGES = ("describing training rows", "rest of fit", "fit", "predict", "both")

Seconds = dict[str, float]


@dataclass(frozen=True)
class Size:
    """How many items are on sale, how many of them are launches, how many are to be forecast."""

    launches: int
    items: int
    new: int


SIZES = (Size(1_000, 5_000, 1_000), Size(10_000, 50_000, 10_000))
QUICK_SIZES = (Size(200, 1_000, 200), Size(2_000, 10_000, 2_000))


def speed(setting: Setting) -> None:
    """Fit and predict at two sizes, each in a process of its own, nothing cached."""
    measured = {}
    for size in QUICK_SIZES if setting.quick else SIZES:
        name = f"{size.launches:,} launches among {size.items:,} items, {size.new:,} to forecast"
        measured[name] = alone(measure, size, setting.seeds[0])
        table = pd.DataFrame.from_dict(measured[name]["stages"], orient="index").round(1)
        show(f"Speed: {name}", table)
        peaks = ", ".join(
            f"{peak:,.0f} MiB {when}" for when, peak in measured[name]["peak"].items()
        )
        print(f"peak memory of the process: {peaks}", flush=True)
    few, many = (one["stages"] for one in measured.values())
    _judge(few, many)


def _judge(few: Mapping[str, Seconds], many: Mapping[str, Seconds]) -> None:
    rows = {
        stage: {name: many[stage][name] / few[stage][name] for name in ("seconds", "own seconds")}
        for stage in STAGES
    }
    title = f"Ten times as much takes so many times as long (goal: <= {LARGEST_RATIO})"
    show(title, pd.DataFrame.from_dict(rows, orient="index").round(1))
    own, encoder = many["both"]["own %"], many["both"]["encoder %"]
    print(
        f"\n{'met' if own <= LARGEST_OWN else 'NOT met'}: own code at most {LARGEST_OWN} % of fit "
        f"and predict at the larger size: {own:.0f} % ({100 * own / (100 - encoder):.0f} % of what "
        "is left where the vectors are remembered)",
        flush=True,
    )


def measure(size: Size, seed: int) -> dict[str, dict[str, object]]:
    """Seconds and shares of each stage, and the process's peak memory by the end of some."""
    items, sales, new = _declared(size)
    peak: dict[str, object] = {"with the data": peak_memory()}
    with tempfile.TemporaryDirectory() as folder:
        # The cache begins empty: each text is encoded once, as in a first run.
        encoder = Encoder(cache_dir=Path(folder) / "vectors")
        encoder.encode(["load the model"])
        forecaster = LaunchForecaster(
            encoder=encoder,
            item_id="product_id",
            text=FORECAST_TEXT,
            attributes=FORECAST_ATTRIBUTES,
            horizon=HORIZON,
            seed=seed,
        )
        with watching(ENGINES) as seconds:
            with _describing(seconds) as describing:
                total = timed(lambda: forecaster.fit(items, sales, CUTOFF))
            fit = {**seconds, "seconds": total}
            peak["after fit"] = peak_memory()
            total = timed(lambda: forecaster.predict(new))
            predict = _minus({**seconds, "seconds": total + fit["seconds"]}, fit)
            peak["after predict"] = peak_memory()
    both = {name: fit[name] + predict[name] for name in fit}
    stages = (describing, _minus(fit, describing), fit, predict, both)
    return {
        "stages": {name: _row(of) for name, of in zip(STAGES, stages, strict=True)},
        "peak": peak,
    }


@contextmanager
def _describing(seconds: Seconds) -> Iterator[Seconds]:
    """Measure what the description of training rows adds to the engines' seconds, and its own."""
    begun: Seconds = {}
    taken = dict.fromkeys([*seconds, "seconds"], 0.0)
    describe = FeatureMaker.describe

    def timed_describe(self: FeatureMaker, *args: object) -> object:
        begun.update(seconds)
        found: list[object] = []
        taken["seconds"] += timed(lambda: found.append(describe(self, *args)))
        for name, before in begun.items():
            taken[name] += seconds[name] - before
        return found[0]

    with patch.object(FeatureMaker, "describe", timed_describe):
        yield taken


def _minus(whole: Seconds, part: Seconds) -> Seconds:
    return {name: whole[name] - part[name] for name in whole}


def _row(seconds: Seconds) -> Seconds:
    whole = seconds["seconds"]
    engines = {name: value for name, value in seconds.items() if name != "seconds"}
    own = whole - sum(engines.values())
    shares = {f"{name} %": 100 * value / whole for name, value in engines.items()}
    return {"seconds": whole, **shares, "own %": 100 * own / whole, "own seconds": own}


def _declared(size: Size) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Items, sales and new items of Complete Journey, more of them declared launches than are.

    Launches are products first sold from the ninth week on; the others on sale are any that were
    sold by the cutoff. New ones are other products of the catalog, in the four weeks to come.
    """
    data = load_complete_journey()
    items = data.items.assign(launch_date=pd.NaT)
    items = items.iloc[items["product_id"].map(lambda name: bucket(name, 2**32)).argsort()]
    first = items["product_id"].map(data.sales.groupby("unique_id")["ds"].min())
    launches = items[first.between(FIRST_LAUNCH, CUTOFF)].iloc[: size.launches]
    launches = launches.assign(launch_date=first.loc[launches.index])
    rest = items.drop(launches.index)
    others = rest[first.loc[rest.index] <= CUTOFF].iloc[: size.items - size.launches]
    new = rest.drop(others.index).iloc[: size.new]
    week = pd.Series(range(len(new)), index=new.index) % 4 + 1
    new = new.assign(launch_date=CUTOFF + pd.to_timedelta(7 * week, unit="D"))
    known = pd.concat([launches, others.assign(launch_date=pd.NaT)])
    known = known.assign(launch_date=pd.to_datetime(known["launch_date"]))
    sales = data.sales[data.sales["unique_id"].isin(known["product_id"])]
    counts = (len(launches), len(known), len(new))
    assert counts == (size.launches, size.items, size.new), counts
    return known.reset_index(drop=True), sales, new.reset_index(drop=True)
