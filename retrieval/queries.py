"""What a caller may ask with — items, texts or vectors, as of one date or many — made uniform."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray

from retrieval.arguments import require_characters
from retrieval.encoding.encoder import Encoder
from retrieval.encoding.prompts import Side
from retrieval.encoding.reading import Reading
from retrieval.errors import InputError
from retrieval.items import item_texts, validate_items
from retrieval.milvus.schema import EPOCH, Layout, day_number
from retrieval.pictures.sources import FROM_FILES, PictureSources
from retrieval.values.dates import NOT_A_DATE, parse_dates

_SEVERAL = (list, tuple, pd.Series, pd.DataFrame, pd.Index, np.ndarray, ExtensionArray)

# How far the length of a float32 unit vector may be from 1.
_ROUNDING = 1e-6


def to_vectors(
    queries: Any,
    ids: Sequence[str | None] | None,
    layout: Layout,
    encoder: Encoder,
    side: Side = "item",
    pictures: PictureSources = FROM_FILES,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.object_]]:
    """Turn queries of any kind into unit vectors (n, d) and the queries' own ids (n,).

    What is labeled or forecast is compared with items, as one of them, and what is learned of
    items holds of it only where its vector is made as theirs are: it is an ``"item"``. What an
    index is asked is a ``"query"``. They differ where the encoder has prompts.

    Raises:
        InputError: A query cannot be used; the message says which.
    """
    reading, names = to_reading(queries, ids, layout, encoder, side, pictures)
    return reading.vectors, names


def to_reading(
    queries: Any,
    ids: Sequence[str | None] | None,
    layout: Layout,
    encoder: Encoder,
    side: Side = "item",
    pictures: PictureSources = FROM_FILES,
) -> tuple[Reading, npt.NDArray[np.object_]]:
    """Turn queries into vectors, with what could not be read, and the queries' own ids (n,).

    Raises:
        InputError: A query cannot be used; the message says which.
    """
    if isinstance(queries, str):
        raise InputError("queries is a single string; pass a list of texts")
    if not isinstance(queries, _SEVERAL) or (
        isinstance(queries, np.ndarray) and queries.ndim != (2 if queries.dtype.kind == "f" else 1)
    ):
        shape = f" of shape {queries.shape}" if isinstance(queries, np.ndarray) else ""
        raise InputError(
            "queries must be a table, a list of texts, or vectors (n, d) of decimal numbers, got "
            f"{type(queries).__name__}{shape}"
        )
    if isinstance(queries, pd.DataFrame):
        if ids is not None:
            raise InputError("ids belong to texts or vectors; an item table brings its own")
        clean = validate_items(
            queries,
            item_id=layout.item_id,
            text=layout.text,
            image=layout.image,
            pictures=pictures,
            source="queries",
        )
        texts = item_texts(clean, layout.text).tolist()
        return encoder.read(texts, side=side), clean[layout.item_id].to_numpy(dtype=object)
    if isinstance(queries, np.ndarray) and queries.dtype.kind == "f":
        vectors = unit_rows(queries, layout.encoder.dim)
        every = np.ones(len(vectors), dtype=bool)
        reading = Reading(vectors, every, ~every)
    else:
        reading = encoder.read(list(queries), side=side)
    n = len(reading.vectors)
    names = np.full(n, None, dtype=object)
    if ids is not None:
        is_flat = np.ndim(ids) == 1 if isinstance(ids, (np.ndarray, pd.DataFrame)) else True
        if not is_flat or not isinstance(ids, _SEVERAL):
            raise InputError(f"ids must be a list of item ids, got {type(ids).__name__}")
        if len(ids) != n:
            raise InputError(f"{len(ids)} ids for {n} queries")
        names[:] = [None if one is None else str(one) for one in ids]
    return reading, names


def item_ids(ids: Any) -> list[str]:
    """Return item ids as strings.

    Args:
        ids: Several strings or whole numbers.

    Raises:
        InputError: It is one, or one of them is neither.
    """
    is_one = isinstance(ids, np.ndarray) and ids.ndim != 1
    if (
        is_one
        or isinstance(ids, (str, bytes, Mapping, pd.DataFrame))
        or not isinstance(ids, Iterable)
    ):
        given = f"the string {ids!r}" if isinstance(ids, str) else repr(ids)[:80]
        raise InputError(f"ids must be a list of item ids, got {given}")
    listed = list(ids)
    for place, one in enumerate(listed, start=1):
        if not isinstance(one, (str, numbers.Integral)) or isinstance(one, bool):
            raise InputError(f"ids: number {place} is not an item id: {one!r}")
        if isinstance(one, str):
            require_characters(one, f"ids: number {place}")
    return [str(one) for one in listed]


def to_days(as_of: Any, n: int) -> npt.NDArray[np.int64] | None:
    """Turn one date, or n of them, into n days since 1970; None where no date was given.

    Raises:
        InputError: Not a date, or not n of them.
    """
    if as_of is None:
        return None
    if isinstance(as_of, (pd.DataFrame, pd.MultiIndex)) or np.ndim(_flat(as_of)) > 1:
        raise InputError(f"as_of must be a date, or one for each query, got {type(as_of).__name__}")
    if not isinstance(as_of, _SEVERAL) or np.ndim(_flat(as_of)) == 0:
        return np.full(n, day_number(as_of), dtype=np.int64)
    dates = pd.Series(as_of) if isinstance(as_of, pd.Index) else pd.Series(as_of, dtype=object)
    if len(dates) != n:
        raise InputError(f"as_of holds {len(dates)} dates for {n} queries")
    found = parse_dates(dates)
    if found.hasnans:
        row = int(found.isna().argmax())
        raise InputError(f"as_of: {dates.iloc[row]!r} in row {row + 1} {NOT_A_DATE}")
    return (found.normalize() - EPOCH).days.to_numpy(dtype=np.int64)


def _flat(values: Any) -> Any:
    """Return an array as it is, and in place of anything else one of no more dimensions than 1."""
    return values if isinstance(values, np.ndarray) else [None]


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
