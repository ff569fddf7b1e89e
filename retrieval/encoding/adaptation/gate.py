"""Judge rungs of the ladder by items that were held out, and let pass what is better for sure."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.neighbors.exact import search_exactly

Vectors = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NEIGHBORS = 20
_TEMPERATURES = (0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
_TYPICAL = 0.05
_DOUBT = 0.02  # of a vote for all labels alike, so that no label is impossible
_DRAWS = 1_000
_EDGES = (0.025, 0.975)
_CLEAR = 0.02  # of the log loss, less of which is not worth another encoder


@dataclass(frozen=True)
class Fold:
    """What is learned from, and what is judged.

    Attributes:
        learned: Positions of the items learned from.
        judged: Positions of the items held out whose label is among these.
    """

    learned: Positions
    judged: Positions


@dataclass(frozen=True)
class Scores:
    """How held-out items were labeled by the votes of their neighbors.

    Attributes:
        items: (m,) their positions.
        is_right: (m,) 1 where the label was right.
        log_loss: (m,) of the label they have.
    """

    items: Positions
    is_right: FloatArray
    log_loss: FloatArray

    @property
    def accuracy(self) -> float:
        """The share of items that were labeled rightly."""
        return float(self.is_right.mean())

    @property
    def loss(self) -> float:
        """The mean log loss."""
        return float(self.log_loss.mean())


@dataclass(frozen=True)
class Gain:
    """What one rung has over another, on the items both were judged by.

    Attributes:
        accuracy: Points of accuracy gained, as a share.
        interval: Its 95 % interval, from a bootstrap of whole groups, paired.
        loss_interval: The same of what the log loss fell by, as a share of what it was.
    """

    accuracy: float
    interval: tuple[float, float]
    loss_interval: tuple[float, float]

    @property
    def is_better(self) -> bool:
        """More are right for sure; or not fewer, and they are clearly surer of what is right."""
        return self.interval[0] > 0 or (self.accuracy >= 0 and self.loss_interval[0] > _CLEAR)


def deal_again(
    labels: Positions, groups: Positions, n: int, seed: int, *, most: int, times: int
) -> list[list[Fold]]:
    """Deal items into folds, again and again where they are few.

    What an encoder gains by a training is a matter of chance where it learns from few; the mean
    over several deals is less so.

    Args:
        labels: As of `make_folds`.
        groups: The same.
        n: The same.
        seed: Of the first deal.
        most: How many items are few.
        times: How often they are dealt.

    Returns:
        The folds of each deal.
    """
    deals = times if len(labels) <= most else 1
    return [make_folds(labels, groups, n, seed + 7_919 * deal) for deal in range(deals)]


def make_folds(labels: Positions, groups: Positions, n: int, seed: int) -> list[Fold]:
    """Deal items into folds: whole groups, each label to all folds as evenly as that goes.

    Args:
        labels: (n_items,) number of each one's label.
        groups: (n_items,) number of its group.
        n: How many folds, at most: no more than there are groups.
        seed: Of the lot.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    n_groups = len(np.unique(groups))
    n = min(n, n_groups, int(np.bincount(labels).max(initial=0)))
    if n < 2:
        return []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        dealt = np.zeros(len(labels))
        if n_groups == len(groups):  # much faster
            parts = list(StratifiedKFold(n, shuffle=True, random_state=seed).split(dealt, labels))
        else:
            dealer = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
            parts = list(dealer.split(dealt, labels, groups))
    folds = []
    for learned, held in parts:
        known = np.isin(labels[held], labels[learned])
        folds.append(Fold(learned.astype(np.int64), held[known].astype(np.int64)))
    return [one for one in folds if len(one.judged)]


@dataclass(frozen=True)
class Nearest:
    """The neighbors of held-out items.

    Attributes:
        items: (m,) positions of the items.
        similarity: (m, k).
        labels: (m, k) number of each neighbor's label; -1: there is no such neighbor.
    """

    items: Positions
    similarity: FloatArray
    labels: Positions


