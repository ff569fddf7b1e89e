"""The job behind ``likewise run``: all steps of the settings, each done once.

The steps are ``index -> classify -> forecast -> evaluate -> backtest``. Each calls the job of its
verb and leaves under the folder::

    labels.parquet                       classify
    forecasts.parquet, totals.parquet    forecast
    evaluation/                          evaluate
    backtest/                            backtest
    kept/forecasts/WHAT-DATE.parquet     forecast: two files a cutoff, for `pipelines.monitoring`
    kept/labels/NUMBER.json              classify: the labels in short, for the same
    quarantine/STEP/TABLE.parquet        all: bad rows, where the settings keep them
    manifests/STEP.json                  all

What a step depends on is in its manifest (`pipelines.runs.manifest`); where none of it has changed,
the step is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import structlog

from pipelines.components import make_encoder, open_index
from pipelines.config.sections import StepName
from pipelines.config.settings import Settings
from pipelines.fingerprint import sha256_of, versions
from pipelines.inputs.bad_rows import FOLDER as QUARANTINE, Quarantine
from pipelines.inputs.launches import NothingToForecastError
from pipelines.jobs.evaluation import FILES as EVALUATION_FILES, evaluate_job
from pipelines.jobs.forecasts import backtest_job, forecast_launches
from pipelines.jobs.index import index_job
from pipelines.jobs.labels import label_items
from pipelines.jobs.locks import LOCK, locked
from pipelines.logs import timed
from pipelines.overwriting import Write, refuse_overwriting, refuse_replacing
from pipelines.reports.backtest import FILES as BACKTEST_FILES, write_backtest
from pipelines.reports.evaluation import write_evaluation
from pipelines.runs.inputs import FOLDER as INPUTS, RunInputs
from pipelines.runs.kept_forecasts import keep_forecasts
from pipelines.runs.label_profiles import remember_labels
from pipelines.runs.manifest import FOLDER as MANIFESTS
from pipelines.runs.steps import Outcome, Step, run_step
from pipelines.tables.output import write_table
from retrieval import leftovers, masked_values, remove_leftovers

_log = structlog.stdlib.get_logger(__name__)

LABELS, FORECASTS, TOTALS = "labels.parquet", "forecasts.parquet", "totals.parquet"
EVALUATION, BACKTEST = "evaluation", "backtest"

_RESULTS = (LABELS, FORECASTS, TOTALS, EVALUATION, BACKTEST, QUARANTINE, "kept", MANIFESTS)

# Where tables lie does not change a result, what is in them does; the rest of a section counts.
_PLACES = {"path", "sql", "url"}
_INDEXED = {"id", "text", "label", "launch_date", "attributes"}
_LAUNCHED = {"id", "text", "launch_date", "attributes", "delist_date", "elsewhere", "group"}


def run_job(
    settings: Settings,
    folder: Path,
    *,
    steps: Iterable[str] | None = None,
    force: bool = False,
    confirmed: bool = False,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Do the steps of a run, one after the other, except those that are done already.

    Args:
        settings: Which tables there are, and what to make of them; a step whose tables or columns
            are not named is not asked for.
        folder: Where results and manifests go.
        steps: In place of ``run.steps``.
        force: Do also what is unchanged.
        confirmed: Where ``index.prune`` is set: remove more than a fifth of the collection as well.
        told: Called with what became of each step, as soon as it is known.

    Returns:
        What became of each step.

    Raises:
        FolderLockedError: Another run is at work on this folder.
        LikewiseError: As the job of the step that fails; what was done before stays.
    """
    _refuse_overwriting(settings, folder)
    encoder = make_encoder(settings).identity.as_dict()
    chosen = settings.run.steps if steps is None else tuple(steps)
    outcomes = []
    with locked(folder), RunInputs(settings, folder) as inputs:
        remove_leftovers(folder, _RESULTS)
        run = _Run(settings, folder, inputs, confirmed=confirmed)
        made = versions()
        for name in chosen:
            step = run.step(name)
            outcome = run_step(step, folder, versions=made, encoder=encoder, force=force)
            told(outcome)
            outcomes.append(outcome)
    return outcomes


