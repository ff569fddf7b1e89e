from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from forecasting.data.items import item_lives
from forecasting.data.sales import Sales
from forecasting.evaluation.cohorts import SALES_UNKNOWN
from pipelines.config.settings import ConfigError, Settings, load_settings
from pipelines.jobs.forecasts import backtest_job
from pipelines.jobs.locks import FolderLockedError, locked
from pipelines.monitoring.matured_forecasts import GONE, MOVED, NO_TOTAL, _baseline
from pipelines.monitoring.monitor import MonitorReport, monitor_job
from pipelines.runs.run import run_job
from retrieval import InputError, TableError
from serving.command_line import app
from tests.pipelines.conftest import CONFIG, Shop

FIRST, SECOND, NOW = (pd.Timestamp(day) for day in ("2017-07-17", "2017-08-07", "2017-10-02"))
AHEAD = pd.Timedelta(weeks=6)
HORIZON = pd.Timedelta(weeks=3)  # from the first of four periods to the last
MORE = """
  method: knn
new_items:
  path: new.parquet
run:
  steps: [index, classify, forecast]
  out: out
"""


def stand_at(folder: Path, shop: Shop, cutoff: pd.Timestamp) -> None:
    """Write the tables of a shop as they were then: what is known, sold, and about to launch."""
    items = shop.items.iloc[200:]  # enough of what has always been there
    launch = items["launch_date"]
    is_new = (launch > cutoff) & (launch <= cutoff + AHEAD)
    items[is_new].to_parquet(folder / "new.parquet", index=False)
    known = items[~(launch > cutoff)]
    known.to_parquet(folder / "items.parquet", index=False)
    sold = shop.sales["unique_id"].isin(known["product_id"]) & (shop.sales["ds"] <= cutoff)
    shop.sales[sold].to_parquet(folder / "sales.parquet", index=False)


