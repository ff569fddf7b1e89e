"""A planner's hand: what each adjustment does to one item, and that it leaves the others alone."""

from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from forecasting import Adjustments, LaunchForecaster
from retrieval import InputError, TableError
from tests.forecasting.conftest import CUTOFF, HORIZON, Slice

NUMBERS = ["mean", "0.1", "0.5", "0.9"]


@pytest.fixture(scope="module")
def some(grocery: Slice) -> pd.DataFrame:
    """Later items in which the one adjusted is the second."""
    return grocery.later.iloc[::6].reset_index(drop=True)


@pytest.fixture(scope="module")
def item(some: pd.DataFrame) -> str:
    return str(some["item_id"].iloc[1])


def analogues(forecaster: LaunchForecaster, some: pd.DataFrame, item: str, pool: str) -> list[str]:
    table = forecaster.explain(some)
    return table[(table["unique_id"] == item) & (table["pool"] == pool)]["analogue"].tolist()


def best_and_worst(forecaster: LaunchForecaster) -> tuple[str, str]:
    """The finished launches that sold most and least."""
    total = pd.Series(forecaster.history_.curves.sum(axis=1), index=forecaster.panel_.ids)
    return str(total.idxmax()), str(total.idxmin())


def mean_of(forecaster: LaunchForecaster, some: pd.DataFrame, item: str, **told: object) -> float:
    total = forecaster.predict_total(some, adjustments=Adjustments(**told))
    return float(total.set_index("unique_id").loc[item, "mean"])


def test_told_nothing_no_bit_changes(some: pd.DataFrame, either: LaunchForecaster) -> None:
    for ask in (either.predict, either.predict_total, either.predict_sum, either.explain):
        pd.testing.assert_frame_equal(
            ask(some, adjustments=Adjustments()), ask(some), check_exact=True
        )


@pytest.mark.parametrize("name", ["exclude", "include", "pin", "weights", "scale", "changes"])
def test_the_other_items_keep_every_bit(
    some: pd.DataFrame, item: str, either: LaunchForecaster, name: str
) -> None:
    best, _ = best_and_worst(either)
    near = analogues(either, some, item, "launch")[0]
    told = {
        "exclude": {item: [near]},
        "include": {item: [best]},
        "pin": {item: [best]},
        "weights": {item: {near: 9.0}},
        "scale": {item: 2.0},
        "changes": {item: {"text": "ice cream"}},
    }[name]
    adjustments = Adjustments(**{name: told})
    for ask in (either.predict, either.predict_total):
        before, after = ask(some), ask(some, adjustments=adjustments)
        others = before["unique_id"] != item
        pd.testing.assert_frame_equal(after[others], before[others], check_exact=True)
        assert not after[~others].equals(before[~others])


def test_excluded_analogues_do_not_count(
    some: pd.DataFrame, item: str, either: LaunchForecaster
) -> None:
    gone = [*analogues(either, some, item, "launch")[:3], best_and_worst(either)[0]]
    gone += analogues(either, some, item, "incumbent")[:3]
    table = either.explain(some, adjustments=Adjustments(exclude={item: gone}))
    mine = table[table["unique_id"] == item]
    assert not mine["analogue"].isin(gone).any()
    others = table[table["unique_id"] != item]
    assert others["analogue"].isin(gone).any()
    weights = mine[mine["pool"] != "outcome"].groupby("pool")["weight"].sum()
    np.testing.assert_allclose(weights, 1)


def test_without_its_best_analogue_the_next_one_is_the_best(
    some: pd.DataFrame, item: str, fitted: LaunchForecaster
) -> None:
    first = analogues(fitted, some, item, "launch")[0]
    hand = Adjustments(exclude={item: [first]}).on(fitted._launches(some).ids, fitted.history_)
    described = fitted.engine_.describer.describe(fitted._launches(some), hand.edit)
    assert np.isfinite(described.features.loc[1, "launch_similarity_best"])


