"""What holds for all tables, what a section says of its own, and flags that win over both."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from pipelines.config.monitor import MonitorSettings
from pipelines.config.sections import ForecastSettings
from pipelines.config.settings import ConfigError, Settings, load_settings
from pipelines.config.tables import CsvSettings, Section
from pipelines.tables.formats import CsvFormat, TableFile
from pipelines.tables.label_texts import read_label_texts
from serving.command_line import app

ERP = "tables: {encoding: cp1252, delimiter: ';', decimal: ',', date_format: dayfirst, sheet: A}\n"


def loaded(folder: Path, text: str, **flags: object) -> Settings:
    (folder / "job.yaml").write_text(text, encoding="utf-8")
    return load_settings(folder / "job.yaml", {"tables": flags} if flags else None)


def test_every_table_is_written_as_the_section_of_all_says(tmp_path: Path) -> None:
    settings = loaded(tmp_path, ERP)
    for section in (settings.items, settings.sales, settings.future, settings.new_items):
        file = section.at(Path("t.csv"))
        assert isinstance(file, TableFile)
        assert file.csv == CsvFormat("cp1252", ";")
        assert (file.cells.date_format, file.cells.numbers.decimal) == ("dayfirst", ",")
        assert file.sheet is None
        book = section.at(Path("t.xlsx"))
        assert isinstance(book, TableFile)
        assert (book.sheet, book.csv) == ("A", CsvFormat())


def test_a_table_may_be_written_otherwise(tmp_path: Path) -> None:
    text = ERP + (
        "sales: {csv: {encoding: utf-8, decimal: .}, date_format: iso}\n"
        "items: {numbers: {decimal: .}, sheet: B}\n"
    )
    settings = loaded(tmp_path, text)
    csv = settings.sales.csv
    assert (csv.encoding, csv.delimiter, csv.decimal) == ("utf-8", ";", ".")
    assert (settings.sales.numbers.decimal, settings.sales.date_format) == (None, "iso")
    assert (settings.items.numbers.decimal, settings.items.sheet) == (".", "B")
    assert settings.items.csv.encoding == "cp1252"


def test_a_flag_holds_for_every_table_whatever_the_file_says(tmp_path: Path) -> None:
    text = ERP + "items: {csv: {encoding: utf-8}, numbers: {thousands: .}, date_format: iso}\n"
    settings = loaded(tmp_path, text, encoding="latin-1", date_format="monthfirst")
    for section in (settings.items, settings.sales):
        assert (section.csv.encoding, section.date_format) == ("latin-1", "monthfirst")
    assert settings.items.numbers.model_dump() == {"decimal": ",", "thousands": ".", "units": ()}


def test_what_makes_no_sense_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"items.numbers, with tables: decimal and thousands are"):
        loaded(tmp_path, "tables: {decimal: ','}\nitems: {numbers: {thousands: ','}}\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "items:\n  csv:\n    encodin: cp1252\n",
            "job.yaml:3: items.csv.encodin: unknown key 'encodin'; did you mean 'encoding'? "
            "(there are: encoding, delimiter, decimal, guarded)",
        ),
        ("sales: {numbers: {decimal: x}}\n", "sales.numbers.decimal: Input should be '.' or ','"),
        ("tables: {encoding: klingon}\n", "tables.encoding: no such encoding"),
        ("tables: {path: a.csv}\n", "tables.path: unknown key 'path' (there are: encoding,"),
        (
            "serve:\n  keys:\n    - {nam: a, sha256: b}\n",
            "serve.keys.nam: unknown key 'nam'; did you mean 'name'?",
        ),
    ],
)
def test_a_message_names_the_whole_path_of_a_setting(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert problem in str(caught.value)


def test_labels_in_words_are_a_table_too(tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_bytes("label;description\nKäse;würzig\n".encode("cp1252"))
    settings = loaded(tmp_path, ERP + "classify: {labels: words.csv}\n")
    assert settings.label_texts is not None
    assert read_label_texts(settings.label_texts) == {"Käse": ["würzig"]}


def test_the_default_index_lies_beside_the_settings(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "items: {id: sku}\n")
    assert settings.index.uri == str(tmp_path.resolve() / "items.db")
    assert not settings.index.is_named
    assert load_settings().index.uri == "items.db"
    assert load_settings(tmp_path / "job.yaml", {"index": {"uri": "a.db"}}).index.uri == "a.db"


@pytest.mark.parametrize(
    "verb", ["index", "similar", "classify", "evaluate", "forecast", "backtest", "run", "monitor"]
)
def test_every_verb_that_reads_tables_is_told_how_they_are_written(
    verb: str, tmp_path: Path
) -> None:
    said = CliRunner().invoke(app, [verb, "--encoding", "klingon", "--config", "absent.yaml"])
    assert "no such option" not in said.output.lower()
    (tmp_path / "job.yaml").write_text("run: {out: out}\n")
    command = [verb, "--config", str(tmp_path / "job.yaml"), "--delimiter", "tab"]
    given = {"similar": ["--text", "x"], "classify": ["a.csv"]}.get(verb, [])
    done = CliRunner().invoke(app, [*command, *given, "--decimal", "x", "--date-format", "iso"])
    assert done.exit_code == 2
    assert "tables.decimal: Input should be '.' or ',' (found 'x')" in done.output


@pytest.mark.parametrize(
    ("section", "key"), [(ForecastSettings, "horizon"), (MonitorSettings, "wape")]
)
def test_true_is_no_number(section: type[Section], key: str) -> None:
    for value in (True, False):
        with pytest.raises(ValidationError, match="write a number, not true or false"):
            section.model_validate({key: value})


def test_true_is_a_choice_where_there_is_one() -> None:
    assert CsvSettings(guarded=False).guarded is False
