"""What is known about a launch, by hand: two incumbents, two launches, and a new item."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import NEVER, Grid, Panel
from forecasting.data.pools import POOLS
from forecasting.features.analogues import Pool, Pools
from forecasting.features.features import neighbor_features, own_features

NAN = np.nan
HORIZON = 3
GRID = Grid("W-MON", pd.Timestamp("2024-01-01"))
UNITS = np.array([[1, 2, 3, 4, 5, 6], [0, 0, 8, 0, 4, 0], [0, 7, 5, 3, 1, 1], [0, 0, 0, 6, 2, 4]])
# By the end of period 4 four items had sold 51 units in five weeks.
UNIT = 51 / 4 / 5


def history(units: np.ndarray = UNITS) -> History:
    """Two incumbents and two launches (periods 1 and 3) over six periods."""
    visible = np.array([0, 2, 1, 3])
    launch = np.array([NEVER, NEVER, 1, 3])
    known = np.where(np.arange(units.shape[1]) < visible[:, None], np.nan, units)
    panel = Panel(np.array(list("abcd"), object), GRID, known.astype(np.float32), visible, launch)
    attributes = pd.DataFrame({"price": [1.0, 2.0, 4.0, 8.0], "kind": ["x", "y", "x", None]})
    return History(panel, attributes, HORIZON)


def launch(
    standing: int = 4, *, price: float = 4.0, kind: str | None = "x", **more: np.ndarray
) -> Launches:
    return Launches(
        ids=np.array(["new"], object),
        vectors=np.ones((1, 2), np.float32),
        period=np.array([standing + 2]),
        standing=np.array([standing]),
        attributes=pd.DataFrame({"price": [price], "kind": pd.Series([kind], dtype=object)}),
        **more,
    )


def pool(*position: int, similarity: float = 0.9) -> Pool:
    """One row of analogues; -1 is padding."""
    at = np.array([position])
    alike = np.where(at >= 0, similarity, NAN)
    return Pool(at, alike, temperature=0.05, factor=np.ones(at.shape))


def pools(**changes: Pool | None) -> Pools:
    found = Pools(
        incumbents=pool(0, 1, -1),
        launches=pool(2, 3, -1, similarity=0.8),
        siblings=pool(3, -1, -1),
        elsewhere=None,
    )
    return replace(found, **changes)


def features(
    units: np.ndarray = UNITS,
    standing: int = 4,
    *,
    found: Pools | None = None,
    use: tuple[str, ...] = POOLS,
) -> pd.DataFrame:
    made, rows = history(units), launch(standing)
    return own_features(made, rows).join(neighbor_features(made, rows, found or pools(), use))


def in_units(made: pd.Series, name: str) -> float:
    """A feature that is the logarithm of one plus units of the market, in units sold."""
    return float(np.expm1(made[name]) * UNIT)


def test_levels_and_totals_by_hand() -> None:
    made = features().iloc[0]
    # Means over periods 0..4 and 2..4, the periods in which each was visible.
    assert in_units(made, "incumbent_level") == pytest.approx((3 + 4) / 2)
    assert in_units(made, "incumbent_level_highest") == pytest.approx(4)
    assert in_units(made, "incumbent_recent") == pytest.approx((3.5 + 4) / 2)
    assert made["incumbent_selling"] == pytest.approx((1 + 2 / 3) / 2)
    assert made["incumbent_age"] == pytest.approx((4 + 2) / 2)
    assert made["incumbent_similarity_best"] == 0.9
    # Launch c sold 7 + 5 + 3; d had shown two of three ages and does not count as a total.
    assert in_units(made, "launch_total") == pytest.approx(15)
    assert made["launch_finished"] == 1
    assert in_units(made, "launch_rate") == pytest.approx((5 + 4) / 2)
    assert in_units(made, "launch_first") == pytest.approx((7 + 6) / 2)
    assert in_units(made, "launch_later") == pytest.approx((4 + 2) / 2)
    assert made["sibling_count"] == 1
    assert in_units(made, "sibling_rate") == pytest.approx(4)


def test_what_needs_no_analogue_by_hand() -> None:
    made = features().iloc[0]
    assert made["lead"] == 1
    # Over periods 0..4 all sold 1, 9, 16, 13 and 12; the last four against all.
    expected = np.log1p(50 / 4 / UNIT) - np.log1p(51 / 5 / UNIT)
    assert made["market_trend"] == pytest.approx(expected)
    assert made["season_ahead"] == 0
    assert (made["price"], made["kind"]) == (4, "x")
    assert made["price_rank"] == 0  # launches cost 4 and 8


def test_prices_are_compared_with_those_of_the_analogues() -> None:
    made = features().iloc[0]
    assert made["price_to_launch"] == pytest.approx(np.log(4 / 6))
    assert made["price_to_incumbent"] == pytest.approx(np.log(4 / 1.5))
    assert "price_to_sibling" not in made
    assert "kind_to_launch" not in made


@pytest.mark.parametrize("price", [0.0, -1.0, NAN])
def test_a_price_that_is_none_is_compared_with_nothing(price: float) -> None:
    made, rows = history(), launch(price=price)
    found = neighbor_features(made, rows, pools(), POOLS)
    assert found.filter(like="price").isna().all(axis=None)
    assert np.isnan(own_features(made, rows)["price_rank"][0]) == np.isnan(price)


def test_more_similar_analogues_count_more() -> None:
    near = replace(pool(0, 1, -1), similarity=np.array([[0.9, 0.8, NAN]]))
    made = features(found=pools(incumbents=near)).iloc[0]
    weight = 1 / (1 + np.exp(-0.1 / 0.05))
    assert in_units(made, "incumbent_level") == pytest.approx(3 * weight + 4 * (1 - weight))
    assert in_units(made, "incumbent_level_all") == pytest.approx(3.5)
    assert made["incumbent_similarity_mean"] == pytest.approx(0.85)


def test_a_category_never_seen_is_unknown() -> None:
    for kind in ("never seen", None):
        found = own_features(history(), launch(kind=kind))["kind"]
        assert found.isna().all()
        assert found.cat.categories.tolist() == ["x", "y"]


def test_plans_are_told_by_their_first_week_their_mean_and_their_highest() -> None:
    plan = np.array([[[NAN, 2.0], [NAN, NAN], [NAN, 4.0]]])
    found = own_features(history(), launch(plan=plan)).iloc[0]
    assert found[["plan_1_first", "plan_1_mean", "plan_1_highest"]].tolist() == [2, 3, 4]
    assert found[["plan_0_first", "plan_0_mean", "plan_0_highest"]].isna().all()


def test_a_curve_contributes_the_ages_it_had_reached() -> None:
    made, found = history(), pools().launches
    for standing, first, second in (
        (2, [7, 5, NAN], [NAN, NAN, NAN]),
        (3, [7, 5, 3], [6, NAN, NAN]),
        (4, [7, 5, 3], [6, 2, NAN]),
    ):
        curves = found.curves(made, np.array([standing]))
        np.testing.assert_array_equal(curves, [[first, second, [NAN] * 3]])


def test_the_same_product_elsewhere() -> None:
    made = features(found=pools(elsewhere=pool(0, 3, -1, similarity=1.0))).iloc[0]
    assert made["elsewhere_count"] == 2
    assert in_units(made, "elsewhere_level") == pytest.approx((3 + 4) / 2)
    assert in_units(made, "elsewhere_first") == pytest.approx(6)  # the first has no launch date
    assert in_units(made, "elsewhere_rate") == pytest.approx(4)


def test_no_analogue_at_all_leaves_gaps_not_numbers() -> None:
    nothing = pool(-1, -1, -1)
    found = pools(incumbents=nothing, launches=nothing, siblings=nothing, elsewhere=nothing)
    table = neighbor_features(history(), launch(), found, POOLS)
    counts = ["launch_finished", "sibling_count", "elsewhere_count"]
    assert (table[counts] == 0).all(axis=None)
    of_category = [name for name in table if name.endswith("_launches")]
    assert table.drop(columns=[*counts, *of_category]).isna().all(axis=None)


@pytest.mark.parametrize("use", [(), ("incumbent",), ("launch", "sibling"), POOLS])
def test_only_the_pools_in_use_make_features(use: tuple[str, ...]) -> None:
    table = neighbor_features(history(), launch(), pools(), use)
    assert len(table) == 1
    told = {name for name in POOLS if any(name in column for column in table)}
    assert told == set(use)
    everything = neighbor_features(history(), launch(), pools(), POOLS)
    chosen = everything[list(table.columns)]
    pd.testing.assert_frame_equal(table, chosen, check_exact=True, check_column_type=False)


def test_no_launch_has_no_features() -> None:
    made, nobody = history(), launch()[:0]
    assert own_features(made, nobody).shape[0] == 0
    table = neighbor_features(made, nobody, pools()[:0], POOLS)
    assert (
        table.columns.tolist() == neighbor_features(made, launch(), pools(), POOLS).columns.tolist()
    )
    assert len(table) == 0


def test_a_larger_market_makes_the_same_features() -> None:
    for factor in (8, 1 / 1024):
        pd.testing.assert_frame_equal(features(factor * UNITS), features(), check_exact=True)


def test_rows_stand_each_in_its_own_period() -> None:
    made = history()
    some = [launch(3), launch(4)]
    rows = Launches(
        ids=np.array(["one", "two"], object),
        vectors=np.ones((2, 2), np.float32),
        period=np.array([5, 6]),
        standing=np.array([3, 4]),
        attributes=pd.concat([one.attributes for one in some], ignore_index=True),
    )
    one = pools()
    twice = one.each(
        lambda pool: replace(
            pool,
            position=np.tile(pool.position, (2, 1)),
            similarity=np.tile(pool.similarity, (2, 1)),
            factor=np.tile(pool.factor, (2, 1)),
        )
    )
    together = own_features(made, rows).join(neighbor_features(made, rows, twice, POOLS))
    alone = pd.concat([features(standing=3), features(standing=4)], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, check_exact=True)


@settings(max_examples=50)
@given(st.integers(3, 4), st.lists(st.integers(0, 99), min_size=24, max_size=24))
def test_nothing_after_the_standing_period_is_read(standing: int, noise: list[int]) -> None:
    corrupted = UNITS.copy()
    corrupted[:, standing + 1 :] = np.reshape(noise, UNITS.shape)[:, standing + 1 :]
    found = pools(elsewhere=pool(2, 0, -1))
    pd.testing.assert_frame_equal(
        features(corrupted, standing, found=found),
        features(UNITS, standing, found=found),
        check_exact=True,
    )
    when = np.array([standing])
    np.testing.assert_array_equal(
        found.launches.curves(history(corrupted), when),
        found.launches.curves(history(), when),
    )


@pytest.mark.parametrize(("item", "name"), [(0, "incumbent_level"), (3, "launch_rate")])
def test_what_was_sold_by_then_is_read(item: int, name: str) -> None:
    changed = UNITS.copy()
    changed[item, 4] += 10
    assert features(changed)[name].iloc[0] > features(UNITS)[name].iloc[0]
