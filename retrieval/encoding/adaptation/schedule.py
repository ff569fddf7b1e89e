"""Which texts are read when, and how fast is learned from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

BATCH = 64
"""Texts of one step."""
_POOL = 16  # batches among which texts of like length are put together
_TOKENS = 4_096  # of one forward pass: the memory that it takes
_WARM_UP = 0.1
_HELD = 0.1
_MOST_HELD = 1_000
_FEW_EPOCHS, _MANY_EPOCHS, _STEPS = 4, 12, 600

Rows = npt.NDArray[np.int64]


def batches(lengths: Rows, seed: int, epoch: int) -> list[Rows]:
    """Return the batches of a pass over all texts: of like length, else by lot.

    Args:
        lengths: (n,) tokens of each text.
        seed: With the pass, draws the same batches each time.
        epoch: Which pass.
    """
    lot = np.random.default_rng([seed, epoch])
    order = lot.permutation(len(lengths))
    made: list[Rows] = []
    for start in range(0, len(order), BATCH * _POOL):
        pool = order[start : start + BATCH * _POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        made += [pool[first : first + BATCH] for first in range(0, len(pool), BATCH)]
    return [made[place] for place in lot.permutation(len(made))]


def passes(batch: Rows, lengths: Rows) -> Iterator[Rows]:
    """Split a batch into what goes through the encoder at once, so that long texts fit, too."""
    size = max(1, _TOKENS // max(1, int(lengths[batch].max())))
    for start in range(0, len(batch), size):
        yield batch[start : start + size]


def rate_at(done: float) -> float:
    """Return the learning rate, as a share of the highest, when so much of the way is done."""
    return min(done / _WARM_UP, (1 - done) / (1 - _WARM_UP), 1.0)


def most_epochs(n: int) -> int:
    """Return how many passes are made over so many texts, at most."""
    return int(np.clip(_STEPS * BATCH // max(1, n), _FEW_EPOCHS, _MANY_EPOCHS))


def hold_out(labels: Rows, groups: Sequence[object] | None, seed: int) -> npt.NDArray[np.bool_]:
    """Return which texts are not learned from, but tell when to stop: whole groups, drawn by lot.

    Of each label that has one more, a text stays to be learned from.

    Args:
        labels: (n,) number of each text's label.
        groups: Of texts that belong together; None: each stands alone.
        seed: Draws them.
    """
    left = np.bincount(labels)
    most = np.maximum(1, left * _HELD)
    wanted = min(_MOST_HELD, int(len(labels) * _HELD))
    held = np.zeros(len(labels), dtype=bool)
    members = _members(groups, len(labels))
    for place in np.random.default_rng(seed).permutation(len(members)):
        rows = members[place]
        kinds, given = np.unique(labels[rows], return_counts=True)
        is_fair = (given <= np.minimum(most[kinds], left[kinds] - 1)).all()
        if is_fair and held.sum() + len(rows) <= wanted:
            held[rows] = True
            left[kinds] -= given
            most[kinds] -= given
    return held


def _members(groups: Sequence[object] | None, n: int) -> list[Rows]:
    """Return the rows of each group."""
    if groups is None:
        return list(np.arange(n)[:, None])
    rows: dict[object, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    return [np.array(some, dtype=np.int64) for some in rows.values()]
