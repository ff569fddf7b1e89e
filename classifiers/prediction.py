"""Items in, answers out: batch by batch, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import BoolArray, FloatArray, Vectors
from classifiers.decision.decision import Decision, without_floor
from classifiers.fitted import FittedState
from classifiers.inputs import Texts, as_queries
from classifiers.labels.candidates import Candidates, allowed_labels, restrict
from classifiers.labels.tree import LabelTree
from classifiers.scorers.ensemble import NEIGHBORS
from classifiers.scorers.votes import vote_weights
from retrieval import (
    InputError,
    ItemIndex,
    Neighbors,
    ReadingCounts,
    Where,
    item_texts,
    to_reading,
)

Date = str | date | np.datetime64
AsOf = Date | Sequence[Date] | pd.Series
"""A moment, or one for each item."""

# Neighbors, and probabilities of each part, held in memory at a time.
_BATCH_VOTES = 2_000_000
_BATCH_CELLS = 4_000_000


@dataclass(frozen=True)
class Query:
    """What is asked; see `NeighborClassifier.classify`.

    Attributes:
        X: n texts, or a DataFrame of items; or vectors (n, d) of the index' encoder.
        as_of: Only items launched up to then vote; a date, or one for each item.
        where: Only items that pass this filter vote.
        candidates: Labels, or nodes of `tree`, that come into question.
        coverage: Of the label sets; None for none.
        per_label: Whether coverage holds within each label.
        must_cover: Whether too few examples for label sets are an error.
        tells_unread: Whether to warn of texts that the encoder cannot read.
        tree: Of the labels.
        ids: Own ids of the items, where X is vectors.
    """

    X: Texts | Vectors
    as_of: AsOf | None = None
    where: Where | None = None
    candidates: Candidates | None = None
    coverage: float | None = None
    per_label: bool = False
    must_cover: bool = False
    tells_unread: bool = False
    tree: LabelTree | None = None
    ids: Sequence[str] | None = None

    @property
    def is_bound(self) -> bool:
        """Whether some items must not be seen, so that only neighbors may answer."""
        return self.as_of is not None or self.where is not None


def answers(question: Query, knowledge: FittedState, index: ItemIndex) -> Iterator[Prediction]:
    """Answer a question, in one batch at least.

    Raises:
        InputError: The question cannot be understood.
    """
    queries: Any = question.X
    if question.ids is None:
        queries = as_queries(
            queries,
            text=index.layout.text,
            item_id=index.layout.item_id,
            image=index.layout.image,
        )
    n, names = len(queries), knowledge.names
    dates = _date_of_each(question.as_of, n)
    allowed = None
    if question.candidates is not None:
        allowed = allowed_labels(question.candidates, knowledge.classes, n, question.tree)
    k = _voters(knowledge)
    size = max(1, _BATCH_VOTES // k)
    for start in range(0, max(n, 1), size):
        batch = slice(start, start + size)
        own = None if question.ids is None else question.ids[batch]
        reading, ids = to_reading(queries[batch], own, index.layout, index.encoder)
        vectors = reading.vectors
        if question.tells_unread:
            told = queries[batch]
            if isinstance(told, pd.DataFrame):
                told = item_texts(told, index.layout.text).tolist()
            ReadingCounts.of(told, reading).warn("items", stacklevel=5)
        near = index.voters(
            vectors,
            k,
            ids=ids.tolist(),
            as_of=None if dates is None else dates[batch],
            labeled=True,
            where=question.where,
        )
        step = max(1, _BATCH_CELLS // len(names))
        for first in range(0, max(len(vectors), 1), step):
            rows = slice(first, first + step)
            some = None if allowed is None else allowed[batch][rows]
            answer = _answer(question, knowledge, vectors[rows], near[rows], some)
            yield answer.without_unread(reading.readable[rows])


def _voters(knowledge: FittedState) -> int:
    """How many neighbors vote. Of descriptions alone every one does: none is like the other."""
    if knowledge.example_ids or knowledge.trained.sources.prototypes is not None:
        return knowledge.options.k
    return max(knowledge.options.k, len(knowledge.names))


def _answer(
    question: Query,
    knowledge: FittedState,
    vectors: Vectors,
    near: Neighbors,
    allowed: BoolArray | None,
) -> Prediction:
    trained = knowledge.trained
    # What prototypes and head learned of an item must not answer for it, nor what they learned of
    # items that are not to be seen.
    bound = np.array([one in knowledge.example_ids for one in near.queries], dtype=bool)
    bound |= question.is_bound
    only_votes = bool(bound.all())
    said = trained.sources.parts(
        vectors, near.similarity, near.labels, places=near.places, votes_only=only_votes
    )
    by = trained.votes_decision if only_votes else trained.decision
    answer = _decided(question, knowledge, by, said, near, allowed)
    if only_votes or not bound.any():
        return answer
    votes = _decided(question, knowledge, trained.votes_decision, said, near, allowed)
    return answer.replaced(votes, bound)


def _decided(
    question: Query,
    knowledge: FittedState,
    decision: Decision,
    said: dict[str, FloatArray],
    near: Neighbors,
    allowed: BoolArray | None,
) -> Prediction:
    sources, names = knowledge.trained.sources, knowledge.names
    added = decision.contributions(said, sources.head_knows, knowledge.counts > 0)
    mixture = np.asarray(sum(added.values()))
    proba = decision.probabilities(added, names)
    nearest = near.nearest(_voters(knowledge))
    novelty = decision.novelty.score(decision.features(nearest, proba, names))
    unseen = ~near.valid.any(axis=1) & (list(without_floor(added)) == [NEIGHBORS])
    novelty[unseen] = np.nan
    known = decision.novelty.knows(novelty, proba, decision.sizes_of(names, knowledge.counts))
    if allowed is not None:
        proba = restrict(proba, allowed, exclusive=knowledge.exclusive)
    share = np.divide(proba, mixture, out=np.zeros_like(proba), where=mixture > 0)
    sets, assured = _sets(question, knowledge, decision, proba, allowed)
    return Prediction(
        near=near,
        weights=vote_weights(near.similarity, sources.temperature, near.places),
        classes=knowledge.classes,
        proba=proba,
        added={part: one * share for part, one in without_floor(added).items()},
        head_knows=sources.head_knows,
        novelty=novelty,
        known=known,
        sets=sets,
        assured=assured[proba.argmax(axis=1)] & ~unseen,
    )


def _sets(
    question: Query,
    knowledge: FittedState,
    decision: Decision,
    proba: FloatArray,
    allowed: BoolArray | None,
) -> tuple[BoolArray | None, BoolArray]:
    """Return the label sets, (n, C), and of which labels coverage is assured, (C,)."""
    sets, assured = decision.label_sets, np.zeros(len(knowledge.names), dtype=bool)
    if not knowledge.exclusive:
        inside = decision.chosen(proba, knowledge.names)
    elif question.coverage is None:
        return None, assured
    elif sets is None or not sets.can_cover(question.coverage):
        if question.must_cover:
            raise InputError(
                f"coverage {question.coverage} needs more examples, 2 or more a label; there are "
                f"out-of-fold answers to {0 if sets is None else len(sets.out_of_fold)}"
            )
        return None, assured
    else:
        names = knowledge.names
        inside, assured = sets.members(
            proba,
            names,
            decision.sizes_of(names, knowledge.counts),
            question.coverage,
            per_label=question.per_label,
        )
    return (inside if allowed is None else inside & allowed), assured


def _date_of_each(as_of: AsOf | None, n: int) -> list[Date] | None:
    if as_of is None:
        return None
    is_several = isinstance(as_of, (list, tuple, pd.Series, pd.Index, np.ndarray)) and np.ndim(
        np.asarray(as_of, dtype=object)
    )
    dates: list[Any] = list(as_of) if is_several else [as_of] * n  # type: ignore[arg-type]
    if len(dates) != n:
        raise InputError(f"as_of holds {len(dates)} dates for {n} items")
    return dates


@dataclass(frozen=True)
class Prediction:
    """What the classifier has to say about n items.

    Attributes:
        near: The neighbors that voted, those that tie and have one label together.
        weights: (n, k) their share of the vote.
        classes: (C,) the labels.
        proba: (n, C) calibrated probabilities.
        added: Part → (n, C) what it adds to the probability; the rest, up to it, is spread over all
            labels alike.
        head_knows: (C,) which labels the head knows.
        novelty: (n,) higher for items less like anything known; NaN where nothing could be seen.
        known: (n,) whether that is below the threshold.
        sets: (n, C) which labels are in the label set; None where there is none.
        assured: (n,) whether the coverage of the sets holds for items of the most probable label.
        readable: (n,) whether the encoder can read the item; None: all of them.
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
    assured: BoolArray
    readable: BoolArray | None = None

    def replaced(self, other: Prediction, rows: BoolArray) -> Prediction:
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
            assured=pick(self.assured, other.assured),
        )

    def without_unread(self, readable: BoolArray) -> Prediction:
        """Return this answer, items whose text could not be read, (n,), as none of these."""
        if readable.all():
            return self
        novelty = np.where(readable, self.novelty, np.maximum(self.novelty, 1.0))
        return replace(self, novelty=novelty, known=self.known & readable, readable=readable)

    @property
    def seen(self) -> BoolArray:
        """Whether anything was there to answer from, (n,)."""
        return ~np.isnan(self.novelty)
