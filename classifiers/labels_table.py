"""Answers to a batch of items, and the labels table made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.inputs import stored_names
from classifiers.labels.tree import LabelTree
from classifiers.scorers.ensemble import HEAD
from classifiers.scorers.votes import FloatArray
from retrieval import Neighbors

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answer:
    """What the classifier has to say about n items.

    Attributes:
        near: The neighbors that voted.
        weights: (n, k) their share of the vote.
        classes: (C,) the labels.
        proba: (n, C) calibrated probabilities.
        added: Part → (n, C) what it adds to the probability; the rest, up to it, is spread over all
            labels alike.
        head_knows: (C,) which labels the head knows.
        novelty: (n,) higher for items less like anything known; NaN where nothing could be seen.
        known: (n,) whether that is below the threshold.
        sets: (n, C) which labels are in the label set; None where there is none.
    """

    near: Neighbors
    weights: FloatArray
    classes: npt.NDArray[Any]
    proba: FloatArray
    added: Mapping[str, FloatArray]
    head_knows: BoolArray
    novelty: FloatArray
    known: BoolArray
    sets: BoolArray | None

    def replaced(self, other: Answer, rows: BoolArray) -> Answer:
        """Return this answer with those rows, (n,), taken from another one to the same items."""

        def pick(mine: npt.NDArray[Any], its: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.where(rows.reshape(-1, *[1] * (mine.ndim - 1)), its, mine)

        none = np.zeros_like(self.proba)
        sets = None
        if self.sets is not None and other.sets is not None:
            sets = pick(self.sets, other.sets)
        added = {part: pick(one, other.added.get(part, none)) for part, one in self.added.items()}
        return replace(
            self,
            proba=pick(self.proba, other.proba),
            added=added,
            novelty=pick(self.novelty, other.novelty),
            known=pick(self.known, other.known),
            sets=sets,
        )

    @property
    def seen(self) -> BoolArray:
        """Whether anything was there to answer from, (n,)."""
        return ~np.isnan(self.novelty)


def labels_table(
    answer: Answer, *, listed: int, exclusive: bool, tree: LabelTree | None, confidence: float
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
            "novelty": answer.novelty,
            "label_set": objects(_sets(answer)),
            "neighbors": objects(
                neighbor_lists(answer.near, answer.weights, listed, exclusive=exclusive)
            ),
            "parts": objects(_parts(answer, best)),
        },
        index=rows,
    )


def neighbor_lists(
    near: Neighbors, weights: FloatArray, listed: int, *, exclusive: bool
) -> list[list[dict[str, Any]]]:
    """Return the neighbors of each item, the most similar first, as a list of mappings."""
    rows = zip(
        near.ids.tolist(),
        near.labels.tolist(),
        near.similarity.astype(np.float64).tolist(),
        weights.tolist(),
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
            }
            for one, label, alike, weight in zip(
                ids[:there], labels[:there], similarity[:there], shares[:there], strict=True
            )
        ]
        for ids, labels, similarity, shares, valid in rows
        for there in [min(valid, listed)]
    ]


def _several(answer: Answer) -> tuple[list[list[Any] | None], list[list[float]]]:
    """Return the labels each item has, the most probable first, and their probabilities."""
    chosen = answer.sets if answer.sets is not None else np.zeros(answer.proba.shape, dtype=bool)
    probabilities = [
        np.sort(row[has])[::-1].tolist() for row, has in zip(answer.proba, chosen, strict=True)
    ]
    return _sets(answer), probabilities


def _sets(answer: Answer) -> list[list[Any] | None]:
    """Return each item's label set, the most probable label first; None where there is none."""
    if answer.sets is None:
        return [None] * len(answer.proba)
    sets: list[list[Any] | None] = []
    for row, has in zip(answer.proba, answer.sets, strict=True):
        inside = np.flatnonzero(has)
        order = inside[np.argsort(-row[inside], kind="stable")]
        sets.append(answer.classes[order].tolist())
    return sets


def _parts(answer: Answer, best: npt.NDArray[np.intp]) -> list[dict[str, float | None]]:
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
