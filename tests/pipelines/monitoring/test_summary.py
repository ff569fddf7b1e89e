from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from pipelines.monitoring.checks import Check
from pipelines.monitoring.label_drift import label_drift
from pipelines.monitoring.matured_forecasts import MOVED, MaturedForecasts, scores_of
from pipelines.monitoring.monitor import MonitorReport
from pipelines.monitoring.summary import show_monitoring
from pipelines.runs.label_profiles import LabelProfile

LAUNCHES = pd.DataFrame(
    {
        "units": [3.0, 0.0, 5.0],
        "mean": [4.0, 1.0, 4.0],
        "error": [1.0, 0.0, 2.0],
        "baseline_error": [2.0, 1.0, 4.0],
        "inside": [1.0, 1.0, 0.0],
        "interval": 0.8,
    }
)


def report(verdict: str) -> MonitorReport:
    tables = [
        pd.DataFrame(
            {"label": names, "known": True, "novelty": [0.1, 0.2, 0.7], "distance": [0.0, 0.1, 0.2]}
        )
        for names in (["[red] wine", "b", "b"], ["b", "b", "b"])
    ]
    now, last = (LabelProfile.of(table, "0") for table in tables)
    made = MaturedForecasts(
        launches=LAUNCHES,
        ages=None,
        until=pd.Timestamp("2017-10-02"),
        waiting=24,
        older=0,
        left_out={MOVED: 2},
    )
    return MonitorReport(
        folder=Path("out"),
        made="2026-11-24T18:00:00+00:00",
        labels=label_drift(tables[0], now, last),
        forecasts=made,
        scores=scores_of(LAUNCHES),
        by_cutoff={pd.Timestamp("2017-07-17"): scores_of(LAUNCHES)},
        checks=(
            Check("label_shift", 0.4, 0.2, 3, verdict),
            Check("wape", 0.375, None, 3, "no threshold"),
        ),
    )


@pytest.mark.parametrize("width", [80, 120])
def test_everything_stands_on_the_screen(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    show_monitoring(console, report("alarm"))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "[red] wine 33.3% 0.0% +33.3%" in lines
    assert "2017-07-17 3 8 38% 88% +12% 67% of 80%" in lines
    assert "shift of the label mix 40.0% 20.0% 3 items alarm" in lines
    assert "WAPE of the launches 0.38 3 launches no threshold" in lines
    assert "distance, last run 0.000 0.020 0.050 0.100 0.150 0.180 0.200" in lines
    assert "Launches besides: 24 not over yet; 2 left out: the launch moved to another period." in (
        " ".join(said.split())
    )
    assert "alarm shift of the label mix is 40.0%; up to 20.0% is allowed" in " ".join(said.split())
    assert "…" not in said


def test_no_alarm_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=80)
    show_monitoring(console, report("may be chance"))
    said = capsys.readouterr().out
    assert said.rstrip().endswith("no alarm")
    assert "may be chance" in said
