"""What the classifier says about its own examples when it has not seen them.

The examples are cut into folds, the labels spread evenly over them (or whole groups together). The
answer to an example rests on the neighbors, prototypes and head of the other folds alone. Beside it
stands the answer to the same example as a stranger: with every example of its own label hidden. Of
very many labels the examples of one fold alone are answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import BoolArray, FloatArray, Positions
from classifiers.inputs import stored_names
from classifiers.scorers.ensemble import HEAD, PROTOTYPES, Scorers
from classifiers.scorers.linear_head import is_sampled
from classifiers.scorers.temperature import FEWEST, Scaling, fit_scaling
from classifiers.training.scorers import TrainingSet, learn
from retrieval import MOST_NEIGHBORS, ItemIndex, Neighbors

_FOLDS = 5
# At most so many examples are answered, and so many probabilities held for each part.
_ANSWERS = 10_000
_CELLS = 20_000_000
# Neighbors fetched for each that votes: those of its own fold, or label, are dropped.
_FETCH = 10


@dataclass(frozen=True)
class OutOfFold:
    """Answers to m of the examples.

    Attributes:
        rows: (m,) which examples.
        targets: Their true labels, as in `TrainingSet`.
        parts: What each part says, (m, C).
        similarity: (m, k) of the neighbors in other folds.
        stranger_parts: What each part says where their own labels are hidden.
        stranger_similarity: (m, k) of the neighbors of other labels.
        scalings: Part → what calibrated it in `parts`.
    """

    rows: Positions
    targets: npt.NDArray[Any]
    parts: dict[str, FloatArray]
    similarity: FloatArray
    stranger_parts: dict[str, FloatArray]
    stranger_similarity: FloatArray
    scalings: dict[str, Scaling]


def answer_out_of_fold(
    sources: Scorers, train: TrainingSet, index: ItemIndex, *, k: int, with_head: bool, seed: int
) -> OutOfFold | None:
    """Answer the examples, each by the examples of the other folds.

    Returns:
        The answers; None where too few examples have another one of their label to be kept apart.
    """
    folds = fold_of_each(train.targets, train.groups, seed)
    rows = _answerable(train.targets, folds)
    if with_head and is_sampled(len(sources.names), exclusive=sources.exclusive):
        # A head takes long, and few rows are answered: those of one fold, which take one head.
        rows = rows[folds[rows] == np.bincount(folds[rows], minlength=1).argmax()]
    most = min(_ANSWERS, max(1, _CELLS // len(sources.names)))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    if len(rows) < FEWEST:
        return None
    near = index.voters(
        train.vectors[rows],
        _fetched(k, len(train.ids) + len(train.described)),
        ids=train.ids[rows].tolist(),
        labeled=True,
        kinds=dict(zip(train.ids.tolist(), folds.tolist(), strict=True)),
    )
    hidden = _fold_of_neighbors(near.ids, train.ids, folds) == folds[rows][:, None]
    voters = near.first(k, ~hidden)
    learned = _learned_parts(sources, train, folds, rows, with_head=with_head, seed=seed)
    scalings = {part: fit_scaling(one, train.targets[rows]) for part, one in learned.items()}
    learned = {part: scalings[part].apply(proba) for part, proba in learned.items()}
    own = _shares_label(near.labels, train.stored[rows], exclusive=sources.exclusive)
    others = near.first(k, ~own)
    hide = _indicator(train.targets[rows], len(sources.names))
    return OutOfFold(
        rows=rows,
        targets=train.targets[rows],
        parts={**_votes(sources, voters), **learned},
        similarity=voters.nearest(k).astype(np.float64),
        stranger_parts={
            **_votes(sources, others),
            **{part: _hidden(proba, hide, sources) for part, proba in learned.items()},
        },
        stranger_similarity=others.nearest(k).astype(np.float64),
        scalings=scalings,
    )


def _votes(sources: Scorers, near: Neighbors) -> dict[str, FloatArray]:
    return sources.all_votes(near.similarity, near.labels, near.places)


def _fetched(k: int, n_items: int) -> int:
    """How many neighbors to ask for, so that k are left when some are hidden."""
    return max(1, min(_FETCH * k, n_items - 1, MOST_NEIGHBORS - 1))


def fold_of_each(
    targets: npt.NDArray[Any], groups: npt.NDArray[Any] | None, seed: int
) -> npt.NDArray[np.int64]:
    """Cut examples into folds, (n,) numbers from 0.

    Each label's examples are dealt out in turn. Labels of two examples get two folds, so that each
    label is short of the same share of its examples when one fold is left out; five is the most.
    """
    n = len(targets)
    order = np.random.default_rng(seed).permutation(n)
    if groups is not None:
        kind = pd.factorize(pd.Series(groups)[order])[0]
        folds = np.empty(n, dtype=np.int64)
        folds[order] = kind % _FOLDS
        return folds
    first = targets if targets.ndim == 1 else targets.argmax(axis=1)
    counts = np.bincount(first)
    n_folds = int(np.clip(np.median(counts[counts > 0]), 2, _FOLDS))
    dealt = pd.Series(first[order]).groupby(first[order]).cumcount().to_numpy()
    # Labels start at different folds, or the first one would get every label's odd example.
    folds = np.empty(n, dtype=np.int64)
    folds[order] = (dealt + first[order]) % n_folds
    return folds


def _answerable(targets: npt.NDArray[Any], folds: npt.NDArray[np.int64]) -> Positions:
    """Return the examples whose label has an example in another fold as well."""
    if targets.ndim == 2:
        return np.arange(len(targets))
    n_folds = pd.Series(folds).groupby(targets).transform("nunique")
    return np.flatnonzero(n_folds.to_numpy() > 1)


def _fold_of_neighbors(
    neighbors: npt.NDArray[np.object_],
    ids: npt.NDArray[np.object_],
    folds: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return the fold of each neighbor, (n, k); -1 for what is no example, or not there."""
    position = pd.Index(ids, dtype=object).get_indexer(pd.Index(neighbors.ravel(), dtype=object))
    return np.append(folds, -1)[position].reshape(neighbors.shape)


