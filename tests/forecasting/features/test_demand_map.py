"""Items whose demand goes with one direction of their texts that says little of the words."""

import numpy as np
import pandas as pd

from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import NEVER, Grid, Panel
from forecasting.features.demand_map import DemandMap, describe, learn_map, moments

RNG = np.random.default_rng(0)
ITEMS, PERIODS, DIMENSIONS = 400, 30, 12
GRID = Grid("W-MON", pd.Timestamp("2024-01-01"))
KIND = np.array(["dear", "cheap"], dtype=object)[RNG.integers(0, 2, ITEMS)]
KINDS = {"price": "number", "kind": "string"}


def unit_rows(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


WORDS = RNG.normal(size=(ITEMS, DIMENSIONS))
WORDS[:, 0] *= 0.5  # what tells demand is the least of what words differ in
VECTORS = unit_rows(WORDS)
LEVEL = np.exp(4 * VECTORS[:, 0] + (KIND == "cheap"))
ATTRIBUTES = pd.DataFrame({"price": np.where(np.arange(ITEMS) % 9, 2.0, np.nan), "kind": KIND})


def history(units: np.ndarray | None = None, periods: int = PERIODS) -> History:
    launch = np.where(np.arange(ITEMS) % 2, NEVER, np.arange(ITEMS) % (PERIODS - 5))
    visible = np.where(launch == NEVER, 0, launch)
    sold = np.random.default_rng(1).poisson(LEVEL[:, None], (ITEMS, PERIODS)).astype(np.float32)
    sold = sold if units is None else units
    sold = np.where(np.arange(PERIODS) < visible[:, None], np.nan, sold)[:, :periods]
    seen = np.flatnonzero(visible < periods)
    ids = np.array([f"i{number:03}" for number in seen], dtype=object)
    panel = Panel(ids, GRID, sold[seen], visible[seen], launch[seen])
    return History(panel, ATTRIBUTES.iloc[seen].reset_index(drop=True), 4)


def launches() -> Launches:
    """Every second item, seen the period before its launch."""
    period = history().panel.launch[::2]
    return Launches(
        ids=history().panel.ids[::2],
        vectors=VECTORS[::2],
        period=period,
        standing=np.maximum(period - 1, 0),
        attributes=ATTRIBUTES.iloc[::2].reset_index(drop=True),
    )


def described() -> np.ndarray:
    return describe(VECTORS, ATTRIBUTES, KINDS)


def test_items_near_on_the_map_sell_alike_and_items_near_in_words_do_not() -> None:
    learned = learn_map(history(), described(), PERIODS - 1)
    assert learned is not None
    mapped = learned.of(described())
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), 1.0)

    def apart(vectors: np.ndarray) -> float:
        near = vectors @ vectors.T - 2 * np.eye(ITEMS)
        most = np.argsort(-near, axis=1)[:, :10]
        return float(np.abs(np.log(LEVEL)[most].mean(axis=1) - np.log(LEVEL)).mean())

    assert apart(mapped) < 0.5 * apart(VECTORS)


def test_the_same_sales_teach_the_same_map_whatever_came_later() -> None:
    moment = int(moments(history())[-2])
    noise = history().panel.units.copy()
    noise[:, moment + 1 :] = RNG.integers(0, 999, noise[:, moment + 1 :].shape)
    first = learn_map(history(), described(), moment)
    again = learn_map(history(noise), described(), moment)
    assert first is not None
    assert again is not None
    for name in ("center", "spread", "weights"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_maps_are_learned_at_moments_that_do_not_depend_on_the_end() -> None:
    late, early = moments(history()), moments(history(periods=20))
    np.testing.assert_array_equal(early, late[late < 20])
    assert len(early) > 1
    assert late[-1] < PERIODS


def test_too_few_launches_teach_nothing() -> None:
    assert learn_map(history(), described(), 6) is None


def test_sales_that_are_all_alike_teach_nothing() -> None:
    flat = np.zeros((200, 2))
    assert DemandMap.learn(described()[:200], flat, np.ones(200)) is None


def test_a_category_never_seen_before_and_a_missing_number_are_told_from_nothing_else() -> None:
    learned = learn_map(history(), described(), PERIODS - 1)
    assert learned is not None
    strange = ATTRIBUTES.iloc[:3].assign(kind=["new", None, "dear"], price=[np.nan, 2.0, np.inf])
    mapped = learned.of(describe(VECTORS[:3], strange, KINDS))
    assert np.isfinite(mapped).all()


def test_a_description_depends_on_its_item_alone() -> None:
    other = ATTRIBUTES.iloc[::-1].reset_index(drop=True)
    np.testing.assert_array_equal(describe(VECTORS[::-1], other, KINDS), described()[::-1])
