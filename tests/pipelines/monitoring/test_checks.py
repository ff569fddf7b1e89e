from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.config.monitor import MonitorSettings
from pipelines.monitoring.checks import Check, forecast_checks, label_checks
from pipelines.monitoring.matured_forecasts import Scores

GOOD = Scores(
    launches=100,
    units=500.0,
    wape=0.5,
    baseline_wape=0.7,
    ratio=0.7,
    bias=0.05,
    coverage=0.82,
    interval=0.8,
)
SURE = {"ratio": (1.1, 1.4), "bias": (0.2, 0.6), "coverage": (0.4, 0.6)}
UNSURE = {"ratio": (0.9, 1.4), "bias": (-0.1, 0.6), "coverage": (0.4, 0.85)}
BAD = replace(GOOD, wape=0.9, ratio=1.3, bias=0.4, coverage=0.5)


def verdicts(
    scores: Scores, intervals: dict[str, tuple[float, float]], **limits: object
) -> list[str]:
    made = forecast_checks(scores, intervals, MonitorSettings(**limits))  # type: ignore[arg-type]
    return [check.verdict for check in made]


def test_a_score_alarms_beyond_its_threshold_where_it_is_not_chance() -> None:
    assert verdicts(GOOD, SURE) == ["no threshold", "fine", "fine", "fine"]
    assert verdicts(BAD, SURE, wape=0.8) == ["alarm"] * 4
    assert verdicts(BAD, UNSURE, wape=0.8) == ["alarm", *["may be chance"] * 3]
    assert verdicts(BAD, SURE, wape=0.8, min_launches=101) == ["too few"] * 4
    low = {**SURE, "bias": (-0.6, -0.2)}
    assert verdicts(replace(BAD, bias=-0.4), low)[2] == "alarm"
    assert verdicts(replace(BAD, bias=float("nan")), low)[2] == "nothing to compare"
    better_than_that = replace(GOOD, ratio=0.95)
    assert verdicts(better_than_that, {**SURE, "ratio": (0.92, 0.98)}, wape_ratio=0.9)[1] == "alarm"


def test_without_a_run_there_is_no_check() -> None:
    assert label_checks(None, MonitorSettings()) == []
    assert forecast_checks(None, {}, MonitorSettings()) == []


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (
            Check("bias", -0.456, 0.3, 90, "alarm"),
            "bias of the mean is -45.6%; up to 30.0% either way is allowed (monitor.bias)",
        ),
        (
            Check("wape_ratio", 1.234, 1.0, 90, "alarm"),
            "WAPE over the baseline's is 1.23; up to 1.00 is allowed (monitor.wape_ratio)",
        ),
    ],
)
def test_an_alarm_says_what_and_how_much(check: Check, words: str) -> None:
    assert check.in_words == words
