from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval import LikewiseError
from retrieval.moves import Move


def test_what_was_noted_is_read(tmp_path: Path) -> None:
    path = tmp_path / "move.npz"
    assert Move.noted(path) is None
    for held in (np.arange(5, dtype=np.uint64), np.empty(0, np.uint64)):
        Move("items_v1", "items_v2", held).note(path)
        found = Move.noted(path)
        assert found is not None
        assert (found.former, found.version) == ("items_v1", "items_v2")
        np.testing.assert_array_equal(found.held, held)
    assert list(tmp_path.iterdir()) == [path]


def test_a_note_cut_in_half_is_told(tmp_path: Path) -> None:
    path = tmp_path / "move.npz"
    Move("items_v1", "items_v2", np.arange(500, dtype=np.uint64)).note(path)
    path.write_bytes(path.read_bytes()[:1_000])
    with pytest.raises(LikewiseError, match=r"move\.npz: the note of a move"):
        Move.noted(path)


def test_a_note_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "move.npz"
    path.mkdir()
    with pytest.raises(LikewiseError, match="the name was not moved"):
        Move("items_v1", "items_v2", np.empty(0, np.uint64)).note(path)
    assert list(tmp_path.iterdir()) == [path]
