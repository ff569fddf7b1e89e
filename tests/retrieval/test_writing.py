from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from retrieval import Encoder, InputError, ItemIndex, UpsertCounts
from tests.milvus_places import Places
from tests.retrieval.conftest import COLUMNS


@pytest.fixture
def vectors(encoder: Encoder) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Ten unit vectors that no text has, so that they show whether the encoder was asked."""
    drawn = np.random.default_rng(5).standard_normal((10, encoder.dim)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_given_vectors_are_stored_in_place_of_encoding(
    empty: ItemIndex, products: pd.DataFrame, vectors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.writing.UPSERT_ROWS", 4)  # three batches
    items = products[:10]
    assert empty.upsert(items, vectors=vectors, **COLUMNS) == UpsertCounts(new=10)
    stored = empty.read()
    of_item = dict(zip(items["item_id"], vectors, strict=True))
    np.testing.assert_array_equal(stored.vectors, [of_item[one] for one in stored.ids])
    near = empty.neighbors(vectors, k=1)
    assert near.ids[:, 0].tolist() == items["item_id"].tolist()


def test_only_the_vectors_of_changed_items_are_written(
    empty: ItemIndex, products: pd.DataFrame, vectors: Any
) -> None:
    items = products[:10].copy()
    empty.upsert(items[:8], vectors=vectors[:8], **COLUMNS)
    items.loc[3, "product_type"] = "SOMETHING ELSE"
    moved = np.roll(vectors, 1, axis=0)
    counts = empty.upsert(items, vectors=moved, **COLUMNS)
    assert counts == UpsertCounts(new=2, changed=1, unchanged=7)
    expected = np.concatenate([vectors[:8], moved[8:]])
    expected[3] = moved[3]
    of_item = dict(zip(items["item_id"], expected, strict=True))
    stored = empty.read()
    np.testing.assert_array_equal(stored.vectors, [of_item[one] for one in stored.ids])


def test_longer_vectors_are_scaled_to_length_one(
    empty: ItemIndex, products: pd.DataFrame, vectors: Any
) -> None:
    empty.upsert(products[:10], vectors=vectors.astype(np.float64) * 3, **COLUMNS)
    stored = empty.read()
    np.testing.assert_allclose(np.linalg.norm(stored.vectors, axis=1), 1, atol=1e-6)
    assert stored.vectors.dtype == np.float32


def test_what_was_read_can_be_put_back_bit_for_bit(
    index: ItemIndex, encoder: Encoder, products: pd.DataFrame, milvus: Places
) -> None:
    stored = index.read()
    items = products.set_index("item_id").loc[stored.ids].reset_index()
    with milvus("copy").open(encoder) as copy:
        copy.upsert(items, vectors=stored.vectors, **COLUMNS)
        again = copy.read()
        np.testing.assert_array_equal(again.vectors, stored.vectors)
        # A copy that was never encoded is as good as the original to a later upsert.
        assert copy.upsert(products, **COLUMNS) == UpsertCounts(unchanged=len(products))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones((9, 384), np.float32), "9 vectors for 10 items"),
        (np.ones((10, 3), np.float32), r"shape \(10, 3\), expected \(n, 384\)"),
        (np.ones(384, np.float32), r"shape \(384,\), expected \(n, 384\)"),
        (np.full((10, 384), np.nan), "vector 0 has no direction"),
        (np.zeros((10, 384)), "vector 0 has no direction"),
        (np.ones((10, 384), int), "array of decimal numbers, got int64"),
        ([[1.0] * 384] * 10, "array of decimal numbers, got list"),
    ],
)
def test_vectors_that_cannot_be_right_write_nothing(
    empty: ItemIndex, products: pd.DataFrame, bad: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        empty.upsert(products[:10], vectors=bad, **COLUMNS)
    assert empty.count() == 0
