"""Prototypes and head, learned from examples, descriptions and items without a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import FloatArray, Positions, Vectors
from classifiers.scorers.ensemble import HEAD, Blend, Scorers
from classifiers.scorers.linear_head import LinearHead, affordable, fit_head
from classifiers.scorers.prototypes import DESCRIPTION_WEIGHT, Prototypes
from classifiers.training.adaptation import adapt

# Of the items without a label, at most so many teach the head, each by so much of an example times
# the probability of the label it is given. Chosen on the training folds of BANKING77.
_MOST_GUESSED = 5_000
_MOST_GUESSES = 20_000_000  # items times labels, for memory
# Of more, a sample tells what labels look like; comparing each with each takes its time.
_MOST_ADAPTED = 20_000
_GUESS_WEIGHT = 0.2


@dataclass(frozen=True)
class TrainingSet:
    """Labeled examples as arrays.

    Attributes:
        ids: (n,) item ids.
        vectors: (n, d) unit vectors.
        targets: (n,) position of each one's label; or (n, C) whether it has each.
        stored: (n,) the label as the index stores it.
        described: Label → vector of its description, for some of them or none.
        unlabeled: (m, d) items without a label; None if there are none.
        groups: (n,) what is never split between folds; None if each stands for itself.
    """

    ids: npt.NDArray[np.object_]
    vectors: Vectors
    targets: npt.NDArray[Any]
    stored: npt.NDArray[np.object_]
    described: Mapping[str, FloatArray]
    unlabeled: Vectors | None = None
    groups: npt.NDArray[Any] | None = None


def learn(
    sources: Scorers, train: TrainingSet, rows: Positions, *, with_head: bool, seed: int
) -> Scorers:
    """Return the sources with prototypes and head learned from some of the examples.

    Items without a label draw the prototypes toward them, and teach the head the labels that it and
    the prototypes guess for them (self-training; Lee, "Pseudo-Label", 2013). Where there is no
    example they are guessed from the descriptions, see `adaptation`.

    Args:
        sources: `prototypes` None: they are left out.
        train: The examples.
        rows: Which of them to learn from.
        with_head: Whether to fit a head.
        seed: Of the part of the items a head learns from where they are very many.
    """
    prototypes = sources.prototypes
    if prototypes is not None and train.unlabeled is not None and not len(train.ids):
        return _from_words(sources, prototypes, train, with_head=with_head, seed=seed)
    if prototypes is not None:
        row, label = pairs(train.targets[rows])
        prototypes = prototypes.adding(label, train.vectors[rows][row])
        if train.unlabeled is not None:
            prototypes = prototypes.drawn_to(train.unlabeled)
    learned = replace(sources, prototypes=prototypes, head=None)
    if not with_head or not len(rows):
        return learned
    lesson = _lesson(sources, train, rows, seed)
    learned = replace(learned, head=_fit(lesson, sources, seed))
    if learned.head is None or train.unlabeled is None or not sources.exclusive:
        return learned
    more = _guessed(learned, train.unlabeled, seed)
    return replace(learned, head=_fit(lesson + more, sources, seed))


def _from_words(
    sources: Scorers, prototypes: Prototypes, train: TrainingSet, *, with_head: bool, seed: int
) -> Scorers:
    """Return the sources with what items without a label tell of labels that have no example."""
    assert train.unlabeled is not None
    n_labels = len(sources.names)
    most = min(_MOST_ADAPTED, _MOST_GUESSES // n_labels)
    items = train.unlabeled[_sample(np.arange(len(train.unlabeled)), most, seed)]
    names = np.array([train.described[name] for name in sources.names], dtype=np.float32)
    adapted = adapt(names, items, sources.names, seed)
    head = adapted.head if with_head else None
    return replace(sources, prototypes=replace(prototypes, pull=adapted.pull), head=head)


def fit_head_on(
    sources: Scorers, train: TrainingSet, rows: Positions, seed: int
) -> LinearHead | None:
    """Fit a head on some of the examples and the descriptions; None where it would be too large."""
    return _fit(_lesson(sources, train, rows, seed), sources, seed)


def pairs(targets: npt.NDArray[Any]) -> tuple[Positions, Positions]:
    """Return each example's place and label, as often as it has labels."""
    if targets.ndim == 1:
        return np.arange(len(targets)), targets
    row, label = np.nonzero(targets)
    return row, label


@dataclass(frozen=True)
class _Sample:
    """What a head is fitted on: vectors (n, d), targets as in `TrainingSet`, weights (n,)."""

    vectors: Vectors
    targets: npt.NDArray[Any]
    weights: FloatArray

    def __add__(self, other: _Sample) -> _Sample:
        return _Sample(
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.targets, other.targets]),
            np.concatenate([self.weights, other.weights]),
        )


def _fit(lesson: _Sample, sources: Scorers, seed: int) -> LinearHead | None:
    if _affordable(sources) == 0:
        return None
    return fit_head(lesson.vectors, lesson.targets, lesson.weights, sources.names, seed)


def _affordable(sources: Scorers) -> int:
    return affordable(len(sources.names), exclusive=sources.exclusive)


def _lesson(sources: Scorers, train: TrainingSet, rows: Positions, seed: int) -> _Sample:
    rows = _sample(rows, _affordable(sources), seed)
    examples = _Sample(train.vectors[rows], train.targets[rows], np.ones(len(rows)))
    if not train.described or not sources.exclusive:
        return examples
    # A description is an example, too: with few of them it is the best one.
    label = pd.Index(sources.names).get_indexer(pd.Index(list(train.described)))
    text = np.array(list(train.described.values()), dtype=np.float32)
    return examples + _Sample(text, label, np.full(len(label), DESCRIPTION_WEIGHT))


def _guessed(learned: Scorers, unlabeled: Vectors, seed: int) -> _Sample:
    """Give items without a label the one that head and prototypes think most probable."""
    most = min(_MOST_GUESSED, _MOST_GUESSES // len(learned.names), _affordable(learned))
    items = unlabeled[_sample(np.arange(len(unlabeled)), most, seed)]
    said = learned.say(items)
    shares = Blend.default(said, 0.0).shares
    guess = np.zeros((len(items), len(learned.names)))
    for part, proba in said.items():
        known = learned.head_knows if part == HEAD else slice(None)
        guess[:, known] += shares[part] * proba
    return _Sample(items, guess.argmax(axis=1), _GUESS_WEIGHT * guess.max(axis=1))


def _sample(rows: Positions, most: int, seed: int) -> Positions:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
