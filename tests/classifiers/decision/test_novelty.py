import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from classifiers.decision.novelty import (
    N_FEATURES,
    Novelty,
    fit_novelty,
    novelty_features,
    nth_similarity,
)
from classifiers.scorers.temperature import FEWEST

NAN = np.nan


def _lying(near: float, spread: float, n: int, seed: int) -> np.ndarray:
    """Features of items whose neighbors are about so near, and agree the more the nearer."""
    rng = np.random.default_rng(seed)
    nearest = rng.normal(near, spread, size=(n, 1))
    similarity = nearest - np.linspace(0, 0.2, 8)
    sure = np.clip(nearest[:, 0], 0.05, 0.95)
    return novelty_features(similarity, np.column_stack([sure, 1 - sure]), np.full(2, 0.5))


def test_features_of_an_item_are_as_defined() -> None:
    similarity = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]], dtype=np.float32)
    proba = np.array([[0.1, 0.7, 0.2]])
    features = novelty_features(similarity, proba, np.array([0.0, 0.3, 0.0]))
    assert features == pytest.approx(np.array([[0.9, 0.5, 0.4, 0.2, 0.7, 0.5]]), abs=1e-6)
    assert features.shape == (1, N_FEATURES)


def test_the_last_neighbor_stands_in_for_those_that_are_missing() -> None:
    similarity = np.array([[0.9, 0.8, NAN, NAN, NAN, NAN], [NAN] * 6])
    features = novelty_features(similarity, np.full((2, 2), 0.5), np.zeros(2))
    assert features[0, :3].tolist() == [0.9, 0.8, 0.8]
    assert features[1, :3].tolist() == [-1, -1, -1]
    assert np.isfinite(features).all()


def test_one_label_leads_by_its_whole_probability() -> None:
    features = novelty_features(np.array([[0.5]]), np.array([[1.0]]), np.zeros(1))
    assert features[0, 4:].tolist() == [1.0, 1.0]


@given(st.data(), st.integers(1, 8), st.integers(1, 10))
def test_the_nth_neighbor_is_never_missing(data: st.DataObject, k: int, n: int) -> None:
    falling = np.linspace(0.9, 0.1, k)
    there = data.draw(arrays.arrays(np.intp, 4, elements=st.integers(0, k)))
    similarity = np.where(np.arange(k) < there[:, None], falling, NAN)
    expected = [falling[min(n, count) - 1] if count else -1 for count in there]
    assert nth_similarity(similarity, n) == pytest.approx(np.array(expected))


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_the_threshold_holds_the_rate_of_false_alarms(rate: float) -> None:
    known, strangers = _lying(0.8, 0.08, 1000, 0), _lying(0.4, 0.08, 1000, 1)
    novelty = fit_novelty(known, strangers, None, rate)
    alarms = novelty.score(_lying(0.8, 0.08, 5000, 2)) > novelty.threshold
    assert alarms.mean() == pytest.approx(rate, abs=0.02)
    found = novelty.score(_lying(0.4, 0.08, 5000, 3)) > novelty.threshold
    assert found.mean() > 0.95


def test_strangers_like_known_items_do_not_raise_the_alarms() -> None:
    known, strangers = _lying(0.7, 0.1, 1000, 0), _lying(0.7, 0.1, 1000, 1)
    novelty = fit_novelty(known, strangers, None, 0.05)
    assert (novelty.score(known) > novelty.threshold).mean() == pytest.approx(0.05, abs=0.005)


def test_items_outside_replace_the_strangers_and_the_rate() -> None:
    known, outside = _lying(0.8, 0.05, 500, 0), _lying(0.5, 0.05, 300, 1)
    # The strangers say the opposite of what is outside: they must have no say.
    strangers = _lying(0.99, 0.001, 500, 2)
    novelty = fit_novelty(known, strangers, outside, 0.4)
    assert (novelty.score(outside) > novelty.threshold).mean() > 0.97
    assert (novelty.score(known) > novelty.threshold).mean() < 0.03


