"""Lists of labels from files: through the index, `classify` and `evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from classifiers import ListEvaluation
from pipelines.config.settings import load_settings
from pipelines.jobs.evaluation import evaluate_job
from pipelines.jobs.index import index_job
from pipelines.jobs.labels import classify_job
from pipelines.reports.evaluation import show_evaluation, write_evaluation
from retrieval import InputError
from tests.milvus_places import Places

TEXTS = ["iced coffee", "iced tea", "hot coffee", "hot tea"]
LISTS = [["coffee", "cold"], ["cold", "tea"], ["coffee"], ["tea"]]
ROWS = {
    "item_id": [f"i{row:02}" for row in range(24)],
    "name": [f"{TEXTS[row % 4]} no {row}" for row in range(24)],
    "label": [LISTS[row % 4] for row in range(24)],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same items as Parquet with lists, and as CSV with JSON or with a separator."""
    folder = tmp_path_factory.mktemp("lists")
    table = pd.DataFrame(ROWS)
    table.to_parquet(folder / "lists.parquet")
    table.assign(label=table["label"].map(json.dumps)).to_csv(folder / "json.csv", index=False)
    table.assign(label=table["label"].map("|".join)).to_csv(folder / "marks.csv", index=False)
    return {path.name: path for path in folder.iterdir()}


def settings(place: Any, name: str) -> Any:
    items = {"text": "name", "label": "label"}
    if name == "marks.csv":
        items["label_separator"] = "|"
    return load_settings(None, {"items": items, "index": place.settings(), "classify": {"k": 5}})


def test_lists_of_labels_go_from_files_to_answers(
    files: dict[str, Path], milvus: Places, tmp_path: Path
) -> None:
    place = milvus()
    digests = []
    for name, path in files.items():
        made = settings(place, name)
        counts = index_job(made, made.items.at(path))
        digests.append(counts["changed"])
    assert digests == [0, 0, 0]
    made = settings(place, "lists.parquet")
    new = pd.DataFrame({"item_id": ["n"], "name": ["iced coffee with ice"]})
    answers = classify_job(made, new)
    assert sorted(answers["label"].item()) == ["coffee", "cold"]
    assert isinstance(answers["neighbors"].item()[0]["label"], list)

    result = evaluate_job(made, test=files["json.csv"], seed=1)
    assert isinstance(result.evaluation, ListEvaluation)
    assert result.evaluation.scores["micro_f1"] > 0.8
    out = tmp_path / "out"
    write_evaluation(result, out)
    assert sorted(path.name for path in out.iterdir()) == ["answers.csv", "evaluation.json"]
    told = json.loads((out / "evaluation.json").read_text())
    assert told["counts"] == {"items": 24, "labels": 3}
    console = Console(width=120, record=True, quiet=True)
    show_evaluation(console, result.evaluation, result.setup)
    with pytest.raises(InputError, match="scored against one label each"):
        evaluate_job(made, test=files["json.csv"], outside=new)


def test_items_with_lists_label_each_other(files: dict[str, Path], milvus: Places) -> None:
    made = settings(milvus(), "marks.csv")
    result = evaluate_job(made, made.items.at(files["marks.csv"]), folds=2)
    assert isinstance(result.evaluation, ListEvaluation)
    assert result.evaluation.scores["micro_f1"] > result.evaluation.baseline["micro_f1"]
    assert result.setup["folds"] == 2
    assert result.evaluation.answers["item_id"].tolist() == ROWS["item_id"]


def test_an_index_with_lists_and_single_labels_is_refused(
    files: dict[str, Path], milvus: Places
) -> None:
    made = settings(milvus(), "lists.parquet")
    index_job(made, files["lists.parquet"])
    index_job(made, pd.DataFrame({"item_id": ["x"], "name": ["water"], "label": ["water"]}))
    with pytest.raises(InputError, match="some items of the index have lists of labels"):
        classify_job(made, pd.DataFrame({"item_id": ["n"], "name": ["tea"]}))
