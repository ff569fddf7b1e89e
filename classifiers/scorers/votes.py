"""Neighbors vote for their labels, each with a weight that grows with its similarity."""

import numpy as np
import numpy.typing as npt

from classifiers.arrays import FloatArray

_DIGITS = 12


def vote_weights(
    similarity: npt.ArrayLike, temperature: float, places: npt.ArrayLike = 1.0
) -> FloatArray:
    """Turn the similarities of each query's neighbors into the weights of their votes.

    ``weight_i = exp(sim_i / T) / sum_j exp(sim_j / T)``: a low temperature lets the nearest
    neighbors decide, a high one gives every neighbor the same say.

    Args:
        similarity: (n, k) cosine similarities; NaN where there is no neighbor.
        temperature: T, in units of cosine similarity; above 0.
        places: (n, k) how many votes each neighbor has; see `retrieval.Neighbors`.

    Returns:
        (n, k) weights; 0 where there is no neighbor. A row sums to 1, or to 0 where it has no
        neighbor at all.
    """
    scores = np.asarray(similarity, dtype=np.float64)
    there = ~np.isnan(scores)
    scores = np.where(there, scores, -np.inf)
    nearest = scores.max(axis=1, keepdims=True, initial=-np.inf)
    # Relative to the nearest neighbor, so that exp() can neither overflow nor lose every vote.
    relative = np.where(there, scores - np.where(np.isinf(nearest), 0.0, nearest), -np.inf)
    weights: FloatArray = np.exp(relative / temperature) * np.asarray(places)
    total = weights.sum(axis=1, keepdims=True)
    np.divide(weights, total, out=weights, where=total > 0)
    return weights


def count_votes(weights: FloatArray, classes: npt.NDArray[np.intp], n_classes: int) -> FloatArray:
    """Add up the votes for each class.

    Args:
        weights: (n, k) from `vote_weights`.
        classes: (n, k) position of each neighbor's class; -1 where there is no neighbor.
        n_classes: How many classes there are.

    Returns:
        (n, n_classes) probabilities. Where an item has no neighbor at all every class is equally
        likely.
    """
    row, column = np.nonzero(classes >= 0)
    probabilities = np.zeros((len(weights), n_classes))
    np.add.at(probabilities, (row, classes[row, column]), weights[row, column])
    probabilities[~(classes >= 0).any(axis=1)] = 1.0 / n_classes
    # Without the noise of the order of addition: equal votes are equal, and unanimity is 1.
    return probabilities.round(_DIGITS)
