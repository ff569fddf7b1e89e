"""What a caller may ask with — items, texts or vectors, as of one date or many — made uniform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.encoding.encoder import Encoder
from retrieval.errors import InputError
from retrieval.items import item_texts, validate_items
from retrieval.milvus.schema import EPOCH, Layout, day_number
from retrieval.values.dates import NOT_A_DATE, parse_dates

# How far the length of a float32 unit vector may be from 1.
_ROUNDING = 1e-6


def to_vectors(
    queries: Any, ids: Sequence[str | None] | None, layout: Layout, encoder: Encoder
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.object_]]:
    """Turn queries of any kind into unit vectors (n, d) and the queries' own ids (n,).

    Raises:
        InputError: A query cannot be used; the message says which.
    """
    if isinstance(queries, str):
        raise InputError("queries is a single string; pass a list of texts")
    if isinstance(queries, pd.DataFrame):
        if ids is not None:
            raise InputError("ids belong to texts or vectors; an item table brings its own")
        clean = validate_items(queries, item_id=layout.item_id, text=layout.text, source="queries")
        texts = item_texts(clean, layout.text).tolist()
        return encoder.encode(texts), clean[layout.item_id].to_numpy(dtype=object)
    if isinstance(queries, np.ndarray) and queries.dtype.kind == "f":
        vectors = unit_rows(queries, layout.encoder.dim)
    else:
        vectors = encoder.encode(list(queries))
    if ids is not None and len(ids) != len(vectors):
        raise InputError(f"{len(ids)} ids for {len(vectors)} queries")
    names = np.full(len(vectors), None, dtype=object)
    if ids is not None:
        names[:] = [None if one is None else str(one) for one in ids]
    return vectors, names


def to_days(as_of: Any, n: int) -> npt.NDArray[np.int64] | None:
    """Turn one date, or n of them, into n days since 1970; None where no date was given.

    Raises:
        InputError: Not a date, or not n of them.
    """
    if as_of is None:
        return None
    if np.ndim(as_of) == 0:
        return np.full(n, day_number(as_of), dtype=np.int64)
    dates = pd.Series(as_of) if isinstance(as_of, pd.Index) else pd.Series(as_of, dtype=object)
    if len(dates) != n:
        raise InputError(f"as_of holds {len(dates)} dates for {n} queries")
    found = parse_dates(dates)
    if found.hasnans:
        row = int(found.isna().argmax())
        raise InputError(f"as_of: {dates.iloc[row]!r} in row {row + 1} {NOT_A_DATE}")
    return (found.normalize() - EPOCH).days.to_numpy(dtype=np.int64)


def distinct(
    vectors: npt.NDArray[np.float32], days: npt.NDArray[np.int64] | None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Find the queries that differ in vector or day.

    Returns:
        The position of the first query of each kind, and for each query the number of its kind.
    """
    kinds: dict[tuple[bytes, int], int] = {}
    first: list[int] = []
    kind = np.empty(len(vectors), dtype=np.intp)
    for query, vector in enumerate(vectors):
        key = (vector.tobytes(), 0 if days is None else int(days[query]))
        kind[query] = kinds.setdefault(key, len(kinds))
        if kind[query] == len(first):
            first.append(query)
    return np.array(first, dtype=np.intp), kind


def unit_rows(vectors: npt.NDArray[Any], dim: int) -> npt.NDArray[np.float32]:
    """Check vectors (n, dim) and scale them to length 1.

    Milvus Lite would take NaN and answer nonsense. Rows of length 1 but for rounding stay as they
    are, so that vectors read out of an index and put back are the same bit for bit.

    Raises:
        InputError: Not an array of decimal numbers, another shape, or a vector has no direction.
    """
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind != "f":
        kind = getattr(vectors, "dtype", type(vectors).__name__)
        raise InputError(f"vectors must be a numpy array of decimal numbers, got {kind}")
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise InputError(f"vectors have shape {vectors.shape}, expected (n, {dim})")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(length[:, 0]) & (length[:, 0] > 0)))
    if len(bad):
        raise InputError(f"vector {bad[0]} has no direction (NaN, infinite or zero)")
    length[np.abs(length - 1) < _ROUNDING] = 1
    return np.ascontiguousarray(vectors / length, dtype=np.float32)
