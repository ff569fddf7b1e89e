"""Labels in words survive a crash at any byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.runtime.label_journal import LabelJournal
from tests.serving.conftest import full_disk


def test_labels_come_back_in_order(tmp_path: Path) -> None:
    journal = LabelJournal(tmp_path / "deep" / "labels.jsonl")
    journal.add("TEAS", ["tea bags"])
    journal.add("KÄSE", ["cheddar", "brie"])
    again = LabelJournal(tmp_path / "deep" / "labels.jsonl")
    assert list(again.labels.items()) == [("TEAS", ["tea bags"]), ("KÄSE", ["cheddar", "brie"])]


def test_a_line_cut_off_at_any_byte_is_set_aside_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    LabelJournal(path).add("TEAS", ["tea bags"])
    first = path.read_bytes()
    LabelJournal(path).add("KÄSE", ["brie"])
    whole = path.read_bytes()
    aside = tmp_path / "labels.jsonl.unread"
    for end in range(len(first), len(whole) - 1):
        path.write_bytes(whole[:end])
        journal = LabelJournal(path)
        assert list(journal.labels) == ["TEAS"]
        if end > len(first):
            assert aside.read_bytes().splitlines()[-1] == whole[len(first) : end]
        journal.add("SOUP", ["tomato"])
        assert list(LabelJournal(path).labels) == ["TEAS", "SOUP"]


def test_a_last_line_without_its_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    lines = [f'{{"label": "{name}", "descriptions": []}}' for name in ("TEAS", "KÄSE")]
    path.write_text("\n\n".join(lines))
    LabelJournal(path).add("SOUP", ["tomato"])
    assert list(LabelJournal(path).labels) == ["TEAS", "KÄSE", "SOUP"]
    assert not (tmp_path / "labels.jsonl.unread").exists()


def test_half_a_line_on_a_full_disk_is_no_reason_not_to_serve(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"label": "TEAS", "descriptions": ["%s"]}\n{"lab' % ("words " * 900))
    with full_disk():
        journal = LabelJournal(path)
        assert list(journal.labels) == ["TEAS"]
        with pytest.raises(OSError):
            journal.add("SOUP", [])
    journal.add("KÄSE", ["brie"])
    assert list(LabelJournal(path).labels) == ["TEAS", "KÄSE"]


def test_lines_that_cannot_be_read_are_set_aside_and_the_rest_is_served(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    for name in ("TEAS", "SOUP"):
        LabelJournal(path).add(name, ["words"])
    first, second = path.read_bytes().splitlines(keepends=True)
    bad = [first[:9] + second, b"[]\n", b'{"label": 7, "descriptions": []}\n', b"\xff\n"]
    path.write_bytes(b"".join([first, *bad, second]))
    assert list(LabelJournal(path).labels) == ["TEAS", "SOUP"]
    assert path.read_bytes() == first + second
    assert (tmp_path / "labels.jsonl.unread").read_bytes() == b"".join(bad)
    LabelJournal(path).add("KÄSE", ["brie"])
    assert list(LabelJournal(path).labels) == ["TEAS", "SOUP", "KÄSE"]
