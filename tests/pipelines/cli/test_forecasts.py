"""The verbs ``likewise forecast`` and ``likewise backtest``, flag by flag."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import Result

from forecasting.evaluation.backtest import FORECASTER
from forecasting.evaluation.baselines import BASELINES
from pipelines.reports.forecast import FILES
from tests.pipelines.cli.test_app import run
from tests.pipelines.conftest import CUTOFF, Shop
from tests.pipelines.html_page import Page

AT = ["--cutoff", CUTOFF]
CONFIG = """\
items:
  path: items.parquet
  id: product_id
  text: [product_type, package_size, brand, product_category]
  launch_date: launch_date
sales: {path: sales.parquet}
forecast: {horizon: 2, method: knn, n_jobs: 1}
"""


@pytest.fixture(scope="module")
def job(shop: Shop) -> Path:
    """A config whose forecasts need no training."""
    job = shop.folder / "knn.yaml"
    job.write_text(CONFIG)
    return job


@pytest.fixture(scope="module")
def new(shop: Shop) -> Path:
    """The launches of one week, as a table of their own."""
    path = shop.folder / "new.csv"
    launches = shop.items[shop.items["launch_date"] == "2017-09-11"]
    launches.to_csv(path, index=False)
    return path


# --- forecast ----------------------------------------------------------------------------------


def test_totals_are_written_and_shown(job: Path, new: Path, tmp_path: Path) -> None:
    out = tmp_path / "totals.csv"
    asked = ["--new", new, "--cutoff", CUTOFF, "--totals", "--out", out]
    done = run("forecast", "--config", job, *asked)
    assert done.exit_code == 0, done.stderr
    totals = pd.read_csv(out, dtype={"unique_id": "str"})
    columns = ["unique_id", "cutoff", "mean", "0.1", "0.5", "0.9", "novelty", "novel", "method"]
    columns += ["warnings"]
    assert totals.columns.tolist() == columns
    first = totals.iloc[0]
    row = next(line for line in done.stdout.splitlines() if first["unique_id"] in line)
    assert f"{first['0.5']:.1f}" in row
    assert f"{first['0.1']:.1f} to {first['0.9']:.1f}" in row
    assert "80 % interval" in done.stdout
    assert "2 periods each; the analogues voted" in done.stdout
    assert (f"{totals['novel'].sum()} item" in done.stdout) == totals["novel"].any()


def test_a_folder_gets_a_page_and_tables_with_names(job: Path, new: Path, tmp_path: Path) -> None:
    config = tmp_path / "named.yaml"
    config.write_text(CONFIG.replace("items:\n", "items:\n  name: title\n", 1))
    known = pd.read_parquet(job.parent / "items.parquet")
    known = known.assign(title=known["product_type"].str.lower())
    known.to_parquet(tmp_path / "items.parquet")
    table = pd.read_csv(new)
    table = table.assign(title=[f"=<b>Bar {number}</b>" for number in range(len(table))])
    table.to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "page"
    tables = [tmp_path / "items.parquet", job.parent / "sales.parquet"]
    asked = ["--new", tmp_path / "new.csv", *AT, "--no-backtest", "--out", out]
    out.mkdir()
    for name in ("forecast.html", "orders.csv"):  # of an earlier run, with costs
        (out / name).write_text("old")
    done = run("forecast", *tables, "--config", config, *asked)
    assert done.exit_code == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {*FILES} - {"orders.csv", "sums.csv"}
    page = Page((out / "forecast.html").read_text(encoding="utf-8"))
    assert "=<b>Bar 0</b>" in page.text
    assert not {"b", "script", "img", "link"} & set(page.tags)
    assert "Nobody has tested this forecaster yet: --no-backtest was given." in page.text
    totals = pd.read_excel(out / "forecast.xlsx", sheet_name="totals", dtype={"unique_id": "str"})
    assert totals["name"].tolist() == table["title"].tolist()
    written = pd.read_parquet(out / "totals.parquet")
    np.testing.assert_allclose(totals["mean"], written["mean"])
    like = pd.read_csv(out / "like_items.csv", dtype=str, keep_default_na=False)
    assert set(like["analogue_name"]) <= set(known["title"]) | set("'" + table["title"])
    assert not like["curve"].str.contains(r"[\[{]").any()


@pytest.mark.parametrize("name", FILES)
def test_the_page_is_not_written_over_what_it_is_made_of(
    job: Path, new: Path, tmp_path: Path, name: str
) -> None:
    shutil.copy(new, tmp_path / name)
    asked = ["--new", tmp_path / name, *AT, "--out", tmp_path]
    done = run("forecast", "--config", job, *asked)
    assert done.exit_code == 2
    assert f"{name} is the" in done.stderr


def test_orders_are_written_beside_the_forecasts(job: Path, new: Path, tmp_path: Path) -> None:
    table = pd.read_csv(new).assign(margin=3.0)
    table.to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "orders.csv"
    asked = ["--new", tmp_path / "new.csv", *AT, "--orders", out, "--overage-cost", "1"]
    done = run("forecast", "--config", job, *asked, "--underage-cost", "margin")
    assert done.exit_code == 0, done.stderr
    orders = pd.read_csv(out, dtype={"unique_id": "str"})
    assert len(orders) == len(table)
    assert (orders["cost"] <= orders["naive_cost"] + 1e-9).all()
    assert f"units of {len(orders)} items, expected to cost" in done.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--orders: say what a unit left over and one missing cost"),
        (["--overage-cost", "1"], "give overage_cost and underage_cost, or service_level"),
        (["--service-level", "1.5"], "service_level must be between 0 and 1, got 1.5"),
        (["--service-level", "share"], "no column 'share'"),
    ],
)
def test_orders_that_cannot_be_made_exit_with_2(
    flags: list[str], message: str, job: Path, new: Path, tmp_path: Path
) -> None:
    asked = ["--new", new, *AT, "--orders", tmp_path / "orders.csv"]
    done = run("forecast", "--config", job, *asked, *flags)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_saved_forecaster_is_used_again(job: Path, new: Path, tmp_path: Path) -> None:
    model, outs = tmp_path / "model", [tmp_path / "first.csv", tmp_path / "again.csv"]
    asked = ["forecast", "--new", new, "--out"]
    first = run(*asked, outs[0], "--config", job, "--cutoff", CUTOFF, "--save", model)
    assert first.exit_code == 0, first.stderr
    assert f"forecaster saved to {model}/" in first.stdout
    again = run(*asked, outs[1], "--model", model)
    assert again.exit_code == 0, again.stderr
    assert outs[1].read_bytes() == outs[0].read_bytes()
    assert again.stdout.splitlines()[:-1] == first.stdout.splitlines()[:-2]
    (model / "manifest.json").write_text("{}")
    broken = run(*asked, outs[1], "--model", model)
    assert broken.exit_code == 2
    assert str(model) in broken.stderr


def test_votes_in_place_of_training_are_said(job: Path, new: Path) -> None:
    asked = ["--new", new, "--method", "auto", "--cutoff", "2017-03-20", "--horizon", "4"]
    done = run("forecast", "--config", job, *asked)
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert "! only 24 launches had sold for 4 periods by 2017-03-20, fewer than 100" in told
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in logged if "analogues vote" in line["event"]] == ["warning"]


def test_observed_sales_and_plans_are_read(
    job: Path, new: Path, shop: Shop, tmp_path: Path
) -> None:
    ids = pd.read_csv(new, dtype={"product_id": "str"})["product_id"]
    week = shop.sales[(shop.sales["ds"] == "2017-09-11") & shop.sales["unique_id"].isin(ids)]
    week.to_csv(tmp_path / "observed.csv", index=False)
    week.assign(price=1.5).to_csv(tmp_path / "plan.csv", index=False)
    with_plan = tmp_path / "plan.yaml"
    with_plan.write_text(
        CONFIG.replace("path: ", f"path: {shop.folder}/").replace("knn,", "knn, covariates: price,")
    )
    asked = ["--config", with_plan, "--new", new, "--cutoff", CUTOFF]
    more = ["--observed", tmp_path / "observed.csv", "--future", tmp_path / "plan.csv"]
    done = run("forecast", *asked, *more, "--out", tmp_path / "out.parquet")
    assert done.exit_code == 0, done.stderr
    made = pd.read_parquet(tmp_path / "out.parquet")
    began = made[made["age"] == 0].set_index("unique_id")["mean"]
    assert began[week["unique_id"]].tolist() == week["y"].tolist()


Change = Callable[[pd.DataFrame], pd.DataFrame]
BAD_TABLES: dict[str, tuple[str, Change, list[str]]] = {
    "new: no launch date": (
        "--new",
        lambda new: new.assign(launch_date=None),
        ["launch_date must lie after the cutoff's period 2017-09-04", "row 1 ("],
    ),
    "observed: negative": (
        "--observed",
        lambda sales: sales.assign(y=-1.0),
        ["y is negative", "row 1: unique_id="],
    ),
    "observed: unknown item": (
        "--observed",
        lambda sales: sales.assign(unique_id=["nobody", *sales["unique_id"][1:]]),
        ["unique_id is not among the items", "row 1: unique_id='nobody'"],
    ),
    "observed: no date": (
        "--observed",
        lambda sales: sales.assign(ds="soon"),
        ["row 1 (unique_id ", "ds: 'soon' is not a date"],
    ),
    "future: no number": (
        "--future",
        lambda sales: sales.assign(price="cheap"),
        ["row 1 (unique_id ", "price: 'cheap' is not a number"],
    ),
    "future: no column": (
        "--future",
        lambda sales: sales,
        ["no column 'price' (there are: unique_id, ds, y)"],
    ),
    "future: twice": (
        "--future",
        lambda sales: pd.concat([sales, sales]).assign(price=1.0),
        ["(unique_id, ds) repeats", "row 3: unique_id="],
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables_are_named_by_file_row_and_column(
    name: str, new: Path, shop: Shop, tmp_path: Path
) -> None:
    flag, change, expected = BAD_TABLES[name]
    items = pd.read_csv(new, dtype={"product_id": "str"})
    sales = shop.sales[shop.sales["unique_id"].isin(items["product_id"])]
    sales = sales[sales["ds"] == "2017-09-11"].head(2)
    change(items if flag == "--new" else sales).to_csv(tmp_path / "bad.csv", index=False)
    with_plan = shop.folder / "price.yaml"
    with_plan.write_text(CONFIG.replace("knn,", "knn, covariates: [price],"))
    asked = {"--new": new, flag: tmp_path / "bad.csv"}
    flags = [part for pair in asked.items() for part in pair]
    done = run("forecast", "--config", with_plan, "--cutoff", CUTOFF, *flags)
    assert done.exit_code == 2
    assert f"error: {tmp_path / 'bad.csv'}: " in done.stderr
    assert [text for text in expected if text not in done.stderr] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["forecast", "--method", "best"], "forecast.method: Input should be 'auto', 'lightgbm'"),
        (["forecast", "--future", "a.csv", *AT], "set forecast.covariates in the config"),
        (["forecast", "--observed", "absent.csv", *AT], "absent.csv: no such file"),
        (["forecast", "--observed", "a.csv", "-o", "a.csv"], "a.csv: is the observed table"),
        (["forecast", "--model", "m", "--save", "s"], "--model is saved already"),
        (["forecast", "--model", "m", "--cutoff", CUTOFF], "give sales and --cutoff without"),
        (["forecast", "--model", "m", "--horizon", "3"], "leave out --horizon"),
        (["forecast", "--model", "m", "--id-col", "sku"], "leave out --id-col"),
        (["forecast", "--cutoff", ""], "--cutoff: the date is empty ('')"),
        (["backtest", "--cutoffs", ""], "--cutoffs: the date is empty ('')"),
        (["forecast", "--freq", "0W-MON"], "'0W-MON' does not count forward"),
        (["forecast", "--freq", "ME"], "write 'MS'"),
        (["backtest"], "give the cutoffs, --cutoffs DATE,DATE, or how many to place, --windows"),
        (["backtest", "--cutoffs", "2017-05-01,soon"], "--cutoffs: 'soon' is not a date"),
        (["backtest", "--cutoffs", CUTOFF, "--windows", "2"], "got both"),
        (["backtest", "--cutoffs", CUTOFF, "--step", "2"], "step is the distance"),
        (["backtest", "--cutoffs", "2018-06-04"], "no launch after it has 2 observed periods"),
        (["backtest", "--windows", "99"], "99 windows of 4 periods do not fit"),
        (["backtest", "--windows", "0"], "Invalid value for '--windows'"),
        (["backtest", "--last", "never", "--windows", "1"], "--last: 'never' is not a date"),
        (["backtest", "--windows", "1", "--out", "a.csv"], "--out a.csv: is a file, not a folder"),
        (["backtest", "absent.csv", "--windows", "1"], "absent.csv: no such file"),
    ],
)
def test_bad_arguments_exit_with_2(
    arguments: list[str], message: str, job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("unique_id,ds,y\n")
    done = run(*arguments, "--config", job)
    assert done.exit_code == 2
    assert message in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


# --- backtest ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backtest") / "out"


@pytest.fixture(scope="module")
def tested(job: Path, folder: Path) -> Result:
    asked = ["--windows", "2", "--step", "1", "--last", "2017-12-04", "--out", folder]
    return run("backtest", "--config", job, *asked)


def test_a_backtest_is_shown_and_written(tested: Result, folder: Path, shop: Shop) -> None:
    assert tested.exit_code == 0, tested.stderr
    numbers = json.loads((folder / "backtest.json").read_text())
    assert numbers["setup"]["cutoffs"] == ["2017-11-20", "2017-11-27"]
    scored = shop.items["launch_date"].isin(pd.to_datetime(["2017-11-27", "2017-12-04"])).sum()
    assert numbers["setup"]["launches"] == scored > 10
    assert f"{scored} launches from 2 cutoffs, 0 left out" in tested.stdout
    assert tested.stdout.startswith("\nWhere we lose: ")
    assert f"written to {folder}/: backtest.html" in tested.stdout
    assert (folder / "backtest.html").read_text().rstrip().endswith("</html>")


def test_every_method_has_a_row(tested: Result, folder: Path) -> None:
    compare = pd.read_csv(folder / "compare.csv").set_index("method")
    assert compare.index.tolist() == [FORECASTER, *BASELINES]
    for name, scores in compare.iterrows():
        line = next(one for one in tested.stdout.splitlines() if one.startswith(f"{name} "))
        cells = line.removeprefix(str(name)).split()
        keys = ["wape_total", "wape_curve", "rmse_total", "wql"]
        numbers = [float(cell) for cell in cells[:4]]
        assert numbers == pytest.approx(scores[keys].tolist(), abs=0.006)
        assert cells[4:6] == [f"{scores['bias']:+.0%}", f"{scores['coverage_80']:.0%}"]
        if name != FORECASTER:
            words = " ".join(cells[9:])
            assert words == (scores["verdict"] if "no" not in scores["verdict"] else "not shown")
            assert float(cells[6]) == pytest.approx(scores["difference"], abs=0.0006)


def test_logs_say_how_much_was_scored(tested: Result) -> None:
    logged = [json.loads(line) for line in tested.stderr.splitlines()]
    assert logged[-1]["event"] == "launches backtested"
    assert logged[-1]["left_out"] == 0
