from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from retrieval import Encoder, ItemIndex
from tests.milvus_places import Places

COLUMNS: dict[str, Any] = {
    "text": ["product_type", "package_size", "brand"],
    "label": "product_category",
    "launch_date": "launch_date",
    "attributes": ["department", "price"],
}


@pytest.fixture(scope="module")
def index(encoder: Encoder, products: pd.DataFrame, module_milvus: Places) -> Iterator[ItemIndex]:
    """The 400 products in Milvus; tests that use it only read."""
    with module_milvus().open(encoder) as filled:
        filled.upsert(products, **COLUMNS)
        yield filled


@pytest.fixture
def empty(encoder: Encoder, milvus: Places) -> Iterator[ItemIndex]:
    """A collection of its own for tests that write."""
    with milvus().open(encoder) as fresh:
        yield fresh
