import json
import re
import subprocess
import sys
import warnings
from dataclasses import asdict
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting import BacktestResult, LaunchForecaster, backtest
from pipelines.components import open_index
from pipelines.config.sections import BacktestSettings
from pipelines.config.settings import Settings, load_settings
from pipelines.jobs.forecasts import (
    LaunchForecasts,
    _remarks,
    asked_cutoffs,
    backtest_job,
    forecast_launches,
    make_forecaster,
)
from pipelines.jobs.index import index_job
from pipelines.reports import backtest as backtest_files
from pipelines.reports.backtest import FILES as PLANNED, write_backtest
from retrieval import ArtifactError, InputError, TableError
from tests.milvus_places import Places
from tests.pipelines.conftest import CUTOFF, Shop

KNN = {"method": "knn"}
COLUMNS = {"text": ("name",), "launch_date": "launch_date"}


def _settings(shop: Shop, **flags: dict[str, object]) -> Settings:
    return load_settings(shop.config, flags)


def _coming(shop: Shop) -> pd.DataFrame:
    return shop.items[shop.items["launch_date"] > CUTOFF]


# --- settings ----------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_forecaster() -> None:
    made = make_forecaster(load_settings(flags={"items": COLUMNS})).get_params(deep=False)
    own = LaunchForecaster(text=("name",)).get_params(deep=False)
    made.pop("encoder")
    own.pop("encoder")
    assert made == own


def test_every_parameter_of_the_forecaster_can_be_set() -> None:
    items = {
        "id": "sku",
        "text": ("a", "b"),
        "attributes": ("c",),
        "launch_date": "begin",
        "delist_date": "end",
        "elsewhere": "article",
        "group": "style",
    }
    sales = {
        "id": "i",
        "time": "t",
        "target": "u",
        "in_stock": "ok",
        "returns": "net",
        "repeats": "sum",
        "before_launch": "drop",
    }
    forecast = {
        "freq": "D",
        "horizon": 3,
        "quantiles": (0.2, 0.5),
        "covariates": ("price",),
        "method": "knn",
        "k": 7,
        "pools": ("launch",),
        "temperature": 0.1,
        "similarity": "demand",
        "concepts": "auto",
        "courses": "text",
        "recency": "none",
        "calibrate": False,
        "monotone": {"price": -1},
        "max_lead": 0,
        "seed": 3,
        "n_jobs": 2,
    }
    settings = load_settings(flags={"items": items, "sales": sales, "forecast": forecast})
    made = make_forecaster(settings).get_params(deep=False)
    for group in ("columns", "sales", "options"):
        made |= asdict(made.pop(group))
    renamed = {"id": "id_col", "time": "time_col", "target": "target_col"}
    expected = (
        {"item_id" if key == "id" else key: value for key, value in items.items()}
        | {renamed.get(key, key): value for key, value in sales.items()}
        | forecast
        | {"recency": None}
    )
    assert made.items() >= expected.items()
    assert set(made) - set(expected) == {"index", "encoder"}


# --- forecast ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(shop: Shop) -> LaunchForecasts:
    return forecast_launches(load_settings(shop.config), cutoff=CUTOFF)


@pytest.fixture(scope="module")
def forecasts(made: LaunchForecasts) -> pd.DataFrame:
    return made.curves


def test_every_item_that_launches_after_the_cutoff_is_forecast(
    forecasts: pd.DataFrame, shop: Shop
) -> None:
    columns = ["unique_id", "cutoff", "ds", "age", "mean", "0.1", "0.5", "0.9"]
    assert forecasts.columns.tolist() == columns
    coming = shop.items[shop.items["launch_date"] > CUTOFF]
    assert forecasts["unique_id"].unique().tolist() == coming["product_id"].tolist()
    assert (forecasts.groupby("unique_id")["age"].count() == 4).all()
    assert (forecasts["ds"] > CUTOFF).all()
    assert (forecasts["0.1"] <= forecasts["0.9"]).all()


def test_new_items_of_their_own_table_get_the_same_forecasts(
    forecasts: pd.DataFrame, shop: Shop, tmp_path: Path
) -> None:
    new = shop.items[shop.items["launch_date"] > CUTOFF]
    new.to_csv(tmp_path / "new.csv", index=False)
    again = forecast_launches(
        load_settings(shop.config), new=tmp_path / "new.csv", cutoff=CUTOFF
    ).curves
    pd.testing.assert_frame_equal(again, forecasts, rtol=1e-3, check_dtype=False)