def _learned_parts(
    sources: Scorers,
    train: TrainingSet,
    folds: npt.NDArray[np.int64],
    rows: Positions,
    *,
    with_head: bool,
    seed: int,
) -> dict[str, FloatArray]:
    """Return what prototypes and head of the other folds say about the examples of each."""
    said: dict[str, FloatArray] = {}
    for fold in np.unique(folds[rows]):
        others = np.flatnonzero(folds != fold)
        fitted = learn(sources, train, others, with_head=with_head, seed=seed)
        place = np.flatnonzero(folds[rows] == fold)
        vectors = train.vectors[rows[place]]
        if fitted.prototypes is not None:
            said.setdefault(PROTOTYPES, np.zeros((len(rows), len(sources.names))))
            said[PROTOTYPES][place] = fitted.resemblance(vectors)
        if fitted.head is not None:
            said.setdefault(HEAD, np.zeros((len(rows), len(sources.names))))
            said[HEAD][np.ix_(place, np.flatnonzero(fitted.head_knows))] = fitted.head.proba(
                vectors
            )
    return said


def _shares_label(
    labels: npt.NDArray[np.object_], stored: npt.NDArray[np.object_], *, exclusive: bool
) -> BoolArray:
    """Tell which neighbors (n, k) have a label of the item's own."""
    if exclusive:
        same: BoolArray = labels == stored[:, None]
        return same
    own = [set(stored_names(one)) for one in stored]
    return np.array(
        [
            [one is not None and bool(mine & set(stored_names(one))) for one in row]
            for mine, row in zip(own, labels, strict=True)
        ],
        dtype=bool,
    )


def _indicator(targets: npt.NDArray[Any], n_labels: int) -> BoolArray:
    if targets.ndim == 2:
        return targets.astype(bool)
    has: BoolArray = np.arange(n_labels) == targets[:, None]
    return has


def _hidden(proba: FloatArray, hide: BoolArray, sources: Scorers) -> FloatArray:
    """Return probabilities as they are if some labels did not exist."""
    rest = np.where(hide, 0.0, proba)
    if not sources.exclusive:
        return rest
    total = rest.sum(axis=1, keepdims=True)
    shares: FloatArray = np.full_like(rest, 1 / rest.shape[1])
    np.divide(rest, total, out=shares, where=total > 0)
    return shares
