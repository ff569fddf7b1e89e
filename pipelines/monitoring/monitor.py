"""The job behind ``likewise monitor``: a run held against the last one, and against what came.

Three things are watched in the folder of a run: how many items are unknown, how labels and novelty
moved since the last run, and how forecasts of launches that have matured since compare with sales.
`pipelines.monitoring.checks` says which of it is an alarm.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import structlog

from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.inputs.items import TableInput
from pipelines.jobs.locks import LOCK, locked
from pipelines.logs import timed
from pipelines.monitoring.checks import ALARM, Check, forecast_checks, label_checks
from pipelines.monitoring.label_drift import LabelDrift, label_drift
from pipelines.monitoring.matured_forecasts import (
    MaturedForecasts,
    Scores,
    matured_forecasts,
    score_intervals,
    scores_of,
)
from pipelines.overwriting import Write, refuse_overwriting
from pipelines.runs.label_profiles import (
    FOLDER as PROFILES,
    kept_profiles,
    read_labels,
    remember_labels,
)
from pipelines.runs.run import LABELS
from retrieval import InputError

_log = structlog.stdlib.get_logger(__name__)

# Items that are less like those known than they were: what another encoder might mend.
_STRANGER = {"unknown_share", "unknown_rise", "novelty_psi"}


@dataclass(frozen=True)
class MonitorReport:
    """What monitoring a run found.

    Attributes:
        folder: Of the run.
        made: When, UTC, ISO 8601.
        labels: The labels against those of the last run; None where the run made none.
        forecasts: Forecasts against what came; None where none was kept.
        scores: Of all launches that matured in the window, each by its last forecast; None where
            none did.
        by_cutoff: The same of each cutoff's forecasts.
        checks: Every measure beside its threshold.
    """

    folder: Path
    made: str
    labels: LabelDrift | None
    forecasts: MaturedForecasts | None
    scores: Scores | None
    by_cutoff: dict[pd.Timestamp, Scores]
    checks: tuple[Check, ...]

    @property
    def alerts(self) -> tuple[Check, ...]:
        """The checks that crossed their threshold."""
        return tuple(check for check in self.checks if check.verdict == ALARM)

    @property
    def calls_for_adapt(self) -> bool:
        """Whether items have become strangers, so that the encoder may be worth tuning anew."""
        return any(check.name in _STRANGER for check in self.alerts)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "folder": self.folder,
            "made": self.made,
            "alerts": [check.in_words for check in self.alerts],
            "adapt": self.calls_for_adapt,
            "checks": [asdict(check) for check in self.checks],
            "labels": self.labels and asdict(self.labels),
            "forecasts": self._forecasts_as_dict(),
        }

    def _forecasts_as_dict(self) -> dict[str, Any] | None:
        made = self.forecasts
        if made is None:
            return None
        return {
            "measured": "total over the horizon" if made.ages is None else "period by period",
            "ages": made.ages,
            "sales_until": f"{made.until:%Y-%m-%d}",
            "all": self.scores and asdict(self.scores),
            "by_cutoff": [
                {"cutoff": f"{cutoff:%Y-%m-%d}", **asdict(scores)}
                for cutoff, scores in self.by_cutoff.items()
            ],
            "waiting": made.waiting,
            "older": made.older,
            "left_out": made.left_out,
        }


def monitor_job(
    settings: Settings,
    folder: Path,
    *,
    items: TableInput | None = None,
    sales: TableInput | None = None,
    new: TableInput | None = None,
    quarantine: Quarantine | None = None,
) -> MonitorReport:
    """Hold the results of a run against the last run and against the sales since.

    Args:
        settings: Columns, tables, and the thresholds of the section `monitor`.
        folder: Of the run; nothing in it changes but ``kept/labels``.
        items: With launch dates; None: the table the settings name.
        sales: The sales as they are now; None: the table the settings name.
        new: New items that may not be among the items yet; None: the table the settings name.
        quarantine: What becomes of bad rows in these; None: as the settings say.

    Raises:
        InputError: The folder holds nothing of a run, or a table is missing or not whole.
        FolderLockedError: A run is at work on the folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; `likewise run` makes one")
    bad_rows = quarantine or Quarantine.of(settings, "monitor", folder)
    own = Write("FOLDER", folder, (str(PROFILES), LOCK))
    given = {"items": items, "sales": sales, "new_items": new}
    refuse_overwriting(settings, own, bad_rows.written, **given)
    with locked(folder):
        labels = _labels(folder, settings.monitor.keep)
        with timed(_log, "forecasts held against sales") as fields:
            forecasts = matured_forecasts(settings, folder, bad_rows, items, sales, new)
            fields["launches"] = 0 if forecasts is None else len(forecasts.launches)
    if labels is None and forecasts is None:
        raise InputError(
            f"{folder}: neither {LABELS} nor kept forecasts; `likewise run` makes both"
        )
    scores, by_cutoff, intervals = _scored(forecasts, settings.monitor.chance)
    return MonitorReport(
        folder=folder,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        labels=labels,
        forecasts=forecasts,
        scores=scores,
        by_cutoff=by_cutoff,
        checks=(
            *label_checks(labels, settings.monitor),
            *forecast_checks(scores, intervals, settings.monitor),
        ),
    )


def _scored(
    made: MaturedForecasts | None, chance: float
) -> tuple[Scores | None, dict[pd.Timestamp, Scores], dict[str, tuple[float, float]]]:
    """Scores of all launches, of each cutoff's, and how far chance may have moved the former."""
    if made is None or made.launches.empty:
        return None, {}, {}
    launches = made.launches
    in_force = launches[launches["in_force"]]
    cutoffs = launches["cutoff"].drop_duplicates()
    by_cutoff = {day: scores_of(launches[launches["cutoff"] == day]) for day in cutoffs}
    if in_force.empty:
        return None, by_cutoff, {}
    return scores_of(in_force), by_cutoff, score_intervals(in_force, 1 - 2 * chance)


def _labels(folder: Path, keep: int) -> LabelDrift | None:
    """Return the labels of the run beside those of the last one; None where it made none."""
    path = folder / LABELS
    if not path.exists():
        return None
    remember_labels(path, folder, keep)
    *before, now = kept_profiles(folder)
    return label_drift(read_labels(path), now, before[-1] if before else None)
