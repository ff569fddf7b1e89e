"""An encoder against the one it was tuned from, on items that neither has learned from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retrieval.encoding.adaptation.gate import Fold, Gain, compare, nearest, scores
from retrieval.encoding.encoder import Encoder


def set_aside(names: Sequence[str], share: float) -> npt.NDArray[np.bool_]:
    """Draw items that no round is to learn from: the same ones each time, by their names alone.

    Args:
        names: (n,) of the group that each belongs to, or its text: all of one name are drawn or
            none is.
        share: Of the names.
    """
    drawn = [
        int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) / 2**64 < share
        for name in names
    ]
    return np.array(drawn, dtype=bool)


def gain_over(
    former: Encoder,
    tuned: Encoder,
    texts: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str],
    judged: npt.NDArray[np.bool_],
    *,
    seed: int = 0,
) -> Gain:
    """Compare two encoders by the votes of neighbors.

    Args:
        former: The one to be better than.
        tuned: The other.
        texts: n texts.
        labels: The label of each.
        groups: The group of each: whole groups are drawn for the interval.
        judged: (n,) which are labeled by the votes of the others; neither encoder was tuned on
            them.
        seed: Of the bootstrap.
    """
    numbers = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)[1]
    numbers = numbers.astype(np.int64)
    told = judged & np.isin(numbers, numbers[~judged])  # no vote can be right for other labels
    fold = Fold(np.flatnonzero(~judged), np.flatnonzero(told))
    made = []
    for encoder in (tuned, former):
        vectors = encoder.encode(list(texts))
        found = nearest(fold, vectors[fold.judged], vectors[fold.learned], numbers)
        made.append(scores([found], numbers))
    kinds = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)[1]
    return compare(made[0], made[1], kinds.astype(np.int64), seed)
