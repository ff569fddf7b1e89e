"""What differs between Milvus Lite and a server, which nobody above `retrieval` is to notice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from retrieval import Between, Encoder, InputError, ItemIndex, StoreError, TableError, UpsertCounts
from tests.milvus_places import Places
from tests.retrieval.conftest import COLUMNS

LIMITS = {"item_id": 512, "label": 4_096, "brand": 4_096}
TEXT_LIMIT = 60_000


# --- strings are counted in bytes ----------------------------------------------------------------


def _filled(letter: str, limit: int) -> str:
    """As many of a letter as fit into so many bytes, filled up with short ones."""
    whole, rest = divmod(limit, len(letter.encode()))
    return letter * whole + "x" * rest


@pytest.mark.filterwarnings("ignore::retrieval.UnreadTextWarning")
@pytest.mark.parametrize("letter", ["a", "ü", "牛", "🥛"])
def test_strings_fit_up_to_the_last_byte(empty: ItemIndex, letter: str) -> None:
    row: dict[str, Any] = {name: _filled(letter, limit) for name, limit in LIMITS.items()}
    row["name"] = _filled(letter, TEXT_LIMIT)
    items = pd.DataFrame([row])
    empty.upsert(items, text="name", label="label", attributes=["brand"])
    got = empty.get([row["item_id"]])
    assert got.iloc[0][["item_id", "label", "brand", "text"]].tolist() == [
        row[name] for name in ("item_id", "label", "brand", "name")
    ]
    assert empty.neighbors(["x"], 1, where={"brand": row["brand"]}).ids[0, 0] == row["item_id"]


@pytest.mark.parametrize("column", LIMITS)
def test_one_byte_more_is_refused_before_anything_is_written(empty: ItemIndex, column: str) -> None:
    short: dict[str, Any] = {"item_id": "short", "label": "l", "brand": "b", "name": "milk"}
    long = {**short, "item_id": "long", column: _filled("ü", LIMITS[column]) + "x"}
    with pytest.raises(TableError, match=f"row 2, column {column} is longer than"):
        empty.upsert(pd.DataFrame([short, long]), text="name", label="label", attributes=["brand"])
    assert empty.count() == 0


# --- missing values ------------------------------------------------------------------------------


def test_missing_values_come_back_missing_and_pass_no_filter(empty: ItemIndex) -> None:
    items = pd.DataFrame(
        {
            "item_id": ["all", "none"],
            "name": ["whole milk", "oat milk"],
            "kind": ["dairy", None],
            "begin": pd.to_datetime(["2024-03-01", None]),
            "brand": ["Alpine", None],
            "price": [1.5, None],
        }
    )
    empty.upsert(
        items, text="name", label="kind", launch_date="begin", attributes=["brand", "price"]
    )
    bare = empty.get(["none"]).iloc[0]
    assert bare[["label", "launch_date", "brand", "price"]].isna().all()
    for where in ({"brand": "Alpine"}, {"price": Between(high=9)}, {"price": Between(low=-9)}):
        near = empty.neighbors(["milk"], 5, where=where)  # type: ignore[arg-type]
        assert near.ids[near.valid].tolist() == ["all"]
    assert empty.neighbors(["milk"], 5, labeled=False).ids[0, 0] == "none"
    # Without a date it has always been there; the other one comes with its day.
    seen = [
        empty.neighbors(["milk"], 5, as_of=day).valid.sum() for day in ("2024-02-29", "2024-03-01")
    ]
    assert seen == [1, 2]


# --- the same id again ---------------------------------------------------------------------------


def test_an_id_is_there_once_however_often_it_is_written(
    empty: ItemIndex, products: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.writing.UPSERT_ROWS", 7)  # several batches
    items = products[:20]
    twice = pd.concat([items, items[:1]])
    with pytest.raises(TableError, match="is there more than once"):
        empty.upsert(twice, **COLUMNS)
    for round_ in range(3):
        changed = items.assign(brand=[f"brand {round_}"] * 20)
        counts = empty.upsert(changed, **COLUMNS)
        assert counts == (UpsertCounts(new=20) if round_ == 0 else UpsertCounts(changed=20))
        assert empty.count() == 20
        assert empty.ids() == sorted(items["item_id"])
        near = empty.neighbors(changed, k=25, exclude_self=False)
        assert near.valid.sum(axis=1).tolist() == [20] * 20
        assert all(len(set(ids[:20])) == 20 for ids in near.ids)
    assert empty.get(items["item_id"].tolist())["text"].str.contains("brand 2").all()


def test_what_is_deleted_and_written_again_is_there_once(
    empty: ItemIndex, products: pd.DataFrame
) -> None:
    items, ids = products[:10], products["item_id"].tolist()[:10]
    empty.upsert(items, **COLUMNS)
    assert empty.delete([*ids[:4], *ids[:2], "absent"]) == 4
    assert empty.delete(ids[:4]) == 0
    assert empty.count() == 6
    assert empty.upsert(items, **COLUMNS) == UpsertCounts(new=4, unchanged=6)
    assert empty.count() == 10
    assert empty.ids() == sorted(ids)


# --- searches ------------------------------------------------------------------------------------


def test_more_neighbors_than_items_are_padded(index: ItemIndex, products: pd.DataFrame) -> None:
    near = index.neighbors(products[:3], k=1_000)
    assert near.ids.shape == (3, 1_000)
    assert near.valid.sum(axis=1).tolist() == [len(products) - 1] * 3
    most = index.neighbors(["milk"], k=16_383)  # of Milvus itself
    assert most.valid.sum() == len(products)
    with pytest.raises(InputError, match="k must be between 1 and 16383"):
        index.neighbors(["milk"], k=16_384)


def test_every_query_sees_its_own_days(index: ItemIndex, products: pd.DataFrame) -> None:
    days = pd.to_datetime(["2016-12-31", "2017-02-28", "2017-06-30", "2017-12-31"])
    near = index.neighbors(["milk"] * 4, k=400, as_of=days)
    launched = products["launch_date"]
    expected = [int((launched.isna() | (launched <= day)).sum()) for day in days]
    assert near.valid.sum(axis=1).tolist() == expected
    assert expected[0] == launched.isna().sum() < expected[1] < expected[2] < expected[3]


def test_more_queries_than_one_call_takes(index: ItemIndex, encoder: Encoder) -> None:
    vectors = np.random.default_rng(3).standard_normal((2_100, encoder.dim)).astype(np.float32)
    near = index.neighbors(vectors, k=3)
    assert near.valid.all()
    some = index.neighbors(vectors[[0, 999, 1_000, 2_099]], k=3)
    np.testing.assert_allclose(near.similarity[[0, 999, 1_000, 2_099]], some.similarity, atol=1e-5)


# --- who may -------------------------------------------------------------------------------------


@pytest.mark.server_only("Lite knows no users")
@pytest.mark.parametrize("token", ["root:wrong", "nobody:Milvus", None])
def test_a_wrong_token_is_told_from_an_absent_server(
    encoder: Encoder, milvus: Places, token: str | None
) -> None:
    with pytest.raises(StoreError, match=r"refuses the connection: a wrong index\.token") as caught:
        milvus().open(encoder, token=token)
    assert "wrong" not in str(caught.value).replace("a wrong index.token", "")


@pytest.mark.server_only("Lite knows no users")
def test_the_right_token_opens(encoder: Encoder, milvus: Places) -> None:
    with milvus().open(encoder) as index:
        index.ping()
        assert index.count() == 0
