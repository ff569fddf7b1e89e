"""The kinds of vector index: how each is built and searched, and where there is it.

Parameters and bounds are those of Milvus' documentation (milvus.io/docs: index-explained,
disk_index, scann, gpu-index-overview).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from retrieval.arguments import require_choice, require_kind
from retrieval.errors import InputError

Effort = Callable[[int], dict[str, int]]
"""How hard to search for so many neighbors."""


def _none(limit: int) -> dict[str, int]:
    return {}


def _lists(limit: int) -> dict[str, int]:
    return {"nprobe": 64}  # of the 1,024 lists, which are made anew for each of Milvus' segments


def _graph(limit: int) -> dict[str, int]:
    # ef must be at least limit; eight times that keeps recall high.
    return {"ef": min(max(8 * limit, 512), 32_768)}


def _reordered_lists(limit: int) -> dict[str, int]:
    return {**_lists(limit), "reorder_k": max(4 * limit, 200)}


def _disk(limit: int) -> dict[str, int]:
    # Milvus 2.3 takes up to 200 for 20 neighbors and ten times the number from there on.
    return {"search_list": min(10 * limit, max(4 * limit, 200), 65_535)}


def _gpu_graph(limit: int) -> dict[str, int]:
    at_least = max(limit, 128)  # a power of two
    return {"itopk_size": 1 << (at_least - 1).bit_length()}


@dataclass(frozen=True)
class _Kind:
    build: Mapping[str, Any] = field(default_factory=dict)
    effort: Effort = _none
    on_lite: bool = False
    metric: str = "COSINE"
    most: int | None = None


# GPU indexes know no cosine; of vectors of length one the inner product is the same number.
_GPU: dict[str, Any] = {"metric": "IP", "most": 1_024}
_LISTS = {"nlist": 1_024}
_KINDS = {
    "FLAT": _Kind(on_lite=True),
    "IVF_FLAT": _Kind(_LISTS, _lists, on_lite=True),
    "HNSW": _Kind({"M": 32, "efConstruction": 360}, _graph, on_lite=True),
    "IVF_SQ8": _Kind(_LISTS, _lists),
    # It keeps the vectors beside their codes unless it is told not to. Not written out: pymilvus
    # would send "True", which Milvus 2.3 takes for no boolean, and builds nothing.
    "SCANN": _Kind(_LISTS, _reordered_lists),
    "DISKANN": _Kind({}, _disk),
    "GPU_IVF_FLAT": _Kind(_LISTS, _lists, **_GPU),
    "GPU_CAGRA": _Kind({"intermediate_graph_degree": 64, "graph_degree": 32}, _gpu_graph, **_GPU),
}
INDEX_KINDS = ("auto", *_KINDS)


def milvus_index(kind: str, params: Mapping[str, Any] | None, *, is_lite: bool) -> dict[str, Any]:
    """Choose the vector index; `auto` is FLAT on Lite and HNSW on a server.

    Lite's HNSW returns too few hits behind a selective filter, so there an exact search is the only
    honest default.

    Raises:
        InputError: There is no such kind, or not on Lite.
    """
    require_choice(kind, "index", INDEX_KINDS)
    require_kind(params, "index_params", Mapping, or_none=True)
    name = kind if kind != "auto" else ("FLAT" if is_lite else "HNSW")
    chosen = _KINDS[name]
    if is_lite and not chosen.on_lite:
        lite = ", ".join(name for name, one in _KINDS.items() if one.on_lite)
        raise InputError(
            f"index {kind!r} needs a Milvus server; Milvus Lite has: {lite}. For as many items as "
            "fit into a Lite file FLAT is quick enough"
        )
    return {
        "index_type": name,
        "metric_type": chosen.metric,
        "params": {**chosen.build, **(params or {})},
    }


def search_params(index: str, limit: int) -> dict[str, Any]:
    """Choose the search effort.

    Raises:
        InputError: An index of this kind does not find so many.
    """
    kind = _KINDS[index]
    if kind.most is not None and limit > kind.most:
        raise InputError(f"an index {index!r} finds at most {kind.most} neighbors, not {limit}")
    return {"metric_type": kind.metric, "params": kind.effort(limit)}


def most_found(index: str) -> int:
    """Return how many neighbors a search of an index of this kind can find."""
    return _KINDS[index].most or 16_384
