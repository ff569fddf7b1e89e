from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pymilvus.exceptions import MilvusException

from retrieval import (
    Between,
    Encoder,
    EncoderMismatchError,
    InputError,
    ItemIndex,
    Neighbors,
    StoreError,
    StoreLockedError,
    TableError,
    UpsertCounts,
)
from tests.milvus_places import Places
from tests.retrieval.conftest import COLUMNS


@pytest.fixture(
    params=[
        "milvus",
        pytest.param("memory", marks=pytest.mark.lite_only("a server searches itself")),
    ]
)
def engine(request: pytest.FixtureRequest, index: ItemIndex) -> Iterator[ItemIndex]:
    """The same collection, searched by Milvus itself and by the bulk path."""
    index._snapshot = None
    if request.param == "memory":
        bulk(index)
    yield index
    index._snapshot = None


def bulk(index: ItemIndex) -> None:
    """Make the index read its snapshot, as it does for many queries."""
    index.neighbors(np.random.default_rng(0).standard_normal((256, 384)), k=1)
    assert index._snapshot is not None


# --- writing ------------------------------------------------------------------------------------


def test_upsert_counts_new_changed_and_unchanged(empty: ItemIndex, products: pd.DataFrame) -> None:
    assert empty.count() == 0
    assert empty.upsert(products[:100], **COLUMNS) == UpsertCounts(new=100)
    assert empty.upsert(products[:100], **COLUMNS) == UpsertCounts(unchanged=100)
    again = products[:120].copy()
    again.loc[3, "price"] = 123.0
    again.loc[4, "product_type"] = "SOMETHING ELSE"
    again.loc[5, "product_category"] = "ANOTHER LABEL"
    assert empty.upsert(again, **COLUMNS) == UpsertCounts(new=20, changed=3, unchanged=97)
    assert empty.count() == 120
    got = empty.get(again["item_id"].tolist()[3:6])
    assert got["price"].iloc[0] == 123.0
    assert got["text"].iloc[1].startswith("SOMETHING ELSE")
    assert got["label"].iloc[2] == "ANOTHER LABEL"


def test_get_gives_back_what_was_put_in(index: ItemIndex, products: pd.DataFrame) -> None:
    wanted = products.sample(50, random_state=1)
    got = index.get([*wanted["item_id"], "not there"])
    assert got["item_id"].tolist() == wanted["item_id"].tolist()
    for there, here in (
        ("label", "product_category"),
        ("launch_date", "launch_date"),
        ("department", "department"),
        ("price", "price"),
    ):
        expected = wanted[here].reset_index(drop=True)
        assert (got[there].isna() == expected.isna()).all()
        assert (got[there].dropna() == expected.dropna()).all()


def test_labels_are_the_distinct_ones(index: ItemIndex, products: pd.DataFrame) -> None:
    assert index.labels() == sorted(products["product_category"].dropna().unique())


def test_delete_says_how_many_there_were(empty: ItemIndex, products: pd.DataFrame) -> None:
    assert empty.delete(["a"]) == 0
    empty.upsert(products[:50], **COLUMNS)
    gone = products["item_id"].tolist()[:3]
    assert empty.delete([*gone, "not there"]) == 3
    assert empty.delete(gone) == 0
    assert empty.count() == 47
    near = empty.neighbors(products[:3], k=47, exclude_self=False)
    assert not set(gone) & set(near.ids.ravel())


def test_the_digest_tells_contents_apart(empty: ItemIndex, products: pd.DataFrame) -> None:
    assert empty.digest() == ""
    some = products.head(20)
    empty.upsert(some, **COLUMNS)
    before = empty.digest()
    empty.upsert(some.iloc[::-1], **COLUMNS)
    assert empty.digest() == before
    empty.delete([some["item_id"].iloc[0]])
    assert empty.digest() != before
    empty.upsert(some, **COLUMNS)
    assert empty.digest() == before
    empty.upsert(some.assign(product_category="other"), **COLUMNS)
    assert empty.digest() != before


def test_a_label_goes_with_its_last_item(empty: ItemIndex, products: pd.DataFrame) -> None:
    assert empty.labels() == []
    items = products[:4].assign(product_category=["bread", "milk", "milk", None])
    empty.upsert(items, **COLUMNS)
    empty.delete(items["item_id"].tolist()[1:2])
    assert empty.labels() == ["bread", "milk"]
    empty.delete(items["item_id"].tolist()[2:3])
    assert empty.labels() == ["bread"]
    empty.delete(items["item_id"].tolist()[:1])
    assert empty.labels() == []
    assert empty.count() == 1