def _refuse_overwriting(settings: Settings, folder: Path) -> None:
    """Refuses a folder or tables of a database in which a result would replace an input."""
    names = (
        *(LABELS, FORECASTS, TOTALS, "kept", LOCK, INPUTS),
        *(f"{EVALUATION}/{name}" for name in EVALUATION_FILES),
        *(f"{BACKTEST}/{name}" for name in BACKTEST_FILES),
        *(f"{MANIFESTS}/{step}.json" for step in get_args(StepName)),
        *(str(left.relative_to(folder)) for left in leftovers(folder, _RESULTS)),
    )
    bad_rows = [Quarantine.of(settings, step, folder).written for step in get_args(StepName)]
    refuse_overwriting(settings, Write("--out", folder, names), Write.index(settings), *bad_rows)
    tables = ("labels_table", "forecasts_table", "totals_table")
    refuse_replacing(settings, *map(settings.sink.table, tables))


class _Run:
    """The steps of one run."""

    def __init__(
        self, settings: Settings, folder: Path, inputs: RunInputs, *, confirmed: bool
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._inputs = inputs
        self._confirmed = confirmed
        self._quarantines = {
            step: Quarantine.of(settings, step, folder) for step in get_args(StepName)
        }

    def step(self, name: str) -> Step:
        makers = {
            "index": self._index,
            "classify": self._classify,
            "forecast": self._forecast,
            "evaluate": self._evaluate,
            "backtest": self._backtest,
        }
        return makers[name]()

    # --- the steps ---------------------------------------------------------------------------

    def _index(self) -> Step:
        settings = self._settings

        def work() -> dict[str, Any]:
            items = self._inputs.table("items")
            quarantine = self._quarantines["index"]
            counts = index_job(settings, items, confirmed=self._confirmed, quarantine=quarantine)
            return dict(counts)

        return Step(
            "index",
            settings=self._chosen("index", items=_INDEXED),
            inputs=lambda: self._inputs.digests("items"),
            outputs=lambda: {"collection": self._collection(), **self._kept("index")},
            work=work,
            missing=self._lacking(("items",), items=("text",)),
        )

    def _classify(self) -> Step:
        settings, quarantine = self._settings, self._quarantines["classify"]

        def work() -> dict[str, Any]:
            new = self._inputs.table("new_items")
            assert new is not None
            labeled = label_items(settings, new, quarantine=quarantine)
            labels = labeled.labels
            self._publish("labels_table", labels)
            write_table(labels, self._folder / LABELS)
            remember_labels(self._folder / LABELS, self._folder, settings.monitor.keep)
            unknown = int((~labels["known"]).sum())
            counts = {"items": len(labels), "unknown": unknown}
            if settings.classify.adapt:
                counts["adapted"] = labeled.adapted
            return counts | quarantine.counted()

        return Step(
            "classify",
            settings=self._chosen("index", "classify", "new_items", items={"id", "text"}),
            inputs=lambda: {
                **self._inputs.digests("new_items"),
                **self._label_texts(),
                "collection": self._collection(),
            },
            outputs=lambda: {
                **self._files(LABELS),
                **self._published("labels_table"),
                **self._kept("classify"),
            },
            work=work,
            missing=self._lacking(("new_items",)),
        )

    def _forecast(self) -> Step:
        settings, quarantine = self._settings, self._quarantines["forecast"]

        def work() -> dict[str, Any]:
            table = self._inputs.table
            try:
                made = forecast_launches(
                    settings,
                    table("items"),
                    table("sales"),
                    new=table("new_items"),
                    future=table("future"),
                    quarantine=quarantine,
                )
            except NothingToForecastError as error:
                _log.warning(str(error))
                self._forget_forecasts()  # those of an earlier cutoff are not this one's
                return {"items": 0, **quarantine.counted()}
            keep_forecasts(made, self._folder)
            self._publish("forecasts_table", made.curves)
            self._publish("totals_table", made.totals)
            write_table(made.totals, self._folder / TOTALS)
            write_table(made.curves, self._folder / FORECASTS)
            rows = {"items": len(made.totals), "rows": len(made.curves)}
            return rows | quarantine.counted()

        return Step(
            "forecast",
            settings=self._chosen("sales", "future", "new_items", "forecast", items=_LAUNCHED),
            inputs=lambda: self._inputs.digests("items", "sales", "future", "new_items"),
            outputs=lambda: {
                **self._files(FORECASTS, TOTALS),
                **self._published("forecasts_table", "totals_table"),
                **self._kept("forecast"),
            },
            work=work,
            missing=self._lacking(("items", "sales"), items=("launch_date",)),
        )

    def _evaluate(self) -> Step:
        settings, quarantine = self._settings, self._quarantines["evaluate"]

        def work() -> dict[str, Any]:
            items = self._inputs.table("items")
            result = evaluate_job(settings, items, quarantine=quarantine)
            write_evaluation(result, self._folder / EVALUATION, guard_csv=settings.sink.csv_guard)
            counts = result.evaluation.counts
            return {name: counts[name] for name in ("items", "labels")} | quarantine.counted()

        return Step(
            "evaluate",
            settings=self._chosen("classify", "evaluate", items={"id", "text", "label"}),
            inputs=lambda: {**self._inputs.digests("items"), **self._label_texts()},
            outputs=lambda: {**self._files(EVALUATION), **self._kept("evaluate")},
            work=work,
            missing=self._lacking(("items",), items=("text", "label")),
        )

    def _backtest(self) -> Step:
        settings, when = self._settings, self._settings.backtest
        quarantine = self._quarantines["backtest"]
        asked = when.cutoffs is not None or when.n_windows is not None

        def work() -> dict[str, Any]:
            table = self._inputs.table
            result = backtest_job(
                settings,
                table("items"),
                table("sales"),
                future=table("future"),
                progress=False,
                quarantine=quarantine,
            )
            write_backtest(result, settings, self._folder / BACKTEST)
            counts = {"launches": len(result.items), "left_out": len(result.left_out)}
            return counts | quarantine.counted()

        return Step(
            "backtest",
            settings=self._chosen(
                "sales", "future", "forecast", "orders", "backtest", items=_LAUNCHED
            ),
            inputs=lambda: self._inputs.digests("items", "sales", "future"),
            outputs=lambda: {**self._files(BACKTEST), **self._kept("backtest")},
            work=work,
            missing=self._lacking(("items", "sales"), items=("launch_date",))
            or (None if asked else "the settings have neither backtest.cutoffs nor .n_windows"),
        )

    def _forget_forecasts(self) -> None:
        for name in (FORECASTS, TOTALS):
            (self._folder / name).unlink(missing_ok=True)
        for key in ("forecasts_table", "totals_table"):
            if (target := self._settings.sink.table(key)) is not None:
                target.clear()

    def _publish(self, key: str, table: pd.DataFrame) -> None:
        """Write a result into the database as well, if there is one."""
        target = self._settings.sink.table(key)
        if target is not None:
            with timed(_log, "result written", table=target.name, rows=len(table)):
                target.replace(table)

    # --- what they depend on -----------------------------------------------------------------

    def _chosen(self, *sections: str, items: Iterable[str]) -> dict[str, Any]:
        """Sections of the settings that matter to a step; secrets are masked."""
        chosen = {name: getattr(self._settings, name) for name in ("items", *sections)}
        keys: dict[str, Any] = dict.fromkeys(sections) | {"items": {*items, "csv"}}
        dumped = {
            name: section.model_dump(mode="json", include=keys[name], exclude=_PLACES)
            for name, section in chosen.items()
        }
        for secret in ("token", "tokens"):
            dumped.get("index", {}).pop(secret, None)
        if "classify" in sections:  # what was removed shows in the collection
            dumped.get("index", {}).pop("prune", None)
        dumped["bad_rows"] = {"action": self._settings.bad_rows.action}
        masked: dict[str, Any] = masked_values(dumped)
        return masked

    def _lacking(self, sections: Sequence[str], items: Sequence[str] = ()) -> str | None:
        """Why a step is not asked for; None where all it needs is named."""
        for section in sections:
            if getattr(self._settings, section).source is None:
                return f"the settings name no table in {section}"
        for key in items:
            if not getattr(self._settings.items, key):
                return f"the settings name no items.{key}"
        return None

    def _label_texts(self) -> dict[str, str]:
        labels = self._settings.classify.labels
        return {"labels": sha256_of(labels)} if isinstance(labels, Path) else {}

    def _files(self, *names: str) -> dict[str, str]:
        return {name: sha256_of(self._folder / name) for name in names}

    def _kept(self, step: str) -> dict[str, str]:
        """Return the bad rows of a step, where they are not refused."""
        folder = self._quarantines[step].folder
        return {} if folder is None else {"quarantine": sha256_of(folder)}

    def _published(self, *keys: str) -> dict[str, str]:
        """How many rows the tables of the database have: not their content, which is long."""
        targets = {key: self._settings.sink.table(key) for key in keys}
        return {
            key: f"{target.name}: {target.count()} rows"
            for key, target in targets.items()
            if target is not None
        }

    def _collection(self) -> str:
        """Return what the index holds; "" where there is none, which then is not made either."""
        uri = self._settings.index.uri
        if "://" not in uri and not Path(uri).exists():
            return ""
        with open_index(self._settings, to_read=True) as index:
            return index.digest()
