"""Lines of JSON as tables."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from pipelines.tables.reader import read_table
from retrieval import TableError


def test_lines_of_json_keep_their_types(tmp_path: Path) -> None:
    first = '{"id": 1, "organic": true, "tags": ["b", "a"], "n": 9007199254740993}'
    text = first + '\n\n{"id": 2, "p": 1.5}\n'
    for path in (tmp_path / "t.JSONL", tmp_path / "t.ndjson"):
        path.write_text(text)
        table = read_table(
            path, {"id": "name", "organic": "name", "tags": "label", "n": "any", "p": "any"}
        )
        assert table["id"].tolist() == ["1", "2"]
        assert table["organic"].iloc[0] == "true"
        assert table["tags"].iloc[0] == '["a", "b"]'
        assert int(table["n"].iloc[0]) == 9007199254740993
        assert table["p"].tolist()[1] == 1.5
    packed = tmp_path / "t.jsonl.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    pd.testing.assert_frame_equal(read_table(packed), read_table(tmp_path / "t.ndjson"))


def test_a_word_among_numbers_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"p": 399}\n' * 19 + '{"p": "n/a"}\n')
    with pytest.raises(TableError, match="row 20: p: 'n/a' is not a number"):
        read_table(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1}\n{"a"\n', "line 2: not JSON"),
        ('{"a": 1}\n[1]\n', "line 2: not an object"),
        ("\n", "the file is empty"),
    ],
)
def test_what_is_no_such_file_is_told_with_its_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(TableError, match=problem):
        read_table(path)
