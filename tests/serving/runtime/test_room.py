"""A disk without room is known from the first refusal on, and until there is room again."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.runtime import room as rooms
from serving.runtime.room import Room
from tests.serving.conftest import full_disk


def test_what_is_in_doubt_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room([tmp_path, tmp_path / "not there yet"])
    room.doubt(is_full=True)
    assert room.is_full
    room.look()
    assert not room.is_full
    monkeypatch.setattr(rooms, "_LITTLE", 1 << 60)  # as if there were less
    room.look()
    assert not room.is_full  # a write had room
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_told_until_it_has_room(tmp_path: Path) -> None:
    room = Room([tmp_path])
    room.doubt()
    assert not room.is_full
    with full_disk():
        room.look()
        assert room.is_full
        room.look()
    assert room.is_full
    room.look()
    assert not room.is_full
    assert list(tmp_path.iterdir()) == []
