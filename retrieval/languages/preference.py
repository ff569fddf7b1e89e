"""Do the neighbors of items go by what these are about, or by the language they are written in?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.arguments import require_count
from retrieval.errors import InputError

_ROWS = 1_024  # compared with all others at once


@dataclass(frozen=True)
class LanguagePreference:
    """How many of the nearest neighbors are of an item's own language.

    Attributes:
        share: Mean share of the k nearest neighbors that are of it.
        chance: What it would be if language did not matter.
        by_language: Language → its own share, chance and number of items.
    """

    share: float
    chance: float
    by_language: dict[str, tuple[float, float, int]]

    @property
    def lift(self) -> float:
        """How many times as often as by chance a neighbor is of the same language."""
        return self.share / self.chance if self.chance else float("nan")

    def __str__(self) -> str:
        """Return shares and lift."""
        return f"{self.share:.3f} of neighbors of the same language, {self.chance:.3f} by chance"


def language_preference(
    vectors: npt.NDArray[np.float32], languages: Sequence[str], *, k: int = 10
) -> LanguagePreference:
    """Measure whether neighbors prefer their own language.

    The comparison is fair only where the languages have items of the same kinds: a catalogue whose
    German part sells tools and whose Spanish part sells food has good reason for it.

    Args:
        vectors: (n, d) unit vectors of items.
        languages: (n,) the language of each.
        k: Neighbors of each item.

    Raises:
        InputError: There are not as many languages as vectors, or too few items.
    """
    require_count(k, "k")
    if len(vectors) != len(languages):
        raise InputError(f"{len(languages)} languages for {len(vectors)} vectors")
    if len(vectors) <= k:
        raise InputError(f"{len(vectors)} items have no {k} neighbors each")
    codes, names = pd.factorize(np.asarray(languages, dtype=object))
    own = np.empty(len(vectors))
    for start in range(0, len(vectors), _ROWS):
        part = vectors[start : start + _ROWS] @ vectors.T
        rows = np.arange(len(part))
        part[rows, start + rows] = -np.inf
        nearest = np.argpartition(-part, k - 1, axis=1)[:, :k]
        own[start : start + _ROWS] = (codes[nearest] == codes[start + rows, None]).mean(axis=1)
    counts = np.bincount(codes)
    chance = (counts - 1) / (len(codes) - 1)
    by_language = {
        str(name): (float(own[codes == one].mean()), float(chance[one]), int(counts[one]))
        for one, name in enumerate(names)
    }
    return LanguagePreference(float(own.mean()), float(chance[codes].mean()), by_language)
