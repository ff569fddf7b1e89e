import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from retrieval.encoding.weights import find_weights
from serving.command_line import app
from tests.milvus_places import Places
from tests.pipelines.conftest import CHIPS, CHOCOLATE, CUTOFF, Shop

COMMAND = Path(sys.executable).with_name("likewise")


def run(*arguments: object) -> Result:
    """The command in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture(scope="module")
def job(shop: Shop, module_milvus: Places) -> Path:
    """A config whose collection holds the shop's items."""
    job = shop.folder / "cli.yaml"
    place = module_milvus("cli").yaml()
    job.write_text(shop.config.read_text().replace("index:\n  uri: items.db\n", place))
    result = run("index", "--config", job, "--out", shop.folder / "counts.json")
    assert result.exit_code == 0, result.stderr
    return job


# --- the verbs ---------------------------------------------------------------------------------


def test_index_counts_on_the_terminal_and_as_json(
    job: Path, shop: Shop, module_milvus: Places
) -> None:
    counts = json.loads((shop.folder / "counts.json").read_text())
    assert counts == {"new": 946, "changed": 0, "unchanged": 0, "total": 946}
    again = run("index", "--config", job)
    place = module_milvus("cli")
    where = f"{'cli.db' if place.is_lite else place.uri} / {place.collection}"
    said = " ".join(again.stdout.split())  # a long name fills the line
    assert f"{where}: 0 new 0 changed 946 unchanged 946 total" in said


