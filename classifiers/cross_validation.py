"""How good would a classifier be on new items? Every labeled item is answered by the others.

The items are cut into folds; the items of each fold are labeled by a classifier that learned from
the other folds alone.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, StratifiedKFold

from classifiers.answers import Answers, answer, as_rows, one_label_each
from classifiers.evaluation import Evaluation, score
from classifiers.examples import Labels, LabelTexts, Texts
from classifiers.neighbor_classifier import NeighborClassifier
from classifiers.statistics import group_codes
from retrieval import InputError

Rows = npt.NDArray[np.intp]
Folds = list[tuple[Rows, Rows]]
"""The rows to learn from and the rows to answer of each fold."""


def cross_evaluate(
    classifier: NeighborClassifier,
    X: Texts,
    y: Labels,
    *,
    labels: LabelTexts | None = None,
    folds: int = 5,
    groups: Sequence[Any] | None = None,
    sample: int | None = None,
    outside: Texts | None = None,
    text: str | Sequence[str] | None = None,
    item_id: str = "item_id",
    coverage: float = 0.9,
    seed: int = 0,
) -> Evaluation:
    """Score a classifier on the examples at hand, each answered without its fold.

    Args:
        classifier: Its parameters are used; it is neither fitted nor changed, and may have no
            index, which would show every fold to every other.
        X: n texts, or a table of items.
        y: n labels. A label whose examples are all in one fold cannot be known there, and counts
            as an error.
        labels: Descriptions of labels, that every fold's classifier gets.
        folds: How many at most; see `fold_rows`.
        groups: (n,) what each item belongs to; a group is never on both sides.
        sample: Answer so many of the items, drawn at random, if there are more; None: all. What is
            learned from, and the answer to each, are the same.
        outside: Texts or items of none of the labels; each is answered by one fold's classifier.
        text: Text columns of a table; None takes every column but the id.
        item_id: Id column of a table.
        coverage: Wanted of the label sets.
        seed: Of the folds, the sample and the bootstrap.

    Returns:
        The evaluation, its answers in the order of X, with the `fold` each item was in.

    Raises:
        InputError: Nothing can be held out, or X and y do not match.
    """
    if classifier.index is not None:
        raise InputError("cross-validation needs a classifier without an index of its own")
    table, truth = as_rows(X), one_label_each(X, y)
    others = None if outside is None else as_rows(outside)
    splits = fold_rows(truth, folds, groups=groups, seed=seed)
    if sample is not None and sample < len(truth):
        splits = _thinned(splits, len(truth), sample, seed)
    parts = []
    for number, (train, test) in enumerate(splits):
        fitted = clone(classifier)
        fitted.fit(
            table.iloc[train],
            truth[train],
            labels=labels,
            groups=None if groups is None else [groups[row] for row in train],
            text=text,
            item_id=item_id,
        )
        parts.append(
            answer(
                fitted,
                table.iloc[test],
                truth[test],
                examples=Counter(truth[train]),
                outside=None if others is None else others.iloc[number :: len(splits)],
                coverage=coverage,
            )
        )
    rows = np.concatenate([test for _, test in splits])
    return score(
        _joined(parts, rows),
        groups=None if groups is None else [groups[row] for row in np.sort(rows)],
        seed=seed,
    )


def fold_rows(
    labels: Labels, folds: int, *, groups: Sequence[Any] | None = None, seed: int = 0
) -> Folds:
    """Cut items into folds; return the rows to learn from and the rows to answer of each.

    Without groups every fold gets its share of each label; a label with fewer examples than folds
    is missing from some. There are never more folds than the most frequent label has examples, or
    than there are groups.

    Raises:
        InputError: Less than two folds can be made.
    """
    if folds < 2:
        raise InputError(f"folds must be at least 2, got {folds}")
    if groups is not None:
        if len(groups) != len(labels):
            raise InputError(f"{len(labels)} items have {len(groups)} groups")
        names = group_codes(groups)
        n = min(folds, len(np.unique(names)))
        if n < 2:
            raise InputError("all items are of one group: none could be answered by another")
        return list(GroupKFold(n, shuffle=True, random_state=seed).split(labels, groups=names))
    codes, _ = pd.factorize(pd.Series(list(labels), dtype=object))
    n = min(folds, int(np.bincount(codes).max())) if len(codes) else 0
    if n < 2:
        raise InputError("no label has two examples: none could be answered by another")
    with warnings.catch_warnings():
        # That some labels have fewer examples than folds is in the scores, and counted there.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folded = StratifiedKFold(n, shuffle=True, random_state=seed)
        return list(folded.split(np.zeros(len(codes)), codes))


def _thinned(splits: Folds, n: int, sample: int, seed: int) -> Folds:
    """Of all n rows to answer, keep a random sample; all rows to learn from stay."""
    drawn = np.random.default_rng(seed).choice(n, sample, replace=False)
    thinned = [(train, np.intersect1d(test, drawn)) for train, test in splits]
    return [(train, test) for train, test in thinned if len(test)]


def _joined(parts: Sequence[Answers], rows: Rows) -> Answers:
    """The folds' answers as one, in the order the items had before they were put into folds."""
    back = np.argsort(rows)
    fold = np.repeat(np.arange(1, len(parts) + 1), [len(part.items) for part in parts])
    items = pd.concat([part.items for part in parts]).assign(fold=fold)
    baseline = pd.concat([part.baseline for part in parts])
    outside = pd.concat([part.outside for part in parts], ignore_index=True)
    return Answers(
        items.iloc[back].reset_index(drop=True), baseline.iloc[back].reset_index(drop=True), outside
    )
