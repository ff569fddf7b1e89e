"""`likewise demo`: real new products, labeled and forecast, beside every baseline."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
from rich.console import Console

from forecasting import BacktestResult, backtest
from pipelines.components import make_classifier, make_encoder, open_index
from pipelines.config.sections import (
    BacktestSettings,
    ClassifySettings,
    EncoderSettings,
    EvaluateSettings,
    ForecastSettings,
    IndexSettings,
    ItemsSettings,
    SalesSettings,
)
from pipelines.config.settings import Settings
from pipelines.demo.complete_journey import (
    FORECAST_ATTRIBUTES,
    FORECAST_TEXT,
    TEXT,
    CompleteJourney,
    load_complete_journey,
)
from pipelines.demo.labeling import Labeling, label_held_out
from pipelines.demo.report import show_summary, write_report
from pipelines.fingerprint import engine_versions, fingerprint
from pipelines.jobs.forecasts import make_forecaster
from pipelines.jobs.index import index_job
from pipelines.reports.terminal import make_console
from pipelines.tables.output import write_json, write_table

# Standing at the end of this week, the launches of the next four weeks have eight weeks to score.
CUTOFF = pd.Timestamp("2017-10-09")
OUTPUTS = ("items.parquet", "sales.parquet", "labels.parquet", "forecasts.parquet", "report.html")


def demo_settings(out: Path, *, cache: bool = True) -> Settings:
    """Return the settings of the demo; ``configs/complete_journey.yaml`` says the same."""
    return Settings(
        items=ItemsSettings(
            path=out / "items.parquet",
            id="product_id",
            text=TEXT,
            label="label",
            launch_date="launch_date",
            attributes=("fold",),
        ),
        sales=SalesSettings(path=out / "sales.parquet"),
        index=IndexSettings(uri=str(out / "items.db"), collection="products"),
        encoder=EncoderSettings(cache=cache),
        # A head takes two minutes more: too long for a demo.
        classify=ClassifySettings(k=200, head=None, prototypes=True, groups="fold"),
        evaluate=EvaluateSettings(group_col="product_type"),
        forecast=ForecastSettings(horizon=8, text=FORECAST_TEXT, attributes=FORECAST_ATTRIBUTES),
        backtest=BacktestSettings(cutoffs=(CUTOFF.date(),)),
    )


def run_demo(out: Path, *, cache: bool = True) -> None:
    """Label and forecast real new products; write tables, metrics and a report.

    Args:
        out: Folder to write to: items.parquet, sales.parquet, items.db, labels.parquet,
            forecasts.parquet, metrics.json and report.html.
        cache: Reuse what an earlier run left: vectors, the index, and, where neither data nor
            settings nor code changed, its results.

    Raises:
        InputError: The data package is not installed.
        StoreError: Another process uses the index.
    """
    start = perf_counter()
    steps = _Steps(make_console())
    settings = demo_settings(out.resolve(), cache=cache)
    with steps("tables", "products and weekly sales out of the data package") as say:
        data = load_complete_journey()
        say(
            f"{len(data.items):,} products of {data.items['product_type'].nunique():,} types "
            f"({data.untyped} without a type left out), {len(data.sales):,} product-weeks of sales"
        )
    with steps("index", "embed the products, keep them in Milvus Lite") as say:
        counts = _index(settings, data.items, keep=cache)
        say(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    mark = fingerprint(settings, make_encoder(settings).identity, data.items, data.sales)
    metrics = _reusable(out, mark) if cache else None
    if metrics is None:
        # What is cut off on its way must not pass for the whole result of an earlier run.
        (out / "metrics.json").unlink(missing_ok=True)
        metrics = {"fingerprint": mark, **_compute(settings, data, steps, out)}
        metrics["seconds"] = steps.seconds | {"all": round(perf_counter() - start, 1)}
        metrics["peak_memory_gb"] = round(_peak_memory_gb(), 2)
        write_json(metrics, out / "metrics.json")
    else:
        steps.note("labels, forecasts", f"nothing changed since {metrics['created']}: reused")
    show_summary(steps.console, metrics, out, perf_counter() - start)


def _index(settings: Settings, items: pd.DataFrame, *, keep: bool) -> dict[str, int]:
    """Index the items and no others; `keep` the rows of an earlier run that still hold."""
    if not keep:
        _drop(settings)
    counts = index_job(settings, items)
    if counts["total"] > len(items):  # an earlier run knew items that are no more
        _drop(settings)
        counts = index_job(settings, items)
    return counts


def _drop(settings: Settings) -> None:
    with open_index(settings) as index:
        index.drop()


def _compute(settings: Settings, data: CompleteJourney, steps: _Steps, out: Path) -> dict[str, Any]:
    """Label, forecast, write tables and report; return what the metrics file tells."""
    with (
        steps("labels", "products of types nobody has labeled, by those that have been") as say,
        open_index(settings) as index,
    ):
        labeling = label_held_out(make_classifier(settings, index), data.items)
        say(f"{len(labeling.labels):,} products labeled")
    with steps("forecasts", "launches after the cutoff, by every method") as say:
        # Not by the vectors of the collection: for a forecast the category is known.
        launches = backtest(make_forecaster(settings), data.items, data.sales, cutoffs=[CUTOFF])
        say(f"{launches.totals['unique_id'].nunique():,} launches forecast")
        metrics = _metrics(settings, data, labeling, launches)
        write_table(data.items, out / "items.parquet")
        write_table(data.sales, out / "sales.parquet")
        write_table(labeling.labels, out / "labels.parquet")
        write_table(launches.forecasts, out / "forecasts.parquet")
        write_report(metrics, data, labeling, launches, out / "report.html")
    return metrics


def _metrics(
    settings: Settings, data: CompleteJourney, labeling: Labeling, launches: BacktestResult
) -> dict[str, Any]:
    items = data.items
    compared = launches.compare()
    return {
        "likewise": importlib.metadata.version("likewise"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": engine_versions(),
        "encoder": make_encoder(settings).identity.as_dict(),
        "settings": settings.model_dump(mode="json", include={"classify", "forecast"}),
        "labels": {
            "labeled_items": int(items["label"].notna().sum()),
            "labels": int(items["label"].nunique()),
            "scores": labeling.scores.reset_index().to_dict("records"),
            "certainty": asdict(labeling.certainty),
            "automatic": asdict(labeling.automatic),
        },
        "forecasts": {
            "cutoff": f"{CUTOFF:%Y-%m-%d}",
            "first_launch": f"{launches.predictions['ds'].min():%Y-%m-%d}",
            "launches": int(compared["n_items"].iloc[0]),
            "launches_learned_from": int((items["launch_date"] <= CUTOFF).sum()),
            "compare": compared.reset_index().to_dict("records"),
        },
    }


def _reusable(out: Path, mark: str) -> dict[str, Any] | None:
    """Return the metrics of an earlier run on the same data, settings and code, if it is whole."""
    path = out / "metrics.json"
    if not path.is_file() or not all((out / name).is_file() for name in OUTPUTS):
        return None
    try:
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return metrics if metrics.get("fingerprint") == mark else None


def _peak_memory_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


class _Steps:
    """Tells what is going on, and how long it took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str, what: str) -> Iterator[Any]:
        """Announce a step; the block says in a few words what came of it."""
        self.console.print(f"[bold cyan]{name:<10}[/] {what} ...")
        said: list[str] = []
        start = perf_counter()
        yield said.append
        self.seconds[name] = round(perf_counter() - start, 1)
        self.note("", f"[green]✓[/] {' '.join(said)} [dim]({self.seconds[name]:.1f} s)[/]")

    def note(self, name: str, what: str) -> None:
        """Print one line."""
        self.console.print(f"[bold cyan]{name:<10}[/] {what}")
