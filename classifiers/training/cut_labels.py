"""What the classifier says about items of a label that has lost most of its examples.

A label of five examples has five out-of-fold answers, too few to learn from how unsure the next one
will be. Labels with plenty of examples stand in: some of them are cut down to the size of the small
ones, in what is learned from alone, and their other items are answered as if they were of a label
so rare. Nothing is encoded anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from classifiers.arrays import FloatArray, Positions, Vectors
from classifiers.scorers.ensemble import NEIGHBORS, Scorers
from classifiers.training.out_of_fold import fold_of_each
from classifiers.training.scorers import TrainingSet, learn
from retrieval import ItemIndex

# The labels cut, at most: the others must stay what an item is compared with.
_SHARE = 1 / 3
# Only of a label so many times larger is what is left a small part.
_LARGER, _LEFT = 4, 5
# Answers to items of one label in a round, at most.
_ANSWERS = 40


@dataclass(frozen=True)
class CutAnswers:
    """Answers to m items, each of a label that was cut.

    Attributes:
        targets: (m,) position of the true label.
        sizes: (m,) number of examples that were left of it.
        parts: What each part says, (m, C).
        similarity: (m, k) of the neighbors that were left.
    """

    targets: Positions
    sizes: npt.NDArray[np.int64]
    parts: dict[str, FloatArray]
    similarity: FloatArray


def answer_as_rare(
    sources: Scorers,
    train: TrainingSet,
    index: ItemIndex,
    sizes: Sequence[int],
    *,
    k: int,
    with_head: bool,
    seed: int,
) -> CutAnswers | None:
    """Answer items of large labels as if their labels had so few examples.

    Args:
        sources: As in `learn`, with the scalings that calibrate its parts.
        train: Examples of one label each.
        index: Holds the examples.
        sizes: Numbers of examples to cut labels down to.
        k: Neighbors that vote.
        with_head: Whether to fit a head.
        seed: Of the draws.

    Returns:
        The answers; None where no label is large enough to be cut.
    """
    rng = np.random.default_rng(seed)
    cut = _dealt(train.targets, sizes, rng)
    if not cut:
        return None
    kept, asked = _drawn(train, cut, rng, seed)
    if not len(asked):
        return None
    fitted = learn(sources, train, kept, with_head=with_head, seed=seed)
    held = index.read(labeled=True)
    gone = np.setdiff1d(train.ids.astype(str), train.ids[kept].astype(str))
    stays = ~np.isin(held.ids.astype(str), gone)
    similarity, labels = _nearest(train.vectors[asked], held.vectors[stays], held.labels[stays], k)
    targets = train.targets[asked]
    return CutAnswers(
        targets,
        np.array([cut[label] for label in targets.tolist()], dtype=np.int64),
        _all_labels(fitted.parts(train.vectors[asked], similarity, labels), fitted),
        similarity,
    )


def _dealt(
    targets: npt.NDArray[Any], sizes: Sequence[int], rng: np.random.Generator
) -> dict[int, int]:
    """Deal the sizes out in turn to labels that are large enough: label → size."""
    counts = np.bincount(targets)
    most = int(_SHARE * (counts > 0).sum())
    waiting, cut = list(sizes), dict[int, int]()
    for label in rng.permutation(len(counts)).tolist():
        fits = [size for size in waiting if counts[label] >= _LARGER * size + _LEFT]
        if len(cut) < most and fits:
            cut[label] = fits[0]
            waiting.remove(fits[0])
            waiting.append(fits[0])
    return cut


def _drawn(
    train: TrainingSet, cut: dict[int, int], rng: np.random.Generator, seed: int
) -> tuple[Positions, Positions]:
    """Return the rows to learn from, and those to answer."""
    # What belongs to a group is never learned from and answered: a fold of groups is answered.
    is_out = np.zeros(len(train.ids), dtype=bool)
    if train.groups is not None:
        is_out = fold_of_each(train.targets, train.groups, seed) == 0
    stays, asked = ~is_out, np.array([], dtype=np.intp)
    for label, size in cut.items():
        of_label = train.targets == label
        inside = rng.permutation(np.flatnonzero(of_label & ~is_out))
        if len(inside) < size:
            continue
        stays[inside[size:]] = False
        free = np.flatnonzero(of_label & (is_out if train.groups is not None else ~stays))
        asked = np.append(asked, rng.permutation(free)[:_ANSWERS])
    return np.flatnonzero(stays), np.sort(asked)


def _nearest(
    queries: Vectors, vectors: Vectors, labels: npt.NDArray[np.object_], k: int
) -> tuple[FloatArray, npt.NDArray[np.object_]]:
    similarity, found = faiss.knn(
        queries, vectors, min(k, len(vectors)), metric=faiss.METRIC_INNER_PRODUCT
    )
    return np.minimum(similarity, 1.0).astype(np.float64), labels[found]


def _all_labels(parts: dict[str, FloatArray], fitted: Scorers) -> dict[str, FloatArray]:
    """Give the head a column of zeros for each label it does not know."""
    shape = parts[NEIGHBORS].shape
    full = {}
    for part, proba in parts.items():
        full[part] = proba
        if proba.shape != shape:
            full[part] = np.zeros(shape)
            full[part][:, fitted.head_knows] = proba
    return full
