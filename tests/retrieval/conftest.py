from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from retrieval import Encoder, ItemIndex

COLUMNS: dict[str, Any] = {
    "text": ["product_type", "package_size", "brand"],
    "label": "product_category",
    "launch_date": "launch_date",
    "attributes": ["department", "price"],
}


@pytest.fixture(scope="module")
def index(
    encoder: Encoder, products: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ItemIndex]:
    """The 400 products in Milvus Lite; tests that use it only read."""
    path = tmp_path_factory.mktemp("index") / "items.db"
    with ItemIndex(str(path), encoder) as filled:
        filled.upsert(products, **COLUMNS)
        yield filled


@pytest.fixture
def empty(encoder: Encoder, tmp_path: Path) -> Iterator[ItemIndex]:
    """A collection of its own for tests that write."""
    with ItemIndex(str(tmp_path / "items.db"), encoder) as fresh:
        yield fresh
