"""Texts as an engine takes them: each once, those of one length together, with a bar that grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray
from tqdm.auto import tqdm

from retrieval.arguments import require_characters
from retrieval.errors import InputError


def batches(
    order: list[int], tokens: Mapping[int, int], rows: Callable[[int], int]
) -> Iterator[list[int]]:
    """Positions of one number of tokens, at most as many as `rows` says of that."""
    for length, alike in groupby(order, key=tokens.__getitem__):
        positions, size = list(alike), rows(length)
        for start in range(0, len(positions), size):
            yield positions[start : start + size]


def deduplicate(texts: Sequence[str]) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Return the distinct texts, in order of appearance, and each text's position among them.

    Raises:
        InputError: They are no list of strings, or one of them holds nothing.
    """
    is_column = isinstance(texts, (Sequence, pd.Series, pd.Index, np.ndarray, ExtensionArray))
    is_flat = not isinstance(texts, np.ndarray) or texts.ndim == 1
    if isinstance(texts, (str, bytes)) or not is_column or not is_flat:
        raise InputError(f"texts must be a list of strings, got {type(texts).__name__}")
    positions: dict[str, int] = {}
    inverse = np.empty(len(texts), dtype=np.intp)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"text {row} is of type {type(text).__name__}, expected a string")
        if not text.strip():
            raise InputError(f"text {row} is empty")
        require_characters(text, f"text {row}")
        inverse[row] = positions.setdefault(text, len(positions))
    return list(positions), inverse


def progress_bar(total: int, what: str, unit: str, wanted: bool | None, *, long: int) -> tqdm[Any]:
    """Make a progress bar.

    Args:
        total: Units of work.
        what: Shown in front.
        unit: What is counted.
        wanted: True shows it, False hides it, None shows it on a terminal or in a notebook where
            the work is long.
        long: How many units that takes.
    """
    # tqdm itself decides on None: it hides the bar where nobody watches, as in a log file.
    by_itself = None if total >= long else True
    return tqdm(
        total=total, desc=what, unit=unit, disable=by_itself if wanted is None else not wanted
    )
