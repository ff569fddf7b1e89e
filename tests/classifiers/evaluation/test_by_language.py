from __future__ import annotations

import pytest

from classifiers import scores_by_language
from retrieval import InputError


def test_a_language_that_is_worse_than_the_others_falls_off() -> None:
    correct = [True] * 90 + [False] * 10 + [True] * 20 + [False] * 30 + [True, False]
    scores = scores_by_language(correct, ["en"] * 100 + ["de"] * 50 + ["fr"] * 2)
    assert scores["language"].tolist() == ["en", "de", "fr"]
    assert scores["accuracy"].tolist() == pytest.approx([0.9, 0.4, 0.5])
    assert scores["falls_off"].tolist() == [False, True, False]
    assert (scores["low"] <= scores["accuracy"]).all()


def test_one_language_has_no_others_to_fall_behind() -> None:
    scores = scores_by_language([True, False], ["en", "en"])
    assert scores["others"].isna().all() and not scores["falls_off"].any()
    with pytest.raises(InputError, match="1 languages for 2 answers"):
        scores_by_language([True, False], ["en"])
