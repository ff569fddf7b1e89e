"""Labels in words survive a crash at any byte."""

from __future__ import annotations

from pathlib import Path

from serving.runtime.label_journal import LabelJournal


def test_labels_come_back_in_order(tmp_path: Path) -> None:
    journal = LabelJournal(tmp_path / "deep" / "labels.jsonl")
    journal.add("TEAS", ["tea bags"])
    journal.add("KÄSE", ["cheddar", "brie"])
    again = LabelJournal(tmp_path / "deep" / "labels.jsonl")
    assert list(again.labels.items()) == [("TEAS", ["tea bags"]), ("KÄSE", ["cheddar", "brie"])]


def test_a_line_cut_off_at_any_byte_is_dropped_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    LabelJournal(path).add("TEAS", ["tea bags"])
    first = path.read_bytes()
    LabelJournal(path).add("KÄSE", ["brie"])
    whole = path.read_bytes()
    for end in range(len(first), len(whole)):
        path.write_bytes(whole[:end])
        journal = LabelJournal(path)
        assert list(journal.labels) == ["TEAS"]
        journal.add("SOUP", ["tomato"])
        assert list(LabelJournal(path).labels) == ["TEAS", "SOUP"]


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
