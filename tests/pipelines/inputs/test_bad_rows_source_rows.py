"""Rows of a table as they are in its source."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.inputs.bad_rows import held, suffix_of, texts_of, whole_rows
from pipelines.tables.formats import CsvFormat, TableFile
from pipelines.tables.reader import read_table
from pipelines.tables.sql import FetchedRows, SqlQuery
from retrieval import TableError

ROWS = [0, 4, 9]


def test_rows_of_a_parquet_file_keep_their_types_over_row_groups(tmp_path: Path) -> None:
    table = pa.table({"id": [f"{row:02d}" for row in range(10)], "n": list(range(10))})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=3)
    assert suffix_of(tmp_path / "t.parquet") == ".parquet"
    assert whole_rows(tmp_path / "t.parquet", ROWS).to_pydict() == {
        "id": ["00", "04", "09"],
        "n": ROWS,
    }
    assert whole_rows(tmp_path / "t.parquet", []).schema == table.schema


def test_rows_of_a_csv_file_are_the_text_that_is_written(tmp_path: Path) -> None:
    lines = [f"{row:02d};1,{row};" for row in range(10)]
    (tmp_path / "t.csv").write_text("\n".join(["id;n;none", *lines]), encoding="utf-16")
    file = TableFile(tmp_path / "t.csv", CsvFormat("utf-16", ";", ","))
    assert suffix_of(file) == ".csv"
    assert whole_rows(file, ROWS).to_pydict() == {
        "id": ["00", "04", "09"],
        "n": ["1,0", "1,4", "1,9"],
        "none": [None] * 3,
    }


def test_rows_of_a_frame_may_hold_anything() -> None:
    frame = pd.DataFrame({"id": [1, "two", None], "n": [1.5, None, 2.5]}, index=[7, 7, 9])
    rows = whole_rows(frame, [0, 1, 2])
    assert rows.to_pydict() == {"id": ["1", "two", None], "n": [1.5, None, 2.5]}
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert whole_rows(twice, [0]).num_rows == 1


def test_a_query_is_asked_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 't.sqlite'}"
    frame = pd.DataFrame({"id": list("abc"), "n": [1, 2, 3]})
    with sqlite3.connect(tmp_path / "t.sqlite") as database:
        frame.to_sql("t", database, index=False)
    database.close()
    there = held(SqlQuery("select * from t", url))
    (tmp_path / "t.sqlite").unlink()
    assert isinstance(there, FetchedRows)
    assert str(there) == "SQL query"
    assert read_table(there)["n"].tolist() == [1, 2, 3]
    assert whole_rows(there, [2]).to_pydict() == {"id": ["c"], "n": [3]}


def test_ids_are_the_text_they_are_read_as() -> None:
    rows = pa.table({"gaps": [7.0, None, 8.0], "whole": [7, 8, 9], "text": ["007", None, "x"]})
    assert texts_of(rows, "gaps") == ["7", None, "8"]
    assert texts_of(rows, "whole") == ["7", "8", "9"]
    assert texts_of(rows, "text") == ["007", None, "x"]


def test_rows_that_are_skipped_are_counted_in_messages(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,day\na,soon\nb,2017-01-02\nc,later\n")
    kinds = {"id": "string", "day": "date"}
    with pytest.raises(TableError, match=r"row 3 \(id 'c'\)") as caught:
        read_table(tmp_path / "t.csv", kinds, id_col="id", skip=[0])  # type: ignore[arg-type]
    assert list(caught.value.offenses[0].rows) == [2]
    left = read_table(tmp_path / "t.csv", kinds, skip={0, 2})  # type: ignore[arg-type]
    assert left["id"].tolist() == ["b"]
