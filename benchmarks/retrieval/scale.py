"""The rates that the sizes in docs/scale.md are reckoned from.

    python -m benchmarks.retrieval.scale                                # Milvus Lite
    python -m benchmarks.retrieval.scale --uri http://127.0.0.1:19530   # a server

A server's token is read from LIKEWISE_INDEX__TOKEN; its collection is dropped at the end. Texts are
those of Complete Journey's products. The vectors beyond them are random: a test of size, not of
what is found.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import uuid
from functools import partial
from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.stopwatch import timed
from classifiers import NeighborClassifier
from pipelines.demo.complete_journey import FORECAST_TEXT, load_complete_journey
from retrieval import Encoder, ItemIndex
from retrieval.items import item_texts

SIZES = (10_000, 40_000)
PART = 10_000
QUERIES = 1_000
K = 20
ENGINES = ["pymilvus", "milvus-lite", "faiss-cpu", "openvino", "torch", "lightgbm", "numpy"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--uri", help="a Milvus server; else Lite")
    uri = parser.parse_args().uri
    print(machine_and_versions(ENGINES))
    products = load_complete_journey().items
    texts = item_texts(products, FORECAST_TEXT).drop_duplicates().tolist()
    encoder = Encoder(cache_dir=False)
    encoder.encode(texts[:64])
    some = texts[: 2 * QUERIES]
    print(f"encode: {len(some) / timed(partial(encoder.encode, some)):,.0f} texts/s, this machine")
    with tempfile.TemporaryDirectory() as folder:
        where = uri or str(Path(folder) / "scale.db")
        cached = Encoder(cache_dir=Path(folder) / "cache")
        cached.encode(texts[:QUERIES])
        _collection(where, cached, texts[:QUERIES])
    _trees()


def _collection(uri: str, encoder: Encoder, texts: list[str]) -> None:
    """Upserts, searches and labels at several sizes of one collection."""
    token = os.environ.get("LIKEWISE_INDEX__TOKEN")
    name = f"scale_{uuid.uuid4().hex[:8]}"
    with ItemIndex(uri, encoder, name, token=token) as index:
        written = 0
        for size in SIZES:
            seconds = 0.0
            while written < size:
                items, vectors = _made(written, PART, encoder.dim)
                upsert = partial(index.upsert, items, text="text", label="label")
                seconds += timed(partial(upsert, vectors=vectors, settle=False))
                written += PART
            settled = timed(index.settle)
            added = size - (0 if size == SIZES[0] else SIZES[0])
            queries = encoder.encode(texts)
            index.neighbors(queries, K)
            searched = QUERIES / timed(partial(index.neighbors, queries, K))
            classifier = NeighborClassifier(index=index, head=None, calibrate=False).fit()
            labeled = QUERIES / timed(partial(classifier.classify, texts))
            print(
                f"{size:>7,} items: upsert {added / seconds:,.0f} rows/s (flush {settled:.1f} s), "
                f"search {searched:,.0f} queries/s (k={K}), "
                f"classify without encoding {labeled:,.0f} items/s"
            )
        index.drop()


def _made(start: int, rows: int, dim: int) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(start)
    vectors = rng.standard_normal((rows, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"item {start + row}" for row in range(rows)]
    labels = [f"label {row % 100}" for row in range(rows)]
    return pd.DataFrame({"item_id": names, "text": names, "label": labels}), vectors


def _trees() -> None:
    """LightGBM alone, of about the size a forecaster grows."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((20_000, 40))
    settings = {"objective": "tweedie", "num_leaves": 15, "verbosity": -1, "num_threads": 1}
    target = np.abs(features[:, 0])
    booster = lgb.train(settings, lgb.Dataset(features[:4_000], target[:4_000]), 200)
    seconds = timed(partial(booster.predict, features, num_threads=1))
    print(f"LightGBM, 200 trees of 15 leaves: {len(features) / seconds:,.0f} rows/s, one core")


if __name__ == "__main__":
    main()
