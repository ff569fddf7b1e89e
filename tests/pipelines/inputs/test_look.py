"""An ERP export looked at: what its columns are read as, slips, and settings that read it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from pipelines.config.settings import load_settings
from pipelines.config.tables import TablesSettings
from pipelines.inputs.dialect import delimiter_of, encoding_of
from pipelines.inputs.items import read_input, read_items
from pipelines.inputs.look import Look, look_at, write_draft
from pipelines.inputs.profile import profile_of
from pipelines.tables.reader import read_table
from retrieval import NumberFormat, TableError
from serving.command_line import app

HEAD = "ArtNr;Bezeichnung;Warengruppe;VK-Preis;Einführung\n"
GROUPS = ["Käse", "Brot", "Tee"]


def articles(rows: int = 30) -> str:
    prices = ["1,50", "1.299,00", "", "auf Anfrage"]
    lines = [
        f"{100 + n};Feine Ware Nr. {n} für Größe {n};{GROUPS[n % 3]};"
        f"{prices[n] if n < 4 else f'{n},99'};{n % 28 + 1:02d}.03.2024"
        for n in range(rows)
    ]
    return HEAD + "\n".join(lines) + "\n"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "artikel.csv"
    path.write_bytes(articles().encode("cp1252"))
    weeks = [f"{100 + n};{w:02d}.04.2024;{n + w}" for n in range(0, 30, 3) for w in (1, 8, 15)]
    (tmp_path / "absatz.csv").write_text("ArtNr;Woche;Menge\n" + "\n".join(weeks) + "\n")
    return path


def looked(path: Path, **said: str) -> Look:
    return look_at(path, TablesSettings(**said))  # type: ignore[arg-type]


def test_what_a_column_was_read_as_is_told_with_examples_gaps_and_slips(export: Path) -> None:
    assert looked(export).lines == [
        f"{export}: 30 rows, cp1252, delimiter ;",
        "  ArtNr: numbers, 30 values, all different: 100 · 101 · 102",
        "  Bezeichnung: text, 30 values, all different: Feine Ware Nr. 0 für Größe 0 · "
        "Feine Ware Nr. 1 für Größe 1 · Feine Ware Nr. 2 für Größe 2",
        "  Warengruppe: text, 30 values, 3 different: Käse · Brot · Tee",
        "  VK-Preis: numbers (decimal comma, '.' between thousands), 29 values, all different, "
        "1 missing: 1,50 · 1.299,00 · auf Anfrage; no number: row 4 ('auf Anfrage')",
        "  Einführung: dates (dayfirst), 30 values: 01.03.2024 · 02.03.2024 · 03.03.2024",
    ]


def test_the_settings_that_are_written_read_the_tables(export: Path, tmp_path: Path) -> None:
    job = tmp_path / "jobs" / "job.yaml"
    job.parent.mkdir()
    command = ["look", str(export), str(tmp_path / "absatz.csv"), "--write", str(job)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    settings = load_settings(job)
    tables = settings.tables
    assert (tables.encoding, tables.delimiter, tables.decimal) == ("cp1252", ";", ",")
    assert tables.date_format == "dayfirst"
    items, sales = settings.items, settings.sales
    assert (items.id, items.text, items.label) == ("ArtNr", ("Bezeichnung",), "Warengruppe")
    assert (items.launch_date, items.attributes) == ("Einführung", ("VK-Preis",))
    assert (sales.id, sales.time, sales.target) == ("ArtNr", "Woche", "Menge")
    assert sales.repeats == "refuse"  # each date is a week
    assert settings.forecast.attributes == ("Warengruppe", "VK-Preis")
    assert sales.csv.model_fields_set == {"encoding", "delimiter"}  # inherited, none of its own
    assert items.source is not None
    with pytest.raises(TableError, match=r"row 4 \(ArtNr '103'\): VK-Preis: 'auf Anfrage'"):
        read_items(items.source, items)
    export.write_bytes(articles().replace("auf Anfrage", "4,00").encode("cp1252"))
    read = read_items(items.source, items)
    assert read["VK-Preis"].iloc[:2].tolist() == [1.5, 1299.0]
    assert read["Einführung"].iloc[0] == pd.Timestamp("2024-03-01")
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2
    assert "is there already" in again.output


@pytest.mark.parametrize(
    ("days", "repeats", "freq"),
    [
        (("01.04.2024", "08.04.2024", "15.04.2024"), "refuse", "W-MON"),
        (("01.04.2024", "02.04.2024", "04.04.2024"), "sum", "W-MON"),
        (("01.04.2024", "01.05.2024", "01.06.2024"), "refuse", "MS"),
        (("30.04.2024", "31.05.2024", "30.06.2024"), "refuse", "MS"),
    ],
)
def test_receipts_are_added_up_and_months_are_months(
    export: Path, tmp_path: Path, days: tuple[str, ...], repeats: str, freq: str
) -> None:
    rows = [f"{100 + n};{day};{n + 1}" for n in range(0, 30, 3) for day in days]
    (tmp_path / "absatz.csv").write_text("ArtNr;Tag;Menge\n" + "\n".join(rows) + "\n")
    job = tmp_path / "job.yaml"
    write_draft([looked(export), looked(tmp_path / "absatz.csv")], job)
    settings = load_settings(job)
    assert (settings.sales.repeats, settings.forecast.freq) == (repeats, freq)


def test_what_is_said_is_not_guessed(export: Path) -> None:
    export.write_text("a,b;c\n1,2;3\n", encoding="utf-8")
    look = looked(export, encoding="latin-1", delimiter=",")
    assert (look.file.csv.encoding, look.file.csv.delimiter) == ("latin-1", ",")
    assert list(look.columns) == ["a", "b;c"]


def test_a_second_table_may_be_written_otherwise(export: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text("ArtNr,Bezeichnung,VK-Preis,Start\n1,Süße Ware,1.5,2024-05-01\n")
    job = tmp_path / "job.yaml"
    done = CliRunner().invoke(app, ["look", str(export), str(new), "--write", str(job)])
    assert done.exit_code == 0, done.output
    read = load_settings(job).new_items
    assert (read.csv.encoding, read.csv.delimiter) == ("utf-8", ",")
    assert (read.numbers.decimal, read.date_format) == (".", "iso")
    assert read.source is not None
    kinds = {"VK-Preis": "number", "Start": "date"}
    table = read_table(read.source, kinds)  # type: ignore[arg-type]
    assert table.iloc[0].tolist() == [1.5, pd.Timestamp("2024-05-01")]


def test_parquet_has_types_of_its_own(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"id": ["a", "b"], "y": [1.5, None], "day": pd.to_datetime(["2024-01-01"] * 2)}
    )
    table.to_parquet(tmp_path / "t.parquet")
    lines = looked(tmp_path / "t.parquet").lines
    assert lines[0] == f"{tmp_path / 't.parquet'}: 2 rows"
    assert lines[2:] == [
        "  y: numbers, 1 value, 1 missing: 1.5",
        "  day: dates, 2 values: 2024-01-01",
    ]


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (["1", "2", "x", "y", "3.5"], "c: text, 5 values, all different: 1 · 2 · x; numbers but "
         "for row 3 ('x'), row 4 ('y')"),
        (["Tea", "tea ", "Tea"], "c: text, 3 values, 2 different: Tea · tea; differ in case or "
         "blanks alone: 'Tea' = 'tea'"),
        (["KÃ¤se", "Brot"], "c: text, 2 values, all different: KÃ¤se · Brot; another encoding? "
         "'KÃ¤se' and 0 more"),
        ([None, None], "c: nothing: all missing"),
        (["true", "False", None], "c: truth values, 2 values, 1 missing: true · False"),
        (["01/02/2024", "03/04/2024"], "c: dates (day or month first: both fit, declare "
         "tables.date_format), 2 values: 01/02/2024 · 03/04/2024"),
        (["13/02/2024", "03/04/2024"], "c: dates (dayfirst), 2 values: 13/02/2024 · 03/04/2024"),
        (["1,234", "2,345"], "c: numbers (which mark is which? declare tables.decimal or "
         "tables.thousands), 2 values, all different: 1,234 · 2,345; no number: row 1 ('1,234'), "
         "row 2 ('2,345')"),
        (["00501", "10001"], "c: text, 2 values, all different: 00501 · 10001"),
        (["3 kg", "4 kg"], "c: numbers (unit kg), 2 values, all different: 3 kg · 4 kg"),
    ],
)  # fmt: skip
def test_kinds_and_slips(cells: list[str | None], line: str) -> None:
    profile = profile_of("c", pd.Series(cells, dtype="str"), NumberFormat(), None)
    assert profile.line == line


@pytest.mark.parametrize(
    ("sample", "encoding"),
    [
        (b"plain", "utf-8"),
        ("Käse".encode(), "utf-8"),
        ("Käse".encode()[:2], "utf-8"),  # cut off inside a character
        ("Käse".encode("cp1252"), "cp1252"),
        ("Käse".encode("utf-16"), "utf-16"),
    ],
)
def test_encodings_are_told_by_their_bytes(sample: bytes, encoding: str) -> None:
    assert encoding_of(sample) == encoding


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2\n", ";"),
        ('a;b\n"x, y, z";1\n', ";"),
        ("a\tb, c\n1\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("alone\n1\n", ","),
        ("", ","),
    ],
)
def test_delimiters_are_told_by_equal_rows(text: str, mark: str) -> None:
    assert delimiter_of(text) == mark


def test_a_job_logs_what_it_read_and_no_cell_of_it(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("item_id,name,price\n1,secret tea,1.5\n2,,\n")
    with capture_logs() as events:
        read_input(path, {"item_id": "name", "name": "string", "price": "any"}, "item_id")
    (told,) = [one["columns"] for one in events if one["event"] == "table read"]
    assert told == {
        "item_id": "text, 2 values",
        "name": "text, 1 value, 1 missing",
        "price": "numbers, 1 value, 1 missing",
    }


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["look", str(tmp_path / "absent.csv")])
    assert said.exit_code == 2
    assert "absent.csv: no such file" in said.output
