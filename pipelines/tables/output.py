"""Write results: DataFrames to Parquet, CSV and JSON, files one by one or a folder whole.

Writing is atomic: a reader sees the old file or the whole new one; of a folder all files of one
run, or those of the run before.
"""

import json
import math
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.tables.csv_files import (
    CSV_SUFFIXES,
    csv_suffix,
    write_csv,
)
from pipelines.tables.parquet import SUFFIX
from retrieval import InputError


@contextmanager
def replacing_files(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into `folder` if the block succeeds.

    What else is in `folder` stays. Where the block fails, nothing has changed.
    """
    is_new = not folder.exists()
    temporary = folder / f".{secrets.token_hex(4)}.tmp"
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for made in sorted(temporary.iterdir()):
            made.replace(folder / made.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # it holds the files
                folder.rmdir()


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Removes what writers of results left unfinished when they were killed.

    Args:
        folder: Nobody else may be writing those results now.
        names: Files and folders in it.
    """
    for left in leftovers(folder, names):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def leftovers(folder: Path, names: Iterable[str]) -> list[Path]:
    """What `remove_leftovers` would remove."""
    return [
        left
        for name in names
        for left in [*folder.glob(f".{name}.*.tmp"), *(folder / name).rglob(".*.tmp")]
    ]


def write_table(frame: pd.DataFrame, path: Path | str) -> None:
    """Writes a table as Parquet or CSV, by suffix; nested cells become JSON in CSV.

    CSV is UTF-8 with commas and decimal points, compressed where the suffix says so.

    Raises:
        InputError: The suffix is unknown.
    """
    path = Path(path)
    check_writable(path)
    with _replacing(path) as temporary:
        suffix = csv_suffix(path)
        if suffix is None:
            frame.rename(columns=str).to_parquet(temporary, index=False)
        else:
            write_csv(flat(frame), temporary, suffix)


def write_json(value: object, path: Path | str) -> None:
    """Writes JSON, indented; numpy values as plain ones, NaN as null."""
    write_text(_json(value, indent=2) + "\n", path)


def write_text(text: str, path: Path | str) -> None:
    """Writes a text file."""
    with _replacing(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_writable(path: Path | str) -> None:
    """Refuses, before hours of work, a table that `write_table` could not write."""
    path = Path(path)
    check_suffix(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a table")


def check_suffix(path: Path) -> None:
    """Refuses a suffix that tells no kind of table."""
    if path.suffix != SUFFIX and csv_suffix(path) is None:
        there = ", ".join((SUFFIX, *CSV_SUFFIXES))
        raise InputError(f"{path}: unknown suffix {path.suffix!r} (there are: {there})")


# --- writing -----------------------------------------------------------------------------------


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place, whole, if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with its nested cells as JSON."""
    nested = [
        name
        for name in frame.columns
        if frame[name].dtype == object
        and frame[name].map(lambda cell: isinstance(cell, list | tuple | dict | np.ndarray)).any()
    ]
    return frame.assign(**{name: frame[name].map(_json) for name in nested})


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=indent)


def _plain(value: Any) -> Any:
    """`value` in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value
