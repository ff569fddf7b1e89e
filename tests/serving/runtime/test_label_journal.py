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
