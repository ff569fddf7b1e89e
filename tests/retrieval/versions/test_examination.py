from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retrieval import Encoder, ItemIndex
from retrieval.versions import examination
from retrieval.versions.examination import examine
from tests.encoders import scrambled_encoder
from tests.milvus_places import Places
from tests.retrieval.conftest import COLUMNS


def test_an_exact_index_finds_all(index: ItemIndex, products: pd.DataFrame) -> None:
    found = examine(index._store, index.layout)
    assert found.items == 400
    assert found.recall >= (1.0 if index._store.is_lite else 0.99)
    assert found.asked == (200, products["product_category"].notna().sum())


def test_agreement_is_the_share_of_neighbors_with_the_own_label(index: ItemIndex) -> None:
    found = examine(index._store, index.layout, k=5, probe=10_000)
    whole = index.get(index.ids())
    labeled = whole[whole["label"].notna()]
    near = index.neighbors(
        index.encoder.encode(labeled["text"].tolist()),
        k=5,
        labeled=True,
        ids=labeled["item_id"].tolist(),
    )
    same = near.labels == labeled["label"].to_numpy(dtype=object)[:, None]
    assert found.agreement == pytest.approx(float(np.mean(same[near.valid])), abs=0.005)


@pytest.mark.lite_only("a server compares all of so few items, whatever the index")
def test_what_a_search_misses_is_seen(
    encoder: Encoder, products: pd.DataFrame, milvus: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IVF that looks into one of many lists finds less than all."""
    with milvus().open(encoder, index="IVF_FLAT", index_params={"nlist": 64}) as index:
        index.upsert(products, **COLUMNS)
        assert examine(index._store, index.layout).recall > 0.99
        lazy = {"metric_type": "COSINE", "params": {"nprobe": 1}}
        monkeypatch.setattr(examination, "search_params", lambda kind, limit: lazy)
        assert examine(index._store, index.layout).recall < 0.9


def test_an_encoder_that_tells_nothing_apart_is_seen(
    encoder: Encoder, products: pd.DataFrame, milvus: Places, tmp_path: Path, index: ItemIndex
) -> None:
    scrambled = scrambled_encoder(encoder, tmp_path / "scrambled")
    with milvus().open(scrambled) as made:
        made.upsert(products, **COLUMNS)
        found = examine(made._store, made.layout)
    assert found.agreement < examine(index._store, index.layout).agreement - 0.1


def test_few_items_and_none_with_a_label(encoder: Encoder, milvus: Places) -> None:
    with milvus().open(encoder) as index:
        items = pd.DataFrame({"item_id": ["a", "b"], "name": ["milk", "bread"]})
        index.upsert(items, text="name")
        found = examine(index._store, index.layout)
        assert (found.items, found.recall, found.asked) == (2, 1.0, (2, 0))
        assert math.isnan(found.agreement)
        index.delete(["b"])
        assert math.isnan(examine(index._store, index.layout).recall)  # nobody else is there
        index.delete(["a"])
        assert examine(index._store, index.layout).items == 0
