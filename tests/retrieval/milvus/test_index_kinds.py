"""Each kind of index as far as it can be had: on Lite, on a server, and what is said elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from retrieval import Encoder, InputError, ItemIndex, writing
from retrieval.memory.search import Snapshot
from retrieval.milvus.index_kinds import INDEX_KINDS, milvus_index, search_params
from tests.milvus_places import Places

OF_SERVERS = ["IVF_SQ8", "SCANN", "DISKANN", "GPU_IVF_FLAT", "GPU_CAGRA"]


def test_auto_is_exact_on_lite_and_a_graph_on_a_server() -> None:
    assert milvus_index("auto", None, is_lite=True)["index_type"] == "FLAT"
    assert milvus_index("auto", {"M": 8}, is_lite=False) == {
        "index_type": "HNSW",
        "metric_type": "COSINE",
        "params": {"M": 8, "efConstruction": 360},
    }


@pytest.mark.parametrize("kind", OF_SERVERS)
def test_lite_refuses_what_only_a_server_has(kind: str) -> None:
    with pytest.raises(InputError, match=f"'{kind}' needs a Milvus server; Milvus Lite has: FLAT"):
        milvus_index(kind, None, is_lite=True)
    assert milvus_index(kind, None, is_lite=False)["index_type"] == kind


@pytest.mark.parametrize("kind", INDEX_KINDS[1:])
@pytest.mark.parametrize("limit", [1, 20, 21, 100, 1_024, 16_384])
def test_the_effort_is_what_milvus_accepts(kind: str, limit: int) -> None:
    if kind.startswith("GPU_") and limit > 1_024:
        with pytest.raises(InputError, match=f"'{kind}' finds at most 1024 neighbors, not {limit}"):
            search_params(kind, limit)
        return
    chosen = search_params(kind, limit)
    built = milvus_index(kind, None, is_lite=False)
    assert chosen["metric_type"] == built["metric_type"]
    effort = chosen["params"]
    if "ef" in effort:
        assert limit <= effort["ef"] <= 32_768
    if "nprobe" in effort:
        assert effort["nprobe"] <= built["params"]["nlist"]
    if "reorder_k" in effort:
        assert effort["reorder_k"] >= limit
    if "search_list" in effort:  # as the documentation of 2.3 bounds it
        assert limit <= effort["search_list"] <= (200 if limit <= 20 else min(10 * limit, 65_535))
    if "itopk_size" in effort:
        assert effort["itopk_size"] >= limit
        assert effort["itopk_size"].bit_count() == 1
    assert bool(effort) == (kind != "FLAT")


def test_gpu_kinds_use_the_inner_product() -> None:
    """They know no cosine; of the unit vectors of an index both are the same number."""
    for kind in INDEX_KINDS[1:]:
        metric = milvus_index(kind, None, is_lite=False)["metric_type"]
        assert metric == ("IP" if kind.startswith("GPU_") else "COSINE")


@pytest.mark.server_only("Lite answers by comparing all")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["HNSW", "IVF_FLAT", "IVF_SQ8", "SCANN", "DISKANN"])
def test_what_an_index_finds_is_nearly_what_comparing_all_finds(
    encoder: Encoder, milvus: Places, kind: str
) -> None:
    with milvus().open(encoder, index=kind) as index:
        version = str(index._store._call("get_server_version"))
        if kind == "DISKANN" and version.endswith("-lite"):
            pytest.skip(f"Milvus {version} was built without DISKANN")
        vectors = _fill(index)
        index.wait_until_built()
        state = index._store._call("describe_index", index.version, "vector")
        assert (state["pending_index_rows"], state["indexed_rows"]) == (0, 3_000)
        snapshot = Snapshot.read(index._store, index.layout)
        near = index.neighbors(vectors[:200], k=10)
        exact = snapshot.search(vectors[:200], 10, as_of=None, labeled=None, where={})
        shares = [len(set(a) & set(b)) / 10 for a, b in zip(near.ids, exact.ids, strict=True)]
    assert np.mean(shares) > 0.95


@pytest.mark.server_only("Lite has indexed what it has written out")
def test_an_index_that_is_never_built_is_told(
    encoder: Encoder,
    milvus: Places,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with milvus().open(encoder, index="DISKANN") as index:
        if not str(index._store._call("get_server_version")).endswith("-lite"):
            pytest.skip("this Milvus may build DISKANN")
        _fill(index)
        assert caplog.messages == []
        monkeypatch.setattr(writing, "_STALLED_SECONDS", 2.0)
        index.wait_until_built()
    (told,) = caplog.messages
    assert f"{index.version}: 3000 rows are not indexed, and none was in the last 2 s" in told


def _fill(index: ItemIndex) -> Any:
    """3,000 vectors in 60 heaps: more like those of texts than independent ones."""
    import pandas as pd

    draw = np.random.default_rng(1)
    heaps = draw.standard_normal((60, index.encoder.dim))
    vectors = heaps[draw.integers(0, 60, 3_000)] + 0.7 * draw.standard_normal((3_000, 384))
    names = [f"item {n}" for n in range(len(vectors))]
    items = pd.DataFrame({"item_id": names, "name": names})
    index.upsert(items, text="name", vectors=vectors)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