def test_what_sold_after_the_cutoff_changes_nothing(forecasts: pd.DataFrame, shop: Shop) -> None:
    sales = shop.sales.copy()
    sales.loc[sales["ds"] > CUTOFF, "y"] = 10_000.0
    again = forecast_launches(load_settings(shop.config), sales=sales, cutoff=CUTOFF).curves
    pd.testing.assert_frame_equal(again, forecasts)


def test_a_launch_in_the_cutoffs_own_week_is_no_longer_new(shop: Shop) -> None:
    items = shop.items.copy()
    late = items.index[items["launch_date"] > CUTOFF][:2]
    items.loc[late, "launch_date"] = pd.to_datetime(["2017-09-10", "2017-09-11"])
    sales = shop.sales[shop.sales["ds"] <= CUTOFF]
    forecasts = forecast_launches(load_settings(shop.config), items, sales).curves
    names = items.loc[late, "product_id"].tolist()
    assert [name in set(forecasts["unique_id"]) for name in names] == [False, True]


def test_without_launches_after_the_cutoff_the_message_says_so(shop: Shop) -> None:
    with pytest.raises(InputError, match="no item launches on 2018-01-08 or later"):
        forecast_launches(load_settings(shop.config), cutoff="2018-01-05")


def test_without_launch_dates_the_message_says_where_to_name_them(shop: Shop) -> None:
    settings = load_settings(shop.config, {"items": {"launch_date": None}})
    with pytest.raises(InputError, match=r"set items\.launch_date in the config"):
        forecast_launches(settings)


def test_totals_are_a_row_an_item(made: LaunchForecasts, shop: Shop) -> None:
    columns = ["unique_id", "cutoff", "mean", "0.1", "0.5", "0.9", "novelty", "novel", "method"]
    columns += ["warnings"]
    assert made.totals.columns.tolist() == columns
    assert made.totals["unique_id"].tolist() == _coming(shop)["product_id"].tolist()
    summed = made.curves.groupby("unique_id", sort=False)["mean"].sum()
    np.testing.assert_allclose(made.totals["mean"], summed)
    assert made.totals["method"].eq("lightgbm").all()
    (remark,) = made.remarks
    assert re.fullmatch(r"launched over 3 periods ahead, .*: '\d+' and \d+ more", remark)


def test_a_job_returns_both_tables(shop: Shop) -> None:
    settings, new = _settings(shop, forecast=KNN), _coming(shop).head(3)
    made = forecast_launches(settings, new=new, cutoff=CUTOFF)
    assert (len(made.curves), len(made.totals)) == (12, 3)
    assert made.totals["method"].eq("knn").all()


def test_what_launches_take_is_told_on_request(shop: Shop) -> None:
    settings = _settings(shop, forecast={**KNN, "taken": True})
    made = forecast_launches(settings, new=_coming(shop).head(3), cutoff=CUTOFF)
    assert "nearest siblings" in made.remarks[-1]
    shown = "not shown" not in made.remarks[-1]
    assert made.totals["taken"].notna().all() == shown


