"""An index in memory against one in Milvus."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from retrieval import IN_MEMORY, Between, Encoder, InputError, ItemIndex
from tests.retrieval.conftest import COLUMNS


@pytest.fixture(scope="module")
def in_memory(encoder: Encoder, products: pd.DataFrame) -> ItemIndex:
    filled = ItemIndex(IN_MEMORY, encoder)
    filled.upsert(products, **COLUMNS)
    return filled


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"as_of": "2017-06-01"},
        {"labeled": True},
        {"where": {"price": Between(1, 5), "department": "DELI"}},
    ],
)
@pytest.mark.parametrize("n", [1, 300])
def test_neighbors_are_those_of_milvus(
    in_memory: ItemIndex,
    index: ItemIndex,
    products: pd.DataFrame,
    n: int,
    options: dict[str, Any],
) -> None:
    found = in_memory.neighbors(products[:n], 7, **options)
    expected = index.neighbors(products[:n], 7, **options)
    assert found.valid.any()
    np.testing.assert_allclose(found.similarity, expected.similarity, atol=1e-5)
    assert (found.ids[:, :3] == expected.ids[:, :3]).mean() > 0.99  # the last ones may tie
    pd.testing.assert_frame_equal(
        in_memory.get(found.ids[0].tolist()), index.get(found.ids[0].tolist())
    )


def test_items_are_those_of_milvus(
    in_memory: ItemIndex, index: ItemIndex, products: pd.DataFrame
) -> None:
    assert in_memory.count() == index.count() == len(products)
    assert in_memory.ids() == index.ids()
    assert in_memory.labels() == index.labels()
    assert in_memory.layout.to_json() == index.layout.to_json()
    one, other = in_memory.read(labeled=True), index.read(labeled=True)
    assert one.ids.tolist() == other.ids.tolist()
    assert one.labels.tolist() == other.labels.tolist()
    assert (one.vectors == other.vectors).all()


def test_each_write_counts(encoder: Encoder, products: pd.DataFrame) -> None:
    index = ItemIndex(IN_MEMORY, encoder)
    with pytest.raises(InputError, match="is empty; upsert items first"):
        index.read()
    assert index.upsert(products[:10], **COLUMNS).new == 10
    relabeled = products[:12].assign(product_category=["new", *products["product_category"][1:12]])
    counts = index.upsert(relabeled, **COLUMNS)
    assert (counts.new, counts.changed, counts.unchanged) == (2, 1, 9)
    first = products["item_id"].iloc[0]
    assert index.get([first])["label"].tolist() == ["new"]
    assert index.delete([first, "nobody"]) == 1
    assert index.count() == 11
    assert first not in index.neighbors(products[:1], 11, exclude_self=False).ids
    index.drop()
    assert index.count() == 0


def test_two_of_them_share_nothing(encoder: Encoder, products: pd.DataFrame) -> None:
    one, other = ItemIndex(IN_MEMORY, encoder), ItemIndex(IN_MEMORY, encoder)
    one.upsert(products[:3], **COLUMNS)
    assert other.count() == 0


def test_no_tenants_share_it(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="cannot be shared by tenants"):
        ItemIndex(IN_MEMORY, encoder, tenant="acme")
