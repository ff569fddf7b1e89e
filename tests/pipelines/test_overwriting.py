"""No verb and no job writes over what it reads, and none begins its work before it is told so."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
import typer

from pipelines.config.sections import IndexSettings, ItemsSettings
from pipelines.config.settings import Settings, load_settings
from pipelines.jobs.evaluation import FILES as EVALUATION_FILES
from pipelines.jobs.forecasts import forecast_launches
from pipelines.jobs.index import index_job
from pipelines.jobs.labels import classify_job
from pipelines.overwriting import Write, refuse_overwriting, refuse_replacing
from pipelines.reports.backtest import FILES as BACKTEST_FILES
from pipelines.runs.run import run_job
from pipelines.tables.sql import DatabaseTable
from retrieval import InputError
from serving.command_line import app
from tests.pipelines.cli.test_app import run

CONFIG = """\
items: {path: i.csv, text: [name], label: kind, launch_date: launch_date}
sales: {path: s.csv}
future: {path: p.csv}
new_items: {path: n.csv}
classify: {labels: l.csv}
index: {uri: items.db}
forecast: {horizon: 2, method: knn, n_jobs: 1, covariates: [price]}
"""
CONFIGURED = ["i.csv", "s.csv", "p.csv", "n.csv", "l.csv"]
FLAGS = ["--text-cols", "name", "--id-col", "item_id"]
BAD_ROWS = ["--on-bad-rows", "quarantine"]


@pytest.mark.parametrize("names", [(), ("a.csv", "b.csv")])
def test_where_nothing_can_be_written_is_told_before_the_work(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    refuse_overwriting(Settings(), Write("--out", tmp_path / "new" / "folder" / "o", names))
    assert not list(tmp_path.iterdir())  # and nothing is left of the trial
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"--out .*file is a file, not a folder"):
        refuse_overwriting(Settings(), Write("--out", tmp_path / "file" / "x" / "o", names))
    with pytest.raises(InputError, match=r"--out .*: nothing can be written to /proc: "):
        refuse_overwriting(Settings(), Write("--out", Path("/proc/likewise/o"), names))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tables and a config in the working directory; whoever reads one of them sees that it is bad.

    A verb that began its work would end with another message.
    """
    monkeypatch.chdir(tmp_path)
    for name in (*CONFIGURED, "o.csv"):
        Path(name).write_text(f"what,it,holds\n{name},1,2\n")
    Path("job.yaml").write_text(CONFIG)
    for folder, name in (
        ("items.db", "rows"),
        ("parts", "a.parquet"),
        ("model", "manifest.json"),
        ("weights", "config.json"),
        ("run/kept/labels", "000001.json"),
        ("run", "labels.parquet"),
    ):
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, name).write_text("of somebody")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    """All there is below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def refused(arguments: list[str], named: str, place: Path) -> None:
    before = contents(place)
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert named in done.stderr
    assert "choose another" in done.stderr
    assert contents(place) == before


# --- every verb ----------------------------------------------------------------------------------

WITH = ["--config", "job.yaml"]
TABLE_VERBS: dict[str, list[str]] = {
    "classify": ["classify", "new.csv", *WITH],
    "forecast": ["forecast", *WITH],
    "similar": ["similar", "-t", "tea", *WITH],
}


@pytest.mark.parametrize("out", CONFIGURED)
@pytest.mark.parametrize("verb", sorted(TABLE_VERBS))
def test_a_table_of_the_config_is_no_result(verb: str, out: str, place: Path) -> None:
    refused([*TABLE_VERBS[verb], "--out", out], f"--out {out}: is the ", place)


@pytest.mark.parametrize("out", [*CONFIGURED, "job.yaml", "items.db", "items.db/rows"])
def test_nothing_of_the_config_is_replaced_by_counts(out: str, place: Path) -> None:
    refused(["index", *WITH, "--out", out], f"--out {out}: ", place)


ARGUMENTS: dict[str, tuple[list[str], str]] = {
    "index": (["index", "o.csv", *FLAGS, "--out", "o.csv"], "is the items table"),
    "similar": (["similar", "o.csv", "--out", "o.csv"], "is the items table"),
    "classify": (["classify", "o.csv", "--out", "o.csv"], "is the new items table"),
    "classify: labels": (
        ["classify", "n.csv", "--labels", "o.csv", "--out", "o.csv"],
        "is the labels file",
    ),
    "classify: model": (
        ["classify", "n.csv", "--model", "model", "--out", "model/out.csv"],
        "lies in the saved model that this job reads",
    ),
    "classify: save": (
        ["classify", "n.csv", *WITH, "--save", "new", "--out", "new/out.csv"],
        "lies in the model that this job saves",
    ),
    "classify: save over a table": (
        ["classify", "model/x.csv", *WITH, "--save", "model"],
        "--save model: holds the new items table",
    ),
    "classify: save over a folder of tables": (
        ["classify", "parts", *WITH, "--save", "parts"],
        "--save parts: is the new items table",
    ),
    "classify: save into the index": (
        ["classify", "n.csv", *WITH, "--save", "items.db/model"],
        "lies in the index",
    ),
    "forecast: items": (["forecast", "o.csv", "s.csv", "--out", "o.csv"], "is the items table"),
    "forecast: sales": (["forecast", "i.csv", "o.csv", "--out", "o.csv"], "is the sales table"),
    "forecast: new": (
        ["forecast", *WITH, "--new", "o.csv", "--out", "o.csv"],
        "is the new items table",
    ),
    "forecast: future": (
        ["forecast", *WITH, "--future", "o.csv", "--out", "o.csv"],
        "is the future table",
    ),
    "forecast: observed": (
        ["forecast", *WITH, "--observed", "o.csv", "--out", "o.csv"],
        "is the observed table",
    ),
    "forecast: model": (
        ["forecast", "--new", "n.csv", "--model", "model", "--out", "model/out.csv"],
        "lies in the saved model",
    ),
    "forecast: save": (["forecast", "parts", "s.csv", "--save", "parts/m"], "lies in the items"),
    "forecast: save and out": (
        ["forecast", *WITH, "--save", "m", "--out", "m/out.csv"],
        "lies in the model that this job saves",
    ),
    "a folder of tables": (
        ["classify", "parts", *WITH, "--out", "parts/b.parquet"],
        "lies in the new items table",
    ),
    "monitor: labels": (
        ["monitor", "run", *WITH, "--out", "run/kept/labels/000001.json"],
        "lies in what the run has kept",
    ),
    "tune": (
        ["tune", "parts", *FLAGS, "--label-col", "label", "--out", "parts", "--overwrite"],
        "--out parts: is the items table",
    ),
    "tune: report": (
        ["tune", "o.csv", *FLAGS, "--label-col", "label", "--report", "o.csv"],
        "--report o.csv: is the items table",
    ),
    "ask": (["ask", "Which?", *WITH, "--out", "i.csv"], "--out i.csv: is the "),
    "recommend": (
        ["recommend", "--customer", "1", "--histories", "i.csv", *WITH, "--out", "i.csv"],
        "--out i.csv: is the ",
    ),
    "ask: learn": (
        ["ask", "--learn", "i.csv", "--ranker", "i.csv"],
        "--ranker i.csv: is the",
    ),
    "compress": (
        ["compress", "parts", *FLAGS, "--out", "parts"],
        "--out parts: is the items table",
    ),
    "adapt: config": (["adapt", *WITH, "--out", "job.yaml"], "--out job.yaml: is the con"),
    "monitor: config": (["monitor", "run", "--config", "c.json", "--out", "c.json"], "is the con"),
}


@pytest.mark.parametrize("case", sorted(ARGUMENTS))
def test_what_is_given_is_no_result(case: str, place: Path) -> None:
    arguments, message = ARGUMENTS[case]
    Path("c.json").write_text("{}")
    Path("model/x.csv").write_text("item_id,name\n")
    refused(arguments, message, place)


@pytest.mark.parametrize("name", EVALUATION_FILES)
@pytest.mark.parametrize("given", [[], ["--test"], ["--test", "n.csv", "--outside"]])
def test_evaluate_leaves_files_in_a_folder(given: list[str], name: str, place: Path) -> None:
    Path(name).write_text("item_id,name\n")
    arguments = ["evaluate", *given, name, *FLAGS, "--out", "."]
    refused(arguments, f"--out .: {name} is the ", place)


@pytest.mark.parametrize("name", BACKTEST_FILES)
def test_backtest_leaves_files_in_a_folder(name: str, place: Path) -> None:
    Path(name).write_text("item_id,name\n")
    for tables in ([name, "s.csv"], ["i.csv", name], ["--future", name]):
        arguments = ["backtest", *tables, *WITH, "--windows", "1", "--out", "."]
        refused(arguments, f"--out .: {name} is the ", place)


@pytest.mark.parametrize(
    "name",
    [
        *("labels.parquet", "forecasts.parquet", "totals.parquet", "kept/forecasts/x.parquet"),
        *("evaluation/answers.csv", "backtest/totals.parquet", "manifests/index.json"),
        *("quarantine/index/items.csv", "quarantine/forecast/sales.parquet", ".inputs/x.parquet"),
        *("items.db/x.parquet", "evaluation/.mine.tmp/x.parquet", ".labels.parquet.old.tmp"),
    ],
)
@pytest.mark.parametrize("section", ["items", "sales", "future", "new_items"])
def test_a_run_leaves_files_in_a_folder(section: str, name: str, place: Path) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("item_id,name\n")
    Path("run.yaml").write_text(f"{section}: {{path: {name}}}\nindex: {{uri: items.db}}\n")
    refused(["run", "--config", "run.yaml", "--out", ".", *BAD_ROWS], f"({place / name})", place)


@pytest.mark.parametrize("verb", ["index", "evaluate", "classify", "forecast", "backtest"])
def test_bad_rows_that_were_mended_are_read_and_not_removed(verb: str, place: Path) -> None:
    mended = Path(f"quarantine/{verb}/items.csv")
    mended.parent.mkdir(parents=True)
    mended.write_text("item_id,name\n1,tea\n")
    arguments = [verb, str(mended), *WITH, *BAD_ROWS]
    arguments += ["--windows", "1"] if verb == "backtest" else []
    refused(arguments, f"bad rows in quarantine/{verb}: items.csv is the ", place)


def test_the_rows_of_another_kind_of_file_are_not_removed_either(place: Path) -> None:
    mended = Path("kept/index/items.parquet")
    mended.parent.mkdir(parents=True)
    mended.write_text("would be removed: this run's bad rows are CSV")
    arguments = ["forecast", "i.csv", "s.csv", "--new", str(mended), *WITH]
    assert run(*arguments, "--quarantine", "elsewhere").exit_code == 2  # of its content
    refused(["index", str(mended), *WITH, "--quarantine", "kept"], "items.parquet is the", place)


def test_monitor_keeps_the_bad_rows_that_it_reads(place: Path) -> None:
    mended = Path("run/quarantine/monitor/sales.csv")
    mended.parent.mkdir(parents=True)
    mended.write_text("unique_id,ds,y\n")
    Path("m.yaml").write_text(f"sales: {{path: {mended}}}\n")
    refused(["monitor", "run", "--config", "m.yaml", *BAD_ROWS], "sales.csv is the", place)


def test_reindex_does_not_write_an_index_that_holds_a_table(place: Path) -> None:
    Path("items.db/x.csv").write_text("item_id,name\n")
    Path("r.yaml").write_text("items: {path: items.db/x.csv}\nindex: {uri: items.db}\n")
    for more in ([], ["--rollback"]):
        refused(["reindex", "--config", "r.yaml", *more], "index.uri ", place)


WRITING = {"out", "out_table", "save", "quarantine"}
KNOWN = {
    ("index", "out"),
    ("index", "quarantine"),
    ("similar", "out"),
    ("classify", "out"),
    ("classify", "out_table"),
    ("classify", "save"),
    ("classify", "quarantine"),
    ("evaluate", "out"),
    ("evaluate", "quarantine"),
    ("forecast", "out"),
    ("forecast", "out_table"),
    ("forecast", "save"),
    ("forecast", "quarantine"),
    ("ask", "out"),
    ("recommend", "out"),
    ("backtest", "out"),
    ("backtest", "quarantine"),
    ("run", "out"),
    ("run", "quarantine"),
    ("monitor", "out"),
    ("monitor", "quarantine"),
    ("tune", "out"),
    ("tune", "quarantine"),
    ("adapt", "out"),
    ("compress", "out"),
    ("compress", "quarantine"),
    ("demo", "out"),  # reads nothing but a package and what it left itself
}


def test_every_option_that_writes_is_tested_here() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    options = {
        (verb, option.name)
        for verb, command in group.commands.items()
        for option in command.params
        if option.name in WRITING
    }
    assert options == KNOWN


# --- in other words ------------------------------------------------------------------------------


def _symbolic(there: Path) -> str:
    Path("link.csv").symlink_to(there)
    return "link.csv"


def _hard(there: Path) -> str:
    os.link(there, "hard.csv")
    return "hard.csv"


def _in_a_linked_folder(there: Path) -> str:
    Path("linked").symlink_to(there.parent)
    return f"linked/{there.name}"


SPELLINGS: list[Callable[[Path], str]] = [
    _symbolic,
    _hard,
    _in_a_linked_folder,
    str,
    lambda there: f"model/../{there.name}",
]


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_a_file_is_the_same_by_every_name(spelled: Callable[[Path], str], place: Path) -> None:
    for name in ("s.csv", "o.csv"):
        spelled_name = spelled(place / name)
        arguments = ["forecast", *WITH, "--observed", "o.csv", "--out", spelled_name]
        refused(arguments, f"--out {spelled_name}: is the ", place)
        for made in ("link.csv", "hard.csv", "linked"):
            Path(made).unlink(missing_ok=True)


def test_a_file_that_a_folder_of_tables_links_to_is_its_part(place: Path) -> None:
    Path("o.parquet").write_text("of somebody")
    Path("parts/link.parquet").symlink_to(place / "o.parquet")
    refused(["classify", "parts", "--out", "o.parquet"], "is a file of the new items table", place)


def test_other_letters_are_another_file_only_where_they_are(place: Path) -> None:
    is_same = Path("S.csv").exists()  # on a file system that does not tell them apart
    settings = load_settings("job.yaml")
    if is_same:
        with pytest.raises(InputError, match="is the sales table"):
            refuse_overwriting(settings, Write("--out", Path("S.csv")))
    else:
        refuse_overwriting(settings, Write("--out", Path("S.csv")))


def test_what_is_beside_the_inputs_may_be_written(place: Path) -> None:
    settings = load_settings("job.yaml")
    for write in (
        Write("--out", Path("out.csv")),
        Write("--out", place, ("backtest.html",)),
        Write("--save", Path("models/new")),
        Write("--save", Path("model")),
        Write.index(settings),
        None,
    ):
        refuse_overwriting(settings, write, items=Path("i.csv"), observed=None)


def test_an_index_may_lie_beside_the_files_of_a_table(place: Path) -> None:
    settings = Settings(
        items=ItemsSettings(path=Path("parts")), index=IndexSettings(uri="parts/items.db")
    )
    Path("parts/items.db").mkdir()
    refuse_overwriting(settings, Write.index(settings))


# --- jobs ----------------------------------------------------------------------------------------


def test_jobs_refuse_it_as_well(place: Path) -> None:
    settings = load_settings("job.yaml", {"bad_rows": {"action": "quarantine", "folder": "bad"}})
    parted = settings.model_copy(update={"items": ItemsSettings(path=Path("parts"))})
    mended = Path("bad/index/items.csv")
    mended.parent.mkdir(parents=True)
    mended.write_text("item_id,name\n")
    before = contents(place)
    with pytest.raises(InputError, match=r"items\.csv is the items table"):
        index_job(settings, mended)
    with pytest.raises(InputError, match="--save parts: is the new items table"):
        classify_job(settings, Path("parts"), save=Path("parts"))
    with pytest.raises(InputError, match=r"--save .*: holds the config file"):
        forecast_launches(settings, save=place)
    with pytest.raises(InputError, match=r"--out parts: .* lies in the items table"):
        run_job(parted, Path("parts"))
    assert contents(place) == before


def test_a_folder_of_somebody_is_refused_before_the_work(place: Path) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("keep me")
    before = contents(place)
    for arguments in (["forecast", *WITH], ["classify", "n.csv", *WITH]):
        done = run(*arguments, "--save", "mine")
        assert done.exit_code == 2
        assert "holds something else" in done.stderr
    assert contents(place) == before


# --- databases -----------------------------------------------------------------------------------


@pytest.fixture
def database(place: Path) -> str:
    url = f"sqlite:///{place / 'shop.sqlite'}"
    with sa.create_engine(url).begin() as connection:
        for name in ("sales", "items"):
            pd.DataFrame({"name": ["tea"]}).to_sql(name, connection, index=False)
    Path("sql.yaml").write_text(
        f"items: {{sql: select * from items, url: '{url}', text: [name], launch_date: day}}\n"
        f"sales: {{sql: select * from sales, url: '{url}'}}\n"
        f"sink: {{url: '{url}', labels_table: items}}\n"
        "classify: {labels: l.csv}\n"
    )
    return url


@pytest.mark.parametrize("verb", [["forecast"], ["classify", "n.csv"]])
@pytest.mark.parametrize("table", ["sales", "items", "Sales", "main.sales"])
def test_a_table_of_the_database_that_is_read(
    verb: list[str], table: str, database: str, place: Path
) -> None:
    arguments = [*verb, "--config", "sql.yaml", "--out-table", table]
    refused(arguments, f"database table {table}: the query ", place)


def test_a_run_does_not_replace_the_table_that_it_reads(database: str, place: Path) -> None:
    refused(["run", "--config", "sql.yaml", "--out", "o"], "the query items.sql reads it", place)


def test_the_file_of_a_database(database: str, place: Path) -> None:
    arguments = ["index", "--config", "sql.yaml", "--out", "shop.sqlite"]
    refused(arguments, "--out shop.sqlite: is the items table", place)
    Path("sink.yaml").write_text(f"sink: {{url: '{database}'}}\n")
    arguments = ["index", "i.csv", "--config", "sink.yaml", "--out", "shop.sqlite"]
    refused(arguments, "--out shop.sqlite: is the database", place)


SERVER = "postgresql://reader:secret@host/shop"


@pytest.mark.parametrize(
    ("query", "url", "table", "is_read"),
    [
        ("SELECT * FROM sales", SERVER, "sales", True),
        ("select a.x from goods g join sales as a on a.x = g.x", SERVER, "sales", True),
        ("select * from goods g, sales", SERVER, "sales", True),
        ("select * from (select * from\n public.sales) s", SERVER, "sales", True),
        ('select * from "public"."Sales"', SERVER, "public.sales", True),
        ("select * from archive.sales", SERVER, "public.sales", False),
        ("select sales from goods", SERVER, "sales", False),
        ("select * from goods where x = ' from sales '", SERVER, "sales", False),
        ("select * from goods -- from sales", SERVER, "sales", False),
        ("select * from sales_2024", SERVER, "sales", False),
        ("select * from sales", "postgresql+psycopg://writer@host/shop", "sales", True),
        ("select * from sales", "postgresql://reader@host/other", "sales", False),
        ("select * from sales", "sqlite:///shop.sqlite", "sales", False),
    ],
)
def test_what_a_query_reads(query: str, url: str, table: str, is_read: bool) -> None:
    settings = load_settings(None, {"sales": {"sql": query, "url": SERVER}})
    target = DatabaseTable(table, url)
    if is_read:
        with pytest.raises(InputError, match=r"the query sales\.sql reads it") as error:
            refuse_replacing(settings, target, None)
        assert "secret" not in str(error.value)
    else:
        refuse_replacing(settings, target, None)