def test_too_few_launches_are_told_in_words(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """And not by a Python warning, which would fail this test."""
    told = forecast_launches(_settings(shop), new=_coming(shop).head(2), cutoff="2017-04-03")
    assert told.totals["method"].eq("knn").all()
    assert "the analogues vote instead" in told.remarks[0]
    assert told.remarks[0] in capsys.readouterr().out


def test_other_warnings_stay_warnings() -> None:
    with pytest.warns(DeprecationWarning, match="old"), _remarks() as told:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert told == []


def test_what_is_wrong_with_items_names_their_file(shop: Shop, tmp_path: Path) -> None:
    twice = pd.concat([shop.items, shop.items.head(1)])
    file = tmp_path / "my items.csv"
    twice.to_csv(file, index=False)
    with pytest.raises(TableError, match=rf"^{re.escape(str(file))}: "):
        forecast_launches(_settings(shop, forecast=KNN), file, shop.sales, cutoff=CUTOFF)
    with pytest.raises(TableError, match=rf"^{re.escape(str(file))}: "):
        backtest_job(_settings(shop, forecast=KNN), file, shop.sales, cutoffs=[CUTOFF])


def test_every_rule_that_sales_break_is_told_with_the_file(shop: Shop, tmp_path: Path) -> None:
    bad = shop.sales.copy()
    bad.loc[4, "y"] = -1.0
    bad.loc[9, "unique_id"] = "nobody"
    file = tmp_path / "till.csv"
    bad.to_csv(file, index=False)
    with pytest.raises(TableError) as caught:
        forecast_launches(_settings(shop, forecast=KNN), shop.items, file, cutoff=CUTOFF)
    lines = [line for line in str(caught.value).splitlines() if not line.startswith(" ")]
    assert lines == [f"{file}: unique_id is not among the items", f"{file}: y is negative"]


def test_observed_weeks_are_in_the_forecast(shop: Shop, tmp_path: Path) -> None:
    new = shop.items[shop.items["launch_date"].between("2017-09-11", "2017-09-17")]
    week = shop.sales["ds"] == "2017-09-11"
    first = shop.sales[week & shop.sales["unique_id"].isin(new["product_id"])]
    first.to_csv(tmp_path / "observed.csv", index=False)
    settings = _settings(shop, forecast=KNN)
    asked = {"new": new, "cutoff": CUTOFF}
    before = forecast_launches(settings, **asked).curves
    after = forecast_launches(settings, **asked, observed=tmp_path / "observed.csv").curves
    sold = first.set_index("unique_id")["y"]
    began = after[after["age"] == 0].set_index("unique_id")
    assert len(sold) > 3
    assert began.loc[sold.index, "0.9"].tolist() == sold.tolist()
    later = after["age"] > 0
    assert not np.allclose(after.loc[later, "mean"], before.loc[later, "mean"])


def _plan(shop: Shop, seed: int) -> pd.DataFrame:
    """A price for each of the first four weeks of each launch."""
    launched = shop.items.dropna(subset="launch_date")
    weeks = pd.concat(
        [
            pd.DataFrame(
                {
                    "unique_id": launched["product_id"],
                    "ds": launched["launch_date"] + pd.Timedelta(weeks=age),
                }
            )
            for age in range(4)
        ],
        ignore_index=True,
    )
    return weeks.assign(price=np.random.default_rng(seed).uniform(1, 5, len(weeks)).round(2))


def test_plans_of_the_past_and_of_the_new_items_are_read(shop: Shop, tmp_path: Path) -> None:
    plan = _plan(shop, 0)
    plan.to_csv(tmp_path / "plan.csv", index=False)
    config = {"forecast": {"covariates": "price"}, "future": {"path": tmp_path / "plan.csv"}}
    new = _coming(shop).head(20)
    named = forecast_launches(_settings(shop, **config), new=new, cutoff=CUTOFF).curves
    plan.loc[plan["unique_id"].isin(new["product_id"]), "price"] = 1.0
    other = forecast_launches(_settings(shop, **config), new=new, cutoff=CUTOFF, future=plan).curves
    assert not np.allclose(named["mean"], other["mean"])


def test_a_plan_without_columns_is_refused(shop: Shop) -> None:
    with pytest.raises(InputError, match=r"future: set forecast\.covariates in the config"):
        forecast_launches(_settings(shop), cutoff=CUTOFF, future=_plan(shop, 0))


AWKWARD = """unique_id,ds,y,in_stock
{new},2017-03-01,9,true
{item},2017-03-07,3,true
{item},2017-03-09,-1,TRUE
{item},2017-03-14,,false
{item},2017-03-21,2,
"""


def test_awkward_sales_are_read_as_the_settings_say(shop: Shop, tmp_path: Path) -> None:
    items, path = shop.items.head(40).copy(), tmp_path / "sales.csv"
    new = items["product_id"].iloc[-1]
    items["launch_date"] = pd.NaT
    items.loc[items.index[-1], "launch_date"] = pd.Timestamp("2017-03-06")
    items["last_day"] = None
    items.loc[0, "last_day"] = "9999-12-31"
    items.to_csv(tmp_path / "items.csv", index=False)
    path.write_text(AWKWARD.format(item=items["product_id"].iloc[0], new=new))
    sales = {
        "in_stock": "in_stock",
        "repeats": "sum",
        "returns": "net",
        "before_launch": "drop",
    }
    flags = {
        "items": {"delist_date": "last_day", "elsewhere": "product_type"},
        "sales": sales,
        "forecast": KNN,
    }
    coming = items.head(2).assign(product_id=["a", "b"], launch_date="2017-04-03")
    made = forecast_launches(
        _settings(shop, **flags), tmp_path / "items.csv", path, new=coming
    ).curves
    assert len(made) == 8
    assert made["cutoff"].eq(pd.Timestamp("2017-03-20")).all()
    for key in sales:
        fewer = {name: value for name, value in sales.items() if name != key}
        with pytest.raises(TableError, match=f"^{path}: "):
            forecast_launches(_settings(shop, **flags | {"sales": fewer}), items, path, new=coming)


@pytest.fixture(scope="module")
def model(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The forecaster behind `made`, saved."""
    model = tmp_path_factory.mktemp("forecaster") / "model"
    forecast_launches(load_settings(shop.config), cutoff=CUTOFF, save=model)
    return model


def test_a_saved_forecaster_answers_as_the_one_that_was_fitted(
    made: LaunchForecasts, model: Path, shop: Shop, tmp_path: Path
) -> None:
    _coming(shop).to_csv(tmp_path / "new.csv", index=False)
    # Without a word on columns and horizon: the forecaster knows.
    by_table = forecast_launches(load_settings(), new=tmp_path / "new.csv", model=model)
    by_date = forecast_launches(load_settings(), shop.items, model=model)
    for saved in (by_table, by_date):
        pd.testing.assert_frame_equal(saved.curves, made.curves)
        pd.testing.assert_frame_equal(saved.totals, made.totals)


def test_a_saved_forecaster_is_brought_up_to_date(model: Path, shop: Shop) -> None:
    new = shop.items[shop.items["launch_date"].between("2017-09-11", "2017-09-17")]
    week = shop.sales[shop.sales["ds"].eq("2017-09-11")]
    first = week[week["unique_id"].isin(new["product_id"])]
    made = forecast_launches(load_settings(), new=new, observed=first, model=model).curves
    began = made[made["age"] == 0].set_index("unique_id")["mean"]
    assert began[first["unique_id"]].tolist() == first["y"].tolist()


def test_a_forecaster_on_an_index_of_its_own_is_found_with_it(
    shop: Shop, milvus: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(shop, forecast=KNN, index=milvus("own").settings())
    for name, token in milvus("own").environment_of_models().items():
        monkeypatch.setenv(name, token)
    with open_index(settings) as index:
        forecaster = make_forecaster(settings, index)
        index.upsert(shop.items, text=forecaster.text, item_id="product_id")
        fitted = forecaster.fit(shop.items, shop.sales, cutoff=CUTOFF)
        fitted.save(tmp_path / "model")
        expected = fitted.predict(_coming(shop))
    made = forecast_launches(load_settings(), new=_coming(shop), model=tmp_path / "model").curves
    pd.testing.assert_frame_equal(made, expected)


def test_what_is_no_saved_forecaster_is_refused(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="absent"):
        forecast_launches(load_settings(), shop.items, model=tmp_path / "absent")


def test_contradictions_are_refused(shop: Shop, tmp_path: Path) -> None:
    settings = _settings(shop)
    with pytest.raises(InputError, match="saved already"):
        forecast_launches(settings, model=tmp_path, save=tmp_path / "other")
    for given in ({"cutoff": CUTOFF}, {"sales": shop.sales}):
        with pytest.raises(InputError, match="has learned from the sales up to its own cutoff"):
            forecast_launches(settings, model=tmp_path, **given)


# --- backtest ----------------------------------------------------------------------------------


def test_arguments_win_over_what_is_written() -> None:
    days = BacktestSettings(cutoffs=(date(2017, 5, 1),), last=date(2017, 9, 1))
    windows = BacktestSettings(n_windows=3, step=2)
    assert asked_cutoffs(days, None, None, None, None) == {
        "cutoffs": [pd.Timestamp("2017-05-01")],
        "n_windows": None,
        "step": None,
        "last": pd.Timestamp("2017-09-01"),
    }
    assert asked_cutoffs(days, None, 4, None, "2017-10-01") == {
        "cutoffs": None,
        "n_windows": 4,
        "step": None,
        "last": "2017-10-01",
    }
    assert asked_cutoffs(windows, None, None, 1, None)["step"] == 1
    assert asked_cutoffs(windows, None, 1, None, None)["step"] == 2
    assert asked_cutoffs(windows, ["2017-05-01"], None, None, None)["step"] is None
    with pytest.raises(InputError, match=r"give the cutoffs.*or set backtest\.cutoffs"):
        asked_cutoffs(BacktestSettings(), None, None, None, None)


@pytest.fixture(scope="module")
def settings(shop: Shop) -> Settings:
    written = {"cutoffs": "2017-10-02", "last": "2017-10-09"}
    return _settings(shop, backtest=written, forecast={**KNN, "horizon": 2})


@pytest.fixture(scope="module")
def result(settings: Settings) -> BacktestResult:
    return backtest_job(settings)


def test_a_backtest_is_that_of_the_forecaster(
    result: BacktestResult, settings: Settings, shop: Shop
) -> None:
    expected = shop.items["launch_date"].eq("2017-10-09").sum()
    assert len(result.items) == expected > 5
    own = backtest(
        make_forecaster(settings), shop.items, shop.sales, ["2017-10-02"], last="2017-10-09"
    )
    pd.testing.assert_frame_equal(own.totals, result.totals, rtol=1e-4)


def test_a_saved_forecaster_is_judged_by_its_own_settings(
    shop: Shop, model: Path, settings: Settings, tmp_path: Path
) -> None:
    """Its horizon, columns and method count at every cutoff, not those of the settings."""
    result = backtest_job(
        settings, cutoffs=["2017-09-25"], last="2017-10-09", like=model, progress=False
    )
    saved = LaunchForecaster.load(model)
    assert result.forecaster.horizon == saved.horizon == 4 != settings.forecast.horizon
    assert result.methods["method"].tolist() == [saved.engine_.method]
    assert result.forecaster.method == saved.engine_.method
    names = shop.items.set_index("product_id")["product_type"]
    assert result.items["name"].tolist() == names[result.items["unique_id"]].tolist()
    write_backtest(result, settings, tmp_path, like=model)
    setup = json.loads((tmp_path / "backtest.json").read_text())["setup"]
    assert setup["like"] == str(model)
    assert setup["methods"][0]["method"] == saved.engine_.method


FILES = [
    "backtest.html",
    "backtest.json",
    "compare.csv",
    "left_out.csv",
    "predictions.parquet",
    "totals.parquet",
]


def test_files_are_whole_and_agree(
    result: BacktestResult, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "out"
    write_backtest(result, settings, folder)
    assert sorted(path.name for path in folder.iterdir()) == FILES == sorted(PLANNED)
    numbers = json.loads((folder / "backtest.json").read_text())
    compare = pd.read_csv(folder / "compare.csv").set_index("method")
    assert compare["wape_total"].tolist() == result.compare()["wape_total"].tolist()
    assert [row["wql"] for row in numbers["compare"]] == compare["wql"].tolist()
    assert set(numbers["slices"]) == {"age", "category", "similarity", "cohort", "level"}
    assert sum(
        row["n_items"] for row in numbers["slices"]["level"] if row["method"] == "zeros"
    ) == len(result.items)
    assert numbers["orders"] is None
    setup = numbers["setup"]
    assert setup["cutoffs"] == ["2017-10-02"]
    assert setup["launches"] == len(result.items)
    assert setup["items"] == str(settings.items.path)
    assert setup["settings"]["forecast"]["method"] == "knn"
    assert setup["versions"]["lightgbm"]
    assert len(pd.read_parquet(folder / "totals.parquet")) == len(result.totals)
    assert len(pd.read_parquet(folder / "predictions.parquet")) == len(result.predictions)


def test_orders_are_in_the_numbers(result: BacktestResult, shop: Shop, tmp_path: Path) -> None:
    write_backtest(result, _settings(shop, orders={"service_level": 0.75}), tmp_path)
    orders = json.loads((tmp_path / "backtest.json").read_text())["orders"]
    paid = result.order_costs(0.25, 0.75)
    assert (orders["level"], orders["pack_size"]) == (0.75, 1)
    assert [row["cost"] for row in orders["methods"]] == paid["cost"].tolist()
    assert "orders its\nforecast at level 0.75" in (tmp_path / "backtest.html").read_text()


def test_a_failure_leaves_all_files_of_before(
    result: BacktestResult, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    write_backtest(result, settings, folder)
    (folder / "mine.txt").write_text("not of a backtest")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(backtest_files, "write_backtest_report", fail)
    for where in (folder, tmp_path / "new"):
        with pytest.raises(OSError, match="disk full"):
            write_backtest(result, settings, where)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_password_is_not_written_down(result: BacktestResult, shop: Shop, tmp_path: Path) -> None:
    source = {"path": None, "sql": "SELECT 1", "url": "postgresql://me:hush@host/db"}
    write_backtest(result, _settings(shop, sales=source), tmp_path / "out")
    text = (tmp_path / "out" / "backtest.json").read_text()
    assert "hush" not in text
    assert json.loads(text)["setup"]["sales"] == "SQL query"


_HOLD = """
import sys
from retrieval import ItemIndex
with ItemIndex(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_collection_that_a_server_holds_is_done_without(
    made: LaunchForecasts, shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = str(tmp_path / "held.db")
    settings = _settings(shop, index={"uri": uri})
    settings = settings.model_copy(
        update={"items": settings.items.model_copy(update={"text": settings.forecast.text})}
    )
    index_job(settings, shop.items)
    command = [sys.executable, "-c", _HOLD, uri]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        found = forecast_launches(settings, shop.items, shop.sales, cutoff=CUTOFF).curves
        holder.kill()
    pd.testing.assert_frame_equal(found, made.curves)
    assert "embedded without the collection" in "".join(capsys.readouterr())
