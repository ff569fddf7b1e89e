from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from pipelines.components import adapted_to, fitted_classifier, make_classifier, open_index
from pipelines.config.settings import Settings, load_settings
from pipelines.jobs.index import index_job
from pipelines.jobs.labels import classify_job, label_items, similar_job
from pipelines.tables.sql import SqlQuery
from retrieval import Encoder, InputError, ItemIndex, TableError
from tests.milvus_places import Places
from tests.pipelines.conftest import CHIPS, CHOCOLATE, Shop


@pytest.fixture(scope="module")
def settings(shop: Shop, module_milvus: Places) -> Settings:
    """Settings whose collection holds the shop's items."""
    settings = load_settings(shop.config, {"index": module_milvus().settings()})
    n = len(shop.items)
    assert index_job(settings) == {"new": n, "changed": 0, "unchanged": 0, "total": n}
    return settings


def _fresh(shop: Shop, milvus: Places, **flags: dict[str, object]) -> Settings:
    return load_settings(shop.config, {"index": milvus("fresh").settings(), **flags})


# --- index -------------------------------------------------------------------------------------


def test_indexing_again_changes_only_what_changed(shop: Shop, milvus: Places) -> None:
    settings, items = _fresh(shop, milvus), shop.items.head(20).copy()
    index_job(settings, items)
    items.loc[3, "department"] = "SWEETS"
    more = pd.concat([items, shop.items[20:25]])
    assert index_job(settings, more) == {"new": 5, "changed": 1, "unchanged": 19, "total": 25}
    assert index_job(settings, more)["unchanged"] == 25


def test_a_csv_file_a_query_and_a_frame_are_the_same_items(
    shop: Shop, milvus: Places, tmp_path: Path
) -> None:
    items = shop.items.head(30)
    items.to_csv(tmp_path / "items.csv", index=False)
    url = f"sqlite:///{tmp_path / 'shop.sqlite'}"
    engine = sa.create_engine(url)
    items.to_sql("items", engine, index=False)
    engine.dispose()
    settings = _fresh(shop, milvus)
    index_job(settings, items)
    for source in (tmp_path / "items.csv", SqlQuery("SELECT * FROM items", url)):
        assert index_job(settings, source)["unchanged"] == 30


def test_ids_keep_their_leading_zeros(shop: Shop, milvus: Places, tmp_path: Path) -> None:
    items = shop.items.head(3).assign(product_id=["007", "7", "0070"])
    items.to_csv(tmp_path / "items.csv", index=False)
    settings = _fresh(shop, milvus)
    index_job(settings, tmp_path / "items.csv")
    with open_index(settings) as index:
        assert index.get(["7", "007", "0070"])["item_id"].tolist() == ["7", "007", "0070"]


def test_attributes_of_a_few_new_rows_are_what_the_collection_holds(
    shop: Shop, milvus: Places, tmp_path: Path
) -> None:
    settings, table = _fresh(shop, milvus), tmp_path / "items.csv"
    index_job(settings, shop.items.head(5))
    few = shop.items[5:7].assign(department=["12", "16"], manufacturer_id=None)
    few.to_csv(table, index=False)
    assert index_job(settings, table)["new"] == 2
    shop.items[7:8].assign(manufacturer_id="ACME").to_csv(table, index=False)
    with pytest.raises(TableError, match="manufacturer_id: 'ACME' is not a number"):
        index_job(settings, table)


def test_a_refused_table_changes_nothing(shop: Shop, milvus: Places) -> None:
    settings = _fresh(shop, milvus)
    index_job(settings, shop.items.head(5))
    with pytest.raises(TableError, match="product_id"):
        index_job(settings, shop.items.assign(product_id="A1"))
    with open_index(settings) as index:
        assert index.count() == 5


def test_without_text_columns_there_is_nothing_to_index(shop: Shop, milvus: Places) -> None:
    with pytest.raises(InputError, match=r"no text column: set items\.text"):
        index_job(_fresh(shop, milvus, items={"text": ()}))


