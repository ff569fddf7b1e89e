"""How good would a classifier be on new items? Every labeled item is answered by the others.

The items are cut into folds; the items of each fold are labeled by a classifier that learned from
the other folds alone. Of very many items a random sample tells as much as all of them to within its
interval: it is held out, and labeled by a classifier that learned from all the rest.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, StratifiedKFold

from classifiers.arrays import Positions
from classifiers.evaluation.evaluation import Evaluation, score
from classifiers.evaluation.metrics import group_codes
from classifiers.evaluation.predictions import Answers, answer, as_rows, one_label_each
from classifiers.inputs import Labels, LabelTexts, Texts
from classifiers.labels.spelling import normalize_labels
from classifiers.neighbor_classifier import NeighborClassifier
from retrieval import InputError

Split = tuple[Positions, Positions]
"""The rows to learn from, and the rows to answer."""

# Of fewer groups held out, the bootstrap over groups would give too narrow an interval.
_FEWEST_GROUPS = 30


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
        sample: Hold out so many items once, if there are more, in place of the folds; see
            `sample_rows`. None: folds.
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
    if classifier.normalize_labels:
        truth[:] = normalize_labels(truth)
    others = None if outside is None else as_rows(outside)
    drawn = None if sample is None else sample_rows(len(truth), sample, groups=groups, seed=seed)
    splits = fold_rows(truth, folds, groups=groups, seed=seed) if drawn is None else [drawn]
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
) -> list[Split]:
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


def sample_rows(
    n: int, sample: int, *, groups: Sequence[Any] | None = None, seed: int = 0
) -> Split | None:
    """Draw items to hold out at random, whatever their labels.

    Whole groups are drawn until they hold so many items, the last one perhaps a few more.

    Returns:
        The rows to learn from and the rows to answer. None where there are no more items than that,
        or the groups are too few to tell from some of them how others would do.
    """
    codes = np.arange(n) if groups is None else group_codes(groups)
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(sizes))
    drawn = order[: np.searchsorted(sizes[order].cumsum(), sample) + 1]
    too_few = groups is not None and len(drawn) < _FEWEST_GROUPS
    if sample >= n or too_few or len(drawn) == len(sizes):
        return None
    is_held = np.isin(codes, drawn)
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def _joined(parts: Sequence[Answers], rows: Positions) -> Answers:
    """Return the folds' answers as one, in the order of the items before they were put in folds."""
    back = np.argsort(rows)
    fold = np.repeat(np.arange(1, len(parts) + 1), [len(part.items) for part in parts])
    items = pd.concat([part.items for part in parts]).assign(fold=fold)
    baseline = pd.concat([part.baseline for part in parts])
    outside = pd.concat([part.outside for part in parts], ignore_index=True)
    return Answers(
        items.iloc[back].reset_index(drop=True), baseline.iloc[back].reset_index(drop=True), outside
    )
