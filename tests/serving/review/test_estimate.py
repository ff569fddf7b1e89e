"""Shares with Wilson's interval, and the agreement of two people."""

import pytest

from serving.review.estimate import agreement, share_with_interval


def test_the_interval_is_wilson_s() -> None:
    found = share_with_interval(45, 50)  # by hand, z = 1.959964
    assert found["share"] == 0.9
    assert (found["low"], found["high"]) == pytest.approx((0.786398, 0.956524), abs=1e-5)
    assert share_with_interval(0, 0)["share"] is None
    assert share_with_interval(3, 3)["high"] == pytest.approx(1.0)
    assert share_with_interval(3, 3)["low"] == pytest.approx(0.438494, abs=1e-5)


def test_kappa_is_cohen_s_and_none_of_these_is_a_label() -> None:
    pairs = [("a", "a"), ("a", "b"), ("b", "b"), (None, None)]
    found = agreement(pairs)  # observed 3/4, by chance 5/16
    assert (found["items"], found["same"]) == (4, 3)
    assert found["kappa"] == pytest.approx((3 / 4 - 5 / 16) / (1 - 5 / 16))
    assert agreement([("a", "a")])["kappa"] is None
    assert agreement([]) == {"items": 0, "same": 0, "kappa": None}
