from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from pipelines.config import Settings, load_settings
from pipelines.jobs import classify_job, forecast_job, index_job, open_index, similar_job
from pipelines.queries import SqlQuery
from retrieval import InputError, TableError
from tests.pipelines.conftest import CHIPS, CHOCOLATE, CUTOFF, Shop


@pytest.fixture(scope="module")
def settings(shop: Shop) -> Settings:
    """Settings whose collection holds the shop's items."""
    settings = load_settings(shop.config, {"index": {"uri": str(shop.folder / "jobs.db")}})
    n = len(shop.items)
    assert index_job(settings) == {"new": n, "changed": 0, "unchanged": 0, "total": n}
    return settings


def _fresh(shop: Shop, folder: Path, **flags: dict[str, object]) -> Settings:
    return load_settings(shop.config, {"index": {"uri": str(folder / "fresh.db")}, **flags})


# --- index -------------------------------------------------------------------------------------


def test_indexing_again_changes_only_what_changed(shop: Shop, tmp_path: Path) -> None:
    settings, items = _fresh(shop, tmp_path), shop.items.head(20).copy()
    index_job(settings, items)
    items.loc[3, "department"] = "SWEETS"
    more = pd.concat([items, shop.items[20:25]])
    assert index_job(settings, more) == {"new": 5, "changed": 1, "unchanged": 19, "total": 25}
    assert index_job(settings, more)["unchanged"] == 25


def test_a_csv_file_a_query_and_a_frame_are_the_same_items(shop: Shop, tmp_path: Path) -> None:
    items = shop.items.head(30)
    items.to_csv(tmp_path / "items.csv", index=False)
    url = f"sqlite:///{tmp_path / 'shop.sqlite'}"
    engine = sa.create_engine(url)
    items.to_sql("items", engine, index=False)
    engine.dispose()
    settings = _fresh(shop, tmp_path)
    index_job(settings, items)
    for source in (tmp_path / "items.csv", SqlQuery("SELECT * FROM items", url)):
        assert index_job(settings, source)["unchanged"] == 30


def test_ids_keep_their_leading_zeros(shop: Shop, tmp_path: Path) -> None:
    items = shop.items.head(3).assign(product_id=["007", "7", "0070"])
    items.to_csv(tmp_path / "items.csv", index=False)
    settings = _fresh(shop, tmp_path)
    index_job(settings, tmp_path / "items.csv")
    with open_index(settings) as index:
        assert index.get(["7", "007", "0070"])["item_id"].tolist() == ["7", "007", "0070"]


def test_attributes_of_a_few_new_rows_are_what_the_collection_holds(
    shop: Shop, tmp_path: Path
) -> None:
    settings, table = _fresh(shop, tmp_path), tmp_path / "items.csv"
    index_job(settings, shop.items.head(5))
    few = shop.items[5:7].assign(department=["12", "16"], manufacturer_id=None)
    few.to_csv(table, index=False)
    assert index_job(settings, table)["new"] == 2
    shop.items[7:8].assign(manufacturer_id="ACME").to_csv(table, index=False)
    with pytest.raises(TableError, match="manufacturer_id: 'ACME' is not a number"):
        index_job(settings, table)


def test_a_refused_table_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    settings = _fresh(shop, tmp_path)
    index_job(settings, shop.items.head(5))
    with pytest.raises(TableError, match="product_id"):
        index_job(settings, shop.items.assign(product_id="A1"))
    with open_index(settings) as index:
        assert index.count() == 5


