import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from pipelines.tables.output import check_writable, write_json, write_table
from pipelines.tables.reader import Kind, read_table
from retrieval import InputError, TableError

KINDS: dict[str, Kind] = {"id": "string", "day": "date", "y": "number", "size": "any"}


def _csv(folder: Path, text: str | bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _refusal(path: Path | str, kinds: dict[str, Kind] | None = KINDS) -> str:
    with pytest.raises(TableError) as caught:
        read_table(path, kinds, id_col="id")
    return str(caught.value)


# --- reading -----------------------------------------------------------------------------------


def test_csv_cells_become_what_the_columns_hold(tmp_path: Path) -> None:
    path = _csv(tmp_path, "other,size,id,day,y\n1,3,007,2024-01-01,1\n2,4.5,NA,,\n")
    table = read_table(path, KINDS)
    assert table.columns.tolist() == ["id", "day", "y", "size"]
    assert table["id"].tolist() == ["007", "NA"]
    assert table["day"].iloc[0] == pd.Timestamp("2024-01-01")
    assert table["day"].isna().tolist() == [False, True]
    assert table["y"].tolist()[0] == 1.0
    assert table["y"].isna().tolist() == [False, True]
    assert table["size"].tolist() == [3.0, 4.5]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_flags_are_words_or_numbers(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"table{suffix}"
    words = pd.DataFrame({"a": ["true", "FALSE", None, "1", "0"], "b": [1, 0, 1, 1, 0]})
    write_table(words, path)
    flags = read_table(path, {"a": "flag", "b": "flag"})
    assert flags["a"].fillna("missing").tolist() == [True, False, "missing", True, False]
    assert flags["b"].astype(int).tolist() == [1, 0, 1, 1, 0]
    with pytest.raises(TableError, match=r"row 2: a: 'FALS' is neither true nor false"):
        write_table(words.replace("FALSE", "FALS"), path)
        read_table(path, {"a": "flag"})


def test_an_attribute_with_leading_zeros_stays_text(tmp_path: Path) -> None:
    path = _csv(tmp_path, "zip,price\n00501,0.5\n10001,0\n")
    table = read_table(path)
    assert table["zip"].tolist() == ["00501", "10001"]
    assert table["price"].tolist() == [0.5, 0.0]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_optional_column_may_be_missing(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{suffix}"
    write_table(pd.DataFrame({"text": ["a"], "other": ["b"]}), path)
    kinds: dict[str, Kind] = {"id": "string", "text": "string"}
    table = read_table(path, kinds, id_col="id", optional=("id",))
    assert table.to_dict("list") == {"text": ["a"]}
    with pytest.raises(TableError, match=r"no column 'text' \(there are: id\)"):
        write_table(pd.DataFrame({"id": ["a"]}), path)
        read_table(path, kinds, id_col="id", optional=("id",))


def test_csv_keeps_quoted_commas_and_line_breaks(tmp_path: Path) -> None:
    path = _csv(tmp_path, '\ufeffid,text\n1,"a, ""b""\nc"\n')
    table = read_table(path, {"id": "string", "text": "string"})
    assert table.to_dict("list") == {"id": ["1"], "text": ['a, "b"\nc']}


@given(ids=st.lists(st.text("0123456789aA", min_size=1), min_size=1))
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_ids_survive_a_file_unchanged(
    suffix: str, ids: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ids") / f"t{suffix}"
    write_table(pd.DataFrame({"id": ids}), path)
    assert read_table(path, {"id": "string"})["id"].tolist() == ids
    assert read_table(path, id_col="id")["id"].tolist() == ids


def test_integer_ids_do_not_become_decimals(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    big = 2**53 + 1
    pd.DataFrame(
        {"id": pd.array([7, None, big], dtype="Int64"), "f": [7.0, None, 1e15]}
    ).to_parquet(path)
    table = read_table(path, {"id": "string", "f": "string"})
    assert table["id"].tolist()[::2] == ["7", str(big)]
    assert table["f"].tolist()[::2] == ["7", "1000000000000000"]
    assert table.isna().sum().tolist() == [1, 1]


def test_dates_are_local_days_without_a_time_zone(tmp_path: Path) -> None:
    path = _csv(tmp_path, "day\n2024-01-01T00:30:00+02:00\n2024-01-02 23:30Z\n20240103\n")
    days = read_table(path, {"day": "date"})["day"]
    assert days.dt.tz is None
    assert days.dt.strftime("%d").tolist() == ["01", "02", "03"]
    parquet = tmp_path / "t.parquet"
    moments = pd.Series(pd.to_datetime(["2024-01-01 00:30"]).tz_localize("Europe/Berlin"))
    pd.DataFrame({"day": moments}).to_parquet(parquet)
    assert read_table(parquet, {"day": "date"})["day"].tolist() == [
        pd.Timestamp("2024-01-01 00:30")
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id,day,y,size\nA1,tomorrow,1,1\n", "row 1 (id 'A1'): day: 'tomorrow' is not a date"),
        (
            "id,day,y,size\nA1,,1,1\nA2,01/02/2024,1,1\n",
            "row 2 (id 'A2'): day: '01/02/2024' is not",
        ),
        ("id,day,y,size\nA1,,1,1\nA2,,two,1\n", "row 2 (id 'A2'): y: 'two' is not a number"),
        ("id,day,size\nA1,,1\n", "no column 'y' (there are: id, day, size)"),
        ("id,day,y,size,y\nA1,,1,1,1\n", "column 'y' appears twice"),
        ("id,day,y,size\nA1,,1,1\nA2,,1\n", "broken CSV: CSV parse error: row 2: Expected 4"),
        ('id,day,y,size\nA1,,1,1\nA2,,1,"x\nA3,,1,1\n', "broken CSV: row 2: a quote is not closed"),
        (b"id,day,y,size\nA1,,1,\xff\n", "t.csv: row 1: not UTF-8 text"),
        ("", "t.csv: the file is empty"),
    ],
)
def test_broken_csv_is_refused_by_file_and_row(
    tmp_path: Path, text: str | bytes, problem: str
) -> None:
    message = _refusal(_csv(tmp_path, text))
    assert message.startswith(str(tmp_path / "t.csv"))
    assert problem in message


def test_undecodable_bytes_far_below_the_header_are_found(tmp_path: Path) -> None:
    text = b"id,day,y,size\n" + b"A1,,1,1\n" * 100_000 + b"A2,,1,\xff\n"
    assert "row 100001: CSV conversion error" in _refusal(_csv(tmp_path, text))


def test_only_the_first_offenders_are_listed(tmp_path: Path) -> None:
    message = _refusal(_csv(tmp_path, "id,day,y,size\n" + "A,,x,1\n" * 2_000))
    assert message.count("is not a number") == 5
    assert "... and 1,995 more\n" in message
    assert message.endswith(
        "marks and units of numbers are settings, tables.decimal and tables.thousands"
    )


def test_cut_off_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"id": range(1000)}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    message = _refusal(path, None)
    assert message.startswith(f"{path}: not a whole Parquet file (cut off?)")


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        ("date", 20240101, "column 'c' is int64, not dates"),
        ("number", "x", "row 1: c: 'x' is not a number"),
        ("number", pd.Timestamp("2024-01-01"), "not numbers"),
        ("string", [1], "not text"),
    ],
)
def test_parquet_columns_of_the_wrong_type_are_refused(
    tmp_path: Path, kind: Kind, value: object, problem: str
) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"c": [value]}).to_parquet(path)
    assert problem in _refusal(path, {"c": kind})