def test_without_a_table_the_message_says_where_to_name_one() -> None:
    with pytest.raises(InputError, match=r"set items\.path in the config"):
        index_job(load_settings(flags={"items": {"text": "name"}}))


# --- similar -----------------------------------------------------------------------------------


def test_texts_find_like_items(settings: Settings) -> None:
    near = similar_job(settings, [CHIPS, CHOCOLATE], k=3)
    assert near.columns.tolist() == [
        "query",
        "rank",
        "item_id",
        "similarity",
        "label",
        "count",
        "text",
    ]
    assert near["query"].tolist() == [0, 0, 0, 1, 1, 1]
    assert near["rank"].tolist() == [1, 2, 3] * 2
    assert near["label"].tolist() == ["BAG SNACKS"] * 3 + ["CANDY - PACKAGED"] * 3
    assert near["text"].str.contains("CHIPS").tolist()[0]


def test_an_item_is_not_like_itself(settings: Settings, shop: Shop) -> None:
    near = similar_job(settings, shop.items.head(4), k=5)
    assert near["query"].unique().tolist() == shop.items["product_id"].head(4).tolist()
    assert (near["query"] != near["item_id"]).all()


def test_what_launched_later_is_not_seen(settings: Settings, shop: Shop) -> None:
    launched = shop.items.set_index("product_id")["launch_date"]
    near = similar_job(settings, [CHIPS], k=900, as_of="2017-05-01")
    seen = launched[near["item_id"].tolist()]
    assert near["count"].sum() == (launched.isna() | (launched <= "2017-05-01")).sum()
    assert not (seen > "2017-05-01").any()


def test_conditions_narrow_the_answer(settings: Settings, shop: Shop) -> None:
    brand = shop.items.set_index("product_id")["brand"]
    maker = shop.items.set_index("product_id")["manufacturer_id"]
    conditions = ["brand=Private", "manufacturer_id=0..1000"]
    near = similar_job(settings, [CHIPS], k=900, where=conditions, every_twin=True)
    expected = brand[(brand == "Private") & maker.between(0, 1000)].index
    assert set(near["item_id"]) == set(expected)
    once = similar_job(settings, [CHIPS], k=900, where=conditions)
    assert once["count"].sum() == len(expected)
    assert not once.duplicated(["text", "label"]).any()
    assert len(once) == len(near[["text", "label"]].drop_duplicates()) < len(near)
    assert 0 < len(near) < len(brand)


