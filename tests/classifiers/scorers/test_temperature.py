import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import expit, logit, softmax

from classifiers.scorers.temperature import FEWEST, Scaling, fit_scaling

SLOPES = st.floats(0.05, 20)


def _drawn(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw labels from the probabilities that these scores stand for."""
    edges = softmax(scores, axis=1).cumsum(axis=1)
    return (rng.random((len(scores), 1)) > edges[:, :-1]).sum(axis=1)


@st.composite
def probabilities(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 6)))
    raw = draw(arrays.arrays(np.float64, shape, elements=st.floats(0, 1)))
    raw[:, 0] += 0.01
    return raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_labels", [2, 3, 12])
@pytest.mark.parametrize("true_slope", [0.5, 1.0, 3.0])
def test_the_temperature_is_found(n_labels: int, true_slope: float) -> None:
    rng = np.random.default_rng(n_labels)
    scores = rng.normal(size=(20_000, n_labels))
    targets = _drawn(true_slope * scores, rng)
    found = fit_scaling(softmax(scores, axis=1), targets)
    assert found.slope == pytest.approx(true_slope, rel=0.1)
    assert (found.offset, found.exclusive) == (0.0, True)


def test_the_temperature_is_found_where_only_two_of_the_labels_occur() -> None:
    rng = np.random.default_rng(3)
    scores = np.hstack([rng.normal(size=(20_000, 2)), np.full((20_000, 3), -30.0)])
    targets = _drawn(2 * scores, rng)
    assert set(targets) == {0, 1}
    assert fit_scaling(softmax(scores, axis=1), targets).slope == pytest.approx(2, rel=0.1)


def test_the_sigmoid_of_several_labels_is_found() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(-1, 1.5, size=(8_000, 3))
    targets = rng.random(scores.shape) < expit(2 * scores + 0.7)
    found = fit_scaling(expit(scores), targets)
    assert (found.slope, found.offset) == pytest.approx((2, 0.7), rel=0.1)
    assert found.apply(expit(scores)) == pytest.approx(expit(2 * scores + 0.7), abs=0.03)


@given(probabilities(), SLOPES)
def test_rows_of_one_label_still_sum_to_one(proba: np.ndarray, slope: float) -> None:
    scaled = Scaling(slope=slope).apply(proba)
    assert np.allclose(scaled.sum(axis=1), 1)
    assert (scaled >= 0).all()


@given(probabilities(), SLOPES, st.floats(-3, 3), st.booleans())
def test_the_order_within_a_row_stays(
    proba: np.ndarray, slope: float, offset: float, exclusive: bool
) -> None:
    scaled = Scaling(slope, 0.0 if exclusive else offset, exclusive).apply(proba)
    order = np.argsort(proba, axis=1)
    assert (np.diff(np.take_along_axis(scaled, order, axis=1), axis=1) >= 0).all()


def test_a_slope_above_one_makes_surer_and_one_below_less_sure() -> None:
    proba = np.array([[0.7, 0.2, 0.1]])
    assert Scaling(slope=2).apply(proba)[0, 0] > 0.7 > Scaling(slope=0.5).apply(proba)[0, 0]
    several = Scaling(2.0, 0.5, exclusive=False).apply(proba)
    assert logit(several) == pytest.approx(2 * logit(proba) + 0.5)


def test_the_default_changes_nothing() -> None:
    proba = np.array([[1.0, 0.0], [0.3, 0.7]])
    assert (Scaling().apply(proba) == proba).all()
    assert (Scaling(exclusive=False).apply(proba) == proba).all()


def test_certainty_does_not_break_it() -> None:
    proba = np.eye(3)[np.arange(90) % 3]
    targets = np.arange(90) % 3
    targets[:9] = (targets[:9] + 1) % 3
    found = fit_scaling(proba, targets)
    assert 0 < found.slope < 1
    assert found.apply(proba).max() == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("n", [99, 999])
def test_that_no_answer_was_wrong_does_not_make_it_sure(n: int) -> None:
    proba = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]])[np.arange(n) % 3]
    found = fit_scaling(proba, proba.argmax(axis=1))
    # One more answer is taken to be wrong: Laplace's rule of succession.
    assert found.apply(proba).max() == pytest.approx(n / (n + 1), abs=0.1 / n)


@pytest.mark.parametrize("several", [False, True])
def test_too_few_answers_change_nothing(several: bool) -> None:
    rng = np.random.default_rng(5)
    proba = rng.dirichlet(np.ones(3), FEWEST - 1)
    targets = rng.integers(0, 3, FEWEST - 1)
    found = fit_scaling(proba, np.eye(3, dtype=bool)[targets] if several else targets)
    assert found == Scaling(exclusive=not several)


def test_one_label_alone_teaches_nothing() -> None:
    assert fit_scaling(np.ones((100, 1)), np.zeros(100, dtype=np.intp)) == Scaling()
    proba = np.full((100, 2), 0.5)
    assert fit_scaling(proba, np.zeros(100, dtype=np.intp)) == Scaling()
    assert fit_scaling(proba, np.zeros((100, 2), dtype=bool)) == Scaling(exclusive=False)


def test_answers_worse_than_chance_are_not_turned_around() -> None:
    targets = np.arange(200).reshape(-1, 2) % 3 == 0
    proba = np.where(targets, 0.2, 0.8)
    assert fit_scaling(proba, targets) == Scaling(exclusive=False)
