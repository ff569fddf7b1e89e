from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from pipelines.config.sections import SalesSettings
from pipelines.config.settings import load_settings
from pipelines.tables.formats import CsvFormat, TableFile
from pipelines.tables.output import write_table
from pipelines.tables.reader import read_table
from retrieval import TableError

GERMAN = CsvFormat(encoding="cp1252", delimiter=";", decimal=",")
TEXT = 'id;name;price\n007;Käse, jung;1,25\n008;"Süßes; ""fein""";\n'
KINDS = {"id": "string", "name": "string", "price": "number"}


@pytest.fixture
def german(tmp_path: Path) -> TableFile:
    path = tmp_path / "waren.csv"
    path.write_bytes(TEXT.encode("cp1252"))
    return TableFile(path, GERMAN)


def test_encoding_delimiter_and_decimal_comma(german: TableFile) -> None:
    table = read_table(german, KINDS)  # type: ignore[arg-type]
    assert table["id"].tolist() == ["007", "008"]
    assert table["name"].tolist() == ["Käse, jung", 'Süßes; "fein"']
    assert table["price"].iloc[0] == 1.25
    assert pd.isna(table["price"].iloc[1])
    assert read_table(german)["price"].iloc[0] == 1.25


@pytest.mark.parametrize(
    ("cell", "problem"), [("1.234", "may be two numbers"), ("1,2,3", "is not a number")]
)
def test_points_in_a_file_with_commas_are_never_decimal(
    tmp_path: Path, cell: str, problem: str
) -> None:
    (tmp_path / "t.csv").write_text(f"id;price\na;{cell}\n")
    file = TableFile(tmp_path / "t.csv", GERMAN)
    with pytest.raises(TableError, match=f"row 1: price: '{cell}' {problem}"):
        read_table(file, {"id": "string", "price": "number"})


def test_a_point_before_a_decimal_comma_groups_thousands(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id;price\na;1.234,5\nb;1.234\n")
    table = read_table(TableFile(tmp_path / "t.csv", GERMAN), {"price": "any"})
    assert table["price"].tolist() == [1234.5, 1234.0]


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf_8", "UTF-8"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.csv").write_text("id,name\n1,é\n", encoding=encoding)
    file = TableFile(tmp_path / "t.csv", CsvFormat(encoding=encoding))
    assert read_table(file)["name"].tolist() == ["é"]


def test_a_wrong_encoding_is_told_with_its_setting(german: TableFile) -> None:
    with pytest.raises(TableError, match=r"waren.csv: "):
        read_table(german.path)
    wrong = TableFile(german.path, CsvFormat(encoding="ascii", delimiter=";"))
    with pytest.raises(TableError, match=r"not ASCII text: .*tables.encoding"):
        read_table(wrong)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst"])
def test_compressed_files_are_written_and_read(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"id": ["007", "8"], "parts": [[1, 2], []], "y": [1.5, None]})
    for _ in range(2):
        write_table(frame, tmp_path / f"t{suffix}")
    content = (tmp_path / f"t{suffix}").read_bytes()
    assert content.startswith(b"id,parts") == (suffix == ".csv")
    read = read_table(tmp_path / f"t{suffix}", {"id": "string", "parts": "any", "y": "number"})
    assert read["id"].tolist() == ["007", "8"]
    assert read["parts"].tolist() == ["[1, 2]", "[]"]
    assert read["y"].iloc[0] == 1.5


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"id,name\n" + b"1,x\n" * 50_000)[:-20])
    with pytest.raises(TableError, match=r"t\.csv\.gz: "):
        read_table(path)
    path.write_bytes(b"id,name\n1,x\n")
    with pytest.raises(TableError, match=r"t\.csv\.gz: not a whole \.gz file"):
        read_table(path)


def test_the_settings_say_how_csv_is_written(tmp_path: Path) -> None:
    written = "sales: {path: s.csv.gz, csv: {decimal: ',', delimiter: ';'}}\nitems: {path: i.csv}\n"
    (tmp_path / "job.yaml").write_text(written)
    settings = load_settings(tmp_path / "job.yaml")
    assert settings.sales.source == TableFile(
        tmp_path / "s.csv.gz", CsvFormat(delimiter=";", decimal=",")
    )
    assert settings.items.source == TableFile(tmp_path / "i.csv")
    assert settings.sales.at(tmp_path / "s.parquet") == tmp_path / "s.parquet"
    assert isinstance(settings.sales.at(tmp_path / "new.csv"), TableFile)


@pytest.mark.parametrize("csv", [{"encoding": "klingon"}, {"delimiter": ";;"}, {"decimal": "'"}])
def test_unknown_ways_are_refused(csv: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(csv))):
        SalesSettings(csv=csv)  # type: ignore[arg-type]
