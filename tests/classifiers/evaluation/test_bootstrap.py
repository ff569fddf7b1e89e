import numpy as np
import pytest

from classifiers.evaluation.bootstrap import intervals
from classifiers.evaluation.metrics import mean
from retrieval import InputError


def test_the_interval_of_a_share_is_the_one_of_the_normal_law() -> None:
    correct = np.arange(2_000) % 5 > 0
    low, high = intervals({"share": mean(correct)}, 2_000)["share"]
    half = 1.96 * np.sqrt(0.8 * 0.2 / 2_000)
    assert low == pytest.approx(0.8 - half, abs=0.2 * half)
    assert high == pytest.approx(0.8 + half, abs=0.2 * half)


def test_items_that_stand_and_fall_together_tell_less() -> None:
    correct = np.repeat([True, True, False, True], 50)
    groups = np.repeat(["a", "b", "c", "d"], 50).tolist()
    low, high = intervals({"share": mean(correct)}, 200)["share"]
    group_low, group_high = intervals({"share": mean(correct)}, 200, groups=groups)["share"]
    assert group_high - group_low > 3 * (high - low)


def test_draws_are_those_of_the_seed() -> None:
    share = {"share": mean(np.sqrt(np.arange(40)))}
    assert intervals(share, 40, seed=1) == intervals(share, 40, seed=1)
    assert intervals(share, 40, seed=1) != intervals(share, 40, seed=2)


def test_draws_that_miss_what_a_score_rests_on_are_left_out() -> None:
    rare = mean(np.ones(30), np.arange(30) == 0)
    never = mean(np.ones(30), np.zeros(30, dtype=bool))
    ends = intervals({"rare": rare, "never": never}, 30)
    assert ends["rare"] == (1.0, 1.0)
    assert np.isnan(ends["never"]).all()
    assert np.isnan(intervals({"share": mean(np.array([]))}, 0)["share"]).all()


def test_groups_are_one_an_item() -> None:
    with pytest.raises(InputError, match="3 items have 2 groups"):
        intervals({}, 3, groups=["a", "b"])
