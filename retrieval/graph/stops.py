"""How far down a tree an item can be told of: the lowest concept that is sure enough.

The concepts that an item is most like vote, and from the root on the way follows the branch with
most of the votes. How sure each step is, nobody can tell by a similarity alone. So the items whose
concept is known (by a person, or a table) are asked as if it were not, and of how often each step
was right a logistic regression learns the probability (Platt 1999). A step is never surer than the
one above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from retrieval.graph.links import Positions, find_candidates
from retrieval.graph.names import NameVectors
from retrieval.graph.tree import ConceptTree, Ints

FEWEST_KNOWN = 50
_TEMPERATURES = (0.01, 0.03, 0.1)  # of the votes; which is best, known items tell
_BLOCK = 512
_CLOSE = 1e-3  # to 0 or 1, beyond which a share of the votes says no more

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ways:
    """The ways of n items down a tree.

    Attributes:
        way: (n, d) positions in the tree, -1 beyond the last.
        signals: (n, d, 4) of each step: the share of the votes as log odds, the best similarity
            below it, how much that is above the best elsewhere, how deep it is.
    """

    way: Ints
    signals: Floats

    def __getitem__(self, rows: npt.NDArray[np.bool_] | Positions) -> Ways:
        """Return some of the items."""
        return Ways(self.way[rows], self.signals[rows])


@dataclass(frozen=True)
class Stops:
    """What the probability of a step is made of.

    Attributes:
        weights: (4,) of the signals.
        bias: The rest.
        known: How many items it was learned from.
        temperature: Of the votes.
    """

    weights: Sequence[float]
    bias: float
    known: int
    temperature: float = _TEMPERATURES[-1]

    @classmethod
    def learn(cls, ways: Ways, truth: Ints, tree: ConceptTree) -> Stops | None:
        """Learn from n items whose concept is known; None where they are too few, or all alike.

        Args:
            ways: As found without what is known.
            truth: (n,) position of the concept of each in the tree; -1 where it is of none.
            tree: The concepts.
        """
        from sklearn.linear_model import LogisticRegression  # slow, and settings do without

        if len(truth) < FEWEST_KNOWN:
            return None
        there = ways.way >= 0
        right = (ways.way == tree.way[np.maximum(truth, 0)]) & (truth >= 0)[:, None]
        if len(np.unique(right[there])) < 2:
            return None
        model = LogisticRegression(C=10.0, max_iter=1_000)
        model.fit(ways.signals[there], right[there])
        return cls(
            model.coef_[0].round(6).tolist(), round(float(model.intercept_[0]), 6), len(truth)
        )

    def probability(self, ways: Ways) -> Floats:
        """(n, d) of each step of n ways; 0 beyond the last."""
        logit = ways.signals @ np.asarray(self.weights) + self.bias
        alone = np.where(ways.way >= 0, 1 / (1 + np.exp(-logit)), 0.0)
        return np.minimum.accumulate(alone, axis=1)

    def lowest(self, ways: Ways, precision: float) -> tuple[Ints, Floats]:
        """(n,) the lowest concept of each way that is sure enough, -1 for none; (n,) how sure."""
        probability = self.probability(ways)
        count = (probability >= precision).sum(axis=1)
        at = np.maximum(count - 1, 0)
        rows = np.arange(len(at))
        return np.where(count > 0, ways.way[rows, at], -1), probability[rows, at]


def learn_stops(
    vectors: npt.NDArray[np.float32], truth: Ints, names: NameVectors, tree: ConceptTree
) -> Stops | None:
    """Learn from n items whose concept is known, by the votes that lead furthest the right way.

    Args:
        vectors: (n, d) unit rows of the items.
        truth: (n,) position of the concept of each in the tree; -1 where it is of none.
        names: All names of the concepts.
        tree: The concepts.

    Returns:
        None where the items are too few, or all alike.
    """
    found = {one: find_ways(vectors, names, tree, one) for one in _TEMPERATURES}
    target = np.where(truth[:, None] >= 0, tree.way[np.maximum(truth, 0)], -2)
    best = max(found, key=lambda one: int((found[one].way == target).sum()))
    made = Stops.learn(found[best], truth, tree)
    return None if made is None else replace(made, temperature=best)


def find_ways(
    vectors: npt.NDArray[np.float32],
    names: NameVectors,
    tree: ConceptTree,
    temperature: float = _TEMPERATURES[-1],
) -> Ways:
    """Return the ways of n items down a tree.

    Args:
        vectors: (n, d) unit rows of the items.
        names: All names of the concepts.
        tree: The concepts.
        temperature: Of the votes.
    """
    place = {one: at for at, one in enumerate(tree.ids)}
    of = np.array([place[one] for one in names.concepts], dtype=np.int64)
    parts = [
        _ways_of(vectors[start : start + _BLOCK], names, of, tree, temperature)
        for start in range(0, len(vectors), _BLOCK)
    ]
    depth = tree.way.shape[1]
    return Ways(
        np.concatenate([np.empty((0, depth), np.int64), *(one.way for one in parts)]),
        np.concatenate([np.empty((0, depth, 4)), *(one.signals for one in parts)]),
    )


def _ways_of(
    vectors: npt.NDArray[np.float32],
    names: NameVectors,
    of: Ints,
    tree: ConceptTree,
    temperature: float,
) -> Ways:
    candidates, score = find_candidates(vectors, names)
    node = tree.way[of[candidates]]  # (n, k, d)
    first = _first_of_each(candidates)
    score = np.where(first, score, -np.inf).astype(np.float64)
    votes = np.exp((score - score.max(axis=1, keepdims=True)) / temperature)
    votes /= votes.sum(axis=1, keepdims=True)
    n, depth = len(vectors), tree.way.shape[1]
    way, signals = np.full((n, depth), -1, np.int64), np.zeros((n, depth, 4))
    inside = first.copy()
    rows = np.arange(n)
    for level in range(depth):
        here = node[:, :, level]
        open_to = inside & (here >= 0)
        cast = np.where(open_to, votes, 0.0)
        together = (cast[:, None, :] * (here[:, :, None] == here[:, None, :])).sum(axis=2)
        chosen = here[rows, np.where(open_to, together, -1.0).argmax(axis=1)]
        goes_on = np.asarray(open_to.any(axis=1))
        inside = open_to & (here == chosen[:, None])
        way[:, level] = np.where(goes_on, chosen, -1)
        share = np.clip(np.where(inside, votes, 0.0).sum(axis=1), _CLOSE, 1 - _CLOSE)
        best = np.where(inside, score, -np.inf).max(axis=1)
        other = np.where(first & ~inside, score, -np.inf).max(axis=1)
        best = np.where(goes_on, best, 0.0)
        apart = np.where(goes_on & np.isfinite(other), best - other, best)
        steps = [np.log(share / (1 - share)), best, apart, np.full(n, float(level))]
        signals[:, level] = np.where(goes_on[:, None], np.stack(steps, axis=1), 0.0)
    return Ways(way, signals)


def _first_of_each(candidates: Positions) -> npt.NDArray[np.bool_]:
    """(n, k) whether a candidate has not stood further to the left."""
    order = np.argsort(candidates, axis=1, kind="stable")
    ranked = np.take_along_axis(candidates, order, axis=1)
    is_first = np.ones(candidates.shape, dtype=bool)
    is_first[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    out = np.empty_like(is_first)
    np.put_along_axis(out, order, is_first, axis=1)
    return out
