import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from classifiers.decision.like_sized import (
    conformal_quantile,
    limits_by_size,
    limits_of,
    needed,
    plenty,
    size_class,
    widest_by_size,
)


@given(st.integers(1, 10**9))
def test_sizes_are_alike_up_to_a_factor_of_two(count: int) -> None:
    (size,) = size_class(np.array([count]))
    assert 2**size <= count < 2 ** (size + 1)


def test_a_label_without_examples_is_smaller_than_any() -> None:
    assert size_class(np.array([0, 1])).tolist() == [-1, 0]


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=300), st.floats(0.5, 0.99), st.integers(1, 99)
)
@example([0.0], 0.5000000001, 1)
def test_of_one_size_the_limit_is_the_shared_one(
    scores: list[float], share: float, size: int
) -> None:
    shared = conformal_quantile(np.array(scores), share)
    limits = limits_by_size(np.array(scores), np.full(len(scores), size), share, shared)
    assert limits.of(np.array([size]))[0].tolist() == [shared]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.floats(0.5, 0.99))
def test_the_share_of_answers_is_within_the_limit(scores: list[float], share: float) -> None:
    within = np.mean(np.array(scores) <= conformal_quantile(np.array(scores), share))
    assert within >= share - 1e-9 or within == 1


@given(st.data())
def test_the_order_of_answers_changes_nothing(data: st.DataObject) -> None:
    rows = data.draw(
        st.lists(st.tuples(st.floats(0, 1), st.integers(1, 100)), min_size=1, max_size=60)
    )
    shuffled = data.draw(st.permutations(rows))
    one, other = (
        limits_by_size(*map(np.array, zip(*table, strict=True)), 0.9, 0.5)
        for table in (rows, shuffled)
    )
    assert one == other


def test_coverage_holds_for_each_size_of_rare_labels() -> None:
    rng = np.random.default_rng(0)
    sizes = np.repeat([500, 100, 6], [3000, 600, 150])
    scores = rng.random(len(sizes)) ** np.repeat([4.0, 2.0, 0.5], [3000, 600, 150])
    shared = conformal_quantile(scores, 0.9)
    found, assured = limits_by_size(scores, sizes, 0.9, shared).of(np.array([500, 100, 6]))
    assert found[0] == shared, "the largest labels do not pay for the others"
    assert found[1:] == pytest.approx([0.9**2, 0.9**0.5], abs=0.06)
    assert assured.all()


def test_a_limit_that_would_let_everything_in_is_cut_short_and_not_assured() -> None:
    scores = np.concatenate([np.linspace(0, 0.5, 100), np.linspace(0.8, 1, 50)])
    sizes = np.repeat([100, 6], [100, 50])
    for most, expected, sure in ((0.9, 0.9, False), (0.3, 0.6, False), (0.999, 0.98, True)):
        limits = limits_by_size(scores, sizes, 0.9, 0.6, {2: most})
        found, assured = limits.of(np.array([100, 6]))
        assert found == pytest.approx([0.6, expected], abs=0.01)
        assert assured.tolist() == [True, sure]


def test_the_widest_limit_lets_a_rare_label_into_a_twentieth_of_the_other_sets() -> None:
    rng = np.random.default_rng(1)
    doubts = rng.random((2000, 3))
    targets = rng.integers(0, 2, 2000)
    widest = widest_by_size(doubts, targets, np.array([500, 500, 5]))
    assert set(widest) == {2, 8}
    assert (doubts[:, 2] <= widest[2]).mean() == pytest.approx(0.05, abs=0.001)


def test_plenty_is_32_or_an_eighth_of_what_is_usual() -> None:
    assert plenty(np.array([5, 100, 0])) == 32
    assert plenty(np.array([100_000, 60])) == 6253
    assert plenty(np.array([0])) == 32


def test_where_answers_are_too_few_the_limit_is_as_wide_as_they_tell_and_not_assured() -> None:
    scores = np.concatenate([np.linspace(0, 0.5, 100), [0.8, 0.6, 0.1], [0.2, 0.3]])
    sizes = np.repeat([100, 6, 2], [100, 3, 2])
    limits = limits_by_size(scores, sizes, 0.9, 0.5)
    found, assured = limits.of(np.array([100, 6, 2, 1, 0]))
    assert found[1:].tolist() == [0.8, 0.8, 0.8, 0.8], "a smaller label is no surer"
    assert assured.tolist() == [True, False, False, False, False]


def test_a_label_larger_than_any_takes_the_shared_limit() -> None:
    assert limits_of({2: 0.9}, np.array([1, 4, 8, 1000]), 0.3).tolist() == [0.9, 0.9, 0.3, 0.3]


@pytest.mark.parametrize(("share", "n"), [(0.9, 9), (0.95, 19), (0.5, 1)])
def test_a_share_takes_so_many_answers(share: float, n: int) -> None:
    assert needed(share) == n
