"""How good are lists of labels? Answers to items that have any number of labels, scored."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.preprocessing import MultiLabelBinarizer

from classifiers.arrays import FloatArray
from classifiers.evaluation.bootstrap import intervals
from classifiers.evaluation.cross_validation import fold_rows, sample_rows
from classifiers.evaluation.metrics import Statistic, mean
from classifiers.evaluation.predictions import as_rows
from classifiers.inputs import LabelTexts, Texts
from classifiers.neighbor_classifier import NeighborClassifier
from retrieval import InputError

Lists = Sequence[Sequence[str]]


@dataclass(frozen=True)
class ListEvaluation:
    """Scores of a classifier of items with any number of labels.

    Attributes:
        scores: `exact` (share of items with all their labels and no other), `micro_f1` (over all
            labels of all items), `macro_f1` (mean over the labels that occur), `jaccard` (mean over
            items: labels in both lists, of those in either; 1 where both are empty).
        intervals: Score → 95 % bootstrap interval over items, or whole groups.
        baseline: The scores of giving every item the most frequent list of the examples.
        counts: `items`, `labels` (that occur).
        answers: `item_id`, `labels`, `predicted`, `probability` (of those predicted), `exact`;
            `fold` of a cross-validation.
        per_label: `label`, `n` (items), `recall`, `precision`, `f1`; lowest F1 first.
    """

    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    baseline: dict[str, float]
    counts: dict[str, int]
    answers: pd.DataFrame
    per_label: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return all but the answers in JSON's types; NaN is None."""
        return {
            "counts": self.counts,
            "scores": {name: _number(value) for name, value in self.scores.items()},
            "intervals": {name: [*map(_number, ends)] for name, ends in self.intervals.items()},
            "baseline": {name: _number(value) for name, value in self.baseline.items()},
            "per_label": json.loads(self.per_label.to_json(orient="records", double_precision=12)),
        }


def evaluate_lists(
    classifier: NeighborClassifier,
    X: Texts,
    y: Lists,
    *,
    examples: Lists | None = None,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
) -> ListEvaluation:
    """Score a fitted classifier on items it has not learned from.

    Args:
        classifier: Fitted on lists of labels.
        X: n texts, or a table of items.
        y: n lists of labels, which may be empty.
        examples: Lists it learned from, for the baseline; None: those of `y`.
        groups: (n,) what each item belongs to.
        seed: Of the bootstrap.

    Raises:
        InputError: The classifier gives one label an item, or X and y do not match.
    """
    _check(X, y)
    answers = _answer(classifier, X, y)
    return _score(answers, [_usual(y if examples is None else examples)] * len(y), groups, seed)


def cross_evaluate_lists(
    classifier: NeighborClassifier,
    X: Texts,
    y: Lists,
    *,
    labels: LabelTexts | None = None,
    folds: int = 5,
    groups: Sequence[Any] | None = None,
    sample: int | None = None,
    text: str | Sequence[str] | None = None,
    item_id: str = "item_id",
    seed: int = 0,
) -> ListEvaluation:
    """Score a classifier on the examples at hand, each answered without its fold.

    Args:
        classifier: As in `cross_evaluate`, like all that follows.
        X: n texts, or a table of items.
        y: n lists of labels, which may be empty.
        labels: Descriptions of labels.
        folds: How many at most.
        groups: (n,) what each item belongs to; a group is never on both sides.
        sample: Hold out so many items once, if there are more.
        text: Text columns of a table.
        item_id: Id column of a table.
        seed: Of the folds, the sample and the bootstrap.

    Returns:
        The evaluation, its answers in the order of X, with the `fold` each item was in.

    Raises:
        InputError: Nothing can be held out, or X and y do not match.
    """
    _check(X, y)
    table, n = as_rows(X), len(y)
    drawn = None if sample is None else sample_rows(n, sample, groups=groups, seed=seed)
    # Rows are spread over the folds by their first labels, so that most labels are in each.
    first = [min(one, default="") for one in y]
    splits = fold_rows(first, folds, groups=groups, seed=seed) if drawn is None else [drawn]
    parts: list[pd.DataFrame] = []
    usual: dict[int, list[str]] = {}
    for number, (train, test) in enumerate(splits, start=1):
        fitted = clone(classifier)
        fitted.fit(
            table.iloc[train],
            [list(y[row]) for row in train],
            labels=labels,
            groups=None if groups is None else [groups[row] for row in train],
            text=text,
            item_id=item_id,
        )
        answers = _answer(fitted, table.iloc[test], [y[row] for row in test])
        parts.append(answers.assign(fold=number, row=test))
        usual |= dict.fromkeys(test.tolist(), _usual([y[row] for row in train]))
    both = pd.concat(parts).sort_values("row")
    rows = both.pop("row").tolist()
    of_groups = None if groups is None else [groups[row] for row in rows]
    return _score(both.reset_index(drop=True), [usual[row] for row in rows], of_groups, seed)


