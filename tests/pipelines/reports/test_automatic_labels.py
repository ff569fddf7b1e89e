from typing import Any

import numpy as np
import pandas as pd
import pytest

from classifiers import risk_coverage
from pipelines.reports.automatic_labels import Cost, examples_of_mistakes, shares

SURE = np.array([0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
RIGHT = np.array([True] * 6 + [False, True, False, False])


@pytest.fixture
def curve() -> pd.DataFrame:
    return risk_coverage(SURE, RIGHT)


def test_shares_say_how_many_need_no_person(curve: pd.DataFrame) -> None:
    reached, all_of_it = shares(curve, 10, targets=(0.9,))
    assert (reached.share, reached.items, reached.wrong, reached.threshold) == (0.6, 6, 0, 0.6)
    assert (all_of_it.wanted, all_of_it.items, all_of_it.wrong) == (None, 10, 3)
    assert all_of_it.wrong_per_thousand == 300
    never = shares(risk_coverage(SURE, ~RIGHT), 10, targets=(0.99,))[0]
    assert (never.share, never.items, never.wrong_per_thousand) == (0, 0, 0)


def test_the_least_cost_lies_between_all_and_none(curve: pd.DataFrame) -> None:
    cost = Cost.of(curve, 10, wrong=20, person=2)
    assert (cost.all_taken, cost.all_looked_at) == (pytest.approx(60), 20)
    assert cost.least == pytest.approx(8)  # six are taken, all right; four are looked at
    assert (cost.threshold, cost.share) == (0.6, 0.6)
    assert "60% of them" in cost.in_words
    by_hand = Cost.of(risk_coverage(SURE, ~RIGHT), 10, wrong=1_000, person=2)
    assert by_hand.share == 0
    assert by_hand.in_words.startswith("Nothing is cheaper than a person")


def test_mistakes_are_shown_by_their_texts() -> None:
    answers = pd.DataFrame(
        {
            "item_id": ["a", "b", "c", "d"],
            "label": ["tea", "tea", "tea", "jam"],
            "predicted": ["jam", "jam", "jam", "jam"],
            "probability": [0.5, 0.9, 0.7, 1.0],
            "correct": [False, False, False, True],
        }
    )
    pairs = pd.DataFrame({"label": ["tea"], "predicted": ["jam"], "n": [3], "share": [1.0]})
    made: Any = type("Made", (), {"answers": answers, "confusions": pairs})
    (pair,) = examples_of_mistakes(made, {"b": "green tea", "c": "black tea"})
    assert [one["item_id"] for one in pair["items"]] == ["b", "c"]
    assert [one["text"] for one in pair["items"]] == ["green tea", "black tea"]
