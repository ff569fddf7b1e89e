from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from retrieval.encoding.adaptation.gate import (
    Fold,
    Scores,
    compare,
    deal_again,
    make_folds,
    nearest,
    scores,
)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=2, max_size=60),
    st.integers(2, 5),
)
@settings(max_examples=40)
def test_folds_hold_whole_groups_of_labels_that_others_have(
    items: list[tuple[int, int]], n: int
) -> None:
    labels, groups = (np.array(part, dtype=np.int64) for part in zip(*items, strict=True))
    held: list[int] = []
    for fold in make_folds(labels, groups, n, seed=0):
        assert not set(groups[fold.learned]) & set(groups[fold.judged])
        assert set(labels[fold.judged]) <= set(labels[fold.learned])
        held += fold.judged.tolist()
    assert len(held) == len(set(held))


def test_one_group_makes_no_fold() -> None:
    assert make_folds(np.array([0, 1, 0]), np.zeros(3, dtype=np.int64), 3, seed=0) == []


def test_the_nearest_have_the_vote() -> None:
    learned = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    fold = Fold(learned=np.array([0, 1, 2]), judged=np.array([3, 4]))
    labels = np.array([0, 0, 1, 0, 1])
    judged = np.array([[0.96, 0.28], [0.96, 0.28]], dtype=np.float32)
    said = scores([nearest(fold, judged, learned, labels)], labels)
    assert said.items.tolist() == [3, 4]
    assert said.is_right.tolist() == [1, 0]
    assert said.log_loss[0] < np.log(2) < said.log_loss[1] < np.inf
    assert said.accuracy == 0.5


def test_an_item_held_out_twice_counts_once_with_the_mean() -> None:
    learned = np.array([[1, 0], [0, 1]], dtype=np.float32)
    fold = Fold(learned=np.array([0, 1]), judged=np.array([2]))
    labels = np.array([0, 1, 0])
    right, wrong = (np.array([one], dtype=np.float32) for one in ([1, 0], [0, 1]))
    found = [nearest(fold, judged, learned, labels) for judged in (right, wrong)]
    said = scores(found, labels)
    assert said.items.tolist() == [2]
    assert said.is_right.tolist() == [0.5]
    assert said.log_loss[0] == pytest.approx(
        np.mean([scores([one], labels).log_loss[0] for one in found]), rel=0.05
    )


def test_few_items_are_dealt_again_in_another_way() -> None:
    labels, groups = np.arange(60) % 3, np.arange(60)
    (once,) = deal_again(labels, groups, 3, 0, most=59, times=2)
    first, second = deal_again(labels, groups, 3, 0, most=60, times=2)
    for one, same in zip(first, once, strict=True):
        np.testing.assert_array_equal(one.judged, same.judged)
    assert {tuple(one.judged) for one in first}.isdisjoint({tuple(one.judged) for one in second})
    assert sorted(np.concatenate([one.judged for one in second])) == list(range(60))


ALONE = np.arange(100)


def _scores(right: list[float], loss: float | None = None) -> Scores:
    losses = 1 - np.array(right) if loss is None else np.full(len(right), loss)
    return Scores(np.arange(len(right)), np.array(right), losses)


def test_what_is_better_for_sure_passes() -> None:
    worse, better = [1.0] * 50 + [0.0] * 50, [1.0] * 80 + [0.0] * 20
    gain = compare(_scores(better), _scores(worse), ALONE, seed=0)
    assert gain.accuracy == pytest.approx(0.3)
    assert 0.15 < gain.interval[0] < 0.3 < gain.interval[1] < 0.45
    assert gain.is_better
    assert not compare(_scores(worse), _scores(better), ALONE, seed=0).is_better
    assert not compare(_scores(worse), _scores(worse), ALONE, seed=0).is_better


def test_items_of_one_group_count_as_one() -> None:
    """Thirty variants of one product that turn right are one piece of luck."""
    before = _scores([0.0] * 30 + [1.0] * 35 + [0.0] * 35, 1)
    after = _scores([1.0] * 30 + [1.0] * 34 + [0.0] * 36, 1)
    groups = np.r_[np.zeros(30), np.arange(1, 71)].astype(np.int64)
    assert compare(after, before, ALONE, seed=0).is_better
    assert not compare(after, before, groups, seed=0).is_better


def test_as_many_right_and_surer_passes() -> None:
    before, fewer = [1.0, 0.0] * 50, [1.0, 0.0] * 49 + [0.0, 0.0]
    assert compare(_scores(before, 0.4), _scores(before, 0.5), ALONE, seed=0).is_better
    assert not compare(_scores(fewer, 0.4), _scores(before, 0.5), ALONE, seed=0).is_better
