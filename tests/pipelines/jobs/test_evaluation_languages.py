import pandas as pd
import pytest

from pipelines.config.settings import load_settings
from pipelines.jobs.evaluation import evaluate_job
from pipelines.reports.evaluation import remarks
from retrieval import TableError

WORDS = {
    "dairy": ["fresh milk", "whole milk", "skimmed milk", "oat milk", "milk shake", "warm milk"],
    "tools": ["hand drill", "cordless drill", "hammer drill", "drill bit", "power drill", "drill"],
}
GIBBERISH = ["qx vz", "zzk wq", "vxq jz", "kkz qq", "wvx zz", "jq xk"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rows = [(text, label, "en") for label, texts in WORDS.items() for text in texts]
    rows += [(text, "tools" if row % 2 else "dairy", "sw") for row, text in enumerate(GIBBERISH)]
    named = pd.DataFrame(rows, columns=["name", "category", "lang"])
    return named.assign(item_id=[f"i{row}" for row in range(len(named))])


def test_scores_are_told_by_language(table: pd.DataFrame) -> None:
    items = {"text": ["name"], "label": "category", "language": "lang"}
    result = evaluate_job(load_settings(None, {"items": items}), table, folds=3)
    scores = {row["language"]: row for row in result.setup["by_language"]}
    assert {code: row["items"] for code, row in scores.items()} == {"en": 12, "sw": 6}
    assert scores["en"]["accuracy"] > scores["sw"]["accuracy"]
    fallen = [line for line in remarks(result.evaluation, result.setup) if "'sw'" in line]
    assert len(fallen) == int(scores["sw"]["falls_off"])


def test_a_language_that_is_none_is_named_with_its_row(table: pd.DataFrame) -> None:
    items = {"text": ["name"], "label": "category", "language": "lang"}
    wrong = table.assign(lang=["Klingon", *table["lang"][1:]])
    with pytest.raises(TableError, match="row 1, column lang is no code of a language: 'Klingon'"):
        evaluate_job(load_settings(None, {"items": items}), wrong, folds=3)
