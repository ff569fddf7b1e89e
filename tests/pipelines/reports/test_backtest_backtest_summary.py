import io
from dataclasses import replace

import pandas as pd
import pytest
from rich.console import Console

from forecasting import BacktestResult, LaunchForecaster
from forecasting.evaluation.backtest import FORECASTER
from pipelines.reports.backtest import backtest_headline, losses_in_short, show_backtest
from tests.forecasting.evaluation.test_plots import result


@pytest.fixture(scope="module")
def made() -> BacktestResult:
    """One baseline is better than ours, one is alike, one is worse."""
    base = result(**{FORECASTER: 1.2, "zeros": 0.0, "good": 1.1, "[red]": 1.2})
    reasons = ["its horizon is not over"] * 2 + ["sales are unknown"]
    left_out = pd.DataFrame({"unique_id": ["a", "b", "c"], "cutoff": None, "reason": reasons})
    trained = LaunchForecaster(horizon=3, method="lightgbm")
    return replace(base, left_out=left_out, forecaster=trained)


def _shown(made: BacktestResult, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show_backtest(console, made)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_losses_come_first(made: BacktestResult) -> None:
    shown = " ".join(_shown(made, 100).split())
    assert shown.startswith(
        "Where we lose: on total WAPE to good. on WQL to good. Lower errors than ours: good (WAPE "
        "total, WAPE curve, RMSE, WQL total, WQL curve)."
    )
    assert "60 launches from 1 cutoff, 3 left out" in shown
    assert "Beaten on total WAPE: zeros." in shown
    assert "No difference shown on total WAPE: [red]." in shown
    assert "! Our mean is 20% too high." in shown
    assert "! 2 launches are left out, each because its horizon is not over." in shown
    assert "! 1 launch is left out because sales are unknown." in shown
    assert " ".join(backtest_headline(made).split()) in shown


def test_a_verdict_stands_beside_each_method_where_there_is_room(made: BacktestResult) -> None:
    lines = {line.split()[0]: line.split()[-1] for line in _shown(made, 100).splitlines() if line}
    assert (lines["zeros"], lines["good"]) == ("worse", "better")
    assert _shown(made, 100).count("not shown") == 1
    narrow = _shown(made, 80)
    assert "not shown" not in narrow
    assert "…" not in narrow
    assert max(map(len, narrow.splitlines())) <= 80


def test_without_a_loss_it_says_so() -> None:
    winner = result(**{FORECASTER: 1.0, "zeros": 0.0}).compare()
    assert losses_in_short(winner) == "nowhere that shows, over all launches."


def test_nothing_sold_is_no_number(made: BacktestResult) -> None:
    unsold = replace(
        made, predictions=made.predictions.assign(y=0.0), totals=made.totals.assign(y=0.0)
    )
    shown = _shown(unsold, 100)
    assert "nan" not in shown
    assert "n/a" in shown
