"""A forest says which past launches a new one is like."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from forecasting.data.panel import Floats, Ints
from forecasting.models import forest as forest_module
from forecasting.models.forest import LaunchForest, heaviest

PARAMETERS = {
    "seed": 0,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
RNG = np.random.default_rng(0)
N = 120
# Both features part small launches from large ones, and the second tells them apart further.
MATRIX = np.repeat([0.0, 1.0], N // 2)[:, None] + RNG.random((N, 2)) * [0, 0.5]
TOTAL = np.where(MATRIX[:, 0] > 0, 50.0, 1.0) * RNG.uniform(0.8, 1.25, N)
NEW = np.tile([0.0, 1.0], 20)[:, None] + RNG.random((40, 2)) * [0, 0.5]


def grown(
    matrix: Floats = MATRIX,
    total: Floats = TOTAL,
    weight: Floats | None = None,
    categorical: list[int] | None = None,
    **changes: object,
) -> LaunchForest:
    even = np.ones(len(matrix)) if weight is None else weight
    return LaunchForest.grow(matrix, total, even, categorical or [], PARAMETERS | changes)


@pytest.fixture(scope="module")
def forest() -> LaunchForest:
    return grown()


def dense(found: tuple[Ints, Floats], n: int = N) -> Floats:
    """Weights (rows, past launches) by the past launches' own places."""
    position, weight = found
    out = np.zeros((len(position), n))
    np.put_along_axis(out, position, weight, axis=1)
    return out


def test_a_launch_is_like_those_that_sold_like_it(forest: LaunchForest) -> None:
    weight = dense(forest.like(NEW))
    same = NEW[:, :1] == MATRIX[None, :, 0]
    found = (weight * same).sum(axis=1)
    assert found.min() > 0.7
    assert found.mean() > 0.85


def test_weights_sum_to_one_and_descend(forest: LaunchForest) -> None:
    position, weight = forest.like(NEW)
    assert position.shape == weight.shape == (len(NEW), N)
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    assert (np.diff(weight, axis=1) <= 0).all()
    assert (np.sort(position, axis=1) == np.arange(N)).all()


def test_weights_are_the_mean_over_trees_of_the_shares_in_a_leaf(forest: LaunchForest) -> None:
    leaves = forest.booster.predict(NEW[:3], pred_leaf=True)
    together = leaves[:, None, :] == forest.leaves[None, :, :]
    share = together / together.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(dense(forest.like(NEW[:3])), share.mean(axis=2), atol=1e-12)


def test_a_past_launch_counts_in_a_leaf_as_much_as_it_weighs() -> None:
    light = np.where(np.arange(N) % 2, 1.0, 0.01)
    weight = dense(grown(weight=light).like(NEW))
    assert weight[:, light == 1].sum(axis=1).min() > 0.95


@settings(max_examples=25)
@given(st.permutations(range(len(NEW))), st.integers(1, len(NEW)))
def test_the_order_and_number_of_rows_changes_no_bit(
    forest: LaunchForest, order: list[int], count: int
) -> None:
    chosen = np.array(order[:count])
    for found, expected in zip(forest.like(NEW[chosen]), forest.like(NEW), strict=True):
        np.testing.assert_array_equal(found, expected[chosen])


def test_blocks_change_no_bit(forest: LaunchForest, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = forest.like(NEW)
    monkeypatch.setattr(forest_module, "_CELLS", 3 * N)
    for found, before in zip(forest.like(NEW), expected, strict=True):
        np.testing.assert_array_equal(found, before)


def test_no_row_is_like_nothing(forest: LaunchForest) -> None:
    position, weight = forest.like(NEW[:0])
    assert position.shape == weight.shape == (0, N)


def test_only_the_heaviest_are_kept(monkeypatch: pytest.MonkeyPatch, forest: LaunchForest) -> None:
    everything = dense(forest.like(NEW))
    monkeypatch.setattr(forest_module, "_MOST", 10)
    position, weight = forest.like(NEW)
    assert position.shape == (len(NEW), 10)
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    largest = np.sort(everything, axis=1)[:, ::-1][:, :10]
    np.testing.assert_allclose(weight, largest / largest.sum(axis=1, keepdims=True))


def test_a_leaf_without_past_launches_says_nothing(forest: LaunchForest) -> None:
    """Of a forest grown on all, only small launches are remembered."""
    small = np.flatnonzero(MATRIX[:, 0] == 0)
    part = LaunchForest(forest.booster, forest.leaves[small], np.ones(len(small)))
    position, weight = part.like(NEW)
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    assert position.max() < len(small)
    of_small = NEW[:, 0] == 0
    whole = dense(forest.like(NEW))[of_small][:, small]
    # Next to nothing shares a leaf across: what is remembered weighs as it did.
    found = dense((position, weight), len(small))[of_small]
    np.testing.assert_allclose(found, whole / whole.sum(axis=1, keepdims=True), atol=0.02)


def test_where_no_tree_knows_a_leaf_all_past_launches_count_alike() -> None:
    forest = grown()
    # Remembered as if all had been in a leaf that nobody new falls into.
    nowhere = np.full((4, forest.leaves.shape[1]), forest.leaves.max() + 1)
    _, weight = LaunchForest(forest.booster, nowhere, np.ones(4)).like(NEW)
    np.testing.assert_array_equal(weight, np.full((len(NEW), 4), 0.25))


def test_categories_and_gaps_are_features_too() -> None:
    kind = np.tile([0.0, 1.0, np.nan], N // 3)
    total = np.select([kind == 0, kind == 1], [2.0, 20.0], 200.0)
    found = grown(kind[:, None], total, categorical=[0], cat_smooth=1, min_data_per_group=1)
    expected = (dense(found.like(kind[:3, None])) * total).sum(axis=1)
    assert (np.diff(expected) > 10).all()
    _, weight = found.like(np.array([[7.0]]))  # a category never seen
    assert weight.sum() == pytest.approx(1)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_a_handful_of_past_launches_is_enough(n: int) -> None:
    _, weight = grown(MATRIX[:n], TOTAL[:n]).like(NEW[:2])
    np.testing.assert_allclose(weight.sum(axis=1), 1)


def test_launches_that_all_sold_the_same_count_alike() -> None:
    _, weight = grown(total=np.zeros(N)).like(NEW)
    np.testing.assert_allclose(weight, 1 / N)


def test_the_same_seed_grows_the_same_forest(forest: LaunchForest) -> None:
    again, other = grown(), grown(seed=1)
    np.testing.assert_array_equal(again.leaves, forest.leaves)
    assert not np.array_equal(other.leaves, forest.leaves)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=20), st.integers(1, 20), st.booleans())
def test_the_heaviest_descend_and_sum_to_one(raw: list[int], most: int, halved: bool) -> None:
    most = min(most, len(raw))
    weights = np.array([raw, raw[::-1]], dtype=float) / (2 if halved else 1)
    position, kept = heaviest(weights, most)
    np.testing.assert_allclose(kept.sum(axis=1), 1)
    assert (np.diff(kept, axis=1) <= 0).all()
    for row in range(2):
        assert len(set(position[row])) == most
        largest = np.sort(weights[row])[::-1][:most]
        np.testing.assert_array_equal(weights[row, position[row]], largest)
        if largest.any():
            np.testing.assert_allclose(kept[row], largest / largest.sum())
        else:
            np.testing.assert_allclose(kept[row], 1 / most)
