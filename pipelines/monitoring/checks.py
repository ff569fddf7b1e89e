"""Which measure of a run is an alarm.

A measure alarms where it lies beyond its threshold, rests on enough items or launches, and, where
it is a comparison, chance alone would seldom make such a difference. A threshold alone would alarm
on every small run; a test alone on every large one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.config.monitor import MonitorSettings
from pipelines.monitoring.label_drift import Difference, LabelDrift
from pipelines.monitoring.matured_forecasts import Scores

FINE, ALARM = "fine", "alarm"
FEW, CHANCE = "too few", "may be chance"
NOTHING, OFF = "nothing to compare", "no threshold"

_WORDS = {
    "unknown_share": "share of unknown items",
    "unknown_rise": "rise of that share",
    "novelty_psi": "stability index of novelty",
    "label_shift": "shift of the label mix",
    "wape": "WAPE of the launches",
    "wape_ratio": "WAPE over the baseline's",
    "bias": "bias of the mean",
    "coverage_gap": "coverage short of its level",
}
_SHARES = {"unknown_share", "unknown_rise", "label_shift", "bias", "coverage_gap"}
_SIGNED = {"unknown_rise", "bias", "coverage_gap"}


@dataclass(frozen=True)
class Check:
    """A measure beside its threshold.

    Attributes:
        name: Of the threshold in the section `monitor`.
        value: The measure; None where there is none.
        threshold: Beyond which it alarms; of a bias either way. None: never.
        count: Items or launches it rests on.
        verdict: "fine", "alarm", "too few" (beyond the threshold, on too few to say so), "may be
            chance" (beyond it, and chance could do it), "nothing to compare" or "no threshold".
    """

    name: str
    value: float | None
    threshold: float | None
    count: int
    verdict: str

    @property
    def what(self) -> str:
        """What is measured."""
        return _WORDS[self.name]

    @property
    def in_words(self) -> str:
        """What is measured, its value and its threshold, as a sentence without a period."""
        either = " either way" if self.name == "bias" else ""
        return (
            f"{self.what} is {self.value_shown}; up to {self.threshold_shown}{either} is allowed "
            f"(monitor.{self.name})"
        )

    @property
    def value_shown(self) -> str:
        """The measure as a person reads it; "" where there is none."""
        return self._shown(self.value, "+" if self.name in _SIGNED else "")

    @property
    def threshold_shown(self) -> str:
        """The threshold as a person reads it; "" where there is none."""
        return self._shown(self.threshold, "")

    def _shown(self, number: float | None, sign: str) -> str:
        if number is None:
            return ""
        return f"{number:{sign}.1%}" if self.name in _SHARES else f"{number:.2f}"


def label_checks(drift: LabelDrift | None, limits: MonitorSettings) -> list[Check]:
    """Return the checks of the labels; None where a run made none."""
    if drift is None:
        return []
    least = limits.min_items

    def compared(name: str, found: Difference | None) -> Check:
        if found is None:
            return _check(name, None, limits, 0, least)
        by_chance = found.chance >= limits.chance
        return _check(name, found.value, limits, found.items, least, by_chance=by_chance)

    return [
        _check("unknown_share", drift.unknown_share, limits, drift.now.items, least),
        compared("unknown_rise", drift.unknown_rise),
        compared("novelty_psi", drift.novelty_psi),
        compared("label_shift", drift.label_shift),
    ]


def forecast_checks(
    scores: Scores | None, intervals: Mapping[str, tuple[float, float]], limits: MonitorSettings
) -> list[Check]:
    """Return the checks of the matured launches.

    Args:
        scores: None where none has matured.
        intervals: Of the scores.
        limits: The thresholds.
    """
    if scores is None:
        return []
    n, least = scores.launches, limits.min_launches
    lowest = {name: ends[0] for name, ends in intervals.items()}
    highest = {name: ends[1] for name, ends in intervals.items()}
    ratio_of_no_fault = min(1.0, limits.wape_ratio or 1.0)
    return [
        _check("wape", scores.wape, limits, n, least),
        _check(
            "wape_ratio",
            scores.ratio,
            limits,
            n,
            least,
            by_chance=not lowest["ratio"] > ratio_of_no_fault,
        ),
        _check(
            "bias",
            scores.bias,
            limits,
            n,
            least,
            by_chance=not (lowest["bias"] > 0 or highest["bias"] < 0),
        ),
        _check(
            "coverage_gap",
            scores.interval - scores.coverage,
            limits,
            n,
            least,
            by_chance=not highest["coverage"] < scores.interval,
        ),
    ]


def _check(
    name: str,
    value: float | None,
    limits: MonitorSettings,
    count: int,
    least: int,
    *,
    by_chance: bool = False,
) -> Check:
    threshold = getattr(limits, name)
    if value is None or math.isnan(value):
        return Check(name, None, threshold, count, NOTHING)
    size = abs(value) if name == "bias" else value
    if threshold is None:
        verdict = OFF
    elif size <= threshold:
        verdict = FINE
    elif count < least:
        verdict = FEW
    else:
        verdict = CHANCE if by_chance else ALARM
    return Check(name, value, threshold, count, verdict)