def test_a_bad_table_writes_nothing(empty: ItemIndex, products: pd.DataFrame) -> None:
    bad = pd.concat([products[:20], products[:1]])
    with pytest.raises(TableError, match="row 1, column item_id is there more than once"):
        empty.upsert(bad, **COLUMNS)
    long = products[:2].assign(item_id=["a", "ä" * 300])
    with pytest.raises(TableError, match="row 2, column item_id is longer than 512 bytes"):
        empty.upsert(long, **COLUMNS)
    assert empty.count() == 0


def test_an_empty_table_changes_nothing(empty: ItemIndex, products: pd.DataFrame) -> None:
    assert empty.upsert(products[:0], **COLUMNS) == UpsertCounts()
    assert empty.upsert(products[:5], **COLUMNS).new == 5


def test_a_collection_keeps_its_columns(empty: ItemIndex, products: pd.DataFrame) -> None:
    empty.upsert(products[:10], **COLUMNS)
    with pytest.raises(InputError, match=r"created with text=\('product_type', .*not \('brand',\)"):
        empty.upsert(products[:10], **{**COLUMNS, "text": "brand"})
    with pytest.raises(InputError, match="created with attributes="):
        empty.upsert(products[:10], **{**COLUMNS, "attributes": ["price"]})


@pytest.mark.filterwarnings("ignore::retrieval.UnreadTextWarning")
def test_a_long_text_is_kept_in_part_and_other_languages_survive(empty: ItemIndex) -> None:
    items = pd.DataFrame({"item_id": ["long", "牛奶"], "name": ["ß" * 100_000, "牛奶 🥛"]})
    empty.upsert(items, text="name")
    got = empty.get(["long", "牛奶"])
    assert len(got["text"][0].encode()) == 60_000
    assert got["text"][1] == "牛奶 🥛"
    assert empty.upsert(items, text="name").unchanged == 2
    # What is not kept of a text is in its vector all the same.
    items["name"] += " the end"
    assert empty.upsert(items, text="name").changed == 2


def test_text_can_stay_out_of_milvus(
    encoder: Encoder, products: pd.DataFrame, milvus: Places
) -> None:
    with milvus().open(encoder, store_text=False) as index:
        index.upsert(products[:5], **COLUMNS)
        assert index.get(products["item_id"].tolist()[:5])["text"].eq("").all()
        assert index.upsert(products[:5], **COLUMNS).unchanged == 5
        assert index.upsert(products[:5].assign(brand="another"), **COLUMNS).changed == 5


# --- opening ------------------------------------------------------------------------------------


def test_reopened_it_is_the_same(encoder: Encoder, products: pd.DataFrame, milvus: Places) -> None:
    place = milvus("new folder/items")
    with place.open(encoder) as index:
        index.upsert(products[:100], **COLUMNS)
        before = index.neighbors(products[:10], k=5)
    with place.open(encoder) as index:
        assert index.count() == 100
        assert index.layout.attributes == {"department": "string", "price": "number"}
        after = index.neighbors(products[:10], k=5)
        assert index.upsert(products[:100], **COLUMNS) == UpsertCounts(unchanged=100)
    assert_same(before, after)


def test_another_encoder_is_refused(
    encoder: Encoder, products: pd.DataFrame, tmp_path: Path, milvus: Places
) -> None:
    import shutil

    from retrieval.encoding.weights import find_weights

    copy = tmp_path / "finetuned"
    shutil.copytree(find_weights("all-MiniLM-L6-v2"), copy)
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    with milvus().open(encoder) as index:
        index.upsert(products[:5], **COLUMNS)
    with pytest.raises(EncoderMismatchError, match=r"was filled with encoder .*index the items"):
        milvus().open(Encoder(str(copy)))
    with milvus().open(Encoder(backend="torch")) as index:  # the same weights: the same space
        assert index.count() == 5


def test_what_another_index_wrote_is_seen_after_a_refresh(
    encoder: Encoder, products: pd.DataFrame, milvus: Places
) -> None:
    with milvus().open(encoder) as reader, milvus().open(encoder) as writer:
        reader.upsert(products[:10], **COLUMNS)
        assert len(reader.read()) == 10
        writer.upsert(products[:12], **COLUMNS)
        reader.refresh()
        assert len(reader.read()) == 12


def test_two_collections_share_a_file(
    encoder: Encoder, products: pd.DataFrame, milvus: Places
) -> None:
    second = milvus().collection + "_two"
    with milvus().open(encoder) as one, milvus().open(encoder, collection=second) as two:
        one.upsert(products[:10], **COLUMNS)
        two.upsert(products[:20], **COLUMNS)
        one.close()
        assert two.count() == 20
        two.drop()
        assert two.count() == 0


