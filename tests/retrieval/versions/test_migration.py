"""What is carried over after a move, whoever has written to either version meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retrieval import Encoder, LikewiseError
from retrieval.versions.migration import MoveNote
from retrieval.versions.versions import Versions
from tests.milvus_places import Place, Places
from tests.retrieval.conftest import COLUMNS

# What becomes of an item in the former version before the name is moved, and in the new one after
# it: what it has to be in the end.
KEPT, CHANGED, DELETED, ADDED = "kept", "changed", "deleted", "added"
STORIES = {
    (KEPT, KEPT): "first",
    (KEPT, CHANGED): "new",
    (KEPT, DELETED): None,
    (CHANGED, KEPT): "old",
    (CHANGED, CHANGED): "new",
    (CHANGED, DELETED): None,
    (DELETED, KEPT): None,
    (DELETED, CHANGED): "new",
    (DELETED, DELETED): None,
    (ADDED, None): "old",
    (ADDED, ADDED): "new",
    (ADDED, DELETED): "old",  # who deletes it is told that it is not there
    (None, ADDED): "new",
}


def test_the_last_word_counts(encoder: Encoder, products: pd.DataFrame, milvus: Places) -> None:
    place, others = milvus(), products.iloc[len(STORIES) : 100]
    with place.open(encoder) as index:
        index.upsert(others, **COLUMNS)
        index.upsert(_that_were(products, 0, KEPT, CHANGED, DELETED, word="first"), **COLUMNS)
    with Versions(place.uri, place.collection, token=place.token) as versions:
        version = versions.prepare(encoder, index="IVF_FLAT", params={"nlist": 4})
        carrier = versions._carrier(versions.live, version, lambda name: encoder)
        held = carrier.carry().held
        _write(place, encoder, products, 0, "old")
        versions.point(version)
        _write(place, encoder, products, 1, "new")
        late = carrier.carry_late(held)
    assert (late.copied, late.removed) == (3, 1)
    with place.open(encoder) as index:
        found = index.get(index.ids()).set_index("item_id")["text"]
    ids = products["item_id"].iloc[: len(STORIES)]
    said = [None if one not in found else found[one].split()[-1] for one in ids]
    assert dict(zip(STORIES, said, strict=True)) == STORIES
    assert set(others["item_id"]) <= set(found.index)


def _write(place: Place, encoder: Encoder, products: pd.DataFrame, turn: int, word: str) -> None:
    with place.open(encoder) as writer:
        writer.upsert(_that_were(products, turn, CHANGED, ADDED, word=word), **COLUMNS)
        writer.delete(_that_were(products, turn, DELETED)["item_id"].tolist())


def _that_were(products: pd.DataFrame, turn: int, *fates: str, word: str = "") -> pd.DataFrame:
    """The items of those stories, with a word at the end of their texts."""
    chosen = [story[turn] in fates for story in STORIES]
    return products.iloc[: len(STORIES)][chosen].assign(brand=word)


def test_what_was_noted_is_read(tmp_path: Path) -> None:
    path = tmp_path / "move.npz"
    assert MoveNote.noted(path) is None
    for held in (np.arange(5, dtype=np.uint64), np.empty(0, np.uint64)):
        MoveNote("items_v1", "items_v2", held).note(path)
        found = MoveNote.noted(path)
        assert found is not None
        assert (found.former, found.version) == ("items_v1", "items_v2")
        np.testing.assert_array_equal(found.held, held)
    assert list(tmp_path.iterdir()) == [path]


def test_a_note_cut_in_half_is_told(tmp_path: Path) -> None:
    path = tmp_path / "move.npz"
    MoveNote("items_v1", "items_v2", np.arange(500, dtype=np.uint64)).note(path)
    path.write_bytes(path.read_bytes()[:1_000])
    with pytest.raises(LikewiseError, match=r"move\.npz: the note of a move"):
        MoveNote.noted(path)


def test_a_note_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "move.npz"
    path.mkdir()
    with pytest.raises(LikewiseError, match="the name was not moved"):
        MoveNote("items_v1", "items_v2", np.empty(0, np.uint64)).note(path)
    assert list(tmp_path.iterdir()) == [path]
