"""Real files made bad, and the answer to each: exit code 2, the message, and nothing written.

The table `ANSWERS` below is the list to read: what is wrong, and what the command says then.
"""

from __future__ import annotations

import gzip
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from retrieval import Encoder, ItemIndex
from serving.command_line import app
from tests.pipelines.conftest import Shop

JOB = """\
items:
  path: items.csv
  id: product_id
  text: [product_type, brand]
  label: product_category
  launch_date: launch_date
  attributes: [manufacturer_id]
sales:
  path: sales.csv
index:
  uri: items.db
forecast:
  method: knn
  horizon: 3
"""
INDEX = ("index", "items.csv", "--out", "counts.json")
FORECAST = ("forecast", "items.csv", "sales.csv", "--new", "new.csv", "--out", "forecasts.csv")
BACKTEST = ("backtest", "--windows", "1", "--out", "backtest")
CLASSIFY = ("classify", "new.csv", "--out", "labels.csv")

Spoil = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """How files are made bad, the command that meets them, and what it says."""

    spoil: Spoil
    command: tuple[str, ...]
    answer: str


# --- ways to make a file bad -------------------------------------------------------------------


def cell(file: str, row: int, column: str, value: object) -> Spoil:
    """One cell changed; rows are counted from 1, as messages do."""

    def spoil(folder: Path) -> None:
        table = pd.read_csv(folder / file, dtype="str")
        table.loc[row - 1, column] = value
        table.to_csv(folder / file, index=False)

    return spoil


def column(file: str, name: str, value: object) -> Spoil:
    """All cells of a column changed."""

    def spoil(folder: Path) -> None:
        pd.read_csv(folder / file, dtype="str").assign(**{name: value}).to_csv(
            folder / file, index=False
        )

    return spoil


def text(file: str, old: str, new: str) -> Spoil:
    """A piece of a file's text replaced, where it stands first."""

    def spoil(folder: Path) -> None:
        written = (folder / file).read_text()
        assert old in written
        (folder / file).write_text(written.replace(old, new, 1))

    return spoil


def written(file: str, content: bytes) -> Spoil:
    """A file of this content."""
    return lambda folder: (folder / file).write_bytes(content)


