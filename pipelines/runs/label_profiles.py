"""What is remembered of a run's labels, so that the next run can be held against it.

A profile is a small JSON file, ``kept/labels/NUMBER.json``: how many items got which label, how
many are unknown, how novelty was spread. It names the labels it was made of by their SHA-256.
Labels that are those of the newest profile make no new one: a run that changed nothing is no new
run, and monitoring twice compares with the same one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.fingerprint import sha256_of
from pipelines.tables.output import write_json
from pipelines.tables.reader import read_table
from retrieval import TableError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEVELS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""The quantiles that are kept and shown."""

FOLDER = Path("kept") / "labels"
_BINS = 10
_DIGITS = 6  # without the noise of single precision


@dataclass(frozen=True)
class LabelProfile:
    """The labels of one run in short.

    How new the items are is told twice: by `novelty`, whose scale is learned anew with every
    classifier, and by `distance`, which runs have in common.

    Attributes:
        made: When it was written, UTC, ISO 8601.
        labels: SHA-256 of the labels table.
        items: How many were asked about.
        unknown: How many of them are like none of the labels.
        counts: Label → how many known items have it; of several labels each counts.
        novelty: Its quantiles at `LEVELS`; none where no item has one.
        distance: The same of one minus the similarity of the nearest like item.
        edges: Where distance is cut into bins: its own deciles, each once.
        binned: How many items lie in each bin, one more than edges.
    """

    made: str
    labels: str
    items: int
    unknown: int
    counts: dict[str, int]
    novelty: tuple[float, ...]
    distance: tuple[float, ...]
    edges: tuple[float, ...]
    binned: tuple[int, ...]

    @classmethod
    def of(cls, table: pd.DataFrame, digest: str) -> Self:
        """Return the profile of labels as `read_labels` reads them, with that SHA-256."""
        known = table["known"].to_numpy(dtype=bool)
        distance = finite(table["distance"])
        levels = np.arange(1, _BINS) / _BINS
        edges = np.unique(np.quantile(distance, levels)) if len(distance) else distance
        return cls(
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            labels=digest,
            items=len(table),
            unknown=int((~known).sum()),
            counts=dict(Counter(_named(table.loc[known, "label"])).most_common()),
            novelty=_quantiles(finite(table["novelty"])),
            distance=_quantiles(distance),
            edges=tuple(edges.tolist()),
            binned=tuple(binned(distance, edges).tolist()),
        )


def read_labels(path: Path) -> pd.DataFrame:
    """Return the columns of a labels table that are watched: label, known, novelty, distance.

    Distance, one minus the similarity of the nearest like item, is NaN where none voted.

    Raises:
        TableError: The file is no whole labels table.
    """
    table = read_table(path, {"label": "any", "known": "flag", "novelty": "number"})
    if "neighbors" not in pq.read_schema(path).names:
        raise TableError(f"{path}: no column 'neighbors'")
    column = pq.read_table(path, columns=["neighbors"])["neighbors"].combine_chunks()
    nearest = pc.list_slice(column, 0, 1)
    distance = np.full(len(table), np.nan)
    if len(rows := pc.list_parent_indices(nearest)):
        similarity = pc.struct_field(pc.list_flatten(nearest), "similarity")
        distance[rows.to_numpy()] = 1 - similarity.to_numpy(zero_copy_only=False)
    return table.assign(distance=distance.round(_DIGITS))


def finite(values: pd.Series) -> Floats:
    """Return the values that are numbers."""
    numbers: Floats = values.to_numpy(dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def binned(values: Floats, edges: Sequence[float] | Floats) -> Ints:
    """How many values lie up to the first edge, between it and the second, ..., above the last."""
    cuts = np.asarray(edges, dtype=np.float64)
    return np.bincount(np.searchsorted(cuts, values), minlength=len(cuts) + 1)


def remember_labels(file: Path, folder: Path, keep: int) -> None:
    """Keep a profile of labels, unless the newest one is of the same, and at most `keep` in all.

    Args:
        file: The labels table.
        folder: Of the run.
        keep: The oldest profiles beyond that many are removed.

    Raises:
        TableError: The newest profile, or the labels table, is not whole.
    """
    paths, digest = _paths(folder), sha256_of(file)
    if paths and _read(paths[-1]).labels == digest:
        return
    number = int(paths[-1].stem) + 1 if paths else 1
    path = folder / FOLDER / f"{number:06}.json"
    write_json(asdict(LabelProfile.of(read_labels(file), digest)), path)
    for old in [*paths, path][:-keep]:
        old.unlink(missing_ok=True)


def kept_profiles(folder: Path) -> list[LabelProfile]:
    """Return the two newest profiles at most, the older one first: the run before, and this one.

    Raises:
        TableError: One of them is not whole.
    """
    return [_read(path) for path in _paths(folder)[-2:]]


def _paths(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("[0-9]*.json"), key=lambda path: int(path.stem))


def _read(path: Path) -> LabelProfile:
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        listed = {name: tuple(made[name]) for name in ("novelty", "distance", "edges", "binned")}
        return LabelProfile(**{**made, **listed})
    except (ValueError, TypeError, KeyError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise TableError(
            f"{path}: not a whole label profile ({problem}); remove the file, and the next run is "
            "compared with the one before it"
        ) from error


def _quantiles(values: Floats) -> tuple[float, ...]:
    return tuple(np.quantile(values, LEVELS).tolist()) if len(values) else ()


def _named(labels: pd.Series) -> Iterable[str]:
    """Each label that an item has: one, several (a list), or none."""
    for label in labels:
        if isinstance(label, list | tuple | np.ndarray):
            yield from map(str, label)
        elif label is not None and not pd.isna(label):
            yield str(label)
