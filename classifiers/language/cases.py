"""What a language model could be asked: the items of which more than one label may be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from classifiers.arrays import FloatArray
from classifiers.inputs import TEXT, Texts
from classifiers.neighbor_classifier import NeighborClassifier
from classifiers.prediction import AsOf
from retrieval import Case, InputError, column_names, item_texts

MOST_CANDIDATES = 8
_LISTED = 20  # neighbors of the labels table
_WITHOUT_SETS = 5  # candidates where there are too few examples for label sets


@dataclass(frozen=True)
class Unsure:
    """Items as the classifier sees them, and those of them a model could be asked about.

    Attributes:
        table: The labels table of all n items.
        proba: (n, C) their probabilities.
        rows: (m,) positions of the unsure ones, the most valuable first.
        cases: (m,) what to ask about each.
    """

    table: pd.DataFrame
    proba: FloatArray
    rows: list[int]
    cases: list[Case]


def unsure_items(
    classifier: NeighborClassifier,
    X: Texts,
    *,
    examples: int,
    coverage: float = 0.9,
    confidence: float = 0.5,
    as_of: AsOf | None = None,
) -> Unsure:
    """Find the items of which more than one label may be right, those first where most is to gain.

    What a right answer is worth is the probability that it changes the label: that of all
    candidates but the first. Candidates are the label set; examples are the neighbors that vote, so
    that none is of later than `as_of`.

    Args:
        classifier: A fitted one of exclusive labels.
        X: n texts or a table of items, as of `NeighborClassifier.classify`.
        examples: Neighbors to show with each item.
        coverage: Of the label sets.
        confidence: As of `NeighborClassifier.classify`.
        as_of: Only items launched up to then are examples, or vote.

    Raises:
        InputError: Items have any number of labels, or labels form a tree.
    """
    if not classifier.knowledge_.exclusive or classifier.tree_ is not None:
        raise InputError("a language model is asked for one label an item, without a hierarchy")
    table, proba = classifier.classify_with_proba(
        X,
        as_of=as_of,
        neighbors=max(examples, _LISTED),
        coverage=coverage,
        confidence=confidence,
        tells_unread=False,
    )
    candidates = [
        _candidates(classifier, row, one)
        for row, one in zip(proba, table["label_set"], strict=True)
    ]
    value = [
        float(row[some].sum() - row[some[0]]) if len(some) > 1 else 0.0
        for row, some in zip(proba, candidates, strict=True)
    ]
    order = [int(row) for row in np.argsort(-np.array(value), kind="stable") if value[row] > 0]
    texts = _texts_of(classifier, X)
    shown = _examples(classifier, table, order, examples)
    names = classifier.classes_
    cases = [
        Case(texts[row], tuple(str(names[one]) for one in candidates[row]), near)
        for row, near in zip(order, shown, strict=True)
    ]
    return Unsure(table, proba, order, cases)


def _candidates(
    classifier: NeighborClassifier, proba: FloatArray, label_set: list[object] | None
) -> list[int]:
    """Return the positions of an item's candidates, the most probable first."""
    order = [int(one) for one in np.argsort(-proba, kind="stable")[:MOST_CANDIDATES]]
    if label_set is None:
        return order[:_WITHOUT_SETS]
    inside = set(label_set)
    return [one for one in order if classifier.classes_[one] in inside]


def _texts_of(classifier: NeighborClassifier, X: Texts) -> list[str]:
    if not isinstance(X, pd.DataFrame):
        return [str(one) for one in X]
    text = classifier.index_.layout.text
    columns = column_names(text, "text") if text else [TEXT]
    return [str(one) for one in item_texts(X, columns)]


def _examples(
    classifier: NeighborClassifier, table: pd.DataFrame, rows: list[int], most: int
) -> list[tuple[tuple[str, str], ...]]:
    """Return the neighbors of items as a model sees them: text and label."""
    near = [table["neighbors"].iloc[row][:most] for row in rows]
    ids = sorted({one["item_id"] for some in near for one in some})
    if not ids or most == 0:
        return [()] * len(rows)
    got = classifier.index_.get(ids)
    texts = dict(zip(got["item_id"], got["text"], strict=True))
    return [
        tuple(
            (str(texts[one["item_id"]]), str(one["label"]))
            for one in some
            if one["item_id"] in texts
        )
        for some in near
    ]
