"""Which launches share their fate: members of a group, told or recognized."""

from __future__ import annotations

import logging
import re

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import CountVectorizer

from forecasting.data.panel import Floats, Ints

_ALIKE = 0.6  # of the words of two texts together that both have
_BLOCK = 1000  # texts whose overlaps are held in memory at once
_WORD = re.compile(r"\w")
_RESAMPLES = 1000
_TINY = 1e-9
_LEVEL = 0.95

_log = logging.getLogger(__name__)


def told_groups(names: npt.NDArray[np.object_]) -> Ints:
    """(n,) a number by name of a group; an item without a name has one of its own."""
    codes = pd.factorize(names)[0].astype(np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(alone.sum())
    return codes


def near_twins(texts: pd.Series, days: pd.Series) -> Ints:
    """(n,) a number by group: launches of one day whose texts share most of their words.

    Items without a launch date are on their own. What was recognized is told in the log.

    Args:
        texts: (n,) what is known of the items in words.
        days: (n,) of their launch; missing for those without.
    """
    n = len(texts)
    day = pd.factorize(pd.to_datetime(days).dt.normalize())[0]
    several = np.flatnonzero((np.bincount(day[day >= 0], minlength=1)[day] > 1) & (day >= 0))
    lower = texts.iloc[several].str.lower()
    if not lower.str.contains(_WORD).any():
        return np.arange(n, dtype=np.int64)
    words = CountVectorizer(binary=True, token_pattern=r"\w+").fit_transform(lower)
    pairs = []
    for rows in pd.Series(np.arange(len(several))).groupby(day[several]).indices.values():
        pairs += [rows[pair] for pair in _alike(words[rows])]
    if not pairs:
        return np.arange(n, dtype=np.int64)
    one, other = several[np.concatenate(pairs, axis=1)]
    linked = sp.coo_matrix((np.ones(len(one)), (one, other)), shape=(n, n))
    groups: Ints = connected_components(linked, directed=False)[1].astype(np.int64)
    sizes = np.bincount(groups)
    _log.info(
        "%d launches of one day with nearly the same text are taken as %d groups that share their "
        "fate; Columns(group=...) names the column that tells groups",
        sizes[sizes > 1].sum(),
        (sizes > 1).sum(),
    )
    return groups


def _alike(words: sp.csr_matrix) -> list[Ints]:
    """Pairs (2, p), by block, of rows that have most words in common."""
    count = np.asarray(words.sum(axis=1)).ravel()
    found = []
    for start in range(0, len(count), _BLOCK):
        block = slice(start, start + _BLOCK)
        shared = (words[block] @ words.T).tocoo()
        row, column = shared.row + start, shared.col
        alike = shared.data >= _ALIKE * (count[row] + count[column] - shared.data)
        chosen = alike & (row < column)
        found.append(np.stack([row[chosen], column[chosen]]).astype(np.int64))
    return found


def ratio_interval(part: Floats, whole: Floats, group: Ints) -> tuple[float, float]:
    """Return the 95 % interval of a sum over another one, by a bootstrap over groups (seed 0).

    Args:
        part: (n,) what is summed; where its mean is asked for, over ones.
        whole: (n,) what it is held against.
        group: (n,) a number from 0 on: what has the same is drawn together.
    """
    sums, wholes = np.bincount(group, part), np.bincount(group, whole)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(sums), (_RESAMPLES, len(sums)))
    ratios = sums[drawn].sum(axis=1) / np.maximum(wholes[drawn].sum(axis=1), _TINY)
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return float(low), float(high)
