"""Similarity by demand is used in a pool where it told past launches better, and says so."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from forecasting import LaunchForecaster
from forecasting.features.analogues import Pool
from forecasting.features.similarity_gate import judge
from retrieval import Encoder, InputError
from tests.forecasting.conftest import CUTOFF, Slice, assert_same_answers, new_forecaster
from tests.forecasting.features.test_demand_map import ITEMS, LEVEL, history, launches


def pool(level: np.ndarray) -> Pool:
    """Of each launch, the ten items whose level is nearest to what is given."""
    apart = np.abs(LEVEL[None, :] - level[:, None]) + 1e9 * np.eye(ITEMS)[::2]
    position = np.argsort(apart, axis=1)[:, :10]
    return Pool(position, np.ones(position.shape), 0.05, np.ones(position.shape))


RIGHT, WRONG = pool(LEVEL[::2]), pool(np.roll(LEVEL[::2], 7))


@pytest.mark.parametrize(
    ("text", "demand", "used"),
    [(WRONG, RIGHT, "demand"), (RIGHT, WRONG, "text"), (RIGHT, RIGHT, "text")],
)
def test_demand_is_used_only_where_it_told_more(text: Pool, demand: Pool, used: str) -> None:
    made, rows = history(), launches()
    verdict = judge("incumbent", made, rows, np.arange(0, ITEMS, 2), text, demand)
    assert verdict.used == used
    assert verdict.text is not None
    assert verdict.demand is not None
    assert verdict.low is not None
    assert (verdict.low > 0) == (used == "demand")
    assert f"{verdict.text:.3f} by text, {verdict.demand:.3f} by demand" in str(verdict)


def test_a_handful_of_launches_cannot_tell() -> None:
    rows, few = launches(), np.arange(40)
    verdict = judge("launch", history(), rows[few], 2 * few, WRONG[few], RIGHT[few])
    assert verdict.used == "text"
    assert "too few launches" in str(verdict)


def test_the_verdict_of_each_pool_is_logged_and_in_the_card(
    grocery: Slice, voting: LaunchForecaster, tmp_path: Path, caplog: Any
) -> None:
    with caplog.at_level(logging.INFO, logger="forecasting"):
        chosen = clone(voting).set_params(similarity="auto")
        chosen.fit(grocery.items, grocery.sales, CUTOFF)
    verdicts = chosen.engine_.describer.verdicts
    assert [verdict.pool for verdict in verdicts] == ["incumbent", "launch"]
    chosen.save(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    used = dict(zip(*_used(chosen, grocery), strict=True))
    for verdict in verdicts:
        assert str(verdict) in caplog.text
        assert str(verdict).partition(": ")[2] in card
        assert used[verdict.pool] == verdict.used
    assert used["sibling"] == used["launch"]


def _used(forecaster: LaunchForecaster, grocery: Slice) -> tuple[list[str], list[str]]:
    shown = forecaster.explain(grocery.later.head(5))[["pool", "similarity_of"]].drop_duplicates()
    return shown["pool"].tolist(), shown["similarity_of"].tolist()


def test_a_saved_forecaster_carries_its_map(
    grocery: Slice, by_demand: LaunchForecaster, encoder: Encoder, tmp_path: Path
) -> None:
    by_demand.save(tmp_path / "model")
    loaded = LaunchForecaster.load(tmp_path / "model", encoder=encoder)
    assert loaded.similarity == "demand"
    assert loaded.engine_.describer.verdicts == by_demand.engine_.describer.verdicts
    assert_same_answers(loaded, by_demand, grocery.later.head(20))


def test_other_analogues_and_the_same_novelty(
    grocery: Slice, by_demand: LaunchForecaster, voting: LaunchForecaster
) -> None:
    new = grocery.later.head(20)
    np.testing.assert_array_equal(by_demand.novelty(new), voting.novelty(new))
    mine, theirs = (each.explain(new).query("pool == 'launch'") for each in (by_demand, voting))
    assert set(mine["similarity_of"]) == {"demand"}
    assert set(theirs["similarity_of"]) == {"text"}
    assert set(zip(mine["unique_id"], mine["analogue"], strict=True)) != set(
        zip(theirs["unique_id"], theirs["analogue"], strict=True)
    )


def test_one_launch_is_answered_as_among_many(grocery: Slice, by_demand: LaunchForecaster) -> None:
    new = grocery.later.head(12)
    alone = by_demand.predict_total(new.iloc[3:4]).drop(columns="novelty").to_dict("records")
    among = by_demand.predict_total(new).drop(columns="novelty").iloc[3:4].to_dict("records")
    assert alone == among


def test_an_unknown_similarity_is_refused(encoder: Encoder, grocery: Slice) -> None:
    wrong = new_forecaster(encoder, similarity="learned")
    with pytest.raises(InputError, match="unknown similarity 'learned'; there are: text, demand"):
        wrong.fit(grocery.items, grocery.sales, CUTOFF)
