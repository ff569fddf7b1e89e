from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from retrieval import Encoder, IndexReplacedError, InputError, ItemIndex
from retrieval.versions.migration import Carrier
from retrieval.versions.versions import Versions
from tests.encoders import shallow_encoder
from tests.milvus_places import Place, Places

COLUMNS = {
    "text": ["product_type", "brand"],
    "label": "product_category",
    "launch_date": "launch_date",
    "attributes": ["price"],
}


@pytest.fixture(scope="module")
def other(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return shallow_encoder(encoder, tmp_path_factory.mktemp("encoder") / "shallow")


@pytest.fixture
def place(encoder: Encoder, products: pd.DataFrame, milvus: Places) -> Place:
    """A hundred products."""
    with milvus().open(encoder) as index:
        index.upsert(products.head(100), **COLUMNS)
    return milvus()


@pytest.fixture
def versions(place: Place) -> Iterator[Versions]:
    with Versions(place.uri, place.collection, token=place.token) as made:
        yield made


class Busy(Encoder):
    """Somebody else is at work while it encodes."""

    meanwhile: Callable[[], object]

    @classmethod
    def as_is(cls, encoder: Encoder, meanwhile: Callable[[], object]) -> Busy:
        made = cls(encoder.name, backend=encoder.identity.backend)
        made.meanwhile = meanwhile
        return made

    def _read(self, texts: Sequence[str], progress: bool | None, side: Any) -> Any:
        self.meanwhile()
        return super()._read(texts, progress, side)


def _named(encoder: Encoder, other: Encoder):  # type: ignore[no-untyped-def]
    return lambda name: other if name == other.name else encoder


def _replaced(versions: Versions, encoder: Encoder, other: Encoder) -> None:
    """Let a version of another encoder take the place of the live one."""
    version = versions.prepare(other)
    versions.fill(version, _named(encoder, other))
    versions.switch(version)


def test_a_name_is_an_alias_of_its_first_version(place: Place, encoder: Encoder) -> None:
    with place.open(encoder) as index:
        assert index.collection == place.collection
        assert index.version == f"{place.collection}_v1"
        assert index.is_current()


def test_another_encoder_takes_over_without_a_gap(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder, products: pd.DataFrame
) -> None:
    with place.open(encoder) as reader:
        before = reader.neighbors(["almond milk"], k=5)
        version = versions.prepare(other)
        assert version == f"{place.collection}_v2"
        assert versions.live == f"{place.collection}_v1"
        filled = versions.fill(version, _named(encoder, other))
        assert (filled.copied, filled.removed) == (100, 0)
        assert reader.is_current()
        late = versions.switch(version)
        assert (late.copied, late.removed) == (0, 0)
        assert not reader.is_current()
        # Who has it open goes on reading what it opened.
        after = reader.neighbors(["almond milk"], k=5)
        np.testing.assert_array_equal(after.ids, before.ids)
    with place.open(other) as index:
        assert index.version == version
        whole = index.get(products["item_id"].head(100).tolist())
        expected = other.encode(whole["text"].tolist())
        stored = index.read()
        order = np.argsort(whole["item_id"])
        np.testing.assert_array_equal(stored.ids, whole["item_id"].to_numpy(dtype=object)[order])
        np.testing.assert_allclose(stored.vectors, expected[order], atol=1e-5)


def test_what_else_an_item_holds_is_carried_over(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder, products: pd.DataFrame
) -> None:
    ids = products["item_id"].head(100).tolist()
    with place.open(encoder) as index:
        before = index.get(ids)
    _replaced(versions, encoder, other)
    with place.open(other) as index:
        pd.testing.assert_frame_equal(index.get(ids), before)
        assert index.upsert(products.head(100), **COLUMNS).unchanged == 100


def test_an_index_opened_without_an_encoder_takes_the_collections_own(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder
) -> None:
    _replaced(versions, encoder, other)
    with ItemIndex(place.uri, collection=place.collection, token=place.token) as index:
        assert index.encoder.identity.same_space(other.identity)


def test_a_writer_who_opened_it_before_is_told(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder, products: pd.DataFrame
) -> None:
    version = versions.prepare(other)
    with place.open(encoder) as writer:
        versions.fill(version, _named(encoder, other))
        versions.switch(version)
        with pytest.raises(IndexReplacedError, match="has been replaced since it was opened"):
            writer.upsert(products.iloc[100:110], **COLUMNS)
        with pytest.raises(IndexReplacedError, match="open it anew"):
            writer.delete(products["item_id"].head(1).tolist())
        assert writer.count() == 100


def test_a_write_during_the_move_is_not_acknowledged(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder, products: pd.DataFrame
) -> None:
    """It may have come too late to be carried over: whoever wrote it has to do it again."""
    version = versions.prepare(other)
    versions.fill(version, _named(encoder, other))
    busy = Busy.as_is(encoder, lambda: versions.switch(version))
    told = pytest.raises(IndexReplacedError, match="open it anew and write again")
    with place.open(busy) as writer, told:
        writer.upsert(products.iloc[100:110], **COLUMNS)
    with place.open(other) as again:
        assert again.count() == 100
        assert again.upsert(products.iloc[100:110], **COLUMNS).new == 10


def test_a_filling_goes_on_until_nothing_more_has_changed(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder, products: pd.DataFrame
) -> None:
    version = versions.prepare(other)
    late = iter([products.iloc[100:103], products.iloc[103:104]])
    with place.open(encoder) as writer:

        def write() -> None:
            if (rows := next(late, None)) is not None:
                writer.upsert(rows, **COLUMNS)

        busy = Busy.as_is(other, write)
        filled = versions.fill(version, lambda name: busy)
        assert writer.is_current()
    assert (filled.copied, filled.seen, versions.store(version).count()) == (104, 104, 104)


def test_what_was_written_meanwhile_is_carried_over(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder, products: pd.DataFrame
) -> None:
    """New, changed and deleted after the last pass, and before the name was moved."""
    version = versions.prepare(other)
    versions.fill(version, _named(encoder, other))
    changed = products.iloc[[5]].assign(brand="Renamed")
    with place.open(encoder) as writer:
        writer.upsert(products.iloc[100:103], **COLUMNS)
        writer.upsert(changed, **COLUMNS)
        writer.delete([products["item_id"].iloc[7]])
        late = versions.switch(version)
        assert (late.copied, late.removed) == (4, 1)
    with place.open(other) as index:
        assert index.count() == 102
        assert products["item_id"].iloc[7] not in index.ids()
        assert "Renamed" in index.get([products["item_id"].iloc[5]])["text"].iloc[0]


def test_what_was_written_to_the_new_version_is_not_undone(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder, products: pd.DataFrame
) -> None:
    """Between the move of the name and the end of the carrying."""
    version = versions.prepare(other)
    carrier = versions._carrier(versions.live, version, _named(encoder, other))
    held = carrier.carry().held
    with place.open(encoder) as writer:
        writer.upsert(products.iloc[[1, 2]].assign(brand="Old"), **COLUMNS)
    versions.point(version)
    with place.open(other) as writer:
        writer.upsert(products.iloc[[2, 3]].assign(brand="New"), **COLUMNS)
        writer.upsert(products.iloc[200:201], **COLUMNS)
    late = carrier.carry_late(held)
    assert (late.copied, late.removed) == (1, 0)
    with place.open(other) as index:
        texts = index.get(products["item_id"].iloc[[1, 2, 3]].tolist())["text"].tolist()
        assert ["Old" in texts[0], "New" in texts[1], "New" in texts[2]] == [True] * 3
        assert index.count() == 101


def test_a_move_that_was_killed_is_finished(
    place: Place,
    encoder: Encoder,
    other: Encoder,
    products: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    note, named = tmp_path / "move.npz", _named(encoder, other)
    first, second, third = products["item_id"].iloc[:3]
    with (
        Versions(place.uri, place.collection, token=place.token, note=note) as killed,
        place.open(encoder) as writer,
        monkeypatch.context() as patch,
    ):
        assert killed.finish(named) is None
        former, version = killed.live, killed.prepare(other)
        killed.fill(version, named)
        writer.upsert(products.iloc[100:102], **COLUMNS)
        writer.upsert(products.iloc[[0, 1]].assign(brand="Old"), **COLUMNS)
        writer.delete([third])
        patch.setattr(Carrier, "carry_late", _killed)
        with pytest.raises(KeyboardInterrupt):
            killed.switch(version)
    with place.open(other) as writer:
        writer.upsert(products.iloc[[1]].assign(brand="New"), **COLUMNS)
    with Versions(place.uri, place.collection, token=place.token, note=note) as again:
        finished = again.finish(named)
        assert finished is not None
        assert (finished[0], finished[1].copied, finished[1].removed) == (former, 3, 1)
        assert again.finish(named) is None
    with place.open(other) as index:
        assert (index.version, index.count()) == (version, 101)
        assert "Old" in index.get([first])["text"].iloc[0]
        assert "New" in index.get([second])["text"].iloc[0]


def test_a_move_that_was_killed_before_it_began_is_forgotten(
    place: Place,
    encoder: Encoder,
    other: Encoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    note, named = tmp_path / "move.npz", _named(encoder, other)
    with Versions(place.uri, place.collection, token=place.token, note=note) as killed:
        version = killed.prepare(other)
        killed.fill(version, named)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Versions, "_point", _killed)
            killed.switch(version)
        assert note.exists()
        assert killed.finish(named) is None
        assert not note.exists()
        killed.switch(version)
        assert not note.exists()


def test_who_goes_back_as_it_is_leaves_a_killed_move_as_it_is(
    place: Place,
    encoder: Encoder,
    other: Encoder,
    products: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    note, named = tmp_path / "move.npz", _named(encoder, other)
    with Versions(place.uri, place.collection, token=place.token, note=note) as killed:
        former, version = killed.live, killed.prepare(other)
        killed.fill(version, named)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Carrier, "carry_late", _killed)
            killed.switch(version)
        killed.point(former)
        with place.open(encoder) as writer:
            writer.upsert(products.iloc[100:101], **COLUMNS)
        killed.point(version)
        assert killed.finish(named) is None
        assert killed.store(version).count() == 100


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_name_that_somebody_else_has_moved_is_left_alone(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder
) -> None:
    """From another machine, where no lock reaches."""
    version = versions.prepare(encoder, index="IVF_FLAT", params={"nlist": 4})
    versions.fill(version, _named(encoder, other))
    with Versions(place.uri, place.collection, token=place.token) as elsewhere:
        moved = elsewhere.prepare(other)
        elsewhere.fill(moved, _named(encoder, other))
        elsewhere.switch(moved)
    with pytest.raises(IndexReplacedError, match=f"no longer stands for {versions.live}"):
        versions.switch(version)
    with pytest.raises(IndexReplacedError, match="begin anew"):
        versions.fill(version, _named(encoder, other))
    with place.open(other) as index:
        assert index.version == moved


def test_a_filling_that_was_killed_goes_on(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder, products: pd.DataFrame
) -> None:
    version = versions.prepare(other)
    versions.fill(version, _named(encoder, other))
    gone, left = products["item_id"].iloc[:40].tolist(), products["item_id"].iloc[40:100].tolist()
    versions.store(version).delete(gone)
    with Versions(place.uri, place.collection, token=place.token) as again:
        assert again.prepare(other) == version
        assert again.fill(version, _named(encoder, other)).copied == len(gone)
        assert again.store(version).count() == len(gone) + len(left)


def test_the_way_back(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder, products: pd.DataFrame
) -> None:
    named = _named(encoder, other)
    with pytest.raises(InputError, match="has no version before it"):
        versions.previous()
    version = versions.prepare(other)
    versions.fill(version, named)
    versions.switch(version)
    with place.open(other) as writer:
        writer.upsert(products.iloc[100:101], **COLUMNS)
    former = versions.previous()
    assert versions.fill(former, named).copied == 1
    versions.switch(former)
    assert versions.live == former
    with place.open(encoder) as index:
        assert index.count() == 101


def test_another_vector_index_needs_no_encoder(place: Place, versions: Versions) -> None:
    def none(name: str) -> Encoder:
        raise AssertionError(f"asked for {name}")

    with ItemIndex(place.uri, collection=place.collection, token=place.token) as index:
        before = index.read()
        version = versions.prepare(index.encoder, index="IVF_FLAT", params={"nlist": 4})
    versions.fill(version, none)
    versions.switch(version)
    with ItemIndex(place.uri, collection=place.collection, token=place.token) as index:
        assert (index.layout.index, index.layout.index_params) == ("IVF_FLAT", {"nlist": 4})
        np.testing.assert_array_equal(index.read().vectors, before.vectors)


def test_tenants_are_carried_over(
    encoder: Encoder, other: Encoder, products: pd.DataFrame, milvus: Places
) -> None:
    place = milvus("shared")
    for tenant, rows in (("acme", products.head(30)), ("bolt", products.iloc[20:60])):
        with place.open(encoder, tenant=tenant) as index:
            index.upsert(rows, **COLUMNS)
    with Versions(place.uri, place.collection, token=place.token) as versions:
        version = versions.prepare(other)
        assert versions.fill(version, _named(encoder, other)).copied == 70
        versions.switch(version)
    with place.open(other, tenant="acme") as index:
        assert index.ids() == sorted(products["item_id"].head(30))
        assert not set(index.neighbors(["milk"], k=29).ids.ravel()) - set(index.ids())


def test_a_collection_whose_texts_were_not_kept_needs_its_own_encoder(
    encoder: Encoder, other: Encoder, products: pd.DataFrame, milvus: Places
) -> None:
    place = milvus("secret")
    with place.open(encoder, store_text=False) as index:
        index.upsert(products.head(5), **COLUMNS)
    with Versions(place.uri, place.collection, token=place.token) as versions:
        version = versions.prepare(other)
        with pytest.raises(InputError, match="its text was not kept"):
            versions.fill(version, _named(encoder, other))
        assert versions.live == f"{place.collection}_v1"


def test_the_live_version_is_never_removed(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder
) -> None:
    with pytest.raises(InputError, match=r"is what .* stands for: not removed"):
        versions.drop(versions.live)
    with pytest.raises(InputError, match=r"has no version 'x' \(there are: "):
        versions.drop("x")
    version = versions.prepare(other)
    versions.drop(version)
    assert versions.all() == [versions.live]
    with place.open(encoder) as index:
        assert index.count() == 100


def test_a_dropped_index_takes_its_versions_with_it(
    place: Place, versions: Versions, encoder: Encoder, other: Encoder
) -> None:
    _replaced(versions, encoder, other)
    with place.open(other) as index:
        index.drop()
        left = index._store._call("list_collections")
    assert [name for name in left if name.startswith(place.collection)] == []
    with pytest.raises(InputError, match="is empty; index items first"):
        Versions(place.uri, place.collection, token=place.token)


def test_a_version_is_no_name(place: Place, versions: Versions) -> None:
    with pytest.raises(InputError, match="is a collection itself"):
        Versions(place.uri, versions.live, token=place.token)


def test_a_creation_that_was_killed_is_taken_up(
    place: Place, encoder: Encoder, products: pd.DataFrame
) -> None:
    """All was there but the name."""
    with place.open(encoder) as index:
        index._store._call("drop_alias", index.collection)
    with place.open(encoder) as index:
        assert index.count() == 0
        index.upsert(products.head(3), **COLUMNS)
        assert index.version == f"{place.collection}_v1"
        assert index.is_current()


def test_a_creation_with_other_columns_that_was_killed_is_done_anew(
    place: Place, encoder: Encoder, products: pd.DataFrame
) -> None:
    with place.open(encoder) as index:
        index._store._call("drop_alias", index.collection)
    with place.open(encoder) as index:
        index.upsert(products.head(3), text="brand")
        assert index.ids() == sorted(products["item_id"].head(3))


def test_the_path_of_an_encoder_is_remembered(
    place: Place, versions: Versions, other: Encoder
) -> None:
    version = versions.prepare(other)
    assert Path(versions.layout(version).encoder.name) == Path(other.name)
