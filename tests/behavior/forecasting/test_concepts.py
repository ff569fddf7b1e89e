"""A graph beside the index moves forecasts as told, as of the cutoff, and only where it helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.forecasts.market import Market, World
from forecasting import LaunchForecaster
from forecasting.concepts.kin import GUESSED, Inheritance, Kin
from forecasting.concepts.space import feature_names
from retrieval import ConceptGraph, Encoder, InputError, ItemIndex
from tests.forecasting.conftest import assert_same_answers

PATH = ["category", "line"]
MARKET = Market(incumbents=40, launches=220, new=12, spread=0.6, lines=True, periods=60)
Shop = tuple[World, pd.DataFrame, ConceptGraph]


@pytest.fixture(scope="module")
def world() -> World:
    return MARKET.world(0)


@pytest.fixture(scope="module")
def shop(world: World, encoder: Encoder) -> Callable[[], Shop]:
    """Open a fresh index with a graph beside it, in which all items are linked."""

    def opened() -> Shop:
        items = pd.concat([world.items, world.new_items], ignore_index=True)
        items = items.assign(line=items["name"].str.split().str[:2].str.join(" "))
        index = ItemIndex(":memory:", encoder)
        index.upsert(items, text="name", launch_date="launch_date", progress=False)
        graph = ConceptGraph(index).load(items, path=PATH)
        graph.link(items, path=PATH)
        return world, items, graph

    return opened


def forecaster(graph: ConceptGraph, **changes: object) -> LaunchForecaster:
    settings: dict[str, object] = {
        "index": graph.index,
        "text": "name",
        "attributes": ["category"],
        "horizon": MARKET.horizon,
        "k": 10,
        "n_jobs": 1,
        "concepts": True,
    }
    return LaunchForecaster(**(settings | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def known(shop: Callable[[], Shop]) -> tuple[Shop, LaunchForecaster]:
    opened = shop()
    world, _, graph = opened
    return opened, forecaster(graph).fit(world.items, world.sales)


def test_launches_are_described_by_their_concept_as_of_their_start(
    known: tuple[Shop, LaunchForecaster],
) -> None:
    (_, items, _), fitted = known
    history, rows = fitted.history_, fitted.training_
    described = fitted.engine_.describer.describe(rows)
    assert set(feature_names()) < set(described.features.columns)
    of = items.set_index("item_id").loc[list(fitted.panel_.ids), PATH].agg(" > ".join, axis=1)
    row = int(np.flatnonzero(rows.period > 40)[0])
    standing = rows.standing[row]
    mine = of.to_numpy() == items.set_index("item_id").loc[rows.ids[row], PATH].str.cat(sep=" > ")
    there = np.flatnonzero(mine & (fitted.panel_.visible <= standing))
    level = history.level(there, np.full(len(there), standing), history.windows.longer)
    expected = np.log1p(np.nanmean(level) / history.unit(np.array([standing]))[0])
    assert described.features.loc[row, "concept_level"] == pytest.approx(expected, abs=1e-5)
    launched = there[fitted.panel_.launch[there] <= standing]
    assert described.features.loc[row, "concept_count"] == pytest.approx(np.log1p(len(launched)))


def test_what_is_near_in_the_graph_is_a_pool_and_named(
    known: tuple[Shop, LaunchForecaster],
) -> None:
    (world, items, _), fitted = known
    shown = fitted.explain(world.new_items.head(3))
    near = shown[shown["pool"] == "concept"]
    assert set(near["similarity_of"]) == {"graph"}
    assert (near.groupby("unique_id").size() == 10).all()
    path = items.set_index("item_id")[PATH].agg(" > ".join, axis=1)
    one = near[near["concept"] == path[near["unique_id"]].to_numpy()]
    assert len(one)
    assert (path[one["analogue"]].to_numpy() == one["concept"]).all()


def test_what_comes_after_the_cutoff_changes_no_bit(
    known: tuple[Shop, LaunchForecaster], shop: Callable[[], Shop]
) -> None:
    (world, items, _), fitted = known
    cutoff = world.cutoff - pd.Timedelta(weeks=9)
    earlier = forecaster(known[0][2]).fit(world.items, world.sales, cutoff)
    _, _, graph = shop()
    later = items[items["launch_date"] > cutoff + pd.Timedelta(days=6)]["item_id"]
    asked = world.items[world.items["item_id"].isin(later)]
    after = cutoff + pd.Timedelta(days=7)
    rng = np.random.default_rng(0)
    paths = list(dict.fromkeys(graph.concepts.path(one) for one in graph.concepts))
    moved = {item: str(rng.choice(paths)) for item in items["item_id"]}
    graph.correct(moved, since=after)
    sales = world.sales.copy()
    late = sales["ds"] > cutoff
    sales.loc[late, "y"] = rng.integers(0, 500, late.sum())
    for one in asked["item_id"].head(5):
        graph.relate(one, "replaces", world.items["item_id"].iloc[3], after)
        graph.relate(one, "variant_of", world.items["item_id"].iloc[60], after)
    again = forecaster(graph).fit(world.items, sales, cutoff)
    assert len(asked) > 10
    assert_same_answers(again, earlier, asked)
    assert not fitted.predict(world.new_items).empty


def test_a_relation_counts_at_once_and_as_told(
    known: tuple[Shop, LaunchForecaster], tmp_path: Path, encoder: Encoder
) -> None:
    (world, _, graph), fitted = known
    panel, new = fitted.panel_, world.new_items
    recent = pd.Series(panel.units[:, -8:].mean(axis=1), index=panel.ids)
    old = str(recent[world.items["item_id"].head(40)].idxmax())
    before = fitted.predict_total(new)
    graph.relate(new["item_id"].iloc[0], "replaces", old)
    after = fitted.predict_total(new)
    told = fitted.engine_.inheritance
    level = told.premium * recent[old] * MARKET.horizon
    assert 1.1 < told.premium < 1.6  # launches of this market sell more at first
    gap = np.log([one["mean"].iloc[0] / level for one in (before, after)])
    assert abs(gap[1]) < 0.3 * abs(gap[0])
    pd.testing.assert_frame_equal(after.iloc[1:], before.iloc[1:])
    wide = [np.log(one["0.9"].iloc[0] / one["0.1"].iloc[0]) for one in (before, after)]
    assert wide[1] < 0.7 * wide[0]
    shown = fitted.explain(new.head(1)).query("pool == 'replaces'")
    assert shown["analogue"].tolist() == [old]
    graph.relate(new["item_id"].iloc[1], "replaces", old, world.cutoff + pd.Timedelta(days=7))
    pd.testing.assert_frame_equal(fitted.predict_total(new), after)
    fitted.save(tmp_path / "model", standalone=True)
    loaded = LaunchForecaster.load(tmp_path / "model", encoder=encoder)
    pd.testing.assert_frame_equal(loaded.predict_total(new), before)


def test_past_successors_teach_how_much_is_taken_over(shop: Callable[[], Shop]) -> None:
    world, _, graph = shop()
    sold = world.sales.groupby("unique_id")["y"].mean()
    launches = world.items[world.items["launch_date"].notna()]["item_id"]
    old = world.items[world.items["launch_date"].isna()]["item_id"]
    apart = np.abs(np.log(sold[launches].to_numpy()[:, None] / sold[old].to_numpy()[None, :]))
    alike = old.to_numpy()[apart.argmin(axis=1)]
    pairs = {"source": launches, "relation": "replaces", "target": alike}
    graph.load(pd.DataFrame(pairs))
    fitted = forecaster(graph).fit(world.items, world.sales)
    assert fitted.engine_.inheritance.launches["replaces"] > 10
    assert fitted.engine_.inheritance.weight["replaces"] > 0.8


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_part_that_is_taken_over_is_learned(share: float) -> None:
    rng = np.random.default_rng(0)
    expected, level = np.exp(rng.normal(2, 0.5, 400)), np.exp(rng.normal(2, 1, 400))
    came = expected * (level / expected) ** share * np.exp(rng.normal(0, 0.1, 400))
    nothing = np.full(400, np.nan)
    kin = Kin({"replaces": level, "variant_of": nothing})
    learned = Inheritance.learn(kin, expected, came)
    assert learned.weight["replaces"] == pytest.approx(share, abs=0.05)
    assert learned.weight["variant_of"] == GUESSED["variant_of"]
    assert Inheritance.learn(Kin({**kin.level, "replaces": nothing}), expected, came).weight == (
        GUESSED
    )
    assert learned.factor(Kin({"replaces": nothing, "variant_of": nothing}), came).max() == 1.0


def test_variants_share_their_fate(known: tuple[Shop, LaunchForecaster]) -> None:
    (world, _, graph), fitted = known
    one, other = world.new_items["item_id"].iloc[[4, 5]]
    new = world.new_items.iloc[[4, 5]].assign(launch_date=world.new_items["launch_date"].iloc[4])
    assert len(np.unique(fitted._launches(new).group)) == 2
    graph.relate(one, "variant_of", other)
    assert len(np.unique(fitted._launches(new).group)) == 1


def test_the_gate_says_whether_concepts_helped_and_is_kept(
    known: tuple[Shop, LaunchForecaster], tmp_path: Path, encoder: Encoder
) -> None:
    (world, _, graph), _ = known
    judged = forecaster(graph, concepts="auto").fit(world.items, world.sales)
    verdict = judged.engine_.describer.concept_verdict
    assert verdict is not None
    assert verdict.low is not None
    assert verdict.used == (verdict.low > 0)
    described = judged.engine_.describer.describe(judged._launches(world.new_items))
    assert ("concept_level" in described.features) == verdict.used
    judged.save(tmp_path / "model", standalone=True)
    assert str(verdict).partition(": ")[2] in (tmp_path / "model" / "README.md").read_text()
    loaded = LaunchForecaster.load(tmp_path / "model", encoder=encoder)
    assert loaded.engine_.describer.concept_verdict == verdict
    assert_same_answers(loaded, judged, world.new_items)


def test_an_item_that_nobody_linked_is_of_its_like_items_concept(
    known: tuple[Shop, LaunchForecaster],
) -> None:
    (world, items, _), fitted = known
    stranger = world.new_items.head(1).assign(item_id="nobody knows me")
    described = fitted.engine_.describer.describe(fitted._launches(stranger))
    assert described.concept is not None
    assert fitted.engine_.describer.knowledge is not None
    path = fitted.engine_.describer.knowledge.tree.paths[described.concept[0]]
    assert path == " > ".join(
        items.set_index("item_id").loc[world.new_items["item_id"].iloc[0], PATH]
    )


def test_what_is_no_use_is_refused(known: tuple[Shop, LaunchForecaster], encoder: Encoder) -> None:
    (world, items, graph), _ = known
    with pytest.raises(InputError, match="pass it as index="):
        forecaster(graph, index=None, encoder=encoder).fit(world.items, world.sales)
    with pytest.raises(InputError, match="concepts must be True, False or 'auto'"):
        forecaster(graph, concepts="perhaps").fit(world.items, world.sales)
    bare = ItemIndex(":memory:", encoder)
    bare.upsert(items.head(5), text="name", progress=False)
    with pytest.raises(InputError, match="there are none beside collection"):
        forecaster(ConceptGraph(bare)).fit(world.items, world.sales)
    voting = forecaster(graph, method="knn").fit(world.items, world.sales)
    assert voting.engine_.describer.concept_verdict is not None
    assert not voting.engine_.describer.concept_verdict.used
