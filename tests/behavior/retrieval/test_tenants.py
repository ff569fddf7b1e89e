"""Tenants share a collection and never see each other's items."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from retrieval import Encoder, InputError, ItemIndex, StoreError
from retrieval.milvus import store
from tests.milvus_places import Places

BOTH = ["milk", "bread"]
MANY = 300  # queries: answered from memory on Lite


@pytest.fixture
def pair(encoder: Encoder, milvus: Places) -> Iterator[tuple[ItemIndex, ItemIndex]]:
    """Two tenants, each with items of the same ids."""
    shared = milvus("shared")
    with (
        shared.open(encoder, tenant="acme") as acme,
        shared.open(encoder, tenant="acme.east") as east,
    ):
        acme.upsert(_items(["whole milk", "rye bread"], "food"), text="name", label="label")
        # It was opened before there was a collection.
        east.upsert(_items(["milk frother", "bread knife"], "kitchen"), text="name", label="label")
        yield acme, east


def _items(names: list[str], label: str) -> pd.DataFrame:
    return pd.DataFrame({"item_id": BOTH, "name": names, "label": label})


@pytest.mark.parametrize("queries", [3, MANY])
def test_no_search_finds_anothers_items(pair: tuple[ItemIndex, ItemIndex], queries: int) -> None:
    for index, label in zip(pair, ("food", "kitchen"), strict=True):
        near = index.neighbors(["milk frother", "rye bread", "knife"] * (queries // 3), k=10)
        assert near.valid.sum(axis=1).tolist() == [2] * len(near)
        assert set(near.ids[near.valid]) == set(BOTH)
        assert set(near.labels[near.valid]) == {label}


def test_each_reads_and_counts_its_own(pair: tuple[ItemIndex, ItemIndex]) -> None:
    acme, east = pair
    assert (acme.count(), east.count()) == (2, 2)
    assert acme.ids() == east.ids() == sorted(BOTH)
    assert acme.labels() == ["food"]
    assert east.get(["bread", "milk"])["text"].tolist() == ["bread knife", "milk frother"]
    assert set(acme.read().labels) == {"food"}


def test_each_reads_its_own_once_however_small_the_pages(
    encoder: Encoder, milvus: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PAGE_ROWS", 1)
    shared = milvus("shared")
    # Of one length, so that what is left of an id without its tenant could be either's.
    with shared.open(encoder, tenant="acme") as acme, shared.open(encoder, tenant="east") as east:
        for index, label in ((acme, "food"), (east, "kitchen")):
            index.upsert(_items(["milk", "bread"], label), text="name", label="label")
        for index, label in ((acme, "food"), (east, "kitchen")):
            assert index.ids() == index.read().ids.tolist() == sorted(BOTH)
            assert index.labels() == [label]


def test_an_item_is_not_its_own_neighbor(pair: tuple[ItemIndex, ItemIndex]) -> None:
    acme, _ = pair
    near = acme.neighbors(_items(["whole milk", "rye bread"], "food"), k=5)
    assert near.ids[:, 0].tolist() == ["bread", "milk"]
    assert near.valid.sum() == 2


def test_deleting_and_dropping_leave_the_others(pair: tuple[ItemIndex, ItemIndex]) -> None:
    acme, east = pair
    assert acme.delete(["milk", "absent"]) == 1
    assert acme.ids() == ["bread"]
    assert east.count() == 2
    acme.drop()
    assert (acme.count(), east.count()) == (0, 2)
    acme.drop()  # a tenant without items has nothing to drop
    assert east.count() == 2
    again = acme.upsert(_items(["oat milk", "rye bread"], "food"), text="name", label="label")
    assert (again.new, east.labels()) == (2, ["kitchen"])


def test_writing_again_changes_nothing(pair: tuple[ItemIndex, ItemIndex]) -> None:
    _, east = pair
    counts = east.upsert(
        _items(["milk frother", "bread knife"], "kitchen"), text="name", label="label"
    )
    assert (counts.new, counts.changed, counts.unchanged) == (0, 0, 2)


@pytest.mark.parametrize("name", ["", "a b", 'x" or tenant != "', "a\x1fb", "é", "t" * 65])
def test_bad_names_are_refused(encoder: Encoder, milvus: Places, name: str) -> None:
    with pytest.raises(InputError, match="a name has 1 to 64 letters"):
        milvus().open(encoder, tenant=name)


def test_a_collection_is_shared_or_not(
    pair: tuple[ItemIndex, ItemIndex], encoder: Encoder, milvus: Places
) -> None:
    with pytest.raises(InputError, match="is shared by tenants; name one"):
        milvus("shared").open(encoder)
    with milvus("own").open(encoder) as own:
        own.upsert(_items(["milk", "bread"], "food"), text="name", label="label")
        with pytest.raises(InputError, match="is not shared by tenants"):
            milvus("own").open(encoder, tenant="acme")


def test_ping_tells_whether_milvus_is_there(encoder: Encoder, milvus: Places) -> None:
    with milvus().open(encoder) as index:
        index.ping()
    with pytest.raises(StoreError, match="is closed"):
        index.ping()


# Whatever an item may be called: text of some length that is not blank and has whole characters.
ANY_ID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda text: text.strip() != ""
)
BREAKING_OUT = [
    "O'Neil-1",
    "C:\\data\\x",
    "a\nb\rc\td\x0b\x00",
    "q', 'acme\x1fmilk",
    'q", "acme\x1fmilk',
    'x" or item_id != "',
    "\\",
    '\\"',
    "{milk} %s",
]


@pytest.fixture(scope="module")
def pair_of_any_ids(
    encoder: Encoder, module_milvus: Places
) -> Iterator[tuple[ItemIndex, ItemIndex]]:
    """Two tenants, each with items of the same ids, and their ids as an attribute."""
    shared = module_milvus("any_id")
    with shared.open(encoder, tenant="acme") as acme, shared.open(encoder, tenant="east") as east:
        for index in (acme, east):
            index.upsert(_named(BOTH), text="name", attributes=["code"])
        yield acme, east


def _named(ids: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"item_id": ids, "name": "milk", "code": ids})


@given(names=st.lists(ANY_ID | st.sampled_from(BREAKING_OUT), min_size=1, max_size=8, unique=True))
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_any_id_is_written_read_filtered_and_removed_and_nothing_else_moves(
    pair_of_any_ids: tuple[ItemIndex, ItemIndex], names: list[str]
) -> None:
    acme, east = pair_of_any_ids
    names = [name for name in names if name not in BOTH]
    acme.upsert(_named(names), text="name", attributes=["code"], settle=False)
    assert acme.ids() == sorted([*BOTH, *names])
    assert acme.get(names)["item_id"].tolist() == names
    for name in names:
        near = acme.neighbors(["milk"], k=5, where={"code": name})
        assert near.ids[near.valid].tolist() == [name]
    assert east.delete(names) == 0
    for gone, name in enumerate(names, start=1):
        assert acme.delete([name]) == 1
        assert acme.ids() == sorted([*BOTH, *names[gone:]])
    assert east.ids() == sorted(BOTH)


def test_pages_end_at_any_id(
    encoder: Encoder, milvus: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PAGE_ROWS", 1)
    shared = milvus("pages")
    with shared.open(encoder, tenant="acme") as acme, shared.open(encoder, tenant="east") as east:
        acme.upsert(_named(BOTH), text="name")
        east.upsert(_named(BREAKING_OUT), text="name")
        assert east.ids() == sorted(BREAKING_OUT)
        assert east.read().ids.tolist() == sorted(BREAKING_OUT)
        east.drop()
        assert (east.ids(), acme.ids()) == ([], sorted(BOTH))