def _check(X: Texts, y: Lists) -> None:
    if len(X) != len(y) or not len(y):
        raise InputError(f"X has {len(X)} rows and y has {len(y)}; they must be equal, not 0")
    if not any(len(one) for one in y):
        raise InputError("y: all lists are empty")


def _answer(classifier: NeighborClassifier, X: Texts, y: Lists) -> pd.DataFrame:
    if classifier.knowledge_.exclusive:
        raise InputError("the classifier gives one label an item, and the items have lists")
    given = classifier.classify(X)
    predicted = [one if isinstance(one, list) else [] for one in given["label"]]
    return pd.DataFrame(
        {
            "item_id": given["item_id"],
            "labels": pd.Series([sorted(one) for one in y], dtype=object),
            "predicted": pd.Series(predicted, dtype=object),
            "probability": given["probability"],
            "exact": [set(one) == set(other) for one, other in zip(y, predicted, strict=True)],
        }
    )


def _usual(lists: Lists) -> list[str]:
    """Return the most frequent list; of several the first in the alphabet."""
    seen = Counter(tuple(sorted(one)) for one in lists)
    return list(min(seen.items(), key=lambda one: (-one[1], one[0]))[0])


def _score(
    answers: pd.DataFrame, usual: Lists, groups: Sequence[Any] | None, seed: int
) -> ListEvaluation:
    truth, predicted = answers["labels"].tolist(), answers["predicted"].tolist()
    n, names = len(truth), sorted({name for one in truth for name in one})
    statistics = _statistics(truth, predicted)
    weights = np.ones(n)
    return ListEvaluation(
        scores={name: one(weights) for name, one in statistics.items()},
        intervals=intervals(statistics, n, groups=groups, seed=seed),
        baseline={name: one(weights) for name, one in _statistics(truth, usual).items()},
        counts={"items": n, "labels": len(names)},
        answers=answers,
        per_label=_per_label(truth, predicted, names),
    )


def _statistics(truth: Lists, predicted: Lists) -> dict[str, Statistic]:
    """Return scores as functions of how often each item counts."""
    pairs = [(set(one), set(other)) for one, other in zip(truth, predicted, strict=True)]
    either = np.array([len(one | other) for one, other in pairs], dtype=np.float64)
    both = np.array([len(one & other) for one, other in pairs], dtype=np.float64)
    sizes = np.array([len(one) + len(other) for one, other in pairs], dtype=np.float64)
    alike = np.divide(both, either, out=np.ones(len(pairs)), where=either > 0)
    names = sorted({name for one in truth for name in one})
    right, given, there = _matrices(truth, predicted, names)

    def micro_f1(weights: FloatArray) -> float:
        return _ratio(2 * float(weights @ both), float(weights @ sizes))

    def macro_f1(weights: FloatArray) -> float:
        occurs = there.T @ weights
        seen = occurs > 0
        if not seen.any():
            return math.nan
        both_of = (right.T @ weights)[seen]
        return float(np.mean(2 * both_of / (given.T @ weights + occurs)[seen]))

    return {
        "exact": mean(np.array([one == other for one, other in pairs])),
        "micro_f1": micro_f1,
        "macro_f1": macro_f1,
        "jaccard": mean(alike),
    }


def _matrices(
    truth: Lists, predicted: Lists, names: list[str]
) -> tuple[csr_array, csr_array, csr_array]:
    """(n, labels) which labels are right, given, and there."""
    position = {name: column for column, name in enumerate(names)}
    known = [[name for name in one if name in position] for one in predicted]
    binarizer = MultiLabelBinarizer(classes=names, sparse_output=True)
    there = csr_array(binarizer.fit_transform(truth), dtype=np.float64)
    given = csr_array(binarizer.transform(known), dtype=np.float64)
    return csr_array(there.multiply(given)), given, there


def _per_label(truth: Lists, predicted: Lists, names: list[str]) -> pd.DataFrame:
    right, given, there = (one.sum(axis=0) for one in _matrices(truth, predicted, names))
    none = np.full(len(names), np.nan)
    table = pd.DataFrame(
        {
            "label": names,
            "n": there.astype(np.int64),
            "recall": right / there,
            "precision": np.divide(right, given, out=none, where=given > 0),
            "f1": 2 * right / (given + there),
        }
    )
    return table.sort_values(["f1", "label"], ignore_index=True)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