@pytest.fixture(scope="module")
def watched(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs three weeks apart, and eight weeks of sales after the second."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "job.yaml").write_text(CONFIG.replace("  n_jobs: 1\n", "  n_jobs: 1" + MORE))
    for cutoff in (FIRST, SECOND):
        stand_at(folder, shop, cutoff)
        run_job(settings_in(folder), folder / "out")
    stand_at(folder, shop, NOW)
    return folder


@pytest.fixture
def job(watched: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(watched, tmp_path / "job"))


def settings_in(folder: Path, **monitor: object) -> Settings:
    return load_settings(folder / "job.yaml", {"monitor": monitor})


def watch(folder: Path, **monitor: object) -> MonitorReport:
    return monitor_job(settings_in(folder, **monitor), folder / "out")


def changed(path: Path, table: pd.DataFrame) -> None:
    table.to_parquet(path, index=False)


def verdicts(report: MonitorReport) -> dict[str, str]:
    return {check.name: check.verdict for check in report.checks}


# --- forecasts against sales -------------------------------------------------------------------


def by_hand(folder: Path, shop: Shop, cutoff: pd.Timestamp) -> pd.DataFrame:
    """The kept totals of a cutoff beside what sold, of the launches that are over."""
    totals = pd.read_parquet(folder / f"out/kept/forecasts/totals-{cutoff:%Y-%m-%d}.parquet")
    launch = totals["unique_id"].map(shop.items.set_index("product_id")["launch_date"])
    totals = totals.assign(launch=launch)[launch + HORIZON <= NOW]
    sales = pd.read_parquet(folder / "sales.parquet").merge(totals, on="unique_id")
    inside = (sales["ds"] >= sales["launch"]) & (sales["ds"] <= sales["launch"] + HORIZON)
    units = sales[inside].groupby("unique_id")["y"].sum()
    return totals.assign(units=totals["unique_id"].map(units).fillna(0.0))


def test_matured_launches_are_scored_as_by_hand(job: Path, shop: Shop) -> None:
    # One launch sells nothing: it has no row in the sales, and counts with zero.
    silent = by_hand(job, shop, SECOND)["unique_id"].iloc[0]
    sales = pd.read_parquet(job / "sales.parquet")
    changed(job / "sales.parquet", sales[sales["unique_id"] != silent])

    report = watch(job)

    tables = {cutoff: by_hand(job, shop, cutoff) for cutoff in (FIRST, SECOND)}
    assert tables[SECOND].set_index("unique_id").loc[silent, "units"] == 0
    both = pd.concat(tables.values()).drop_duplicates("unique_id", keep="last")
    assert set(tables[FIRST]["unique_id"]) & set(tables[SECOND]["unique_id"])
    assert report.scores is not None
    for scores, table in (
        (report.by_cutoff[FIRST], tables[FIRST]),
        (report.by_cutoff[SECOND], tables[SECOND]),
        (report.scores, both),
    ):
        sold = table["units"].sum()
        assert (scores.launches, scores.units) == (len(table), sold)
        assert scores.wape == pytest.approx((table["units"] - table["0.5"]).abs().sum() / sold)
        assert scores.bias == pytest.approx(table["mean"].sum() / sold - 1)
        assert scores.coverage == table["units"].between(table["0.1"], table["0.9"]).mean()
        assert scores.interval == pytest.approx(0.8)
    launch = shop.items.set_index("product_id")["launch_date"]
    to_come = launch[(launch > NOW - HORIZON) & (launch <= SECOND + AHEAD)]
    assert report.forecasts is not None
    assert (report.forecasts.waiting, report.forecasts.left_out) == (len(to_come), {})
    assert len(to_come) > 0


def test_the_baseline_knows_what_was_known_at_the_cutoff(watched: Path, shop: Shop) -> None:
    launch = shop.items.set_index("product_id")["launch_date"]
    finished = launch[launch + HORIZON <= FIRST]
    sales = shop.sales[shop.sales["unique_id"].isin(finished.index)]
    age = sales["ds"] - sales["unique_id"].map(finished)
    units = sales[age <= HORIZON].groupby("unique_id")["y"].sum().reindex(finished.index)
    middle = np.quantile(units, 0.5, method="inverted_cdf")
    table = by_hand(watched, shop, FIRST)

    baseline = watch(watched).by_cutoff[FIRST].baseline_wape

    expected = (table["units"] - middle).abs().sum() / table["units"].sum()
    assert baseline == pytest.approx(expected)


def test_the_baseline_does_not_see_what_came_after(shop: Shop) -> None:
    # The last period before the first launches were over: one more would change all.
    early = shop.items["launch_date"].min() + HORIZON - pd.Timedelta(weeks=1)
    later = shop.sales["ds"] > early
    corrupted = shop.sales.assign(y=shop.sales["y"].where(~later, 1000.0))
    lives = item_lives(shop.items["product_id"], shop.items["launch_date"])
    baselines = [
        _baseline(Sales.read(sales, lives, freq="W-MON").panel(), cutoff=early, ages=4)
        for sales in (shop.sales, corrupted)
    ]
    (by_age, total), (corrupted_by_age, corrupted_total) = baselines
    assert 0 < total == corrupted_total
    assert (by_age == corrupted_by_age).all()


def test_what_was_kept_scores_as_a_backtest_of_the_same_launches(watched: Path, shop: Shop) -> None:
    new = [pd.read_parquet(watched / name) for name in ("items.parquet", "new.parquet")]
    cutoff, last = f"{FIRST:%Y-%m-%d}", FIRST + AHEAD
    settings = settings_in(watched)
    backtest = backtest_job(settings, pd.concat(new), cutoffs=[cutoff], last=last).compare()

    kept = watch(watched).by_cutoff[FIRST]

    assert kept.launches == backtest["n_items"].iloc[0]
    ours, baseline = backtest.loc["LaunchForecaster"], backtest.loc["global mean"]
    assert kept.wape == pytest.approx(ours["wape_total"])
    assert kept.bias == pytest.approx(ours["bias"])
    assert kept.coverage == pytest.approx(ours["coverage_80"])
    assert kept.baseline_wape == pytest.approx(baseline["wape_total"])


def test_the_first_ages_are_measured_one_by_one(watched: Path, shop: Shop) -> None:
    curves = pd.read_parquet(watched / f"out/kept/forecasts/curves-{SECOND:%Y-%m-%d}.parquet")
    first = curves[curves["age"] < 2]
    sold = shop.sales[shop.sales["ds"] <= NOW].rename(columns={"y": "units"})
    table = first.merge(sold, on=["unique_id", "ds"], how="left").fillna({"units": 0.0})

    scores = watch(watched, ages=2).by_cutoff[SECOND]

    assert scores.launches == table["unique_id"].nunique()
    total = table["units"].sum()
    assert scores.wape == pytest.approx((table["units"] - table["0.5"]).abs().sum() / total)
    assert scores.coverage == pytest.approx(
        table["units"].between(table["0.1"], table["0.9"]).mean()
    )


def test_launches_that_cannot_be_measured_are_counted(job: Path, shop: Shop) -> None:
    whole = watch(job).scores
    assert whole is not None
    gone, later, sooner, twice = by_hand(job, shop, SECOND)["unique_id"].iloc[:4]
    items = pd.read_parquet(job / "items.parquet")
    items = items[items["product_id"] != gone]
    items.loc[items["product_id"] == later, "launch_date"] += pd.Timedelta(weeks=1)
    items.loc[items["product_id"] == sooner, "launch_date"] -= pd.Timedelta(weeks=1)
    changed(job / "items.parquet", items)
    sales = pd.read_parquet(job / "sales.parquet")
    sales = sales[~sales["unique_id"].isin([gone, later])]
    changed(job / "sales.parquet", sales)
    path = job / f"out/kept/forecasts/totals-{SECOND:%Y-%m-%d}.parquet"
    totals = pd.read_parquet(path)
    changed(path, totals[totals["unique_id"] != twice])

    report = watch(job)

    assert report.forecasts is not None and report.scores is not None
    assert report.forecasts.left_out == {GONE: 1, MOVED: 2, NO_TOTAL: 1}
    assert report.scores.launches == whole.launches - 4


def test_unknown_sales_and_launches_to_come_are_no_zeros(job: Path, shop: Shop) -> None:
    before = watch(job)
    assert before.scores is not None and before.forecasts is not None
    sold_out = by_hand(job, shop, SECOND)["unique_id"].iloc[0]
    sales = pd.read_parquet(job / "sales.parquet")
    sales = sales.assign(there=sales["unique_id"] != sold_out)
    changed(job / "sales.parquet", sales[sales["ds"] <= NOW - pd.Timedelta(weeks=2)])
    text = (job / "job.yaml").read_text()
    text = text.replace("  path: sales.parquet", "  path: sales.parquet\n  in_stock: there")
    (job / "job.yaml").write_text(text)

    report = watch(job)

    assert report.forecasts is not None and report.scores is not None
    assert report.forecasts.left_out == {SALES_UNKNOWN: 1}
    assert report.forecasts.waiting > before.forecasts.waiting
    assert (
        report.scores.launches + 1 + report.forecasts.waiting
        == before.scores.launches + before.forecasts.waiting
    )


def test_bad_rows_are_left_out_where_the_run_leaves_them_out(job: Path, shop: Shop) -> None:
    whole = watch(job).scores
    assert whole is not None
    doubtful = by_hand(job, shop, SECOND)["unique_id"].iloc[0]
    sales = pd.read_parquet(job / "sales.parquet")
    launched = (sales["unique_id"] == doubtful) & (sales["y"] > 0)
    sales.loc[launched.idxmax(), "y"] = -1.0
    changed(job / "sales.parquet", sales)
    command = ["monitor", "--config", str(job / "job.yaml"), "--wape", "none", "--bias", "none"]

    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    assert "y is negative" in refused.stderr and str(job / "sales.parquet") in refused.stderr

    report = job / "report.json"
    options = ["--on-bad-rows", "quarantine", "--out", str(report)]
    done = CliRunner().invoke(app, [*command, *options])
    assert done.exit_code == 0, done.stderr
    assert "1 bad row of sales left out" in done.stdout
    assert (job / "out" / "quarantine" / "monitor" / "sales.parquet").is_file()
    forecasts = json.loads(report.read_text())["forecasts"]
    assert forecasts["left_out"] == {SALES_UNKNOWN: 1}
    assert forecasts["all"]["launches"] == whole.launches - 1


def test_the_window_forgets(watched: Path) -> None:
    whole, late = watch(watched), watch(watched, window=3)
    assert whole.forecasts is not None and whole.scores is not None
    assert late.forecasts is not None and late.scores is not None
    assert 0 < late.scores.launches < whole.scores.launches
    assert late.scores.launches + late.forecasts.older == whole.scores.launches
    over = late.forecasts.launches["launch"] + HORIZON
    assert over.min() > NOW - pd.Timedelta(weeks=3)


# --- labels against the last run ---------------------------------------------------------------


def test_labels_are_compared_with_the_run_before_and_no_drift_is_no_alarm(watched: Path) -> None:
    report, again = watch(watched), watch(watched)
    drift = report.labels
    assert drift is not None and drift.last is not None and drift.label_shift is not None
    labels = pd.read_parquet(watched / "out" / "labels.parquet")
    new = drift.now
    assert (new.items, new.unknown) == (len(labels), int((~labels["known"]).sum()))
    assert new.counts == labels.loc[labels["known"], "label"].value_counts().to_dict()
    assert drift.unknown_share == pytest.approx(1 - labels["known"].mean())
    nearest = [1 - voted[0]["similarity"] for voted in labels["neighbors"]]
    assert new.distance[3] == pytest.approx(np.median(nearest), abs=1e-6)
    mixes = [pd.Series(one.counts) / sum(one.counts.values()) for one in (new, drift.last)]
    assert drift.label_shift.value == pytest.approx((mixes[0] - mixes[1]).abs().sum() / 2)
    assert again.labels == report.labels, "monitored twice, it is held against the same run"
    of_labels = ("unknown_share", "unknown_rise", "novelty_psi", "label_shift")
    assert {verdicts(report)[name] for name in of_labels} == {"fine"}
    assert not report.calls_for_adapt


def test_a_planted_drift_alarms(job: Path, shop: Shop, products: pd.DataFrame) -> None:
    snacks = shop.items[shop.items["product_category"] == "BAG SNACKS"].tail(60)
    changed(job / "new.parquet", snacks)
    run_job(settings_in(job), job / "out", steps=["classify"])
    report = watch(job)
    assert verdicts(report)["label_shift"] == "alarm"
    assert verdicts(report)["unknown_share"] == "fine"
    assert report.labels is not None
    assert {one.label for one in report.labels.moved} == {"BAG SNACKS", "CANDY - PACKAGED"}
    assert any("shift of the label mix" in check.in_words for check in report.alerts)
    assert verdicts(watch(job, min_items=61))["label_shift"] == "too few"
    assert verdicts(watch(job, label_shift="none"))["label_shift"] == "no threshold"

    strange = products[products["department"] != "GROCERY"].rename(
        columns={"item_id": "product_id"}
    )
    changed(job / "new.parquet", strange.head(100))
    run_job(settings_in(job), job / "out", steps=["classify"])
    report = watch(job)
    assert {name for name, verdict in verdicts(report).items() if verdict == "alarm"} >= {
        "unknown_share",
        "unknown_rise",
        "novelty_psi",
    }
    assert report.as_dict()["adapt"] is True


def test_the_first_run_has_nothing_to_compare_with(job: Path) -> None:
    shutil.rmtree(job / "out" / "kept")
    report = watch(job)
    assert report.labels is not None and report.labels.last is None
    assert report.forecasts is None
    assert verdicts(report) == {
        "unknown_share": "fine",
        **dict.fromkeys(("unknown_rise", "novelty_psi", "label_shift"), "nothing to compare"),
    }
    assert report.alerts == ()


def test_labels_alone_and_forecasts_alone(job: Path) -> None:
    (job / "out" / "labels.parquet").unlink()
    report = watch(job)
    assert report.labels is None and report.scores is not None
    assert set(verdicts(report)) == {"wape", "wape_ratio", "bias", "coverage_gap"}


# --- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["labels.parquet", f"kept/forecasts/curves-{FIRST:%Y-%m-%d}.parquet"]
)
def test_a_half_written_table_is_named(job: Path, name: str) -> None:
    path = job / "out" / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TableError, match=rf"{path.name}: not a whole Parquet file"):
        watch(job)


