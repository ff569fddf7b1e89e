import numpy as np
import pytest

from classifiers.decision.thresholds import fit_thresholds

NAMES = np.array(["rare", "usual"], dtype=object)


def test_a_planted_threshold_is_found() -> None:
    rng = np.random.default_rng(0)
    proba = rng.random((400, 2))
    targets = proba > [0.3, 0.8]
    found = fit_thresholds(proba, targets, NAMES)
    assert found["rare"] == pytest.approx(0.3, abs=0.02)
    assert found["usual"] == pytest.approx(0.8, abs=0.02)
    for column, name in enumerate(NAMES):
        assert ((proba[:, column] >= found[name]) == targets[:, column]).all()


def test_a_label_with_few_examples_takes_the_threshold_of_all() -> None:
    rng = np.random.default_rng(1)
    proba = rng.random((400, 2))
    targets = proba > 0.6
    # Two examples at 0.99 would put the rare label's own threshold far too high.
    rare = np.zeros(400, dtype=bool)
    rare[:2] = True
    proba[:, 0] = np.where(rare, 0.99, 0.01)
    found = fit_thresholds(proba, np.column_stack([rare, targets[:, 1]]), NAMES)
    assert found["rare"] == pytest.approx(0.6, abs=0.03)
    assert found["usual"] == pytest.approx(0.6, abs=0.03)


def test_noise_moves_the_threshold_to_the_highest_f1() -> None:
    proba = np.linspace(0, 1, 101)[:, None]
    targets = proba > 0.4
    targets[10] = True  # an outlier that is not worth 30 false ones
    assert fit_thresholds(proba, targets, NAMES[:1])["rare"] == pytest.approx(0.405, abs=0.01)


@pytest.mark.parametrize("value", [True, False])
def test_where_nothing_can_be_told_apart_it_is_a_half(value: bool) -> None:
    proba = np.random.default_rng(2).random((50, 2))
    assert fit_thresholds(proba, np.full((50, 2), value), NAMES) == {"rare": 0.5, "usual": 0.5}