@pytest.mark.parametrize(
    ("name", "problem"),
    [("absent.csv", "absent.csv: no such file"), ("t.xls", "unknown suffix '.xls'")],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / name)
    assert problem in str(caught.value)


# --- writing -----------------------------------------------------------------------------------

NESTED = pd.DataFrame(
    {
        "id": ["007"],
        "neighbors": [[{"item_id": "1", "weight": np.float32(0.5), "label": None}]],
        0.5: [1.25],
    }
)


def test_nested_cells_become_json_in_csv(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_table(NESTED.assign(x=[{"nan": np.nan}]), path)
    row = read_table(path, id_col="id").iloc[0]
    assert json.loads(row["neighbors"]) == [{"item_id": "1", "weight": 0.5, "label": None}]
    assert json.loads(row["x"]) == {"nan": None}
    assert row["0.5"] == 1.25


def test_nested_cells_stay_nested_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(NESTED, path)
    row = read_table(path).iloc[0]
    assert row["neighbors"][0] == {"item_id": "1", "label": None, "weight": 0.5}
    assert row["0.5"] == 1.25


def test_json_has_plain_numbers_and_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    write_json({"n": np.int64(3), "bad": float("nan"), "list": np.arange(2)}, path)
    assert json.loads(path.read_text()) == {"n": 3, "bad": None, "list": [0, 1]}


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    write_table(NESTED, tmp_path / "a" / "b" / "t.csv")
    assert (tmp_path / "a" / "b" / "t.csv").is_file()


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    class Unwritable:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

        __str__ = __repr__

    path = tmp_path / f"t{suffix}"
    write_table(pd.DataFrame({"a": [1]}), path)
    before = path.read_bytes()
    # The first rows of the CSV are on disk when the last one fails.
    bad = pd.DataFrame({"a": [*range(300_000), Unwritable()]}, dtype=object)
    with pytest.raises(Exception, match=r"no text|Could not convert"):
        write_table(bad, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_failed_json_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json({"a": object()}, tmp_path / "m.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["t.xlsx", "t", "folder.csv"])
def test_an_unwritable_name_is_refused_beforehand(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"unknown suffix|is a folder"):
        check_writable(tmp_path / name)
