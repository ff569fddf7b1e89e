"""LightGBM from features to courses: what it learns, and what it is corrected by."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from forecasting.data.panel import Floats
from forecasting.models.launch_model import LaunchModel, TrainingRows
from forecasting.models.sample_paths import Paths
from forecasting.models.shared_fate import SharedFate

LEVELS = (0.1, 0.5, 0.9)
SHARES = np.array([0.4, 0.3, 0.2, 0.1])
HORIZON = len(SHARES)


def lessons(n: int = 300, seed: int = 0, *, effect: Floats | float = 1.0) -> TrainingRows:
    """Launches of which x says how much they sell; ``effect`` multiplies that, by launch."""
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    total = rng.poisson(np.exp(1 + 2 * x) * effect)
    kind = pd.Categorical(np.where(x > 0.5, "large", "small"), categories=["large", "small"])
    return TrainingRows(
        features=pd.DataFrame({"x": x, "noise": rng.random(n), "kind": kind}),
        curves=rng.multinomial(total, SHARES).astype(float),
        scale=np.ones((n, HORIZON)),
        items=np.arange(n),
        group=np.arange(n),
        passed=np.zeros(n, dtype=np.int64),
        lead=np.zeros(n, dtype=np.int64),
        vectors=np.eye(2, dtype=np.float32)[(x > 0.5).astype(int)],
        plan=np.empty((n, 1, 0)),
        counts=True,
    )


def fit(one: TrainingRows, **settings: object) -> LaunchModel:
    return LaunchModel(LEVELS, **({"n_jobs": 1} | settings)).fit(one)


def predict(model: LaunchModel, one: TrainingRows) -> Paths:
    return model.predict(one.features, one.scale, one.vectors, one.plan)


def joined(*parts: TrainingRows) -> TrainingRows:
    """Several lessons as one."""
    merged = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(TrainingRows)
        if field.name not in ("features", "counts")
    }
    return TrainingRows(
        features=pd.concat([part.features for part in parts], ignore_index=True),
        counts=parts[0].counts,
        **merged,
    )


def under_way(n: int, effect: float, ages: int = 2) -> TrainingRows:
    """Launches of which only the first ages have been seen."""
    some = lessons(n, seed=9, effect=effect)
    seen = np.where(np.arange(HORIZON) < ages, some.curves, np.nan)
    return replace(some, curves=seen, items=some.items + 10_000, group=some.group + 10_000)


def assert_same(one: Paths, other: Paths) -> None:
    for name in ("curves", "position", "weight", "factor", "scale"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


PAST = lessons()
NEW = lessons(400, seed=1)


@pytest.fixture(scope="module")
def model() -> LaunchModel:
    return fit(PAST)


def test_level_and_shape_are_learned(model: LaunchModel) -> None:
    mean = predict(model, NEW).mean()
    assert mean.sum() == pytest.approx(NEW.curves.sum(), rel=0.05)
    x = NEW.features["x"]
    for low in (0.0, 0.25, 0.5, 0.75):
        here = ((x >= low) & (x < low + 0.25)).to_numpy()
        assert mean[here].sum() == pytest.approx(NEW.curves[here].sum(), rel=0.25)
    np.testing.assert_allclose(mean.sum(axis=0) / mean.sum(), SHARES, atol=0.02)


def test_courses_are_those_of_past_launches(model: LaunchModel) -> None:
    paths = predict(model, NEW)
    np.testing.assert_array_equal(paths.curves, PAST.curves)
    np.testing.assert_array_equal(model.items, PAST.items)
    np.testing.assert_allclose(paths.weight.sum(axis=1), 1)
    weighted = (PAST.features["x"].to_numpy()[paths.position] * paths.weight).sum(axis=1)
    assert np.corrcoef(weighted, NEW.features["x"])[0, 1] > 0.9


def test_quantiles_hold_on_new_launches(model: LaunchModel) -> None:
    found = model.calibration.read(predict(model, NEW))
    for quantile, came in (
        (found.total_quantiles, NEW.curves.sum(axis=1)),
        (found.quantiles, NEW.curves),
    ):
        axes = tuple(range(came.ndim))
        assert ((came[..., None] < quantile).mean(axis=axes) < np.array(LEVELS) + 0.06).all()
        assert ((came[..., None] <= quantile).mean(axis=axes) > np.array(LEVELS) - 0.06).all()


def test_the_same_lessons_teach_the_same_to_the_last_bit(model: LaunchModel) -> None:
    again, other = fit(PAST), fit(PAST, seed=1)
    assert_same(predict(again, NEW), predict(model, NEW))
    assert (again.bias, again.fate) == (model.bias, model.fate)
    np.testing.assert_array_equal(again.calibration.totals, model.calibration.totals)
    assert not np.array_equal(predict(other, NEW).weight, predict(model, NEW).weight)


def test_a_launch_alone_is_forecast_as_among_others(model: LaunchModel) -> None:
    order = np.random.default_rng(0).permutation(len(NEW.curves))[:50]
    some = model.predict(
        NEW.features.iloc[order], NEW.scale[order], NEW.vectors[order], NEW.plan[order]
    )
    assert_same(some, predict(model, NEW)[order])


def test_no_launch_is_forecast_too(model: LaunchModel) -> None:
    nobody = model.predict(NEW.features[:0], NEW.scale[:0], NEW.vectors[:0], NEW.plan[:0])
    assert nobody.mean().shape == (0, HORIZON)
    assert model.contributions(NEW.features[:0]).shape == (0, 3)


def test_whole_numbers_are_counts_and_others_are_not(model: LaunchModel) -> None:
    assert predict(model, NEW).counts
    assert (predict(model, NEW).totals() % 1 == 0).all()
    assert not predict(fit(replace(PAST, counts=False)), NEW).counts


def test_a_larger_market_sells_more_of_the_same() -> None:
    """Half of the past met a market four times as large, and sold four times as much."""
    factor = np.where(np.arange(len(PAST.curves)) % 2, 4.0, 1.0)[:, None]
    mixed = replace(PAST, curves=PAST.curves * factor, scale=PAST.scale * factor)
    found, plain = (predict(fit(one, calibrate=False), NEW) for one in (mixed, PAST))
    assert_same(found, plain)
    larger = replace(NEW, scale=NEW.scale * 4)
    np.testing.assert_array_equal(
        predict(fit(mixed, calibrate=False), larger).mean(), 4 * plain.mean()
    )


def test_late_launches_count_more() -> None:
    """Launches of long ago sold a third of what those of today do."""
    long_ago = lessons(effect=1 / 3)
    both = joined(replace(long_ago, passed=long_ago.passed + 100, group=long_ago.group + 300), PAST)
    alike, late = (
        predict(fit(both, recency=one, calibrate=False), NEW).mean().sum() for one in (None, 25)
    )
    assert alike == pytest.approx(NEW.curves.sum() * 2 / 3, rel=0.1)
    assert late == pytest.approx(NEW.curves.sum(), rel=0.12)


def test_what_is_not_calibrated_is_read_as_it_is() -> None:
    made = fit(joined(PAST, under_way(100, 2.0)), calibrate=False)
    assert (made.bias, made.fate) == (1.0, SharedFate())
    np.testing.assert_array_equal(made.calibration.totals, [LEVELS])
    np.testing.assert_array_equal(made.calibration.ages, [LEVELS] * HORIZON)


def test_the_bias_makes_the_folds_come_out_right(model: LaunchModel) -> None:
    assert 0.8 < model.bias < 1.25
    raw = predict(fit(PAST, calibrate=False), NEW)
    np.testing.assert_allclose(predict(model, NEW).mean(), raw.mean() * model.bias)


@pytest.mark.parametrize("effect", [0.6, 1.6])
def test_the_bias_follows_the_launches_under_way(model: LaunchModel, effect: float) -> None:
    few, many = (fit(joined(PAST, under_way(n, effect))).bias for n in (40, 400))
    plain = np.log(model.bias)
    assert abs(np.log(few) - plain) < abs(np.log(many) - plain)
    # 400 launches half seen count as 200 whole ones, against a prior of 100. The two models alike.
    so_far = under_way(400, effect)
    expected = predict(fit(PAST, calibrate=False), so_far).mean()[:, :2].sum()
    now = np.log(np.nansum(so_far.curves) / expected)
    assert np.log(many) == pytest.approx(2 / 3 * now + 1 / 3 * plain)
    assert np.exp(now) == pytest.approx(effect, rel=0.1)


@pytest.mark.parametrize(("effect", "bound"), [(20.0, 2.0), (0.01, 0.5)])
def test_the_bias_does_not_follow_without_bounds(
    model: LaunchModel, effect: float, bound: float
) -> None:
    found = fit(joined(PAST, under_way(1000, effect))).bias
    assert found == pytest.approx(bound ** (500 / 600) * model.bias ** (100 / 600))


def test_launches_under_way_are_not_learned_from(model: LaunchModel) -> None:
    more = fit(joined(under_way(100, 1.6), PAST))
    moved = predict(more, NEW)
    plain = predict(model, NEW)
    np.testing.assert_array_equal(moved.weight, plain.weight)
    np.testing.assert_allclose(moved.factor, plain.factor * more.bias / model.bias)


def test_launches_of_which_nothing_is_known_do_not_matter(model: LaunchModel) -> None:
    unknown = under_way(100, 1.0, ages=0)
    assert_same(predict(fit(joined(PAST, unknown)), NEW), predict(model, NEW))


def test_a_group_stays_in_one_fold() -> None:
    """Groups of unlike texts, of two items: one of few units, one of three times as many.

    A model that has seen the other row of a group expects what that one sold, and is wrong; one
    that has not knows no better than that it is the one or the other.
    """
    n = 60
    rng = np.random.default_rng(3)
    total = np.concatenate([rng.uniform(9, 11, n), rng.uniform(27, 33, n)])
    rows = replace(
        lessons(2 * n),
        features=pd.DataFrame({"nothing": np.zeros(2 * n)}),
        curves=total[:, None] * SHARES,
        group=np.tile(np.arange(n), 2),
        vectors=np.tile(np.eye(n, dtype=np.float32), (2, 1)),
    )
    # As if the two rows were different groups, one after the other.
    torn = replace(rows, group=2 * rows.group + np.repeat([0, 1], n))
    kept, parted = (fit(one, courses="text").calibration.totals[0] for one in (rows, torn))
    np.testing.assert_allclose(kept, LEVELS, atol=0.05)
    assert parted[2] - parted[0] > 0.9


def test_where_items_stand_in_the_panel_does_not_matter(model: LaunchModel) -> None:
    """Folds part the launches, however many other items stand between them."""
    every_third = fit(replace(PAST, items=3 * PAST.items + 7, group=3 * PAST.group + 7))
    assert every_third.bias == model.bias
    np.testing.assert_array_equal(every_third.calibration.totals, model.calibration.totals)


def test_like_launches_by_text() -> None:
    made = fit(PAST, courses="text")
    paths = predict(made, NEW)
    assert made.trained.forest is None
    same = (PAST.vectors[paths.position] == NEW.vectors[:, None]).all(axis=2)
    assert ((paths.weight * same).sum(axis=1) > 0.99).all()
    # Text says large or small; the level within them comes from the boosted trees.
    assert paths.mean().sum() == pytest.approx(NEW.curves.sum(), rel=0.08)
    x = NEW.features["x"]
    totals = paths.mean().sum(axis=1)
    assert np.corrcoef(totals[x > 0.5], x[x > 0.5])[0, 1] > 0.7


def test_launches_that_miss_together_are_noticed(model: LaunchModel) -> None:
    rng = np.random.default_rng(4)
    together = np.repeat(np.arange(60), 10)
    common = rng.lognormal(0, 0.4, 60)[together]
    at_once = fit(replace(lessons(600, effect=common), passed=together)).fate
    assert at_once.period > 0.3
    assert at_once.group == 0
    # Launched one after the other, they have their group in common and no period.
    apart = fit(replace(lessons(600, effect=common), passed=np.arange(600), group=together)).fate
    assert apart.group > 0.3
    alone = fit(replace(lessons(600), passed=together)).fate
    assert alone.season + alone.period + alone.group < 0.1


def test_launches_of_one_time_stay_in_one_fold() -> None:
    """Periods whose launches sell alike, and a feature that tells them: nobody knows the next."""
    rng = np.random.default_rng(4)
    together = np.repeat(np.arange(60), 10)
    rows = lessons(600, effect=rng.lognormal(0, 0.6, 60)[together])
    rows = replace(rows, features=rows.features.assign(when=together), passed=together)
    assert fit(rows).fate.period > 0.3


def test_a_planned_promotion_moves_its_weeks() -> None:
    def with_plan(one: TrainingRows, seed: int) -> TrainingRows:
        rng = np.random.default_rng(seed)
        plan = (rng.random((len(one.curves), HORIZON, 1)) < 0.3).astype(float)
        expected = np.exp(2 + 2 * one.features["x"].to_numpy())[:, None] * SHARES
        return replace(
            one, plan=plan, curves=rng.poisson(expected * 2 ** plan[..., 0]).astype(float)
        )

    past, new = with_plan(PAST, 5), with_plan(NEW, 6)
    for calibrate in (True, False):
        made = fit(past, calibrate=calibrate)
        effect = np.exp(made.effect.slope / made.effect.spread)
        np.testing.assert_allclose(effect, [2], rtol=0.15)
        planned = predict(made, new).mean()
        unplanned = predict(made, replace(new, plan=np.full_like(new.plan, np.nan))).mean()
        np.testing.assert_allclose(planned.sum(axis=1), unplanned.sum(axis=1))
        # Of what launches sold that were promoted in a part of their weeks, the share in those.
        promoted = new.plan[..., 0] > 0
        part = promoted & ~promoted.all(axis=1, keepdims=True)
        some = part.any(axis=1)
        share, with_it, without = (
            one[part].sum() / one[some].sum() for one in (new.curves, planned, unplanned)
        )
        assert with_it == pytest.approx(share, rel=0.1)
        assert without < 0.75 * share


def test_gaps_and_unknown_categories_are_forecast_too(model: LaunchModel) -> None:
    kind = pd.Categorical([None, "large"], categories=["large", "small"])
    odd = pd.DataFrame({"x": [np.nan, np.nan], "noise": [0.5, np.nan], "kind": kind})
    found = model.predict(odd, np.ones((2, HORIZON)), NEW.vectors[:2], NEW.plan[:2])
    assert np.isfinite(found.mean()).all()
    assert (found.mean() > 0).all()


def test_what_moves_the_level(model: LaunchModel) -> None:
    added = model.contributions(NEW.features)
    assert added.shape == (len(NEW.curves), 3)
    told = added[:, 0] + added[:, 2]
    assert np.corrcoef(told, NEW.features["x"])[0, 1] > 0.9
    assert np.abs(added[:, 1]).mean() < 0.2 * np.abs(told).mean()
    level = model.trained.booster.predict(
        np.column_stack([NEW.features["x"], NEW.features["noise"], NEW.features["kind"].cat.codes])
    )
    constant = np.log(level) - added.sum(axis=1)
    np.testing.assert_allclose(constant, constant[0], atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_a_handful_of_launches_is_enough(n: int) -> None:
    made = fit(lessons(n))
    found = made.calibration.read(predict(made, NEW))
    assert np.isfinite(found.mean).all()
    assert found.mean.sum() > 0
    assert (np.diff(found.total_quantiles, axis=1) >= 0).all()


def test_where_nothing_was_sold_nothing_is_expected() -> None:
    made = fit(replace(PAST, curves=np.zeros_like(PAST.curves)))
    assert made.bias == 1.0
    found = made.calibration.read(predict(made, NEW))
    np.testing.assert_array_equal(found.mean, np.zeros((400, HORIZON)))
    np.testing.assert_array_equal(found.total_quantiles, np.zeros((400, 3)))