@pytest.mark.lite_only("about the file")
def test_a_missing_index_is_not_made(shop: Shop, milvus: Places, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fresh\.db: no such index; `likewise index` makes one"):
        similar_job(_fresh(shop, milvus), [CHIPS])
    assert list(tmp_path.iterdir()) == []


# --- classify ----------------------------------------------------------------------------------


def test_new_items_get_labels_with_reasons(settings: Settings, shop: Shop, tmp_path: Path) -> None:
    new = shop.items.sample(25, random_state=3)
    new.drop(columns="product_category").to_csv(tmp_path / "new.csv", index=False)
    labels = classify_job(settings, tmp_path / "new.csv")
    assert labels["item_id"].tolist() == new["product_id"].tolist()
    assert (labels["label"].to_numpy() == new["product_category"].to_numpy()).mean() >= 0.9
    assert labels["probability"].between(0, 1).all()
    for row in labels.itertuples():
        assert row.item_id not in {near["item_id"] for near in row.neighbors}


def _has_voters(near: list[dict[str, Any]], k: int) -> bool:
    """Whether k items voted: those that are as similar as the last share what is left of k."""
    before = sum(one["count"] for one in near if one["similarity"] > near[-1]["similarity"] + 1e-6)
    return before < k <= sum(one["count"] for one in near)


def test_k_of_the_settings_is_the_number_of_voters(settings: Settings, shop: Shop) -> None:
    few = settings.model_copy(update={"classify": settings.classify.model_copy(update={"k": 3})})
    labels = classify_job(few, shop.items.head(2))
    assert all(_has_voters(near, 3) for near in labels["neighbors"])


WORDS = {"BAG SNACKS": "chips, pretzels, popcorn", "CANDY - PACKAGED": "chocolate, candy, gum"}


def _with(settings: Settings, **options: object) -> Settings:
    return settings.model_copy(update={"classify": settings.classify.model_copy(update=options)})


def test_every_option_reaches_the_classifier(settings: Settings) -> None:
    options = {
        "k": 3,
        "temperature": 0.1,
        "head": None,
        "prototypes": True,
        "prior": "uniform",
        "hierarchy": " - ",
        "false_alarm_rate": 0.2,
    }
    made = make_classifier(_with(settings, seed=7, **options))
    assert made.get_params(deep=False).items() >= (options | {"random_state": 7}).items()


def test_coverage_and_confidence_of_the_settings_count(settings: Settings) -> None:
    texts = ["snack mix with chocolate", "sweet snack", "candy popcorn", "chocolate pretzels"]
    mixed = pd.DataFrame({"product_type": texts, "package_size": None, "brand": None})
    paths = _with(settings, hierarchy=" - ")
    sure = classify_job(_with(paths, coverage=0.9999, confidence=0.9999999), mixed)
    free = classify_job(_with(paths, coverage=0.99, confidence=0.01), mixed)
    assert sure["label_set"].isna().all()  # it would take 9,999 examples
    assert free["label_set"].notna().all()
    assert sure["label"].isna().sum() > free["label"].isna().sum() == 0


def test_groups_are_kept_apart_while_certainty_is_learned(settings: Settings) -> None:
    with fitted_classifier(_with(settings, groups="brand", head=None)) as classifier:
        grouped = classifier.knowledge_.trained.answers
    with fitted_classifier(_with(settings, head=None)) as classifier:
        free = classifier.knowledge_.trained.answers
    assert not free["probability"].equals(grouped["probability"])
    with pytest.raises(InputError, match="no attribute 'shelf'"):
        classify_job(_with(settings, groups="shelf"), pd.DataFrame({"x": []}))


def test_labels_in_words_need_no_example_and_no_index(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    new = shop.items.sample(40, random_state=3)
    columns = {"id": "product_id", "text": ("product_type", "package_size", "brand")}
    settings = load_settings(flags={"items": columns, "classify": {"labels": WORDS}})
    labels = classify_job(settings, new)
    assert labels["item_id"].tolist() == new["product_id"].tolist()
    assert (labels["label"].to_numpy() == new["product_category"].to_numpy()).mean() > 0.8
    assert list(tmp_path.iterdir()) == []
    named = load_settings(flags={"items": columns, "index": {"uri": "typo.db"}})
    with pytest.raises(InputError, match=r"typo\.db: no such index"):
        classify_job(_with(named, labels=WORDS), new)


@pytest.mark.lite_only("about a file")
def test_an_index_that_nobody_named_does_not_answer_for_the_words(
    shop: Shop, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = pd.DataFrame({"item_id": ["a", "b"], "title": ["x", "y"], "kind": ["P", "Q"]})
    with ItemIndex("items.db", encoder) as index:
        index.upsert(other, text=["title"], label="kind")
    new = shop.items.sample(5, random_state=3)
    columns = {"id": "product_id", "text": ("product_type", "package_size", "brand")}
    settings = load_settings(flags={"items": columns, "classify": {"labels": WORDS}})
    with capture_logs() as events:
        labels = classify_job(settings, new)
    assert set(labels["label"]) <= set(WORDS)
    (told,) = [one for one in events if "nobody named" in one["event"]]
    assert told["index"] == "items.db"
    named = load_settings(flags={"index": {"uri": "items.db"}, "classify": {"labels": WORDS}})
    with capture_logs() as events:
        both = classify_job(named, pd.DataFrame({"item_id": ["n"], "title": ["x"]}))
    assert both["label"].tolist() == ["P"]
    made = label_items(named, pd.DataFrame({"item_id": ["n"], "title": ["x"]}))
    assert made.labeled_by == "the index items.db / items and the labels in words"
    assert label_items(settings, new.head(1)).labeled_by == (
        "the labels in words alone; items.db is not used, --uri items.db would name it"
    )
    (tmp_path / "new.csv").write_text("item_id,name\n1,x\n")
    with pytest.raises(TableError, match=r"no column 'title' .*\n.*the index items.db / items"):
        classify_job(named, tmp_path / "new.csv")
    (told,) = [one for one in events if one["event"] == "classifier fitted"]
    assert told["index"] == "items.db / items"


def test_words_learn_from_the_batch_where_they_are_asked_to(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    new = shop.items.sample(60, random_state=3)
    columns = {"id": "product_id", "text": ("product_type", "package_size", "brand")}
    settings = load_settings(
        flags={"items": columns, "classify": {"labels": {name: name.lower() for name in WORDS}}}
    )
    plain = label_items(settings, new)
    assert plain.adapted == 0
    assert "--adapt lets them learn" in "".join(capsys.readouterr())
    told = _with(settings, adapt=True)
    adapted = label_items(told, new, save=tmp_path / "model")
    assert adapted.adapted == len(new)
    assert "--adapt" not in "".join(capsys.readouterr())
    truth = new["product_category"].to_numpy()
    right = [(one.labels["label"].to_numpy() == truth).mean() for one in (plain, adapted)]
    assert right[1] >= right[0]
    assert not adapted.labels["probability"].equals(plain.labels["probability"])
    # What was saved answers as it was saved, and learns from no other batch.
    again = label_items(
        load_settings(flags={"classify": {"adapt": True}}), new, model=Path("model")
    )
    assert again.adapted == 0
    pd.testing.assert_frame_equal(again.labels, adapted.labels)
    assert "adapt is off: a saved classifier" in "".join(capsys.readouterr())
    assert label_items(told, new.head(0)).adapted == 0


def test_where_there_are_examples_words_do_not_learn_from_the_batch(
    settings: Settings, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, new = _with(settings, labels=WORDS, adapt=True), shop.items.head(20)
    labeled = label_items(asked, new)
    assert labeled.adapted == 0
    assert "adapt is off: it is for labels in words alone" in "".join(capsys.readouterr())
    pd.testing.assert_frame_equal(labeled.labels, classify_job(_with(asked, adapt=False), new))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"engine": {"kind": "ray"}}, "with engine ray"),
        ({"classify": {"head": None, "adapt": True}}, "without prototypes"),
    ],
)
def test_what_cannot_learn_from_the_batch_says_why(
    shop: Shop, changed: dict[str, object], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = {"classify": {"adapt": True}} | changed
    settings = load_settings(flags={"items": {"text": "product_type"}, **flags})
    settings = _with(settings, labels=WORDS)
    classifier = make_classifier(settings).fit(labels=WORDS)
    before = classifier.knowledge_
    assert adapted_to(settings, classifier, shop.items.head(9), None) == 0
    assert classifier.knowledge_ is before
    assert f"adapt is off: {reason}" in "".join(capsys.readouterr())


def test_words_and_examples_together_add_labels(settings: Settings, shop: Shop) -> None:
    words = WORDS | {"CAT LITTER": "litter for cats"}
    with fitted_classifier(_with(settings, labels=words)) as classifier:
        assert classifier.classes_.tolist() == sorted(words)
        assert set(classifier.knowledge_.described) == set(words)
        assert classifier.knowledge_.counts.sum() == len(shop.items)


def test_a_saved_classifier_answers_as_the_one_that_was_fitted(
    settings: Settings,
    shop: Shop,
    module_milvus: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new, model = shop.items.head(30).drop(columns="product_category"), tmp_path / "model"
    for name, token in module_milvus().environment_of_models().items():
        monkeypatch.setenv(name, token)
    settings = _with(settings, k=5)
    fitted = classify_job(settings, new, save=model)
    # Without a word on where the index is: the classifier knows. Its own k counts, not 20.
    saved = classify_job(load_settings(), new, model=model)
    # A search may differ in the seventh digit, and then in which of equal neighbors are listed.
    answers = ["item_id", "label", "probability", "known", "label_set"]
    pd.testing.assert_frame_equal(saved[answers], fitted[answers])
    assert all(_has_voters(near, 5) for near in saved["neighbors"])
    with pytest.raises(InputError, match="saved already"):
        classify_job(settings, new, model=model, save=tmp_path / "other")


def test_a_saved_classifier_of_words_needs_nothing_else(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    new, model = shop.items.head(5), tmp_path / "model"
    columns = {"id": "product_id", "text": ("product_type", "package_size", "brand")}
    settings = load_settings(flags={"items": columns, "classify": {"labels": WORDS}})
    fitted = classify_job(settings, new, save=model)
    pd.testing.assert_frame_equal(classify_job(load_settings(), new, model=model), fitted)


def test_an_index_without_labels_cannot_classify(shop: Shop, milvus: Places) -> None:
    settings = _fresh(shop, milvus, items={"label": None})
    index_job(settings, shop.items.drop(columns="product_category").head(5))
    with pytest.raises(InputError, match="no label"):
        classify_job(settings, shop.items.head(1))


# --- what is learned besides -------------------------------------------------------------------


def test_strangers_teach_what_is_none_of_the_labels(
    settings: Settings, shop: Shop, tmp_path: Path
) -> None:
    tools = ["claw hammer", "hex key", "drill bit", "pipe wrench", "wood screw", "nail gun"]
    told = pd.DataFrame({"product_type": tools, "package_size": "1 CT", "brand": "National"})
    told.to_csv(tmp_path / "tools.csv", index=False)
    new = told.assign(product_id=[f"t{row}" for row in range(len(told))])
    alone = label_items(settings, new)
    classify = settings.classify.model_copy(update={"outside": tmp_path / "tools.csv"})
    taught = label_items(settings.model_copy(update={"classify": classify}), new)
    assert not taught.labels["known"].any()
    assert taught.labels["why"].notna().all()
    assert alone.labels["why"].isna().tolist() == alone.labels["known"].tolist()
    assert not taught.could_use_strangers
    assert label_items(settings, shop.items.head(3)).could_use_strangers is False


def test_words_learn_from_the_items_without_a_label_that_are_named(
    shop: Shop, tmp_path: Path
) -> None:
    words = {"sweets": "chocolate and candy", "snacks": "chips and crackers"}
    shop.items.head(60).to_csv(tmp_path / "unlabeled.csv", index=False)
    flags = {"labels": words, "unlabeled": str(tmp_path / "unlabeled.csv"), "adapt": True}
    columns = {"id": "product_id", "text": ["product_type", "package_size", "brand"]}
    settings = load_settings(None, {"items": columns, "classify": flags})
    new = shop.items.head(5)
    with capture_logs() as logs:
        taught = label_items(settings, new)
    assert taught.adapted == 0
    assert any("classify.unlabeled" in line["event"] for line in logs)
    alone = {"items": columns, "classify": {"labels": words}}
    plain = label_items(load_settings(None, alone), new)
    assert taught.labels["probability"].tolist() != plain.labels["probability"].tolist()


def test_tables_to_learn_from_lie_beside_the_settings(tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("classify: {outside: o.csv, unlabeled: u.csv}\n", encoding="utf-8")
    told = load_settings(config).classify
    assert (told.outside, told.unlabeled) == (tmp_path / "o.csv", tmp_path / "u.csv")


def test_strangers_without_a_text_are_named_by_row(
    settings: Settings, tmp_path: Path, shop: Shop
) -> None:
    (tmp_path / "o.csv").write_text("product_type,package_size,brand\nHAMMER,1 CT,X\n,,\n")
    classify = settings.classify.model_copy(update={"outside": tmp_path / "o.csv"})
    with pytest.raises(TableError, match=r"(?s)o\.csv.*row 2.*no text"):
        label_items(settings.model_copy(update={"classify": classify}), shop.items.head(1))
