"""What a file without types holds, and what is declared of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.config.settings import ConfigError, load_settings
from pipelines.tables.formats import CellFormat, TableFile
from pipelines.tables.reader import Kind, read_table
from retrieval import NumberFormat, TableError


def read(folder: Path, text: str, kind: Kind, **declared: Any) -> list[Any]:
    """Column `c` of a CSV file, missing cells as None."""
    path = folder / "t.csv"
    path.write_text(
        "id,c\n" + "".join(f'{row},"{cell}"\n' for row, cell in enumerate(text.split("|")))
    )
    table = read_table(TableFile(path, cells=CellFormat(**declared)), {"c": kind}, id_col="id")
    return [None if pd.isna(cell) else cell for cell in table["c"]]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("3.99|4.5|", [3.99, 4.5, None]),
        ("3,99|4,50|", [3.99, 4.5, None]),
        ("$3.99|$4|", [3.99, 4.0, None]),
        ("38|M|40/42", ["38", "M", "40/42"]),
        ("00501|10001", ["00501", "10001"]),
        ("12345678901234567890|5", ["12345678901234567890", "5"]),
        ("9007199254740993|5", [9007199254740993, 5]),
        ("1.2.3|1.2.4", ["1.2.3", "1.2.4"]),
    ],
)
def test_a_column_is_what_its_cells_say(tmp_path: Path, text: str, want: list[Any]) -> None:
    assert read(tmp_path, text, "any") == want


def test_one_slip_among_prices_is_a_bad_row_with_its_place(tmp_path: Path) -> None:
    for slip, prices in (("n/a", ["399"] * 19), ("on request", ["$3.99"] * 3)):
        with pytest.raises(TableError) as caught:
            read(tmp_path, "|".join([*prices, slip]), "any")
        assert f"t.csv: row {len(prices) + 1}: c: '{slip}' is not a number" in str(caught.value)
        assert "name the column in items.categories" in str(caught.value)
        (offense,) = caught.value.offenses
        assert (offense.rows, offense.column) == ([len(prices)], "c")
        told = read(tmp_path, "|".join([*prices, slip]), "category")
        assert told == [*prices, slip]


def test_what_may_be_two_numbers_waits_for_its_declaration(tmp_path: Path) -> None:
    for kind in ("number", "any"):
        with pytest.raises(TableError, match=r"row 1: c: '1,234' may be two numbers"):
            read(tmp_path, "1,234|5", kind)  # type: ignore[arg-type]
        numbers = NumberFormat(thousands=",")
        assert read(tmp_path, "1,234|5", kind, numbers=numbers) == [1234.0, 5.0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("date_format", "cell"),
    [
        ("dayfirst", "1.3.2024"),
        ("iso-week", "2024-W09-5"),
        ("excel", "45352"),
        ("%m/%d/%y", "03/01/24"),
    ],
)
def test_dates_are_read_as_declared_and_else_refused(
    tmp_path: Path, date_format: str, cell: str
) -> None:
    want = [pd.Timestamp("2024-03-01"), None]
    assert read(tmp_path, f"{cell}|", "date", date_format=date_format) == want
    with pytest.raises(TableError, match="is not a date of the format"):
        read(tmp_path, f"{cell}|soon", "date", date_format=date_format)
    if date_format != "iso-week":
        with pytest.raises(TableError, match=r"is a setting, tables\.date_format"):
            read(tmp_path, cell, "date")


def test_typed_numbers_are_dates_only_if_that_is_declared(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"c": [20240301]}).to_parquet(path)
    with pytest.raises(TableError, match="column 'c' is int64, not dates; another form of dates"):
        read_table(path, {"c": "date"})
    told = TableFile(path, cells=CellFormat("%Y%m%d"))
    assert read_table(told, {"c": "date"})["c"].tolist() == [pd.Timestamp("2024-03-01")]


@pytest.mark.parametrize(
    ("text", "separator", "want"),
    [
        ("1.0|2.0|", None, ["1", "2", None]),
        ("1.0|2.5", None, ["1.0", "2.5"]),
        ("True|FALSE", None, ["true", "false"]),
        ("True|maybe", None, ["True", "maybe"]),
        ("007|7.0", None, ["007", "7.0"]),
        ("tea;organic| tea", ";", ['["organic", "tea"]', '["tea"]']),
    ],
)
def test_labels_and_ids_are_what_pandas_would_make_of_them(
    tmp_path: Path, text: str, separator: str | None, want: list[Any]
) -> None:
    assert read(tmp_path, text, "label", label_separator=separator) == want
    if separator is not None:
        assert read(tmp_path, text, "name", label_separator=separator) == text.split("|")


def test_settings_say_how_cells_are_written(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text(
        "items: {path: i.XLSX, date_format: dayfirst, label_separator: '|', sheet: one,\n"
        "  numbers: {decimal: ',', thousands: ' ', units: 'EUR, kg'}}\n"
        "sales: {sql: select 1, url: 'sqlite://', date_format: excel}\n"
    )
    settings = load_settings(job)
    numbers = NumberFormat(",", " ", ("EUR", "kg"))
    cells = CellFormat("dayfirst", numbers, "|")
    assert settings.items.source == TableFile(
        tmp_path.resolve() / "i.XLSX", cells=cells, sheet="one"
    )
    assert settings.sales.source is not None
    assert settings.sales.source.cells.date_format == "excel"  # type: ignore[union-attr]
    assert settings.future.at(job) == job


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("items: {date_format: european}", "items.date_format: no such date format; write iso"),
        ("items: {numbers: {thousands: x}}", "items.numbers.thousands: Input should be"),
        ("items: {numbers: {decimal: ',', thousands: ','}}", "decimal and thousands are one mark"),
        ("items: {attributes: [a], categories: [b]}", "'b' is none of the attributes"),
    ],
)
def test_a_wrong_declaration_is_named(tmp_path: Path, text: str, problem: str) -> None:
    job = tmp_path / "job.yaml"
    job.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(job)
    assert problem in str(caught.value)