def test_with_all_launches_excluded_incumbents_speak(
    some: pd.DataFrame, item: str, either: LaunchForecaster
) -> None:
    launches = either.panel_.ids[either.launched_].tolist()
    adjustments = Adjustments(exclude={item: launches})
    table = either.explain(some, adjustments=adjustments).query("unique_id == @item")
    assert set(table["pool"]) == {"incumbent"}
    total = either.predict_total(some, adjustments=adjustments).set_index("unique_id")
    assert np.isfinite(total.loc[item, "mean"])
    others = total.drop(item)["mean"]
    np.testing.assert_array_equal(
        others, either.predict_total(some).set_index("unique_id").loc[others.index, "mean"]
    )


def test_included_analogues_count_as_much_as_the_heaviest(
    some: pd.DataFrame, item: str, either: LaunchForecaster
) -> None:
    best, worst = best_and_worst(either)
    adjustments = Adjustments(include={item: [best]})
    table = either.explain(some, adjustments=adjustments).query("unique_id == @item")
    for pool in ("incumbent", "launch", "outcome"):
        weights = table[table["pool"] == pool].set_index("analogue")["weight"]
        if pool == "incumbent":
            assert best in weights.head(1)
        assert weights[best] == pytest.approx(weights.max())
    assert mean_of(either, some, item, include={item: [best]}) > mean_of(
        either, some, item, include={item: [worst]}
    )