def test_flags_alone_suffice(
    shop: Shop, milvus: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, place, out = tmp_path / "i.csv", milvus("sweets"), tmp_path / "near.parquet"
    for name, token in place.environment().items():
        monkeypatch.setenv(name, token)
    shop.items.head(50).to_csv(table, index=False)
    mapping = ["--id-col", "product_id", "--text-cols", "product_type,package_size,brand"]
    more = ["--label-col", "product_category", "--attribute-cols", "brand,manufacturer_id"]
    made = run("index", table, *mapping, *more, *place.flags())
    assert made.exit_code == 0, made.stderr
    where = ["--where", "brand=National,Private", "--where", "manufacturer_id=100..5000"]
    to = [*place.flags(), "--out", out]
    found = run("similar", "--text", CHIPS, "--text", CHOCOLATE, "-k", "2", *where, *to)
    assert found.exit_code == 0, found.stderr
    assert pd.read_parquet(out)["query"].tolist() == [0, 0, 1, 1]


def test_similar_shows_items_and_texts(job: Path, shop: Shop, tmp_path: Path) -> None:
    shop.items.head(2).to_csv(tmp_path / "new.csv", index=False)
    of_items = run("similar", tmp_path / "new.csv", "--config", job, "-k", "1")
    assert "30177" in of_items.stdout
    of_texts = run("similar", "-t", CHIPS, "--config", job, "--as-of", "2017-05-01")
    assert CHIPS in of_texts.stdout
    assert "10 like items of 1 queries" in of_texts.stdout


def test_classify_writes_the_labels_table(job: Path, shop: Shop, tmp_path: Path) -> None:
    new, out = tmp_path / "new.parquet", tmp_path / "labels.csv"
    shop.items.sample(12, random_state=1).to_parquet(new)
    result = run("classify", new, "--config", job, "-k", "5", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "12 items labeled: " in result.stdout
    labels = pd.read_csv(out, dtype={"item_id": "str"})
    assert len(labels) == 12
    assert sum(near["count"] for near in json.loads(labels["neighbors"][0])) >= 5


def test_labels_in_words_and_a_csv_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("labels.yaml").write_text("salty: chips and pretzels\nsweet: [chocolate, candy, gum]\n")
    Path("items.csv").write_text(f"name\n{CHIPS}\n{CHOCOLATE}\n")
    asked = ["classify", "items.csv", "--out", "out.csv"]
    made = run(*asked, "--labels", "labels.yaml", "--text-cols", "name", "--save", "model")
    assert made.exit_code == 0, made.stderr
    assert "2 items labeled: salty 1, sweet 1" in made.stdout
    assert "classifier saved to model/" in made.stdout
    labels = pd.read_csv("out.csv")
    assert labels[["item_id", "label"]].to_numpy().tolist() == [
        ["row 1", "salty"],
        ["row 2", "sweet"],
    ]
    assert set(json.loads(labels["parts"][0])) >= {"neighbors", "prototypes"}
    before = Path("out.csv").read_bytes()
    again = run(*asked, "--model", "model")
    assert again.exit_code == 0, again.stderr
    assert Path("out.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "items.csv",
        "labels.yaml",
        "model",
        "out.csv",
    ]


def test_evaluate_scores_test_items(job: Path, shop: Shop, tmp_path: Path) -> None:
    test, out = tmp_path / "test.parquet", tmp_path / "deep" / "out"
    shop.items.sample(60, random_state=1).to_parquet(test)
    result = run("evaluate", "--test", test, "--config", job, "-k", "5", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "60 items of 2 labels, labeled by 946 labeled items." in result.stdout
    assert "60 items in the index with their label: " in result.stdout
    numbers = json.loads((out / "evaluation.json").read_text())
    assert numbers["setup"]["classify"]["k"] == 5
    assert f"{numbers['scores']['accuracy']:.1%} of the labels are right" in result.stdout
    assert (out / "evaluation.html").is_file()


def test_evaluate_needs_a_csv_and_its_columns_alone(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    few = shop.items[["product_type", "product_category"]].iloc[::20]
    few.to_csv("items.csv", index=False)
    columns = ["--text-cols", "product_type", "--label-col", "product_category"]
    result = run("evaluate", "items.csv", *columns, "--folds", "2")
    assert result.exit_code == 0, result.stderr
    assert f"{len(few)} items of 2 labels, cross-validated in 2 folds." in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.csv"]


def test_a_csv_without_ids_is_indexed_searched_and_labeled(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    few = shop.items[["product_type", "product_category"]].iloc[::20]
    few.to_csv("items.csv", index=False)
    columns = ["--text-cols", "product_type", "--label-col", "product_category"]
    for counts in (f"{len(few)} new", f"{len(few)} unchanged"):
        assert counts in run("index", "items.csv", *columns).stdout
    labeled = run("classify", "items.csv", "-k", "1", "--out", "labels.csv")
    assert labeled.exit_code == 0, labeled.stderr
    labels = pd.read_csv("labels.csv")
    assert labels["item_id"].tolist()[:2] == ["row 1", "row 2"]
    # The item that reads the same answers; a row without an id is nobody's self.
    assert json.loads(labels["neighbors"][0])[0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert "row 1" in run("similar", "items.csv", "-k", "1").stdout


def test_forecast_writes_the_forecasts_table(job: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "forecasts.parquet"
    options = ["--cutoff", CUTOFF, "--horizon", "3", "--out", out]
    result = run("forecast", "--config", job, *options)
    assert result.exit_code == 0, result.stderr
    assert "307 items as of 2017-09-04" in result.stdout
    forecasts = pd.read_parquet(out)
    assert forecasts.groupby("unique_id").size().eq(3).all()


def test_no_new_items_are_an_empty_forecast(job: Path, shop: Shop, tmp_path: Path) -> None:
    new, out = tmp_path / "empty.csv", tmp_path / "forecasts.csv"
    shop.items.head(0).to_csv(new, index=False)
    options = ["--new", new, "--cutoff", CUTOFF, "--horizon", "3", "--out", out]
    result = run("forecast", "--config", job, *options)
    assert result.exit_code == 0, result.stderr
    assert "0 items; 0 units expected in all" in result.stdout
    assert out.read_text() == "unique_id,cutoff,ds,age,mean,0.1,0.5,0.9\n"


def test_logs_are_json_and_hold_no_item_text(job: Path) -> None:
    result = run("similar", "-t", CHIPS, "--config", job)
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert lines[-1]["event"] == "neighbors found"
    assert "chips" not in result.stderr


# --- bad input ---------------------------------------------------------------------------------

Change = Callable[[pd.DataFrame], pd.DataFrame]


def _set(column: str, row: int, value: object) -> Change:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype({column: "object"})
        table.loc[row, column] = value
        return table

    return change


BAD_ITEMS: dict[str, tuple[Change, list[str]]] = {
    "wrong column": (
        lambda items: items.rename(columns={"product_type": "kind"}),
        ["no column 'product_type' (there are: product_id, "],
    ),
    "missing id": (_set("product_id", 3, None), ["row 4", "product_id is missing"]),
    "duplicate id": (_set("product_id", 4, "30937"), ["row 2", "row 5", "product_id", "'30937'"]),
    "no text": (
        lambda items: items.assign(product_type=" ", package_size=None, brand=""),
        ["row 1", "column product_type, package_size, brand holds no text"],
    ),
    "no date": (
        _set("launch_date", 6, "31.12.2017"),
        ["row 7 (product_id '35774'): launch_date: '31.12.2017' is not a date (write YYYY-MM-DD)"],
    ),
    "infinite attribute": (
        _set("manufacturer_id", 2, float("inf")),
        ["row 3", "manufacturer_id: 'inf' is not a number"],
    ),
}


@pytest.mark.parametrize("name", BAD_ITEMS)
def test_bad_items_are_named_by_file_row_and_column(name: str, shop: Shop, tmp_path: Path) -> None:
    change, expected = BAD_ITEMS[name]
    table = tmp_path / "bad.csv"
    change(shop.items.head(9)).to_csv(table, index=False)
    result = run("index", table, "--config", shop.config, "--uri", tmp_path / "bad.db")
    assert result.exit_code == 2
    assert f"error: {table}: " in result.stderr
    assert [text for text in expected if text not in result.stderr] == []


BAD_SALES: dict[str, tuple[Change, list[str]]] = {
    "negative": (_set("y", 7, -3), ["y is negative", "row 8: unique_id='33247'"]),
    "missing": (_set("y", 7, None), ["y is missing", "row 8: unique_id='33247'"]),
    "no number": (_set("y", 3, "many"), ["row 4 (unique_id '32456'): y: 'many' is not a number"]),
    "off the grid": (
        _set("ds", 5, "2017-10-03"),
        ["ds is not on the grid of 'W-MON'", "row 6: unique_id='32456', ds=2017-10-03"],
    ),
    "twice": (
        lambda sales: pd.concat([sales, sales.iloc[[4]]]),
        ["(unique_id, ds) repeats", "row 5770: unique_id='32456'"],
    ),
    "unknown item": (
        _set("unique_id", 2, "00000"),
        ["unique_id is not among the items", "row 3: unique_id='00000'"],
    ),
}


@pytest.mark.parametrize("name", BAD_SALES)
def test_bad_sales_are_named_by_file_row_and_column(name: str, shop: Shop, tmp_path: Path) -> None:
    change, expected = BAD_SALES[name]
    table = tmp_path / "bad.csv"
    change(shop.sales).to_csv(table, index=False)
    items = shop.folder / "items.parquet"
    result = run("forecast", items, table, "--config", shop.config, "--cutoff", CUTOFF)
    assert result.exit_code == 2
    assert f"error: {table}: " in result.stderr
    assert [text for text in expected if text not in result.stderr] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "absent.csv"], "absent.csv: no such file"),
        (
            ["index", "items.doc"],
            "items.doc: unknown suffix '.doc' (there are: .parquet, .csv, .csv.gz, .csv.zst, .tsv",
        ),
        (["index", "cut.parquet"], "cut.parquet: not a whole Parquet file (cut off?)"),
        (["index", "--config", "typo.yaml"], "typo.yaml:2: items.txt: unknown key 'txt'; did you"),
        (["index", "--config", "absent.yaml"], "absent.yaml: no such config file"),
        (["forecast", "--cutoff", "soon"], "--cutoff: 'soon' is not a date (write YYYY-MM-DD)"),
        (["forecast", "--freq", "weekly"], "forecast.freq: freq 'weekly' is no frequency"),
        (["forecast", "--cutoff", "2016-01-01"], "cutoff 2016-01-01 lies before the first sale"),
        (["similar"], "similar: give either an items table or --text"),
        (
            ["similar", "-t", "x", "--where", "size=3"],
            "no attribute 'size' (there are: manufacturer_id, ",
        ),
        (["similar", "-t", "x", "--as-of", "32"], "--as-of: '32' is not a date"),
        (
            ["similar", "-t", "x", "--uri", "absent.db"],
            "absent.db: no such index; `likewise index`",
        ),
        (["similar", "-t", " "], "is empty"),
        (["similar", "items.csv", "-o", "items.csv"], "items.csv: is the items table"),
        (["similar", "-t", "x", "-o", "near.txt"], "near.txt: unknown suffix '.txt'"),
        (["similar", "-t", "x", "-k", "0"], "Invalid value for '-k'"),
        (["similar", "--tezt", "x"], "No such option"),
        (["evaluate", "--out", "items.csv"], "--out items.csv: is a file, not a folder"),
        (["evaluate", "--folds", "1"], "Invalid value for '--folds'"),
        (["evaluate", "items.csv", "--test", "items.csv"], "not both"),
        (["evaluate", "--coverage", "90"], "classify.coverage: Input should be less than 1"),
        (["evaluate", "--model", "absent"], "name them with --test"),
        (["classify", "items.csv", "--labels", "absent.yaml"], "absent.yaml: no such file"),
        (["classify", "items.csv", "--model", "absent"], "absent"),
        (["classify", "items.csv", "--model", "a", "--save", "b"], "--model is saved already"),
        (["evaluate", "--group-col", "shelf"], "items.parquet: no column 'shelf' (there are: "),
        (["evaluate", "--test", "items.csv"], "items.csv: no column 'product_category'"),
    ],
)
def test_bad_arguments_exit_with_2(
    arguments: list[str], message: str, job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("typo.yaml").write_text("items:\n  txt: [name]\n")
    Path("items.doc").write_text("")
    Path("items.csv").write_text("product_id,product_type,package_size,brand\n1,a,b,c\n")
    Path("cut.parquet").write_bytes((job.parent / "items.parquet").read_bytes()[:5_000])
    given = [] if "--config" in arguments else ["--config", str(job)]
    result = run(*arguments, *given)
    assert result.exit_code == 2
    assert message in result.stderr
    if not message.startswith(("Invalid value", "No such")):
        assert "error: " in result.stderr


def test_an_encoder_mismatch_says_what_to_do(job: Path, tmp_path: Path) -> None:
    other = tmp_path / "tuned"
    shutil.copytree(find_weights("all-MiniLM-L6-v2"), other)
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    settings = tmp_path / "other.yaml"
    settings.write_text(job.read_text() + "encoder: {name: ./tuned}\n")
    result = run("similar", "-t", "x", "--config", settings)
    assert result.exit_code == 2
    assert "was filled with encoder 'all-MiniLM-L6-v2'" in result.stderr
    assert "Open it with that encoder, or index" in result.stderr


# --- failures ----------------------------------------------------------------------------------


def test_a_failure_is_one_line_and_debug_shows_where(job: Path) -> None:
    arguments = ["similar", "-t", "x", "--config", job, "--uri", "http://127.0.0.1:9"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("error: Milvus at http://127.0.0.1:9 does not")
    debug = CliRunner().invoke(app, [*map(str, arguments), "--debug"])
    assert debug.exit_code == 1
    assert "Traceback" in debug.stderr


def test_a_folder_that_is_a_file_is_told_before_the_work(tmp_path: Path, job: Path) -> None:
    (tmp_path / "folder").write_text("a file where a folder should be")
    result = run("index", "--config", job, "--out", tmp_path / "folder" / "counts.json")
    assert result.exit_code == 2
    assert result.stderr.endswith("folder is a file, not a folder\n")


_HOLD = """
import sys, time
from retrieval import ItemIndex
with ItemIndex(sys.argv[1]) as index:
    print(index.count(), flush=True)
    time.sleep(60)
"""


def test_a_lite_file_open_in_another_process_is_a_failure(shop: Shop, tmp_path: Path) -> None:
    uri = tmp_path / "held.db"
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, uri], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"0\n"
        result = run("index", "--config", shop.config, "--uri", uri)
    finally:
        holder.kill()
        holder.communicate()
    assert result.exit_code == 1
    assert f"error: {uri} is open in another process" in result.stderr


# --- the command in a process of its own -------------------------------------------------------


def test_help_answers_at_once_and_names_the_verbs() -> None:
    start = time.perf_counter()
    done = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert time.perf_counter() - start < 2  # 0.2 s on a free machine; importing the engines takes 4
    for verb in (
        "demo",
        "look",
        "index",
        "similar",
        "classify",
        "evaluate",
        "forecast",
        "backtest",
    ):
        assert f" {verb} " in done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, serving.command_line; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "torch", "pymilvus", "lightgbm", "retrieval", "pydantic"} & set(loaded)


def test_version() -> None:
    done = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("likewise ")


def test_exit_code_and_message_of_a_real_process(tmp_path: Path) -> None:
    command = [COMMAND, "index", "absent.csv", "--text-cols", "name"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: absent.csv: no such file\n"
    assert done.stdout == ""


def test_an_interrupt_exits_with_130(shop: Shop, tmp_path: Path) -> None:
    command = [COMMAND, "index", "--config", shop.config, "--uri", tmp_path / "i.db"]
    environment = {**os.environ, "LIKEWISE_ENCODER__CACHE": "false"}
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        env=environment,
        # A shell's background jobs, such as a test run may be, ignore interrupts and pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    assert b"table read" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in rest