def test_a_file_open_elsewhere_is_refused_and_free_after_close(
    encoder: Encoder, products: pd.DataFrame, tmp_path: Path
) -> None:
    path = str(tmp_path / "items.db")
    holder = (
        "import sys; from pymilvus import MilvusClient\n"
        f"client = MilvusClient({path!r}); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StoreLockedError, match="open in another process"):
            ItemIndex(path, encoder)
        process.communicate("")
    ItemIndex(path, encoder).close()


def test_what_is_no_milvus_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.db"):
        ItemIndex(str(tmp_path / "items.sqlite"), encoder)
    (tmp_path / "file.db").write_text("a text file")
    with pytest.raises(StoreError, match=r"cannot open .*file\.db"):
        ItemIndex(str(tmp_path / "file.db"), encoder)
    with pytest.raises(InputError, match="unknown index 'BTREE'; there are: auto, FLAT"):
        ItemIndex(str(tmp_path / "items.db"), encoder, index="BTREE")
    with pytest.raises(StoreError, match=r"does not answer"):
        ItemIndex("http://127.0.0.1:9", encoder, timeout=1)


def test_a_foreign_collection_is_refused(encoder: Encoder, milvus: Places) -> None:
    from pymilvus import MilvusClient

    from retrieval.milvus.connection import _users

    place = milvus()
    client = MilvusClient(place.uri, token=place.token or "")
    client.create_collection(place.collection, dimension=8)
    if place.is_lite:
        client.close()
    with pytest.raises(StoreError, match="was not written by this version"):
        place.open(encoder)
    assert Path(place.uri) not in _users
    if not place.is_lite:
        client.drop_collection(place.collection)
        client.close()


def test_a_closed_index_says_so(encoder: Encoder, products: pd.DataFrame, milvus: Places) -> None:
    index = milvus().open(encoder)
    index.upsert(products[:5], **COLUMNS)
    index.close()
    index.close()
    with pytest.raises(StoreError, match="is closed"):
        index.count()


# --- searching ----------------------------------------------------------------------------------


def test_neighbors_are_the_exact_nearest(
    engine: ItemIndex, encoder: Encoder, products: pd.DataFrame
) -> None:
    queries = products.sample(20, random_state=2)
    near = engine.neighbors(queries, k=7)
    texts = products[COLUMNS["text"]].fillna("").agg(" ".join, axis=1).str.split().str.join(" ")
    vectors = encoder.encode(texts.tolist())
    for row, (_, item) in enumerate(queries.iterrows()):
        similarity = vectors @ vectors[products.index[products["item_id"] == item["item_id"]][0]]
        others = np.sort(similarity[(products["item_id"] != item["item_id"]).to_numpy()])[::-1]
        np.testing.assert_allclose(near.similarity[row], others[:7], atol=1e-5)


@pytest.mark.lite_only("a server searches itself, however many ask")
def test_bulk_equals_milvus(index: ItemIndex, products: pd.DataFrame) -> None:
    """Same similarities everywhere; same ids wherever the last place is not shared by a tie."""
    for as_of, labeled, where in (
        (None, None, None),
        ("2017-05-01", True, None),
        ("2017-03-01", False, {"department": ["DELI", "PRODUCE"]}),
        (None, True, {"price": Between(1, 5), "department": "GROCERY"}),
    ):
        arguments: dict[str, Any] = {"as_of": as_of, "labeled": labeled, "where": where}
        index._snapshot = None
        slow = index.neighbors(products[:60], k=9, **arguments)
        assert index._snapshot is None
        bulk(index)
        assert_same(slow, index.neighbors(products[:60], k=9, **arguments))


@given(
    rows=st.lists(st.integers(0, 399), min_size=1, max_size=12),
    k=st.integers(1, 30),
    day=st.integers(-10, 310),
)
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_item_is_its_own_neighbor_and_none_is_from_the_future(
    engine: ItemIndex, products: pd.DataFrame, rows: list[int], k: int, day: int
) -> None:
    queries = products.iloc[sorted(set(rows))]
    as_of = pd.Timestamp("2017-01-02") + pd.Timedelta(days=day)
    near = engine.neighbors(queries, k=k, as_of=as_of)
    launched = products.set_index("item_id")["launch_date"]
    for query, ids in zip(queries["item_id"], near.ids, strict=True):
        found = [one for one in ids if one is not None]
        assert query not in found
        assert len(set(found)) == len(found)
        assert all(not launched[one] > as_of for one in found)
    assert (np.diff(near.similarity, axis=1)[near.valid[:, 1:]] <= 1e-6).all()


def test_each_query_may_stand_at_its_own_date(engine: ItemIndex, products: pd.DataFrame) -> None:
    queries = products[:30]
    days = pd.date_range("2017-01-10", periods=30, freq="9D")
    together = engine.neighbors(queries, k=5, as_of=days)
    for row in (0, 11, 29):
        alone = engine.neighbors(queries[row : row + 1], k=5, as_of=days[row])
        np.testing.assert_allclose(alone.similarity[0], together.similarity[row], atol=1e-5)


@given(days=st.lists(st.integers(-10, 310), min_size=2, max_size=6))
@settings(
    deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_one_text_sees_at_each_date_what_was_there_then(
    engine: ItemIndex, products: pd.DataFrame, days: list[int]
) -> None:
    dates = [pd.Timestamp("2017-01-02") + pd.Timedelta(days=day) for day in days]
    near = engine.neighbors(["cheese"] * len(dates), k=400, as_of=dates)
    launched = [int((~(products["launch_date"] > date)).sum()) for date in dates]
    assert near.valid.sum(axis=1).tolist() == launched


@pytest.mark.lite_only("a server's index depends on the order a little")
def test_order_of_rows_changes_nothing(
    encoder: Encoder, products: pd.DataFrame, milvus: Places
) -> None:
    shuffled = products.sample(frac=1, random_state=3)
    found = []
    for name, items in (("a", products), ("b", shuffled)):
        with milvus(name).open(encoder) as index:
            index.upsert(items, **COLUMNS)
            bulk(index)
            found.append(index.neighbors(products, k=10))
    np.testing.assert_array_equal(found[0].ids, found[1].ids)
    np.testing.assert_array_equal(found[0].similarity, found[1].similarity)


def test_too_few_are_padded(engine: ItemIndex, products: pd.DataFrame) -> None:
    near = engine.neighbors(products[:2], k=500)
    assert near.ids.shape == near.similarity.shape == near.labels.shape == (2, 500)
    assert near.valid.sum(axis=1).tolist() == [399, 399]
    assert near.ids[0, 399:].tolist() == [None] * 101
    assert np.isnan(near.similarity[:, 399:]).all()
    nothing = engine.neighbors(products[:2], k=3, where={"department": "NOWHERE"})
    assert not nothing.valid.any()


def test_labeled_keeps_to_labeled_items(engine: ItemIndex, products: pd.DataFrame) -> None:
    labels = products.set_index("item_id")["product_category"]
    near = engine.neighbors(products[:20], k=400, labeled=True)
    assert near.valid.sum(axis=1).max() <= labels.notna().sum()
    assert all(labels[one] == label for one, label in pairs(near))
    without = engine.neighbors(products[:20], k=400, labeled=False)
    assert all(pd.isna(labels[one]) and label is None for one, label in pairs(without))
    assert without.valid.any()


def test_texts_and_vectors_find_what_items_find(
    index: ItemIndex, encoder: Encoder, products: pd.DataFrame
) -> None:
    index._snapshot = None
    rows = products[:5]
    texts = index.get(rows["item_id"].tolist())["text"].tolist()
    items = index.neighbors(rows, k=5)
    ids = rows["item_id"].tolist()
    assert_same(items, index.neighbors(texts, k=5, ids=ids))
    assert_same(items, index.neighbors(encoder.encode(texts) * 3, k=5, ids=ids))
    # In the collection ids are texts, whatever they were in the table.
    numbers: Any = list(map(int, ids))
    assert_same(items, index.neighbors(texts, k=5, ids=numbers))
    anonymous = index.neighbors(texts, k=5)
    assert (anonymous.similarity[:, 0] > 0.9999).all()  # without ids it cannot know itself


def test_queries_that_read_the_same_find_the_same(
    engine: ItemIndex, products: pd.DataFrame
) -> None:
    twins = pd.concat([products[:3]] * 3, ignore_index=True)
    twins["item_id"] = [*products["item_id"][:3], *(f"twin {n}" for n in range(6))]
    near = engine.neighbors(twins, k=4)
    np.testing.assert_array_equal(near.ids[3:6], near.ids[6:])
    # The copies, which are not in the collection, find the originals first; those not themselves.
    assert (near.similarity[3:, 0] > 0.9999).all()
    assert all(one not in ids for one, ids in zip(twins["item_id"][:3], near.ids[:3], strict=True))


@pytest.mark.parametrize("queries", [1, 256])
def test_of_equal_similarity_the_older_comes_first_then_the_id(
    empty: ItemIndex, queries: int
) -> None:
    dates = pd.to_datetime(["2024-05-01", "2024-01-01", None, "2024-01-01"])
    items = pd.DataFrame({"item_id": list("abcd"), "name": "oat milk", "since": dates})
    empty.upsert(items, text="name", launch_date="since")
    near = empty.neighbors(["milk"] * queries, k=4)  # many are answered from memory on Lite
    assert near.ids[0].tolist() == ["c", "b", "d", "a"]


def test_to_frame_lists_every_neighbor(index: ItemIndex, products: pd.DataFrame) -> None:
    near = index.neighbors(products[:2], k=3)
    frame = near.to_frame()
    assert frame.columns.tolist() == ["query", "rank", "item_id", "similarity", "label"]
    assert frame["query"].tolist() == np.repeat(products["item_id"][:2], 3).tolist()
    assert frame["rank"].tolist() == [1, 2, 3, 1, 2, 3]
    assert index.neighbors(["milk"], k=2).to_frame()["query"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("queries", "options", "message"),
    [
        ("milk", {}, "queries is a single string"),
        (["milk"], {"k": 0}, "k must be between 1 and 16383, got 0"),
        (["milk"], {"k": 20_000}, "k must be between"),
        (["milk"], {"as_of": "soon"}, "as_of: 'soon' is not a date"),
        (["milk"], {"as_of": ["2017-01-01"] * 2}, "as_of holds 2 dates for 1 queries"),
        (["milk"], {"as_of": float("nan")}, "as_of: the date is empty"),
        (["milk"], {"ids": ["a", "b"]}, "2 ids for 1 queries"),
        (["milk", ""], {}, "text 1 is empty"),
        (["milk"], {"where": {"brand": "x"}}, "unknown attribute 'brand'"),
        (np.ones((2, 3)), {}, r"shape \(2, 3\), expected \(n, 384\)"),
        (np.full((1, 384), np.nan), {}, "vector 0 has no direction"),
        (np.zeros((1, 384)), {}, "vector 0 has no direction"),
        (pd.DataFrame({"item_id": ["a"]}), {}, "missing column product_type"),
    ],
)
def test_bad_queries_are_refused(
    index: ItemIndex, queries: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        index.neighbors(queries, **options)


def test_an_empty_collection_says_so(empty: ItemIndex) -> None:
    with pytest.raises(InputError, match="is empty; upsert items first"):
        empty.neighbors(["milk"])


def test_no_query_gives_no_row(index: ItemIndex, products: pd.DataFrame) -> None:
    assert index.neighbors(products[:0], k=3).ids.shape == (0, 3)


@pytest.mark.parametrize("kind", ["IVF_FLAT", "HNSW"])
def test_other_indexes_find_the_nearest_too(
    encoder: Encoder, products: pd.DataFrame, milvus: Places, kind: str
) -> None:
    params = {"nlist": 4} if kind == "IVF_FLAT" else {"M": 8}
    with milvus().open(encoder, index=kind, index_params=params) as index:
        index.upsert(products, **COLUMNS)
        near = index.neighbors(products[:50], k=1, exclude_self=False)
    assert (near.similarity[:, 0] > 0.999).mean() > 0.9


def pairs(near: Neighbors) -> list[tuple[str, str | None]]:
    return list(zip(near.ids[near.valid], near.labels[near.valid], strict=True))


def assert_same(one: Neighbors, other: Neighbors) -> None:
    np.testing.assert_allclose(one.similarity, other.similarity, atol=1e-5)
    last = np.nanmin(one.similarity, axis=1, keepdims=True)
    clear = one.valid & (one.similarity > last + 1e-5)
    for row in range(len(one)):
        assert set(one.ids[row, clear[row]]) == set(other.ids[row, clear[row]])


def test_a_collection_that_milvus_has_unloaded_is_loaded_again(index: ItemIndex) -> None:
    """As after a restart of a server, of which a client that stays connected learns nothing."""
    before = index.neighbors(["cheese"], k=3)
    store = index._store
    store._call("release_collection", index.collection)
    with pytest.raises(MilvusException, match=r"in state 'released'|collection not loaded"):
        store._open_client().query(index.collection, filter='item_id == "x"')
    np.testing.assert_array_equal(index.neighbors(["cheese"], k=3).ids, before.ids)
    store._call("release_collection", index.collection)
    index.ping()
    assert index.count() == 400
