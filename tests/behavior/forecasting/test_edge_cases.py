"""Little data, odd data, other frequencies: an answer all the same, or a clear refusal."""

import warnings

import numpy as np
import pandas as pd
import pytest

from forecasting import FewLaunchesWarning, LaunchForecaster, SalesRules
from retrieval import IN_MEMORY, Encoder, InputError, ItemIndex
from tests.forecasting.conftest import CUTOFF, HORIZON, Slice, new_forecaster


def sold_by(small: Slice, items: pd.DataFrame) -> pd.DataFrame:
    return small.sales[small.sales["unique_id"].isin(items["item_id"])]


def check_answers(forecaster: LaunchForecaster, new_items: pd.DataFrame) -> pd.DataFrame:
    """Every answer is there and finite; the totals."""
    curve, total = forecaster.predict(new_items), forecaster.predict_total(new_items)
    assert len(curve) == forecaster.horizon * len(new_items)
    for table in (curve, total, forecaster.predict_sum(new_items, per="period")):
        numbers = table[["mean", "0.1", "0.5", "0.9"]]
        assert np.isfinite(numbers).all(axis=None)
        assert (numbers >= 0).all(axis=None)
        assert (numbers[["0.1", "0.5", "0.9"]].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert set(forecaster.explain(new_items)["unique_id"]) <= set(new_items["item_id"])
    if forecaster.engine_.model is not None:
        assert np.isfinite(forecaster.contributions(new_items)["contribution"]).all()
    return total


def fit_few(
    forecaster: LaunchForecaster, items: pd.DataFrame, sales: pd.DataFrame, cutoff: object = CUTOFF
) -> LaunchForecaster:
    with pytest.warns(FewLaunchesWarning):
        return forecaster.fit(items, sales, cutoff=cutoff)


def test_with_few_finished_launches_the_analogues_vote_and_say_so(
    small: Slice, encoder: Encoder
) -> None:
    message = r"only \d\d launches had sold for 6 periods by 2017-05-01, fewer than 100"
    with pytest.warns(FewLaunchesWarning, match=message) as told:
        forecaster = new_forecaster(encoder).fit(small.items, small.sales, cutoff="2017-05-01")
    assert told[0].filename == __file__
    total = check_answers(forecaster, small.later)
    assert (total["method"] == "knn").all()


def test_votes_have_no_contributions(small: Slice, voting: LaunchForecaster) -> None:
    assert voting.engine_.method == "knn"
    with pytest.raises(InputError, match="method knn has no features that contribute"):
        voting.contributions(small.later)


@pytest.mark.parametrize("launches", [0, 1])
def test_hardly_a_past_launch(small: Slice, encoder: Encoder, launches: int) -> None:
    past = small.items[small.items["launch_date"] <= CUTOFF].sort_values("launch_date")
    items = pd.concat([small.items[small.items["launch_date"].isna()], past.head(launches)])
    forecaster = fit_few(new_forecaster(encoder), items, sold_by(small, items))
    total = check_answers(forecaster, small.later)
    assert (total["method"] == "knn").all()
    if launches:
        # One course; its level follows the incumbents around each item, up to twice as far.
        assert not total["novel"].any()  # one launch tells nothing about what is usual
        assert (total["0.1"] < total["0.9"]).all()  # one launch says how much, not how surely
        assert total["mean"].max() / total["mean"].min() <= 4 * 1.001
        outcome = forecaster.explain(small.later).query("pool == 'outcome'")
        assert set(outcome["analogue"]) == set(past["item_id"].head(1))
    else:
        assert total["mean"].gt(0).any()  # like incumbents, as if each sold on
        assert (total["novelty"] == 0.5).all()


def test_training_needs_a_finished_launch(small: Slice, encoder: Encoder) -> None:
    old = small.items[small.items["launch_date"].isna()]
    forecaster = new_forecaster(encoder, method="lightgbm")
    message = 'no launch had sold for 6 periods by 2017-08-21; method="knn" needs none'
    with pytest.raises(InputError, match=message):
        forecaster.fit(old, sold_by(small, old), cutoff=CUTOFF)


def test_one_item_alone(small: Slice, encoder: Encoder) -> None:
    one = small.items[small.items["launch_date"] == pd.Timestamp("2017-05-01")].head(1)
    sales = sold_by(small, one)
    forecaster = fit_few(new_forecaster(encoder), one, sales, cutoff=None)
    total = check_answers(forecaster, small.later.tail(3))
    first = forecaster.predict(small.later.tail(3)).query("age == 0")
    np.testing.assert_allclose(first["mean"], sales["y"].iloc[0], rtol=0.5)
    assert (total["0.1"] < total["0.9"]).all()  # one launch says how much, not how surely


def test_no_incumbents(small: Slice, encoder: Encoder) -> None:
    dated = small.items[small.items["launch_date"].notna()]
    forecaster = new_forecaster(encoder).fit(dated, sold_by(small, dated), cutoff=CUTOFF)
    assert (check_answers(forecaster, small.later)["method"] == "lightgbm").all()


def test_all_launches_in_one_week(small: Slice, encoder: Encoder) -> None:
    launch = small.items["launch_date"]
    past = launch <= CUTOFF
    items = small.items.assign(launch_date=launch.mask(past, pd.Timestamp("2017-05-01")))
    forecaster = new_forecaster(encoder, sales=SalesRules(before_launch="drop"))
    forecaster.fit(items, small.sales, cutoff=CUTOFF)
    assert forecaster.engine_.method == "lightgbm"
    check_answers(forecaster, small.later)


def test_a_horizon_longer_than_any_curve_seen(small: Slice, encoder: Encoder) -> None:
    forecaster = fit_few(new_forecaster(encoder, horizon=40), small.items, small.sales)
    check_answers(forecaster, small.later.head(20))
    means = forecaster.predict(small.later.head(20)).groupby("age")["mean"].mean()
    never_seen = means.iloc[27:]  # the first launch was 27 weeks before the cutoff
    assert never_seen.between(0.2 * means.mean(), 5 * means.mean()).all()


def test_horizon_1(small: Slice, encoder: Encoder) -> None:
    forecaster = new_forecaster(encoder, horizon=1)
    forecaster.fit(small.items, small.sales, cutoff=CUTOFF)
    total = check_answers(forecaster, small.later)
    curve = forecaster.predict(small.later)
    np.testing.assert_allclose(curve["mean"], total["mean"])
    assert (curve["0.9"] - total["0.9"]).abs().mean() < 0.5  # calibrated each by its own rows


@pytest.mark.parametrize("method", ["lightgbm", "knn"])
@pytest.mark.parametrize("who", ["all", "launches"])
def test_what_never_sold_will_not_sell(
    small: Slice, encoder: Encoder, method: str, who: str
) -> None:
    dated = small.items.loc[small.items["launch_date"].notna(), "item_id"]
    none = small.sales["unique_id"].isin(dated) | (who == "all")
    sales = small.sales.assign(y=small.sales["y"].mask(none, 0))
    forecaster = new_forecaster(encoder, method=method).fit(small.items, sales, cutoff=CUTOFF)
    total = check_answers(forecaster, small.later)
    np.testing.assert_allclose(total[["mean", "0.1", "0.5", "0.9"]], 0, atol=1e-6)


def test_an_unseen_category_and_a_missing_number_are_forecast(
    small: Slice, either: LaunchForecaster
) -> None:
    odd = small.later.head(3).assign(product_category="of its own", brand=None, product_id=None)
    check_answers(either, odd.astype({"product_id": float}))


def test_more_analogues_than_items(small: Slice, encoder: Encoder) -> None:
    forecaster = new_forecaster(encoder, k=5000, method="knn")
    forecaster.fit(small.items, small.sales, cutoff="2017-04-03")
    check_answers(forecaster, small.later.head(5))


def test_strangers_in_a_collection_take_no_places(
    small: Slice, encoder: Encoder, voting: LaunchForecaster
) -> None:
    """Only items that have been seen to sell are analogues, however alike others are."""
    new = small.later.head(2)
    strangers = pd.DataFrame({"item_id": ["stranger 1", "stranger 2"], "text": new["text"]})
    alone = new_forecaster(encoder, method="knn", k=1)
    alone.fit(small.items, small.sales, cutoff=CUTOFF)
    with ItemIndex(IN_MEMORY, encoder) as index:
        index.upsert(pd.concat([small.items[["item_id", "text"]], strangers]), text="text")
        among = new_forecaster(None, index=index, method="knn", k=1)
        among.fit(small.items, small.sales, cutoff=CUTOFF)
    pd.testing.assert_frame_equal(check_answers(among, new), check_answers(alone, new))


def test_days(small: Slice, encoder: Encoder) -> None:
    day = pd.to_timedelta(small.items["product_id"] % 7, unit="D")
    at = pd.Series(day.to_numpy(), index=small.items["item_id"])
    sales = small.sales.assign(ds=small.sales["ds"] + small.sales["unique_id"].map(at).array)
    items = small.items.assign(launch_date=small.items["launch_date"] + day)
    forecaster = new_forecaster(encoder, freq="D", horizon=8)
    forecaster.fit(items, sales, cutoff=CUTOFF)
    assert forecaster.engine_.method == "lightgbm"
    later = items[items["launch_date"] > CUTOFF]
    check_answers(forecaster, later)
    curve = forecaster.predict(later).groupby("age")["mean"].mean()
    # Every item sells on one day a week: the day of its launch, and the one a week later.
    assert curve[0] > 5 * curve[1:6].mean()
    assert curve[7] > curve[1:6].mean()


def test_months(small: Slice, encoder: Encoder) -> None:
    month = small.sales["ds"].dt.to_period("M").dt.start_time
    sales = small.sales.assign(ds=month).groupby(["unique_id", "ds"], as_index=False)["y"].sum()
    forecaster = new_forecaster(encoder, freq="MS", horizon=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewLaunchesWarning)
        forecaster.fit(small.items, sales, cutoff="2017-08-31")
    later = small.items[small.items["launch_date"] >= pd.Timestamp("2017-09-01")]
    check_answers(forecaster, later)
    curve = forecaster.predict(later)
    assert (curve["ds"].dt.day == 1).all()
    first = curve.query("age == 0").set_index("unique_id")["ds"]
    launch = later.set_index("item_id")["launch_date"].dt.to_period("M").dt.start_time
    assert (first == launch[first.index]).all()


def test_the_fewest_that_lightgbm_is_made_to_learn_from(small: Slice, encoder: Encoder) -> None:
    forecaster = new_forecaster(encoder, method="lightgbm")
    with pytest.warns(FewLaunchesWarning, match="intervals are made wider"):
        forecaster.fit(small.items, small.sales, cutoff="2017-03-27")
    finished = np.isfinite(forecaster.history_.curves).all(axis=1).sum()
    assert 0 < finished < 20
    assert (check_answers(forecaster, small.later.head(9))["method"] == "lightgbm").all()
    assert forecaster.horizon == HORIZON