def test_a_launch_that_is_no_outcome_yet_can_be_included(
    some: pd.DataFrame, fitted: LaunchForecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecasting.models.forest._MOST", 5)
    item, (best, _) = some["item_id"].iloc[2], best_and_worst(fitted)
    outcomes = analogues(fitted, some, item, "outcome")
    assert len(outcomes) <= 5
    assert best not in outcomes
    adjustments = Adjustments(include={item: [best]})
    table = fitted.explain(some, adjustments=adjustments)
    weights = table[table["pool"] == "outcome"].groupby("unique_id")["weight"].sum()
    np.testing.assert_allclose(weights, 1)
    mine = table.query("unique_id == @item and pool == 'outcome'").set_index("analogue")["weight"]
    assert mine[best] == pytest.approx(mine.max())
    assert not table.query("unique_id != @item")["analogue"].eq(best).all()


@pytest.mark.parametrize("which", [0, 1])
def test_a_pinned_curve_is_the_forecast(
    some: pd.DataFrame, item: str, either: LaunchForecaster, which: int
) -> None:
    pinned = best_and_worst(either)[which]
    adjustments = Adjustments(pin={item: [pinned]})
    curve = either.predict(some, adjustments=adjustments).query("unique_id == @item")
    history = either.history_
    sold = history.curves[list(either.panel_.ids).index(pinned)]
    launch = history.panel.launch[list(either.panel_.ids).index(pinned)]
    scale = history.outlook(np.array([launch - 1]), launch + np.arange(HORIZON)[None, :])[0]
    now = history.unit(np.array([history.panel.end]))[0]
    expected = sold / scale * now
    np.testing.assert_allclose(curve["mean"], expected)
    np.testing.assert_allclose(curve["0.5"], np.rint(curve["mean"]))  # there is no other course
    table = either.explain(some, adjustments=adjustments).query("unique_id == @item")
    assert set(table["analogue"]) == {pinned}
    assert set(table["pool"]) >= {"launch", "outcome"}
    np.testing.assert_allclose(table["weight"], 1)


def test_two_pinned_curves_vote(some: pd.DataFrame, item: str, either: LaunchForecaster) -> None:
    both = best_and_worst(either)
    alone = [mean_of(either, some, item, pin={item: [one]}) for one in both]
    assert mean_of(either, some, item, pin={item: list(both)}) == pytest.approx(np.mean(alone))
    heavier = mean_of(either, some, item, pin={item: list(both)}, weights={item: {both[0]: 3.0}})
    assert heavier == pytest.approx(0.75 * alone[0] + 0.25 * alone[1])


def test_a_pinned_incumbent_sells_on(
    some: pd.DataFrame, item: str, either: LaunchForecaster
) -> None:
    pinned = analogues(either, some, item, "incumbent")
    history, ids = either.history_, list(either.panel_.ids)
    pinned = [one for one in pinned if ids.index(one) not in set(either.launched_)][:1]
    level = history.level(
        np.array([ids.index(pinned[0])]), np.array([history.panel.end]), history.windows.longer
    )
    curve = either.predict(some, adjustments=Adjustments(pin={item: pinned}))
    np.testing.assert_allclose(curve.query("unique_id == @item")["mean"], level[0])


def test_a_weight_multiplies_once(some: pd.DataFrame, item: str, either: LaunchForecaster) -> None:
    before = either.explain(some).query("unique_id == @item and pool == 'launch'")
    before = before.set_index("analogue")["weight"]
    heavy = before.index[2]
    adjustments = Adjustments(weights={item: {heavy: 3.0}})
    table = either.explain(some, adjustments=adjustments).query("unique_id == @item")
    after = table[table["pool"] == "launch"].set_index("analogue")["weight"]
    others = before.index.drop(heavy)
    np.testing.assert_allclose(
        after[heavy] / after[others].sum(), 3 * before[heavy] / before[others].sum()
    )
    described = either.engine_.describer.describe(either._launches(some))
    paths, origin = (
        either.engine_.courses(described),
        either.engine_.origin(either.engine_.courses(described)),
    )
    asked = either._asking.ask(some, None, adjustments)
    edited, edited_origin = asked.paths, asked.origin

    def share(courses: object, of: np.ndarray) -> float:
        mine = either.panel_.ids[of[courses.position[1]]] == heavy
        weight = courses.weight[1]
        return float(weight[mine].sum() / weight[~mine].sum())

    assert share(paths, origin) > 0
    assert share(edited, edited_origin) == pytest.approx(3 * share(paths, origin), rel=0.15)


def test_scale_multiplies_mean_and_quantiles(
    some: pd.DataFrame, item: str, either: LaunchForecaster
) -> None:
    before = either.predict_total(some).set_index("unique_id")
    told = Adjustments(scale={"*": 2.0, item: 1.5})
    after = either.predict_total(some, adjustments=told).set_index("unique_id")
    factor = pd.Series(2.0, index=before.index)
    factor[item] = 3.0
    np.testing.assert_allclose(after["mean"], before["mean"] * factor)
    for level in ("0.1", "0.5", "0.9"):  # in whole numbers
        off = after[level] - before[level] * factor
        assert (off.abs() <= factor / 2 + 0.5).all()
        assert (after[level] >= before[level]).all()
    none = either.predict(some, adjustments=Adjustments(scale={item: 0}))
    assert (none.query("unique_id == @item")[NUMBERS] == 0).all(axis=None)


@pytest.mark.parametrize("factors", [(0.3, 0.5, 1.0), (1.0, 1.1, 2.0, 7.0)])
def test_a_larger_factor_lowers_no_quantile(
    some: pd.DataFrame, either: LaunchForecaster, factors: tuple[float, ...]
) -> None:
    """Not of a week, a total or a sum, whatever size launches have that sell so much."""
    told = [Adjustments(scale={"*": factor}) for factor in factors]
    for ask in (
        either.predict,
        either.predict_total,
        partial(either.predict_sum, by="item_id"),
        either.predict_sum,
    ):
        made = [ask(some, adjustments=one)[NUMBERS].to_numpy() for one in told]
        for lower, higher in pairwise(made):
            assert (higher >= lower).all()
    orders = [
        either.order_quantity(some, service_level=0.8, adjustments=one)["quantity"] for one in told
    ]
    assert all((higher >= lower).all() for lower, higher in pairwise(orders))


def test_changes_are_tried(some: pd.DataFrame, item: str, either: LaunchForecaster) -> None:
    other = some.assign(text=some["text"].where(some["item_id"] != item, "ice cream 2 lb"))
    adjustments = Adjustments(changes={item: {"text": "ice cream 2 lb"}})
    pd.testing.assert_frame_equal(
        either.predict(some, adjustments=adjustments), either.predict(other), check_exact=True
    )
    later = CUTOFF + pd.Timedelta(weeks=4)
    for date in (later, "2017-09-18"):
        moved = either.predict(some, adjustments=Adjustments(changes={"*": {"launch_date": date}}))
        assert (moved.query("age == 0")["ds"] == later).all()
    number = Adjustments(changes={item: {"product_id": 5}})
    assert len(either.predict(some, adjustments=number)) == len(some) * HORIZON


def test_a_change_is_checked_like_a_table(
    some: pd.DataFrame, item: str, fitted: LaunchForecaster
) -> None:
    early = Adjustments(changes={item: {"launch_date": CUTOFF}})
    with pytest.raises(TableError, match=r"must lie after .* in 1 rows: row 2 \("):
        fitted.predict(some, adjustments=early)


def test_the_star_is_every_item(some: pd.DataFrame, either: LaunchForecaster) -> None:
    best, _ = best_and_worst(either)
    every = either.predict(some, adjustments=Adjustments(pin={"*": [best]}))
    each = Adjustments(pin={one: [best] for one in some["item_id"]})
    pd.testing.assert_frame_equal(every, either.predict(some, adjustments=each), check_exact=True)
    gone = Adjustments(exclude={"*": [best]})
    assert not either.explain(some, adjustments=gone)["analogue"].eq(best).any()


def test_ids_may_be_numbers(some: pd.DataFrame, item: str, either: LaunchForecaster) -> None:
    best, _ = best_and_worst(either)
    texts = Adjustments(scale={item: 2.0}, include={item: [best]}, weights={item: {best: 2.0}})
    numbers = Adjustments(
        scale={int(item): 2.0},
        include={int(item): [int(best)]},
        weights={int(item): {int(best): 2}},
    )
    pd.testing.assert_frame_equal(
        either.predict(some, adjustments=numbers),
        either.predict(some, adjustments=texts),
        check_exact=True,
    )


def test_adjust_shows_before_and_after(
    some: pd.DataFrame, item: str, either: LaunchForecaster
) -> None:
    adjustments = Adjustments(scale={item: 3.0})
    table = either.adjust(some, adjustments)
    before, after = either.predict(some), either.predict(some, adjustments=adjustments)
    pd.testing.assert_frame_equal(table[after.columns], after)
    assert list(table.columns) == [*after.columns, *(f"{one}_before" for one in NUMBERS)]
    np.testing.assert_array_equal(table[[f"{one}_before" for one in NUMBERS]], before[NUMBERS])


def test_sums_follow(some: pd.DataFrame, item: str, either: LaunchForecaster) -> None:
    adjustments = Adjustments(scale={item: 5.0})
    total = either.predict_total(some, adjustments=adjustments)["mean"].sum()
    summed = either.predict_sum(some, adjustments=adjustments)
    assert summed.loc[0, "mean"] == pytest.approx(total)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"scale": {"nobody": 2.0}}, "scale: not among the items asked about: nobody"),
        ({"exclude": {"ITEM": ["x1"]}}, "exclude: not among the items seen by the cutoff: x1"),
        ({"include": {"*": ["x1"]}}, "include: not among the items seen by the cutoff: x1"),
        ({"pin": {"ITEM": "x1"}}, "pin: give a list of analogues, not 'x1' alone"),
        ({"pin": {"ITEM": 7}}, "pin: give a list of analogues, not 7 alone"),
        ({"weights": {"ITEM": {"x1": 2}}}, "weights: not among the items seen by the cutoff: x1"),
        ({"scale": {"ITEM": -1}}, "scale and weights must be numbers of at least 0"),
        ({"scale": {"ITEM": "2"}}, "scale and weights must be numbers of at least 0"),
        ({"scale": {"ITEM": np.nan}}, "scale and weights must be numbers of at least 0"),
        ({"changes": {"ITEM": {"aisle": 3}}}, "no column 'aisle' to change; there are: product_id"),
        ({"exclude": ["x1"]}, r"exclude: give a mapping \{item: ...\}, not \['x1'\]"),
        ({"weights": {"ITEM": ["x1"]}}, r"weights: give a mapping \{item: \{name: value\}\}"),
    ],
)
def test_what_cannot_be_meant_is_said(
    some: pd.DataFrame, item: str, fitted: LaunchForecaster, told: dict[str, object], message: str
) -> None:
    named = {
        name: {item if key == "ITEM" else key: value for key, value in given.items()}
        if isinstance(given, dict)
        else given
        for name, given in told.items()
    }
    with pytest.raises(InputError, match=message):
        fitted.predict(some, adjustments=Adjustments(**named))