def test_without_text_columns_there_is_nothing_to_index(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no text column: set items\.text"):
        index_job(_fresh(shop, tmp_path, items={"text": ()}))


def test_without_a_table_the_message_says_where_to_name_one() -> None:
    with pytest.raises(InputError, match=r"set items\.path in the config"):
        index_job(load_settings(flags={"items": {"text": "name"}}))


# --- similar -----------------------------------------------------------------------------------


def test_texts_find_like_items(settings: Settings) -> None:
    near = similar_job(settings, [CHIPS, CHOCOLATE], k=3)
    assert near.columns.tolist() == ["query", "rank", "item_id", "similarity", "label", "text"]
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
    assert len(near) == (launched.isna() | (launched <= "2017-05-01")).sum()
    assert not (seen > "2017-05-01").any()


def test_conditions_narrow_the_answer(settings: Settings, shop: Shop) -> None:
    brand = shop.items.set_index("product_id")["brand"]
    maker = shop.items.set_index("product_id")["manufacturer_id"]
    near = similar_job(settings, [CHIPS], k=900, where=["brand=Private", "manufacturer_id=0..1000"])
    expected = brand[(brand == "Private") & maker.between(0, 1000)].index
    assert set(near["item_id"]) == set(expected)
    assert 0 < len(near) < len(brand)


def test_a_missing_index_is_not_made(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fresh\.db: no such index; `likewise index` makes one"):
        similar_job(_fresh(shop, tmp_path), [CHIPS])
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


def test_k_of_the_settings_is_the_number_of_voters(settings: Settings, shop: Shop) -> None:
    few = settings.model_copy(update={"classify": settings.classify.model_copy(update={"k": 3})})
    labels = classify_job(few, shop.items.head(2))
    assert labels["neighbors"].map(len).tolist() == [3, 3]


def test_an_index_without_labels_cannot_classify(shop: Shop, tmp_path: Path) -> None:
    settings = _fresh(shop, tmp_path, items={"label": None})
    index_job(settings, shop.items.drop(columns="product_category").head(5))
    with pytest.raises(InputError, match="no label"):
        classify_job(settings, shop.items.head(1))


# --- forecast ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forecasts(shop: Shop) -> pd.DataFrame:
    return forecast_job(load_settings(shop.config), cutoff=CUTOFF)


def test_every_item_that_launches_after_the_cutoff_is_forecast(
    forecasts: pd.DataFrame, shop: Shop
) -> None:
    columns = ["unique_id", "cutoff", "ds", "age", "mean", "0.1", "0.5", "0.9"]
    assert forecasts.columns.tolist() == columns
    coming = shop.items[shop.items["launch_date"] > CUTOFF]
    assert forecasts["unique_id"].unique().tolist() == coming["product_id"].tolist()
    assert (forecasts.groupby("unique_id")["age"].count() == 4).all()
    assert (forecasts["ds"] > CUTOFF).all()
    assert (forecasts["0.1"] <= forecasts["0.9"]).all()


def test_new_items_of_their_own_table_get_the_same_forecasts(
    forecasts: pd.DataFrame, shop: Shop, tmp_path: Path
) -> None:
    new = shop.items[shop.items["launch_date"] > CUTOFF]
    new.to_csv(tmp_path / "new.csv", index=False)
    again = forecast_job(load_settings(shop.config), new=tmp_path / "new.csv", cutoff=CUTOFF)
    pd.testing.assert_frame_equal(again, forecasts, rtol=1e-3, check_dtype=False)


def test_what_sold_after_the_cutoff_changes_nothing(forecasts: pd.DataFrame, shop: Shop) -> None:
    sales = shop.sales.copy()
    sales.loc[sales["ds"] > CUTOFF, "y"] = 10_000.0
    again = forecast_job(load_settings(shop.config), sales=sales, cutoff=CUTOFF)
    pd.testing.assert_frame_equal(again, forecasts)


def test_a_launch_in_the_cutoffs_own_week_is_no_longer_new(shop: Shop) -> None:
    items = shop.items.copy()
    late = items.index[items["launch_date"] > CUTOFF][:2]
    items.loc[late, "launch_date"] = pd.to_datetime(["2017-09-10", "2017-09-11"])
    sales = shop.sales[shop.sales["ds"] <= CUTOFF]
    forecasts = forecast_job(load_settings(shop.config), items, sales)
    names = items.loc[late, "product_id"].tolist()
    assert [name in set(forecasts["unique_id"]) for name in names] == [False, True]


def test_without_launches_after_the_cutoff_the_message_says_so(shop: Shop) -> None:
    with pytest.raises(InputError, match="no item launches on 2018-01-08 or later"):
        forecast_job(load_settings(shop.config), cutoff="2018-01-05")


def test_without_launch_dates_the_message_says_where_to_name_them(shop: Shop) -> None:
    settings = load_settings(shop.config, {"items": {"launch_date": None}})
    with pytest.raises(InputError, match=r"set items\.launch_date in the config"):
        forecast_job(settings)
