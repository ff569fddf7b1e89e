from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from retrieval import Between, Encoder, InputError, ItemIndex
from tests.milvus_places import Places
from tests.retrieval.conftest import COLUMNS


def test_read_gives_every_item_with_label_and_vector_sorted_by_id(
    index: ItemIndex, encoder: Encoder, products: pd.DataFrame
) -> None:
    stored = index.read()
    assert len(stored) == len(products)
    assert stored.ids.tolist() == sorted(products["item_id"])
    labels = products.set_index("item_id")["product_category"].loc[stored.ids]
    assert stored.labels.tolist() == labels.astype(object).where(labels.notna(), None).tolist()
    assert None in stored.labels
    texts = index.get(stored.ids.tolist())["text"].tolist()
    np.testing.assert_array_equal(stored.vectors, encoder.encode(texts))


def test_read_keeps_to_what_passes_the_filters(index: ItemIndex, products: pd.DataFrame) -> None:
    has_label = products["product_category"].notna()
    is_cheap_deli = products["price"].between(1, 5) & products["department"].eq("DELI")
    labeled = index.read(labeled=True)
    assert set(labeled.ids) == set(products["item_id"][has_label])
    assert None not in labeled.labels
    unlabeled = index.read(labeled=False)
    assert set(unlabeled.ids) == set(products["item_id"][~has_label])
    assert set(unlabeled.labels) == {None}
    both = index.read(labeled=True, where={"price": Between(1, 5), "department": "DELI"})
    assert set(both.ids) == set(products["item_id"][has_label & is_cheap_deli])
    whole = index.read()
    rows = np.searchsorted(whole.ids, both.ids)
    np.testing.assert_array_equal(both.vectors, whole.vectors[rows])


def test_read_of_nothing_has_the_shape_of_something(index: ItemIndex) -> None:
    nothing = index.read(where={"department": "NOWHERE"})
    assert (nothing.ids.shape, nothing.labels.shape) == ((0,), (0,))
    assert nothing.vectors.shape == (0, 384)


def test_what_is_read_belongs_to_the_caller(index: ItemIndex, products: pd.DataFrame) -> None:
    first = index.read(labeled=False)
    first.vectors[:] = 0
    first.labels[:] = "mine"
    assert index.read(labeled=False).vectors.any()
    assert index.neighbors(products[:1], k=400, labeled=False).valid.any()


def test_read_sees_every_write(empty: ItemIndex, products: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="is empty; upsert items first"):
        empty.read()
    empty.upsert(products[:10], **COLUMNS)
    assert len(empty.read()) == 10
    empty.upsert(products[:12], **COLUMNS)
    assert len(empty.read()) == 12
    empty.delete(products["item_id"].tolist()[:5])
    assert set(empty.read().ids) == set(products["item_id"][5:12])
    relabeled = products[5:6].assign(product_category="new")
    empty.upsert(relabeled, **COLUMNS)
    assert "new" in empty.read().labels


def test_read_refuses_an_unknown_attribute(index: ItemIndex) -> None:
    with pytest.raises(InputError, match="unknown attribute 'brand'; the collection has: "):
        index.read(where={"brand": "x"})


def test_other_indexes_are_read_too(
    encoder: Encoder, products: pd.DataFrame, milvus: Places
) -> None:
    with milvus().open(encoder, index="HNSW") as index:
        index.upsert(products[:50], **COLUMNS)
        assert index.read().ids.tolist() == sorted(products["item_id"][:50])
        assert index._snapshot is None  # Milvus' own index goes on answering searches