def half(file: str, made: Callable[[Path], bytes]) -> Spoil:
    """A file cut off in the middle."""

    def spoil(folder: Path) -> None:
        whole = made(folder)
        (folder / file).write_bytes(whole[: len(whole) // 2])

    return spoil


def as_parquet(folder: Path) -> bytes:
    return pd.read_csv(folder / "items.csv", dtype="str").to_parquet()


def as_gzip(folder: Path) -> bytes:
    return gzip.compress((folder / "items.csv").read_bytes(), mtime=0)


def as_zstd(folder: Path) -> bytes:
    with pa.CompressedOutputStream(made := io.BytesIO(), "zstd") as stream:
        stream.write((folder / "items.csv").read_bytes())
        stream.flush()
        return made.getvalue()


def other(command: tuple[str, ...], file: str) -> tuple[str, ...]:
    """The command on another items table."""
    return (command[0], file, *command[2:])


ANSWERS: dict[str, Case] = {
    # files that are not whole, or not what their name says
    "Parquet cut off": Case(
        half("cut.parquet", as_parquet),
        other(INDEX, "cut.parquet"),
        (
            "cut.parquet: not a whole Parquet file (cut off?): Parquet magic bytes not "
            "found in footer. Either the file is corrupted or this is not a parquet file."
        ),
    ),
    "gzip cut off": Case(
        half("cut.csv.gz", as_gzip),
        other(INDEX, "cut.csv.gz"),
        "cut.csv.gz: not a whole .gz file: Truncated compressed stream",
    ),
    "Zstandard cut off": Case(
        half("cut.csv.zst", as_zstd),
        other(INDEX, "cut.csv.zst"),
        "cut.csv.zst: not a whole .zst file: Truncated compressed stream",
    ),
    "empty CSV file": Case(written("items.csv", b""), INDEX, "items.csv: the file is empty"),
    "empty Parquet file": Case(
        written("no.parquet", b""),
        other(INDEX, "no.parquet"),
        "no.parquet: not a whole Parquet file (cut off?): Parquet file size is 0 bytes",
    ),
    "text called Parquet": Case(
        written("text.parquet", b"product_id,product_type\n1,chips\n"),
        other(INDEX, "text.parquet"),
        (
            "text.parquet: not a whole Parquet file (cut off?): Parquet magic bytes not "
            "found in footer. Either the file is corrupted or this is not a parquet file."
        ),
    ),
    "text called gzip": Case(
        written("text.csv.gz", b"product_id,product_type\n1,chips\n"),
        other(INDEX, "text.csv.gz"),
        "text.csv.gz: not a whole .gz file: zlib inflate failed: incorrect header check",
    ),
    "bytes called CSV": Case(
        written("items.csv", bytes(range(256)) * 4),
        INDEX,
        (
            "items.csv: row 1: not UTF-8 text: 'utf-8' codec can't decode byte 0x80 in position "
            "128: invalid start byte; its encoding is a setting, items.csv.encoding"
        ),
    ),
    "a folder": Case(
        lambda folder: (folder / "tables").mkdir(),
        other(INDEX, "tables"),
        "tables: a folder without .parquet files",
    ),
    "unknown suffix": Case(
        written("items.doc", b"PK"),
        other(INDEX, "items.doc"),
        "items.doc: unknown suffix '.doc' (there are: .parquet, .csv, .csv.gz, .csv.zst, .tsv, "
        ".tsv.gz, .tsv.zst, .jsonl, .jsonl.gz, .jsonl.zst, .ndjson, .ndjson.gz, .ndjson.zst, "
        ".xlsx, .xlsm)",
    ),
    "a workbook that is none": Case(
        written("items.xlsx", b"PK"),
        other(INDEX, "items.xlsx"),
        "items.xlsx: not a whole Excel workbook: File is not a zip file",
    ),
    "no such file": Case(
        lambda folder: None, other(INDEX, "absent.csv"), "absent.csv: no such file"
    ),
    # CSV written in another way
    "wrong encoding": Case(
        lambda folder: (folder / "items.csv").write_bytes(
            (folder / "items.csv").read_text().replace("CANDY", "PÂTÉ").encode("latin-1")
        ),
        INDEX,
        (
            "items.csv: row 2: not UTF-8 text: 'utf-8' codec can't decode byte 0xc2 in position "
            "199: invalid continuation byte; its encoding is a setting, items.csv.encoding"
        ),
    ),
    "wrong delimiter": Case(
        lambda folder: (folder / "items.csv").write_text(
            (folder / "items.csv").read_text().replace(",", ";")
        ),
        INDEX,
        (
            "items.csv: no columns 'manufacturer_id', 'product_id', 'product_type', "
            "'brand', 'product_category', 'launch_date' (there are: "
            "product_id;manufacturer_id;department;brand;product_category;product_type;"
            "package_size;launch_date; a CSV file's delimiter is a setting, items.csv.delimiter)"
        ),
    ),
    "wrong decimal mark": Case(
        cell("sales.csv", 4, "y", "1,5"),
        FORECAST,
        "sales.csv: row 4 (unique_id '32456'): y: '1,5' is not a number\n"
        "marks and units of numbers are settings, sales.numbers",
    ),
    "a cell too many": Case(
        text("sales.csv", "2017-", "2017,"),
        FORECAST,
        (
            "sales.csv: broken CSV: CSV parse error: row 1: Expected 3 columns, got 4: "
            "30177,2017,05-15,1.0"
        ),
    ),
    "a quote that is never closed": Case(
        text("items.csv", "National", '"National'),
        INDEX,
        "items.csv: broken CSV: row 1: a quote is not closed (unexpected end of data)",
    ),
    "a column twice": Case(
        text("items.csv", "department", "brand"), INDEX, "items.csv: column 'brand' appears twice"
    ),
    "a column missing": Case(
        text("items.csv", "product_type", "type"),
        INDEX,
        (
            "items.csv: no column 'product_type' (there are: product_id, manufacturer_id, "
            "department, brand, product_category, type, package_size, launch_date)"
        ),
    ),
    # items
    "an id twice": Case(
        cell("items.csv", 7, "product_id", "30177"),
        INDEX,
        (
            "items.csv: bad rows\n"
            "  row 1, column product_id is there more than once: '30177'\n"
            "  row 7, column product_id is there more than once: '30177'"
        ),
    ),
    "an id missing": Case(
        cell("items.csv", 3, "product_id", None),
        INDEX,
        "items.csv: bad rows\n  row 3, column product_id is missing",
    ),
    "an id too long": Case(
        cell("items.csv", 3, "product_id", "9" * 600),
        INDEX,
        (
            "items.csv: row 3, column product_id is longer than 512 bytes: "
            "'9999999999999999999999999999999999999999'..."
        ),
    ),
    "no text anywhere": Case(
        lambda folder: [
            column("items.csv", name, " ")(folder) for name in ("product_type", "brand")
        ],
        INDEX,
        (
            "items.csv: bad rows\n"
            "  row 1, column product_type, brand holds no text\n"
            "  row 2, column product_type, brand holds no text\n"
            "  row 3, column product_type, brand holds no text\n"
            "  row 4, column product_type, brand holds no text\n"
            "  row 5, column product_type, brand holds no text\n"
            "  ... and 7 more"
        ),
    ),
    "a day that does not exist": Case(
        cell("items.csv", 5, "launch_date", "2017-02-30"),
        INDEX,
        (
            "items.csv: row 5 (product_id '34349'): launch_date: '2017-02-30' is not a "
            "date (write YYYY-MM-DD)\nanother form of dates is a setting, items.date_format"
        ),
    ),
    "a date of another kind": Case(
        cell("items.csv", 5, "launch_date", "31/12/2017"),
        INDEX,
        (
            "items.csv: row 5 (product_id '34349'): launch_date: '31/12/2017' is not a "
            "date (write YYYY-MM-DD)\nanother form of dates is a setting, items.date_format"
        ),
    ),
    "an attribute that is infinite": Case(
        cell("items.csv", 5, "manufacturer_id", "inf"),
        INDEX,
        "items.csv: row 5 (product_id '34349'): manufacturer_id: 'inf' is not a number\n"
        "marks and units of numbers are settings, items.numbers",
    ),
    "new items of the past": Case(
        cell("new.csv", 2, "launch_date", "2017-01-02"),
        FORECAST,
        (
            "new.csv: launch_date must lie after the cutoff's period 2017-10-16; it does "
            "not, or is missing, in 1 rows: row 2 (new2)"
        ),
    ),
    "new items without text": Case(
        column("new.csv", "product_type", None),
        CLASSIFY,
        (
            "new.csv: bad rows\n"
            "  row 1, column product_type, brand holds no text\n"
            "  row 2, column product_type, brand holds no text"
        ),
    ),
    # sales
    "units missing": Case(
        cell("sales.csv", 4, "y", None),
        FORECAST,
        (
            "sales.csv: y is missing\n"
            "  row 4: unique_id='32456', ds=2017-03-20, y=nan\n"
            "  units that are unknown are told by a row out of stock, in the column "
            "`in_stock`"
        ),
    ),
    "units not a number": Case(
        cell("sales.csv", 4, "y", "NaN"),
        FORECAST,
        "sales.csv: row 4 (unique_id '32456'): y: 'NaN' is not a number\n"
        "marks and units of numbers are settings, sales.numbers",
    ),
    "units negative": Case(
        cell("sales.csv", 4, "y", "-2"),
        FORECAST,
        (
            "sales.csv: y is negative\n"
            "  row 4: unique_id='32456', ds=2017-03-20, y=-2.0\n"
            '  returns="net" subtracts such rows inside their period, returns="drop" '
            "leaves them out"
        ),
    ),
    "units infinite": Case(
        cell("sales.csv", 4, "y", "inf"),
        BACKTEST,
        "sales.csv: row 4 (unique_id '32456'): y: 'inf' is not a number\n"
        "marks and units of numbers are settings, sales.numbers",
    ),
    "a period twice": Case(
        lambda folder: (folder / "sales.csv").write_text(
            (folder / "sales.csv").read_text() + "30177,2017-01-02,1\n" * 2
        ),
        FORECAST,
        (
            "sales.csv: (unique_id, ds) repeats\n"
            "  row 21: unique_id='30177', ds=2017-01-02, y=1.0\n"
            '  repeats="sum" adds up the rows of a period'
        ),
    ),
    "a date between two periods": Case(
        cell("sales.csv", 4, "ds", "2017-01-05"),
        BACKTEST,
        (
            "sales.csv: ds is not on the grid of 'W-MON'\n"
            "  row 4: unique_id='32456', ds=2017-01-05, y=1.0\n"
            "  ds is the first day of its period, or in all rows the last one; "
            'repeats="sum" (in settings sales.repeats: sum) puts each date into the period '
            "that holds it, and adds up"
        ),
    ),
    "sold before it was launched": Case(
        cell("items.csv", 1, "launch_date", "2017-12-31"),
        FORECAST,
        (
            "sales.csv: ds lies before the item's launch date\n"
            "  row 1: unique_id='30177', ds=2017-05-15\n"
            '  before_launch="drop" leaves such rows out; an earlier life of the item can '
            "be kept under an id of its own"
        ),
    ),
    "sold by nobody": Case(
        cell("sales.csv", 4, "unique_id", "0"),
        FORECAST,
        (
            "sales.csv: unique_id is not among the items\n"
            "  row 4: unique_id='0', ds=2017-03-20, y=1.0"
        ),
    ),
    "sales without rows": Case(
        written("sales.csv", b"unique_id,ds,y\n"), FORECAST, "sales.csv: the table has no rows"
    ),
    # settings
    "an unknown key": Case(
        text("job.yaml", "text:", "texts:"),
        INDEX,
        (
            "job.yaml:4: items.texts: unknown key 'texts'; did you mean 'text'? (there "
            "are: path, csv, sheet, date_format, numbers, sql, url, id, name, text, image, label, "
            "launch_date, label_separator, attributes, categories, language, delist_date, "
            "elsewhere, group)"
        ),
    ),
    "a key twice": Case(
        text("job.yaml", "  id:", "  path: x.csv\n  id:"), INDEX, "job.yaml:3: 'path' appears twice"
    ),
    "settings cut in half": Case(
        text("job.yaml", "brand]", ""),
        INDEX,
        "job.yaml:6: not valid YAML: expected ',' or ']', but got ':'",
    ),
    "a setting of another kind": Case(
        text("job.yaml", "horizon: 3", "horizon: soon"),
        FORECAST,
        (
            "job.yaml:14: forecast.horizon: Input should be a valid integer, unable to "
            "parse string as an integer (found 'soon')"
        ),
    ),
    "labels in words, broken": Case(
        written("labels.yaml", b"chips: [salty\n"),
        (*CLASSIFY, "--labels", "labels.yaml"),
        "labels.yaml:2: not valid YAML: expected ',' or ']', but got '<stream end>'",
    ),
}


@pytest.fixture(scope="module")
def files(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The healthy files: settings, twelve items, their sales; and results of an earlier day."""
    items = shop.items.head(12)
    new = shop.items.head(2).assign(product_id=["new1", "new2"], launch_date="2018-01-01")
    new["brand"] = None
    sales = shop.sales[shop.sales["unique_id"].isin(items["product_id"])]
    return {
        "job.yaml": JOB.encode(),
        "items.csv": items.to_csv(index=False).encode(),
        "sales.csv": sales.to_csv(index=False).encode(),
        "new.csv": new.to_csv(index=False).encode(),
        **dict.fromkeys(("counts.json", "forecasts.csv", "labels.csv"), b"of an earlier day\n"),
        "backtest/backtest.html": b"of an earlier day\n",
    }


@pytest.fixture(scope="module")
def index(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of the healthy items."""
    folder = tmp_path_factory.mktemp("healthy")
    lay_out(files, folder)
    made = CliRunner().invoke(app, ["index", "--config", str(folder / "job.yaml")])
    assert made.exit_code == 0, made.stderr
    return folder / "items.db"


def lay_out(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but those of the index, which Milvus rewrites when it is opened."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "items.db" not in str(path)
    }


def digest(uri: Path, encoder: Encoder) -> str:
    with ItemIndex(str(uri), encoder) as index:
        return index.digest()


@pytest.mark.parametrize("name", ANSWERS)
def test_a_bad_file_is_answered_and_nothing_is_written(
    name: str,
    files: dict[str, bytes],
    index: Path,
    encoder: Encoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = ANSWERS[name]
    monkeypatch.chdir(tmp_path)
    lay_out(files, tmp_path)
    copy = shutil.copytree if index.is_dir() else shutil.copy
    copy(index, tmp_path / "items.db")
    case.spoil(tmp_path)
    before = contents(tmp_path)

    result = CliRunner().invoke(app, [*case.command, "--config", "job.yaml"])

    lines = [line for line in result.stderr.splitlines() if not line.startswith("{")]
    assert "\n".join(lines).replace(f"{tmp_path}/", "") == f"error: {case.answer}"
    assert result.exit_code == 2
    assert result.stdout == ""
    assert contents(tmp_path) == before
    if case.command[0] == "index":
        assert digest(tmp_path / "items.db", encoder) == digest(index, encoder)
