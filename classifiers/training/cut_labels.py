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

# Each round fits a head once more: two of them beside the six there are.
_ROUNDS = 2
# The labels cut in a round, at most: the others must stay what an item is compared with.
_SHARE = 0.25
# Only of a label so many times larger is what is left a small part.
_LARGER = 4
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
    folds = fold_of_each(train.targets, train.groups, seed)
    held = index.read(labeled=True)
    said = []
    for number, cut in enumerate(_rounds(train.targets, sizes, rng)):
        kept, asked = _drawn(train, folds == number % (folds.max() + 1), cut, rng)
        if not len(asked):
            continue
        fitted = learn(sources, train, kept, with_head=with_head, seed=seed)
        gone = np.setdiff1d(train.ids, train.ids[kept])
        stays = ~np.isin(held.ids.astype(str), gone.astype(str))
        similarity, labels = _nearest(
            train.vectors[asked], held.vectors[stays], held.labels[stays], k
        )
        parts = fitted.parts(train.vectors[asked], similarity, labels)
        targets = train.targets[asked]
        left = np.array([cut[label] for label in targets.tolist()], dtype=np.int64)
        said.append(CutAnswers(targets, left, _all_labels(parts, fitted), similarity))
    return _joined(said) if said else None


def _rounds(
    targets: npt.NDArray[Any], sizes: Sequence[int], rng: np.random.Generator
) -> list[dict[int, int]]:
    """Choose the labels to cut in each round: label → size. No label is cut twice."""
    counts = np.bincount(targets)
    order = rng.permutation(len(counts))
    most = int(_SHARE * (counts > 0).sum())
    rounds: list[dict[int, int]] = [{} for _ in range(_ROUNDS)]
    dealt = 0
    for label in order.tolist():
        size = sizes[dealt % len(sizes)]
        into = rounds[dealt % _ROUNDS]
        if counts[label] >= max(_LARGER * size, size + 5) and len(into) < most:
            into[label] = size
            dealt += 1
    return [one for one in rounds if one]


def _drawn(
    train: TrainingSet,
    is_out: npt.NDArray[np.bool_],
    cut: dict[int, int],
    rng: np.random.Generator,
) -> tuple[Positions, Positions]:
    """Return the rows to learn from, and those to answer."""
    stays, asked = ~is_out, []
    for label, size in cut.items():
        of_label = train.targets == label
        inside = rng.permutation(np.flatnonzero(of_label & ~is_out))
        stays[inside[size:]] = False
        # What belongs to a group is never learned from and answered.
        free = of_label & ~stays if train.groups is None else of_label & is_out
        asked.append(rng.permutation(np.flatnonzero(free))[:_ANSWERS])
    return np.flatnonzero(stays), np.sort(np.concatenate(asked))


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


def _joined(said: list[CutAnswers]) -> CutAnswers:
    return CutAnswers(
        np.concatenate([one.targets for one in said]),
        np.concatenate([one.sizes for one in said]),
        {part: np.concatenate([one.parts[part] for one in said]) for part in said[0].parts},
        np.concatenate([one.similarity for one in said]),
    )
