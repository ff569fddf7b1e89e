"""What is kept of review, in a database that may be damaged, or locked."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from serving.problems import ApiError
from serving.review.store import KeptItem, ReviewStore

_ITEMS = [KeptItem(0, "a", None, is_random=True, is_double=False)]
_QUEUE = {
    "name": "new",
    "source": "unlabeled",
    "ordering": "worth",
    "precision": 0.95,
    "random_share": 0.1,
    "creator": "ana",
}


def test_a_queue_is_kept_and_found_by_its_tenant_alone(tmp_path: Path) -> None:
    path = tmp_path / "review.db"
    store = ReviewStore(path)
    assert store.queues("north") == []
    assert not path.exists()
    kept = store.add("north", _ITEMS, **_QUEUE)
    store.lease(kept.number, [0], "ana", 5.0)
    store.close()
    store = ReviewStore(path)
    assert store.queues("north") == [kept]
    assert store.queue("south", kept.queue_id) is None
    assert store.queue(None, kept.queue_id) is None
    (item,) = store.items(kept.number)
    assert (item.is_random, item.state, item.leased_by, item.leased_until) == (
        True,
        "open",
        "ana",
        5.0,
    )
    assert not store.remove("south", kept.queue_id)
    assert store.remove("north", kept.queue_id)
    assert store.items(kept.number) == []
    store.close()


def test_what_is_no_database_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "review.db"
    path.write_bytes(b"no database at all " * 100)
    store = ReviewStore(path)
    store.add(None, _ITEMS, **_QUEUE)
    assert len(store.queues(None)) == 1
    (aside,) = tmp_path.glob("review.db.unread-*[0-9a-f]")
    assert aside.read_bytes().startswith(b"no database")
    store.close()


def test_what_cannot_be_kept_is_refused_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ReviewStore(tmp_path / "review.db")
    kept = store.add(None, _ITEMS, **_QUEUE)
    store.close()
    monkeypatch.setattr("serving.runtime.database._LOCKED_SECONDS", 0.0)
    other = sqlite3.connect(tmp_path / "review.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ApiError, match="cannot be read or kept") as refused:
        store.lease(kept.number, [0], "ana", 5.0)
    assert refused.value.status == 503
    other.close()
    store.lease(kept.number, [0], "ana", 5.0)
    store.close()
