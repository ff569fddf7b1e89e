"""The job behind ``likewise tune``: an encoder learns from labeled items, if that helps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import structlog

from forecasting import first_cutoff, past_demand
from pipelines.components import make_encoder
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.inputs.items import TableInput, naming_tables, source_of
from pipelines.inputs.launches import LaunchTables, ScreenedLaunches
from pipelines.jobs.evaluation import read_labeled
from pipelines.jobs.forecasts import asked_cutoffs, make_forecaster
from pipelines.logs import timed
from pipelines.overwriting import Write, refuse_overwriting
from pipelines.tables.label_texts import read_label_texts
from retrieval import Encoder, InputError, TuneReport, item_texts, tune

_log = structlog.stdlib.get_logger(__name__)


def tune_job(
    settings: Settings,
    items: TableInput | None = None,
    *,
    out: Path,
    overwrite: bool = False,
    quarantine: Quarantine | None = None,
) -> TuneReport:
    """Tune the settings' encoder on labeled items.

    Args:
        settings: `items` maps the columns, `encoder` says what is tuned, `tune` how;
            `classify.labels` has the labels in words, if any. With `tune.demand` it learns from
            what the items sold, too (`sales`).
        items: Labeled items, and others, whose texts are learned from where that helps; None: the
            table the settings name.
        out: Folder of the tuned encoder; it appears whole, or not at all where nothing is better
            than the encoder as it is.
        overwrite: Whether a tuned encoder in `out` may be replaced.
        quarantine: What becomes of bad rows; None: as the settings say.

    Raises:
        InputError: A table or column is missing or wrong, items have lists of labels, there is one
            label only, or the budget is too small for any way to tune.
    """
    options = settings.tune
    items = items if items is not None else source_of(settings.items.source, "items")
    quarantine = quarantine or Quarantine.of(settings, "tune")
    refuse_overwriting(settings, Write("--out", out), quarantine.written, items=items)
    table = read_labeled(settings, quarantine, items, options.group_col or settings.classify.groups)
    if table.lists is not None:
        raise InputError("tune: each item has a list of labels; to tune takes one label an item")
    texts = item_texts(table.items, settings.items.text).tolist()
    encoder, demand = make_encoder(settings), None
    if options.demand:
        ids = table.items[settings.items.id].astype(str).tolist()
        demand = demand_of_items(settings, ids, items, quarantine=quarantine)
    with timed(_log, "encoder tuned", items=len(table.items), left_out=table.left_out) as fields:
        report = tune_on(
            settings,
            encoder,
            texts,
            table.labels,
            table.groups,
            demand=demand,
            unlabeled=item_texts(table.unlabeled, settings.items.text).tolist(),
            out=out,
            overwrite=overwrite,
        )
        fields["chosen"] = report.chosen
    return report


def tune_on(
    settings: Settings,
    encoder: Encoder,
    texts: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[object] | None,
    *,
    demand: npt.NDArray[np.float64] | None = None,
    unlabeled: Sequence[str] | None = None,
    out: Path,
    overwrite: bool,
) -> TuneReport:
    """Tune an encoder as the settings say; as `retrieval.tune`."""
    options, words = settings.tune, settings.label_texts
    described = {} if words is None else read_label_texts(words)
    return tune(
        encoder,
        texts,
        labels,
        demand,
        label_texts={label: ". ".join(said) for label, said in described.items()},
        groups=groups,
        unlabeled=unlabeled,
        method=options.method,
        out=out,
        budget=options.budget,
        folds=options.folds,
        seed=options.seed,
        overwrite=overwrite,
    )


def demand_of_items(
    settings: Settings,
    ids: Sequence[str],
    items: TableInput | None = None,
    *,
    quarantine: Quarantine,
    before_backtest: bool = False,
) -> npt.NDArray[np.float64]:
    """Return the level and shape of what items sold, (n, 2); NaN where not known.

    Args:
        settings: `items` and `sales` name tables and columns, `forecast` the horizon.
        ids: Of the n items.
        items: The table of items; None: the one the settings name.
        quarantine: What becomes of bad rows.
        before_backtest: Only what had been sold by the first cutoff of section `backtest` is read,
            so that its launches can judge what was learned.

    Raises:
        InputError: A table or column is missing or wrong, or the section says no cutoffs.
    """
    items = source_of(items if items is not None else settings.items.source, "items")
    sales = source_of(settings.sales.source, "sales")
    forecaster = make_forecaster(settings)
    screened = ScreenedLaunches(LaunchTables(forecaster, settings.items.categories), quarantine)
    known = screened.items(items)
    sold = screened.sales(sales, known)
    with naming_tables(items=items), timed(_log, "demand read") as fields:
        cutoff = None
        if before_backtest:
            cutoff = first_cutoff(forecaster, known, sold, **asked_cutoffs(settings.backtest))
        table = past_demand(forecaster, known, sold, cutoff)
        fields |= {"items": len(table), "cutoff": str(cutoff)[:10]}
    found = table.reindex(pd.Index([str(one) for one in ids]))
    return found[["level", "shape"]].to_numpy(dtype=np.float64)
