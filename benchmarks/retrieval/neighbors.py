"""Speed of the encoder and of `index.neighbors`, each beside the raw engine in the same run.

    python -m benchmarks.retrieval.neighbors            # all, about five minutes on two cores
    python -m benchmarks.retrieval.neighbors encoder    # torch against OpenVINO alone
    python -m benchmarks.retrieval.neighbors neighbors  # against raw pymilvus and raw faiss alone

Items are the products of Complete Journey. Each figure is the median of several rounds in which the
contestants take turns, so that a machine that slows down slows them all.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pandas as pd
from pymilvus import MilvusClient

from benchmarks.measuring.stopwatch import timed
from pipelines.demo.complete_journey import FORECAST_TEXT, load_complete_journey
from retrieval import Encoder, ItemIndex
from retrieval.items import item_texts

K = 50
TEXTS = 2_000
ROUNDS = 3
Vectors = npt.NDArray[np.float32]


def encoder_speed(texts: list[str]) -> None:
    """Print texts per second of both backends and the smallest cosine between their vectors."""
    engines = {name: Encoder(backend=name, cache_dir=False) for name in ("torch", "openvino")}
    for engine in engines.values():
        engine.encode(texts[:64])  # load and warm up
    vectors: dict[str, Vectors] = {}
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            seconds[name].append(
                timed(lambda e=engine, n=name: vectors.update({n: e.encode(texts)}))
            )
    rate = {name: len(texts) / statistics.median(taken) for name, taken in seconds.items()}
    ratios = [t / o for t, o in zip(seconds["torch"], seconds["openvino"], strict=True)]
    cosine = (vectors["torch"] * vectors["openvino"]).sum(axis=1).min()
    print(f"encoder, {len(texts):,} distinct product texts, no cache, median of {ROUNDS} rounds")
    print(f"  torch     {rate['torch']:8,.0f} texts/s")
    print(
        f"  openvino  {rate['openvino']:8,.0f} texts/s, {statistics.median(ratios):.2f} times "
        f"torch (rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
    )
    print(f"  smallest cosine between them {cosine:.6f}")


def neighbor_speed(items: pd.DataFrame, folder: Path) -> None:
    """Print the time of `index.neighbors` beside raw pymilvus and raw faiss on the same vectors."""
    encoder = Encoder()
    path = str(folder / "items.db")
    with ItemIndex(path, encoder) as index:
        seconds = timed(lambda: index.upsert(items, item_id="product_id", text=FORECAST_TEXT))
        print(
            f"neighbors, {index.count():,} items in Milvus Lite (written in {seconds:.0f} s), k={K}"
        )
    vectors = encoder.encode(item_texts(items, FORECAST_TEXT).tolist())
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((20_000, encoder.dim), dtype=np.float32)
    # Between an item and noise: no two queries alike, as with new items.
    queries = 0.9 * vectors[rng.choice(len(vectors), len(noise))]
    queries += 0.1 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    with ItemIndex(path, encoder) as index:
        client = MilvusClient(path)
        for n in (1, 10, 100):
            compare(
                n,
                {"pymilvus": lambda q=queries[:n]: raw_milvus(client, q)},
                lambda q=queries[:n]: index.neighbors(q, k=K),
            )
        cold = timed(lambda: index.neighbors(queries[:1000], k=K))
        print(
            f"  n= 1,000  likewise {cold:6.2f} s the first time, reading all vectors out of Milvus"
        )
        for n in (1_000, 20_000):
            contestants = {"faiss": lambda q=queries[:n]: raw_faiss(vectors, q)}
            if n == 1_000:
                contestants["pymilvus"] = lambda q=queries[:n]: raw_milvus(client, q)
            compare(n, contestants, lambda q=queries[:n]: index.neighbors(q, k=K))
        client.close()


def compare(n: int, raw: dict[str, Callable[[], object]], ours: Callable[[], object]) -> None:
    """Let likewise and the raw engines take turns."""
    rounds = ROUNDS if n >= 1_000 else 9
    taken: dict[str, list[float]] = {name: [] for name in ("likewise", *raw)}
    for call in (ours, *raw.values()):
        if n < 20_000:
            call()
    for _ in range(rounds):
        for name, call in {"likewise": ours, **raw}.items():
            taken[name].append(timed(call))
    line = f"  n={n:6,}  likewise {statistics.median(taken['likewise']):6.2f} s"
    for name in raw:
        ratios = [a / b for a, b in zip(taken["likewise"], taken[name], strict=True)]
        line += f"; {name} {statistics.median(taken[name]):6.2f} s"
        line += f", ratio {statistics.median(ratios):.2f}"
    print(line, flush=True)


def raw_milvus(client: MilvusClient, queries: Vectors) -> object:
    """Call what a user of pymilvus would."""
    return client.search("items", data=list(queries), limit=K, output_fields=["label"])


def raw_faiss(vectors: Vectors, queries: Vectors) -> object:
    """Call what a user of faiss would."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index.search(queries, K)


def main() -> None:
    """Run what was asked for."""
    parts = sys.argv[1:] or ["encoder", "neighbors"]
    items = load_complete_journey().items
    if "encoder" in parts:
        texts = item_texts(items, FORECAST_TEXT).drop_duplicates()
        encoder_speed(texts.sample(TEXTS, random_state=0).tolist())
    if "neighbors" in parts:
        with tempfile.TemporaryDirectory() as folder:
            neighbor_speed(items, Path(folder))


if __name__ == "__main__":
    main()