def test_a_foreign_table_is_named(job: Path) -> None:
    path = job / "out" / "kept" / "forecasts" / f"curves-{FIRST:%Y-%m-%d}.parquet"
    curves = pd.read_parquet(path)
    for table, problem in (
        (curves.drop(columns="0.5"), "no column '0.5'"),
        (curves.iloc[1:], "not just the ages 0 to 3"),
        (curves.iloc[:0], "no rows"),
    ):
        changed(path, table)
        with pytest.raises(TableError, match=problem):
            watch(job)


def test_a_folder_without_a_run_is_refused(job: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        monitor_job(settings_in(job), job / "nowhere")
    (job / "empty").mkdir()
    with pytest.raises(InputError, match=r"neither labels\.parquet nor kept forecasts"):
        monitor_job(settings_in(job), job / "empty")
    with locked(job / "out"), pytest.raises(FolderLockedError):
        watch(job)


def test_settings_are_checked(job: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'biass'; did you mean 'bias'\?"):
        settings_in(job, biass=0.1)
    with pytest.raises(ConfigError, match=r"monitor\.unknown_share"):
        settings_in(job, unknown_share=1.5)
    assert settings_in(job, wape="0.5", bias="none").monitor.wape == 0.5
    assert settings_in(job, bias="none").monitor.bias is None


# --- the command -------------------------------------------------------------------------------


def test_the_command_exits_with_3_on_an_alarm(watched: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "serving", "monitor", "--config", "job.yaml"]
    options = ["--bias", "0.0001", "--wape", "0.01", "--out", str(tmp_path / "report.json")]
    done = subprocess.run(
        [*command, *options], cwd=watched, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "alarm WAPE of the launches is 0." in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["alerts"] and report["forecasts"]["measured"] == "total over the horizon"
    assert {row["cutoff"] for row in report["forecasts"]["by_cutoff"]} == {
        f"{cutoff:%Y-%m-%d}" for cutoff in (FIRST, SECOND)
    }


def test_the_command_says_what_is_wrong(job: Path) -> None:
    def monitor(*options: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["monitor", "--config", str(job / "job.yaml"), *options])
        return result.exit_code, result.stderr + result.stdout

    quiet = ("--wape", "none", "--bias", "none")
    assert monitor(*quiet)[0] == 0
    code, said = monitor(str(job / "nowhere"))
    assert (code, "no such folder" in said) == (2, True)
    code, said = monitor("--out", str(job / "report.html"))
    assert (code, "ends in .json" in said) == (2, True)
    code, said = monitor("--label-shift", "much")
    assert (code, "monitor.label_shift" in said) == (2, True)
    with locked(job / "out"):
        assert monitor()[0] == 1


def test_a_report_without_forecasts_is_json_too(watched: Path) -> None:
    report = replace(watch(watched), forecasts=None, scores=None)
    assert report.as_dict()["forecasts"] is None
