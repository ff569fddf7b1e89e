from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from pipelines.tables.formats import CsvFormat, TableFile
from pipelines.tables.output import write_table
from pipelines.tables.reader import read_table

RUN = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]
NUMBERS = ["-5", "+4.5", "-1,5", "+49", "-1e-3"]


def _raw(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.reader(text))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(
        st.text("=+-@\t\r\n'\"a,;1 ", min_size=1, max_size=5) | st.sampled_from(RUN + NUMBERS),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_written_is_read_back(tmp_path: Path, name: str, cells: list[str]) -> None:
    """Whatever a text begins with, quotes and apostrophes, too."""
    path = tmp_path / name
    for kind in ("object", "category"):
        write_table(pd.DataFrame({"=id": pd.Series(cells, dtype=kind), "n": 1.0}), path)
        table = read_table(path, {"=id": "string"})
        assert table["=id"].tolist() == cells


@pytest.mark.parametrize("cell", RUN)
def test_nothing_in_a_file_is_run(tmp_path: Path, cell: str) -> None:
    write_table(pd.DataFrame({cell: [cell, f"'{cell}", None]}), tmp_path / "t.csv")
    name, first, second = (row[0] for row in _raw(tmp_path / "t.csv")[:3])
    assert name == first == f"'{cell}"
    assert second == f"''{cell}"


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": NUMBERS, "number": [-5.0, 4.5, -1.5, 49.0, -1e-3]})
    write_table(table, tmp_path / "t.csv")
    assert [row[0] for row in _raw(tmp_path / "t.csv")[1:]] == NUMBERS
    assert [row[1] for row in _raw(tmp_path / "t.csv")[1:]] == [
        "-5.0",
        "4.5",
        "-1.5",
        "49.0",
        "-0.001",
    ]


def test_guards_can_be_left_out_and_left_in(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_table(pd.DataFrame({"a": ["=1+1"]}), path, guard_csv=False)
    assert _raw(path)[1] == ["=1+1"]
    write_table(pd.DataFrame({"a": ["=1+1"]}), path)
    told = TableFile(path, CsvFormat(guarded=False))
    assert read_table(told, {"a": "string"})["a"].tolist() == ["'=1+1"]
