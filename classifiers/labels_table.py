"""Answers to a batch of items, and the labels table made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import FloatArray
from classifiers.inputs import stored_names
from classifiers.labels.tree import LabelTree
from classifiers.prediction import Prediction
from classifiers.scorers.ensemble import HEAD
from retrieval import Neighbors

UNLIKE = "unlike what is known of all labels; the probability only compares them with each other"
UNSEEN = "there is nothing to compare it with"
UNREADABLE = "its text cannot be read by the encoder"


def labels_table(
    answer: Prediction, *, listed: int, exclusive: bool, tree: LabelTree | None, confidence: float
) -> pd.DataFrame:
    """Make the labels table of an answer.

    Args:
        answer: To n items.
        listed: How many neighbors to list.
        exclusive: Whether an item has one label; else `sets` are its labels.
        tree: Labels are named at the deepest level of it that reaches `confidence`.
        confidence: A probability.
    """
    best = answer.proba.argmax(axis=1)
    rows = pd.RangeIndex(len(best))  # to find that all columns have the same takes a millisecond

    def objects(values: Sequence[Any] | npt.NDArray[np.object_]) -> pd.Series:
        return pd.Series(values, index=rows, dtype=object)

    label: Sequence[Any]
    probability: Sequence[Any]
    if not exclusive:
        label, probability = _several(answer)
    elif tree is not None:
        node, reached = tree.deepest(tree.probabilities(answer.proba), confidence)
        label = [None if one < 0 else tree.nodes[one] for one in node]
        probability = reached.tolist()
    else:
        top = np.take_along_axis(answer.proba, best[:, None], axis=1)[:, 0]
        named = answer.classes[best].tolist()
        label = [one if seen else None for one, seen in zip(named, answer.seen, strict=True)]
        probability = np.where(answer.seen, top, np.nan).tolist()
    return pd.DataFrame(
        {
            "item_id": objects(answer.near.queries),
            "label": objects(label),
            "probability": np.array(probability) if exclusive else objects(probability),
            "known": answer.known,
            "why": objects(_why(answer)),
            "novelty": answer.novelty,
            "label_set": objects(_sets(answer)),
            "assured": answer.assured,
            "neighbors": objects(
                neighbor_lists(answer.near, answer.weights, listed, exclusive=exclusive)
            ),
            "parts": objects(_parts(answer, best)),
        },
        index=rows,
    )


def _why(answer: Prediction) -> list[str | None]:
    """Return why each item is none of these, in words; None where it is known."""
    why = np.full(len(answer.known), None, dtype=object)
    why[~answer.known] = UNLIKE
    why[~answer.known & ~answer.seen] = UNSEEN
    if answer.readable is not None:
        why[~answer.known & ~answer.readable] = UNREADABLE
    return why.tolist()


def neighbor_lists(
    near: Neighbors, weights: FloatArray, listed: int, *, exclusive: bool
) -> list[list[dict[str, Any]]]:
    """Return the neighbors of each item, the most similar first, as a list of mappings.

    Twins, items that tie and have one label, are one line with their number.
    """
    rows = zip(
        near.ids.tolist(),
        near.labels.tolist(),
        near.similarity.astype(np.float64).tolist(),
        weights.tolist(),
        near.count.tolist(),
        near.valid.sum(axis=1).tolist(),
        strict=True,
    )
    return [
        [
            {
                "item_id": one,
                "label": label if exclusive else stored_names(label),
                "similarity": alike,
                "weight": weight,
                "count": count,
            }
            for one, label, alike, weight, count in zip(
                ids[:there],
                labels[:there],
                similarity[:there],
                shares[:there],
                counts[:there],
                strict=True,
            )
        ]
        for ids, labels, similarity, shares, counts, valid in rows
        for there in [min(valid, listed)]
    ]


def _several(answer: Prediction) -> tuple[list[list[Any] | None], list[list[float]]]:
    """Return the labels each item has, the most probable first, and their probabilities."""
    chosen = answer.sets if answer.sets is not None else np.zeros(answer.proba.shape, dtype=bool)
    probabilities = [
        np.sort(row[has])[::-1].tolist() for row, has in zip(answer.proba, chosen, strict=True)
    ]
    return _sets(answer), probabilities


def _sets(answer: Prediction) -> list[list[Any] | None]:
    """Return each item's label set, the most probable label first; None where there is none."""
    if answer.sets is None:
        return [None] * len(answer.proba)
    sets: list[list[Any] | None] = []
    for row, has in zip(answer.proba, answer.sets, strict=True):
        inside = np.flatnonzero(has)
        order = inside[np.argsort(-row[inside], kind="stable")]
        sets.append(answer.classes[order].tolist())
    return sets


def _parts(answer: Prediction, best: npt.NDArray[np.intp]) -> list[dict[str, float | None]]:
    """Return what each part adds to the probability of the most probable label.

    The head's is None where it does not know that label yet.
    """
    columns = {
        part: np.take_along_axis(added, best[:, None], axis=1)[:, 0].tolist()
        for part, added in answer.added.items()
    }
    if HEAD in columns:
        knows = answer.head_knows[best]
        columns[HEAD] = [
            value if known else None for value, known in zip(columns[HEAD], knows, strict=True)
        ]
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