def nearest(fold: Fold, judged: Vectors, learned: Vectors, labels: Positions) -> Nearest:
    """Find the neighbors of a fold's held-out items.

    Args:
        fold: Which items.
        judged: Vectors of those held out.
        learned: Vectors of those learned from.
        labels: Number of the label of all items, (n_items,).
    """
    k = min(NEIGHBORS, len(learned))
    near, which = search_exactly(judged, learned, k)
    similarity = np.full((len(judged), NEIGHBORS), -np.inf)
    voters = np.full((len(judged), NEIGHBORS), -1, dtype=np.int64)
    similarity[:, :k], voters[:, :k] = near, labels[fold.learned][which]
    return Nearest(fold.judged, similarity, voters)


def scores(found: Sequence[Nearest], labels: Positions) -> Scores:
    """Score the votes of neighbors, weighted at the temperature that suits them best.

    Args:
        found: The neighbors of each fold's items. Of an item that was held out more than once the
            mean is taken.
        labels: Number of the label of all items, (n_items,).
    """
    items = np.concatenate([one.items for one in found])
    similarity = np.concatenate([one.similarity for one in found])
    voters = np.concatenate([one.labels for one in found])
    n_labels = int(labels.max()) + 1
    options = [
        _scores(items, _votes(similarity, voters, temperature, n_labels), labels[items])
        for temperature in _TEMPERATURES
    ]
    return _by_item(min(options, key=lambda one: one.loss))


def votes_of(asked: Vectors, learned: Vectors, labels: Positions) -> FloatArray:
    """Return how the neighbors of texts label them, (n, n_labels), rows sum to 1.

    Args:
        asked: (n, dim) unit vectors of the texts.
        learned: (m, dim) unit vectors of labeled ones.
        labels: (m,) number of the label of each of these.
    """
    k = min(NEIGHBORS, len(learned))
    near, which = search_exactly(asked, learned, k)
    return _votes(near.astype(np.float64), labels[which], _TYPICAL, int(labels.max()) + 1)


def _votes(
    similarity: FloatArray, voters: Positions, temperature: float, n_labels: int
) -> FloatArray:
    weights = np.exp((similarity - similarity[:, :1]) / temperature)
    weights /= weights.sum(axis=1, keepdims=True)
    row = np.broadcast_to(np.arange(len(voters))[:, None], voters.shape)
    votes = np.zeros((len(voters), n_labels))
    np.add.at(votes, (row, np.maximum(voters, 0)), weights)  # no neighbor weighs nothing
    return votes


def _scores(items: Positions, votes: FloatArray, truth: Positions) -> Scores:
    said = votes[np.arange(len(truth)), truth]
    loss = -np.log((1 - _DOUBT) * said + _DOUBT / votes.shape[1])
    return Scores(items, (votes.argmax(axis=1) == truth).astype(np.float64), loss)


def _by_item(made: Scores) -> Scores:
    items, place, times = np.unique(made.items, return_inverse=True, return_counts=True)
    if len(items) == len(made.items):
        return made
    means = (np.bincount(place, one) / times for one in (made.is_right, made.log_loss))
    return Scores(items, *means)


def compare(new: Scores, old: Scores, groups: Positions, seed: int) -> Gain:
    """Compare two rungs on the items that both were judged by.

    Args:
        new: The upper one's.
        old: The lower one's.
        groups: (n_items,) number of each item's group: whole groups are drawn.
        seed: Of the bootstrap.
    """
    _, at_new, at_old = np.intersect1d(new.items, old.items, return_indices=True)
    right = new.is_right[at_new] - old.is_right[at_old]
    before = old.log_loss[at_old]
    surer = (before - new.log_loss[at_new]) / max(float(before.mean()), 1e-12)
    codes, kinds = pd.factorize(groups[new.items[at_new]])
    n = len(kinds)
    sums = np.stack([np.bincount(codes, one, n) for one in (right, surer, np.ones(len(codes)))])
    rng = np.random.default_rng(seed)
    drawn = np.array([sums[:, rng.integers(n, size=n)].sum(axis=1) for _ in range(_DRAWS)])
    edges = np.quantile(drawn[:, :2] / drawn[:, 2:], _EDGES, axis=0)
    return Gain(float(right.mean()), _pair(edges[:, 0]), _pair(edges[:, 1]))


def _pair(edges: FloatArray) -> tuple[float, float]:
    return float(edges[0]), float(edges[1])
