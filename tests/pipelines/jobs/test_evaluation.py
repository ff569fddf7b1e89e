import json
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
import sqlalchemy as sa

from pipelines.config.settings import Settings, load_settings
from pipelines.jobs.evaluation import FILES, EvaluationResult, evaluate_job
from pipelines.jobs.index import index_job
from pipelines.jobs.labels import classify_job
from pipelines.reports.evaluation import write_evaluation
from retrieval import InputError, TableError
from tests.milvus_places import Places
from tests.pipelines.conftest import Shop

TEXT = ["product_type", "package_size", "brand"]


@pytest.fixture(scope="module")
def settings(shop: Shop, module_milvus: Places) -> Settings:
    """Settings whose collection holds two of three items of the shop."""
    settings = load_settings(shop.config, {"index": module_milvus().settings()})
    index_job(settings, shop.items[shop.items.index % 3 > 0])
    return settings


@pytest.fixture(scope="module")
def held(shop: Shop) -> pd.DataFrame:
    """The third one; one has no label, one a label that no other has."""
    items = shop.items[shop.items.index % 3 == 0].reset_index(drop=True)
    items.loc[4, "product_category"] = None
    items.loc[6, "product_category"] = "NUTS"
    return items


@pytest.fixture(scope="module")
def by_index(
    settings: Settings, held: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> EvaluationResult:
    path = tmp_path_factory.mktemp("test") / "test.csv"
    held.to_csv(path, index=False)
    outside = path.with_name("outside.csv")
    pd.DataFrame(
        {"product_type": ["CAT LITTER", "LIGHT BULBS"], "package_size": None, "brand": None}
    ).to_csv(outside, index=False)
    return evaluate_job(settings, test=path, outside=outside, group_col="manufacturer_id")


def test_the_index_labels_the_test_items(
    by_index: EvaluationResult, held: pd.DataFrame, shop: Shop
) -> None:
    answers = by_index.evaluation.answers
    labeled = held.dropna(subset=["product_category"])
    assert answers["item_id"].tolist() == labeled["product_id"].tolist()
    assert answers["label"].tolist() == labeled["product_category"].tolist()
    assert by_index.evaluation.scores["accuracy"] > 0.9
    examples = shop.items[shop.items.index % 3 > 0]["product_category"].value_counts()
    of_label = answers.groupby("label")["examples"].first()
    assert of_label.to_dict() == {**examples.to_dict(), "NUTS": 0}


def test_the_setup_says_how_the_scores_came_about(by_index: EvaluationResult, shop: Shop) -> None:
    setup, counts = by_index.setup, by_index.evaluation.counts
    assert setup["method"] == "test items"
    assert setup["items"].endswith("test.csv")
    assert (setup["left_out"], setup["indexed"], setup["seed"]) == (1, 0, 0)
    assert setup["examples"] == (shop.items.index % 3 > 0).sum()
    assert counts["unknown_label_items"] == 1
    assert counts["outside"] == 2 + 1
    assert counts["groups"] == shop.items["manufacturer_id"][::3].nunique()
    assert setup["encoder"]["name"] == "all-MiniLM-L6-v2"


def test_test_items_that_are_in_the_index_are_told(settings: Settings, shop: Shop) -> None:
    result = evaluate_job(settings, test=shop.items.head(9))
    assert result.setup["indexed"] == 6
    # None of them has itself among its neighbors.
    assert result.evaluation.counts["twins"] < 6


def test_files_are_whole_and_agree(by_index: EvaluationResult, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    write_evaluation(by_index, folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "answers.csv",
        "confusions.svg",
        "evaluation.html",
        "evaluation.json",
        "reliability.svg",
        "risk_coverage.svg",
    ]
    assert {path.name for path in folder.iterdir()} == set(FILES)
    read = json.loads((folder / "evaluation.json").read_text())
    answers = pd.read_csv(folder / "answers.csv", dtype={"item_id": "str"})
    assert read["scores"]["accuracy"] == answers["correct"].mean()
    assert read["setup"]["group_col"] == "manufacturer_id"
    assert answers["item_id"].tolist() == by_index.evaluation.answers["item_id"].tolist()
    for name in ("confusions", "reliability", "risk_coverage"):
        root = ElementTree.fromstring((folder / f"{name}.svg").read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_labeled_items_label_each_other_without_an_index(shop: Shop, tmp_path: Path) -> None:
    uri = tmp_path / "none.db"
    columns = {"label": "product_type", "text": "product_category,package_size,brand"}
    settings = load_settings(shop.config, {"items": columns, "index": {"uri": str(uri)}})
    result = evaluate_job(settings, shop.items.head(150), folds=3, seed=1)
    evaluation, items = result.evaluation, shop.items.head(150)
    assert result.setup["folds"] == 3
    assert evaluation.answers["item_id"].tolist() == items["product_id"].tolist()
    assert evaluation.counts["tail_labels"] > 0
    # A label of one item is unknown where it is asked for; nothing fails.
    single = items["product_type"].value_counts().eq(1).sum()
    assert evaluation.counts["unknown_label_items"] == single > 0
    assert not uri.exists()


def test_whole_groups_are_held_out(shop: Shop) -> None:
    items = shop.items.sample(120, random_state=2).reset_index(drop=True)
    settings = load_settings(shop.config)
    result = evaluate_job(settings, items, group_col="brand")
    fold = result.evaluation.answers["fold"]
    assert result.setup["folds"] == items["brand"].nunique()
    assert fold.groupby(items["brand"]).nunique().eq(1).all()


def test_what_is_never_split_while_learning_is_held_out_whole(shop: Shop) -> None:
    items = shop.items.sample(120, random_state=2).reset_index(drop=True)
    settings = load_settings(shop.config, {"classify": {"groups": "brand"}})
    result = evaluate_job(settings, items)
    fold = result.evaluation.answers["fold"]
    assert result.setup["group_col"] == "brand"
    assert fold.groupby(items["brand"]).nunique().eq(1).all()
    both = {"classify": {"groups": "brand"}, "evaluate": {"group_col": "manufacturer_id"}}
    other = evaluate_job(load_settings(shop.config, both), items, folds=2)
    assert other.setup["group_col"] == "manufacturer_id"


def test_so_many_items_are_scored_as_the_settings_say(shop: Shop) -> None:
    settings = load_settings(shop.config, {"evaluate": {"sample": 40}})
    result = evaluate_job(settings, shop.items.head(150))
    assert len(result.evaluation.answers) == result.setup["sample"] == 40
    assert (result.setup["method"], result.setup["examples"]) == ("held-out sample", 110)
    folded = evaluate_job(settings, shop.items.head(150), folds=2)  # who asks for folds gets them
    assert (folded.setup["method"], folded.setup["examples"]) == ("cross-validation", 150)
    assert len(folded.evaluation.answers) == 150
    everything = load_settings(shop.config, {"evaluate": {"sample": "none"}})
    assert everything.evaluate.sample is None


def test_a_query_and_a_csv_without_ids_will_do(shop: Shop, tmp_path: Path) -> None:
    items = shop.items[["product_type", "product_category"]].iloc[::9].copy()
    items.to_csv(tmp_path / "items.csv", index=False)
    url = f"sqlite:///{tmp_path / 'shop.sqlite'}"
    engine = sa.create_engine(url)
    items.to_sql("items", engine, index=False)
    engine.dispose()
    flags = {"text": "product_type", "label": "product_category"}
    from_file = evaluate_job(load_settings(flags={"items": flags}), tmp_path / "items.csv", folds=2)
    flags |= {"sql": "SELECT * FROM items", "url": url}
    from_query = evaluate_job(load_settings(flags={"items": flags}), folds=2)
    assert from_query.evaluation.scores == pytest.approx(from_file.evaluation.scores, nan_ok=True)
    assert len(from_file.evaluation.answers) == len(items)
    assert from_file.evaluation.answers["item_id"].is_unique


WORDS = {"BAG SNACKS": "chips, pretzels, popcorn", "CANDY - PACKAGED": "chocolate, candy, gum"}


def test_labels_in_words_are_scored_without_an_example(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    columns = {"id": "product_id", "text": TEXT, "label": "product_category"}
    settings = load_settings(flags={"items": columns})
    words = settings.classify.model_copy(update={"labels": WORDS, "coverage": 0.7})
    settings = settings.model_copy(update={"classify": words})
    result = evaluate_job(settings, test=shop.items.head(80))
    assert (result.setup["examples"], result.setup["described"]) == (0, 2)
    assert result.setup["coverage"] == 0.7
    assert result.evaluation.scores["accuracy"] > 0.8
    assert result.setup["adapted"] == 0
    adapt = settings.classify.model_copy(update={"adapt": True})
    asked = settings.model_copy(update={"classify": adapt})
    adapted = evaluate_job(asked, test=shop.items.head(80))
    assert adapted.setup["adapted"] == 80
    assert adapted.setup["examples"] == 0
    # With examples, too, every fold's classifier knows the words.
    crossed = evaluate_job(asked, shop.items.head(80), folds=2)
    assert (crossed.setup["described"], crossed.setup["adapted"]) == (2, 0)
    assert crossed.setup["examples"] == 80


def test_a_saved_classifier_is_scored_as_the_fitted_one(
    settings: Settings, held: pd.DataFrame, tmp_path: Path
) -> None:
    few = settings.model_copy(
        update={"classify": settings.classify.model_copy(update={"k": 7, "head": None})}
    )
    classify_job(few, held.head(2), save=tmp_path / "model")
    fitted = evaluate_job(few, test=held)
    saved = evaluate_job(settings, test=held, model=tmp_path / "model")
    assert saved.evaluation.scores == pytest.approx(fitted.evaluation.scores, nan_ok=True)
    assert saved.setup["classify"]["k"] == 7
    assert saved.setup["model"] == str(tmp_path / "model")


def test_what_is_wrong_is_named(settings: Settings, shop: Shop, tmp_path: Path) -> None:
    items = shop.items.head(30)
    without_label = load_settings(flags={"items": {"text": "product_type"}})
    with pytest.raises(InputError, match=r"set items\.label in the config, or give --label-col"):
        evaluate_job(without_label, items)
    with pytest.raises(InputError, match=r"no items table: name one, or set items\.path"):
        evaluate_job(without_label)
    with pytest.raises(InputError, match="not both"):
        evaluate_job(settings, items, test=items)
    with pytest.raises(InputError, match="name them with --test"):
        evaluate_job(settings, items, model=tmp_path)
    path = tmp_path / "test.csv"
    items.drop(columns="product_category").to_csv(path, index=False)
    with pytest.raises(TableError, match=r"test\.csv: no column 'product_category'"):
        evaluate_job(settings, test=path)
    items.assign(product_category=" ").to_csv(path, index=False)
    with pytest.raises(TableError, match=r"test\.csv: column product_category holds no label"):
        evaluate_job(settings, test=path)
    grouped = items.assign(manufacturer_id=None)
    with pytest.raises(TableError, match="test: row 1, column manufacturer_id is missing"):
        evaluate_job(settings, test=grouped, group_col="manufacturer_id")
    with pytest.raises(TableError, match=r"row 2, column .* holds no text"):
        blank = pd.DataFrame({column: ["a", " "] for column in TEXT})
        evaluate_job(settings, items, outside=blank, folds=2)
