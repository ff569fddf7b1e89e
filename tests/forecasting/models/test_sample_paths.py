"""A weighted set of courses: every answer is read from it, and they agree."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from forecasting.models import sample_paths as paths_module
from forecasting.models.sample_paths import Paths, quantiles, ranks

UNITS = st.floats(0, 1e6, allow_subnormal=False)
LEVELS = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=5).map(sorted)


def drawn(seed: int = 0, *, n: int = 4, m: int = 6, counts: bool = False) -> Paths:
    """Some of nine curves over three ages for each of n launches."""
    rng = np.random.default_rng(seed)
    weight = rng.random((n, m))
    return Paths(
        curves=rng.gamma(0.7, 3.0, (9, 3)),
        position=rng.integers(0, 9, (n, m)),
        weight=weight / weight.sum(axis=1, keepdims=True),
        factor=rng.uniform(0.5, 2, (n, m)),
        scale=rng.uniform(0.5, 4, (n, 3)),
        counts=counts,
    )


@st.composite
def weighted(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """One row of values and their weights."""
    m = draw(st.integers(1, 12))
    values = draw(st.lists(UNITS, min_size=m, max_size=m))
    weight = draw(st.lists(st.floats(0.01, 1), min_size=m, max_size=m))
    return np.array([values]), np.array([weight]) / sum(weight)


def at_levels(values: np.ndarray, weight: np.ndarray, levels: list[float]) -> np.ndarray:
    return quantiles(values, weight, np.tile(levels, (len(values), 1)))


def test_by_hand() -> None:
    made = Paths(
        curves=np.array([[1.0, 2.0], [5.0, 0.0], [9.0, 9.0]]),
        position=np.array([[1, 0]]),
        weight=np.array([[0.25, 0.75]]),
        factor=np.array([[2.0, 1.0]]),
        scale=np.array([[1.0, 10.0]]),
        counts=False,
    )
    np.testing.assert_allclose(made.courses(), [[[10, 0], [1, 20]]])
    np.testing.assert_allclose(made.age(1), [[0, 20]])
    np.testing.assert_allclose(made.totals(), [[10, 21]])
    np.testing.assert_allclose(made.mean(), [[0.25 * 10 + 0.75, 0.75 * 20]])
    np.testing.assert_allclose(made.scaled(3).totals(), [[30, 63]])


@pytest.mark.parametrize("counts", [False, True])
def test_ages_totals_and_courses_agree(counts: bool) -> None:
    made = drawn(counts=counts)
    courses = made.courses()
    for age in range(3):
        np.testing.assert_array_equal(made.age(age), made.rounded(courses[..., age]))
    exact = courses.sum(axis=2)
    np.testing.assert_allclose(made.totals(), np.rint(exact) if counts else exact)
    assert ((made.totals() % 1 == 0).all() and (made.age(0) % 1 == 0).all()) == counts


@given(st.integers(0, 10**6))
def test_the_mean_of_the_total_is_the_sum_of_the_means(seed: int) -> None:
    made = drawn(seed)
    total = (made.totals() * made.weight).sum(axis=1)
    np.testing.assert_allclose(made.mean().sum(axis=1), total)
    by_age = [(made.age(age) * made.weight).sum(axis=1) for age in range(3)]
    np.testing.assert_allclose(made.mean(), np.stack(by_age, axis=1))


@given(st.integers(0, 10**6), st.floats(0.01, 100), LEVELS)
def test_a_scaled_launch_has_scaled_means_and_quantiles(
    seed: int, factor: float, levels: list[float]
) -> None:
    made = drawn(seed)
    by_launch = factor * np.arange(1, 5)
    moved = made.scaled(by_launch)
    np.testing.assert_allclose(moved.mean(), made.mean() * by_launch[:, None])
    for one, other in ((made.totals(), moved.totals()), (made.age(1), moved.age(1))):
        np.testing.assert_allclose(
            at_levels(other, made.weight, levels),
            at_levels(one, made.weight, levels) * by_launch[:, None],
        )


def test_narrower_courses_have_the_same_mean_and_less_spread() -> None:
    made = drawn(n=3)
    share = np.array([1.0, 0.5, 0.3])
    narrow = made.narrowed(share)
    np.testing.assert_allclose(narrow.mean().sum(axis=1), made.mean().sum(axis=1))
    np.testing.assert_array_equal(narrow[:1].totals(), made[:1].totals())

    def spread(paths: Paths) -> np.ndarray:
        log = np.log(paths.totals())
        center = (log * paths.weight).sum(axis=1, keepdims=True)
        return np.sqrt((paths.weight * (log - center) ** 2).sum(axis=1))

    assert (spread(narrow)[1:] < 0.8 * spread(made)[1:]).all()
    assert made.narrowed(np.ones(3)) is made


def test_a_scaled_count_is_a_count() -> None:
    made = drawn(counts=True).scaled(1.3)
    assert (made.totals() % 1 == 0).all()


@pytest.mark.parametrize("chosen", [slice(1, 3), np.array([3, 0, 3]), slice(0, 0)])
def test_some_launches_are_as_among_all(chosen: slice | np.ndarray) -> None:
    made = drawn()
    some = made[chosen]
    for name in ("mean", "totals", "courses"):
        np.testing.assert_array_equal(getattr(some, name)(), getattr(made, name)()[chosen])


def test_no_launch_has_no_courses() -> None:
    nobody = drawn()[:0]
    assert len(nobody) == 0
    assert nobody.mean().shape == (0, 3)
    assert nobody.totals().shape == nobody.age(0).shape == (0, 6)
    assert nobody.at(np.empty((5, 0))).shape == (5, 0, 3)
    assert quantiles(nobody.totals(), nobody.weight, np.empty((0, 2))).shape == (0, 2)


def test_blocks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    made = drawn()
    mean, totals = made.mean(), made.totals()
    monkeypatch.setattr(paths_module, "_CELLS", 40)  # two launches
    assert made.block_size == 2 < len(made)
    np.testing.assert_array_equal(made.mean(), mean)
    np.testing.assert_array_equal(made.totals(), totals)


def test_samples_are_courses_as_often_as_they_weigh() -> None:
    made = drawn()
    found = made.at(np.random.default_rng(1).random((20_000, 4)))
    assert found.shape == (20_000, 4, 3)
    courses = made.courses()
    assert np.isin(np.round(found[:, 2], 9), np.round(courses[2], 9)).all()
    total, mean = found.sum(axis=2), made.mean().sum(axis=1)
    spread = (made.totals() ** 2 * made.weight).sum(axis=1) - mean**2
    assert (np.abs(total.mean(axis=0) - mean) < 4 * np.sqrt(spread / 20_000)).all()
    np.testing.assert_allclose(total.var(axis=0), spread, rtol=0.15)


def test_totals_ascend_with_the_level() -> None:
    made = drawn()
    found = made.at(np.tile(np.linspace(0, 1, 101)[:, None], 4)).sum(axis=2)
    assert (np.diff(found, axis=0) >= -1e-9).all()


def test_what_weighs_nothing_is_never_drawn() -> None:
    one = drawn(n=1)
    made = Paths(one.curves, one.position, np.eye(6)[None, 3], one.factor, one.scale, counts=False)
    found = made.at(np.random.default_rng(0).random((200, 1)))
    np.testing.assert_allclose(found[:, 0], np.tile(made.courses()[0, 3], (200, 1)))


@given(weighted(), LEVELS)
def test_quantiles_ascend_with_the_level_and_are_values(
    row: tuple[np.ndarray, np.ndarray], levels: list[float]
) -> None:
    found = at_levels(*row, levels)[0]
    assert (np.diff(found) >= 0).all()
    assert np.isin(found, row[0]).all()


@given(weighted(), st.floats(0.001, 0.999))
def test_a_quantile_is_the_smallest_value_that_reaches_the_level(
    row: tuple[np.ndarray, np.ndarray], level: float
) -> None:
    values, weight = row
    found = at_levels(values, weight, [level])[0, 0]
    assert weight[values <= found].sum() >= level - 1e-6
    assert weight[values < found].sum() <= level + 1e-6


@given(st.lists(UNITS, min_size=1, max_size=30), st.data())
def test_with_equal_weights_quantiles_are_those_of_numpy(
    values: list[float], data: st.DataObject
) -> None:
    count = len(values)
    level = (data.draw(st.integers(0, count - 1)) + data.draw(st.floats(0.01, 0.99))) / count
    found = at_levels(np.array([values]), np.full((1, count), 1 / count), [level])
    assert found[0, 0] == np.quantile(values, level, method="inverted_cdf")


@given(weighted(), st.floats(0.001, 0.999), st.floats(1e-3, 1e3))
def test_weights_need_not_sum_to_one(
    row: tuple[np.ndarray, np.ndarray], level: float, factor: float
) -> None:
    values, weight = row
    reached = np.cumsum(weight[0, np.argsort(values[0], kind="stable")])
    if np.abs(reached - level).min() < 1e-6:
        return  # a level met exactly may be met a rounding error earlier
    np.testing.assert_array_equal(
        at_levels(values, weight * factor, [level]), at_levels(values, weight, [level])
    )


def test_a_level_met_exactly_is_met() -> None:
    values = np.arange(1.0, 11)[None, :]
    weight = np.full((1, 10), 0.1)  # the sum of three is 0.30000000000000004
    np.testing.assert_array_equal(
        at_levels(values, weight, [0.1, 0.3, 0.5, 0.7, 0.9, 1.0]), [[1, 3, 5, 7, 9, 10]]
    )


def test_each_launch_is_read_at_levels_of_its_own() -> None:
    values = np.tile(np.arange(4.0), (2, 1))
    found = quantiles(values, np.full((2, 4), 0.25), np.array([[0.2, 0.4], [0.6, 0.9]]))
    np.testing.assert_array_equal(found, [[0, 1], [2, 3]])


def test_ranks_by_hand() -> None:
    values = np.array([[0, 0, 1, 3]] * 4, dtype=float)
    weight = np.tile([0.1, 0.2, 0.3, 0.4], (4, 1))
    below, up_to = ranks(values, weight, np.array([0.0, 1, 2, 5]))
    np.testing.assert_allclose(below, [0, 0.3, 0.6, 1])
    np.testing.assert_allclose(up_to, [0.3, 0.6, 0.6, 1])


def test_a_rounding_error_does_not_part_what_is_equal() -> None:
    below, up_to = ranks(np.array([[0.1 + 0.2, 1e9]]), np.array([[0.5, 0.5]]), np.array([0.3]))
    assert (below[0], up_to[0]) == (0, 0.5)


@given(weighted(), UNITS)
def test_a_value_lies_between_its_ranks(row: tuple[np.ndarray, np.ndarray], came: float) -> None:
    values, weight = row
    below, up_to = ranks(values, weight, np.array([came]))
    assert 0 <= below[0] <= up_to[0] <= 1 + 1e-9
    if up_to[0] > below[0] + 1e-6:  # then it is the quantile at every level between the two
        middle = (below + up_to)[0] / 2
        assert at_levels(values, weight, [middle])[0, 0] == pytest.approx(came, abs=1e-8)