def test_the_item_that_sets_the_threshold_outside_counts_as_unknown() -> None:
    known, outside = _lying(0.9, 0.01, 100, 0), _lying(0.3, 0.01, 2, 1)
    novelty = fit_novelty(known, known, outside, 0.05)
    assert (novelty.score(outside) > novelty.threshold).all()
    assert not (novelty.score(known) > novelty.threshold).any()


def test_too_few_answers_teach_nothing() -> None:
    known, strangers = _lying(0.8, 0.1, FEWEST - 1, 0), _lying(0.2, 0.1, 100, 1)
    for novelty in (
        fit_novelty(known, strangers, None, 0.05),
        fit_novelty(_lying(0.8, 0.1, 200, 0), strangers, strangers[:1], 0.05),
        Novelty.unlearned(),
    ):
        # Whatever they would teach, the nearest neighbor's similarity alone decides.
        assert novelty.threshold == Novelty.unlearned().threshold
        assert novelty.score(known) == pytest.approx(1 - known[:, 0])


def _held_out(n: int, certain: float, novel: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores about `novel`, and how far from sure, up to `certain`."""
    rng = np.random.default_rng(n)
    return rng.normal(novel, 0.5, n), rng.uniform(0, certain, n)


def test_items_like_a_small_label_are_known_though_they_score_as_strangers_do() -> None:
    usual, rare = _held_out(1000, 0.2, 0.0), _held_out(100, 0.6, 3.0)
    start = Novelty(np.zeros(N_FEATURES), 0.0, float(np.quantile(usual[0], 0.95)))
    scores, doubts = (np.concatenate(both) for both in zip(usual, rare, strict=True))
    fair = start.fair_to(scores, doubts, np.repeat([300, 5], [1000, 100]), 0.05)
    assert fair.threshold == start.threshold
    sizes = np.array([300, 5])
    like_rare = np.column_stack([0.1 + 0 * rare[1], 1 - rare[1]])
    like_usual = like_rare[:, ::-1]
    assert fair.knows(rare[0], like_rare, sizes).mean() == pytest.approx(0.9, abs=0.03)
    assert not fair.knows(rare[0], like_usual, sizes).any(), "only the small label is helped"
    assert start.knows(rare[0], like_rare, sizes).mean() < 0.05
    assert not fair.knows(np.array([np.nan]), np.array([[0.0, 1.0]]), sizes).any()


def test_sizes_that_are_known_as_often_as_promised_change_nothing() -> None:
    scores, doubts = _held_out(1000, 0.5, 0.0)
    start = Novelty(np.zeros(N_FEATURES), 0.0, float(np.quantile(scores, 0.95)))
    fair = start.fair_to(scores, doubts, np.repeat([300, 40], 500), 0.05)
    proba = np.random.default_rng(0).random((1000, 2))
    sizes = np.array([300, 40])
    assert (fair.knows(scores, proba, sizes) == start.knows(scores, proba, sizes)).all()
    assert (fair.knows(scores, proba, sizes) == (scores <= start.threshold)).all()


def test_of_too_few_answers_the_least_sure_one_is_known() -> None:
    usual = _held_out(1000, 0.2, 0.0)
    start = Novelty(np.zeros(N_FEATURES), 0.0, float(np.quantile(usual[0], 0.95)))
    # Four answers, of which three lie as near as usual: a coming one may not.
    scores = np.append(usual[0], [-9.0, -9.0, -9.0, 9.0])
    doubts = np.append(usual[1], [0.5, 0.4, 0.3, 0.05])
    fair = start.fair_to(scores, doubts, np.repeat([300, 4], [1000, 4]), 0.05)
    far = np.full(2, 9.0)
    known = fair.knows(far, np.array([[0.49, 0.51], [0.51, 0.49]]), np.array([300, 4]))
    assert known.tolist() == [True, False]
