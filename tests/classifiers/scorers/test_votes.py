import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from classifiers.scorers.votes import count_votes, vote_weights

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 8))


@st.composite
def similarities(draw: st.DrawFn) -> np.ndarray:
    """Rows of cosine similarities, some cells without a neighbor."""
    shape = draw(SHAPES)
    values = draw(arrays.arrays(np.float32, shape, elements=st.floats(-1, 1, width=32)))
    missing = draw(arrays.arrays(bool, shape))
    return np.where(missing, np.float32(np.nan), values)


@given(similarities(), st.floats(1e-6, 1e3))
def test_weights_sum_to_one_wherever_there_is_a_neighbor(
    similarity: np.ndarray, temperature: float
) -> None:
    weights = vote_weights(similarity, temperature)
    there = ~np.isnan(similarity)
    assert np.allclose(weights.sum(axis=1), there.any(axis=1))
    assert (weights[~there] == 0).all()
    assert (weights >= 0).all()


@given(similarities(), st.floats(1e-2, 1e3))
def test_the_more_similar_neighbor_never_weighs_less(
    similarity: np.ndarray, temperature: float
) -> None:
    weights = vote_weights(similarity, temperature)
    for row, weight in zip(similarity, weights, strict=True):
        order = np.argsort(row[~np.isnan(row)])
        assert (np.diff(weight[~np.isnan(row)][order]) >= 0).all()


def test_weights_follow_the_formula() -> None:
    weights = vote_weights([[0.9, 0.8, np.nan]], temperature=0.1)
    assert weights == pytest.approx(np.array([[np.e / (1 + np.e), 1 / (1 + np.e), 0]]))


def test_temperature_goes_from_the_nearest_alone_to_one_neighbor_one_vote() -> None:
    similarity = [[0.9, 0.8, 0.7]]
    assert vote_weights(similarity, 1e-6) == pytest.approx(np.array([[1, 0, 0]]))
    assert vote_weights(similarity, 1e6) == pytest.approx(np.full((1, 3), 1 / 3), abs=1e-6)


@given(similarities(), st.integers(1, 5), st.data())
def test_probabilities_sum_to_one(
    similarity: np.ndarray, n_classes: int, data: st.DataObject
) -> None:
    picked = arrays.arrays(np.intp, similarity.shape, elements=st.integers(0, n_classes - 1))
    classes = np.where(np.isnan(similarity), -1, data.draw(picked))
    probabilities = count_votes(vote_weights(similarity, 0.05), classes, n_classes)
    assert probabilities.shape == (len(similarity), n_classes)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_votes_add_up_by_class() -> None:
    votes = count_votes(np.array([[0.5, 0.3, 0.2]]), np.array([[2, 0, 2]]), 3)
    assert votes == pytest.approx(np.array([[0.3, 0, 0.7]]))


def test_no_neighbor_means_every_class_is_equally_likely() -> None:
    votes = count_votes(np.zeros((1, 2)), np.array([[-1, -1]]), 4)
    assert (votes == 0.25).all()


def test_unanimity_is_exactly_one() -> None:
    tenths = np.full((1, 10), 0.1)  # added one by one they miss 1 by the last bit
    assert count_votes(tenths, np.zeros((1, 10), dtype=np.intp), 1).item() == 1.0


def test_no_query_gives_no_row() -> None:
    assert vote_weights(np.empty((0, 3)), 0.05).shape == (0, 3)
    assert count_votes(np.empty((0, 3)), np.empty((0, 3), dtype=np.intp), 2).shape == (0, 2)
