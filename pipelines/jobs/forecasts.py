"""The jobs behind ``likewise forecast`` and ``likewise backtest``.

Each takes the `Settings` and its tables, as DataFrames or as what `read_table` reads. The items a
forecast learns from are read out of the collection of the settings, where it has the same texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import structlog
from pandas.api.types import is_numeric_dtype

from forecasting import (
    BacktestResult,
    Columns,
    ForecastWarning,
    LaunchForecaster,
    backtest,
    in_short,
    named_index,
    telling,
)
from pipelines.components import check_saving, make_encoder, open_index
from pipelines.config.sections import BacktestSettings
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.inputs.items import TableInput, naming_tables, require_text, source_of
from pipelines.inputs.launches import LaunchTables, ScreenedLaunches
from pipelines.logs import timed
from pipelines.overwriting import refuse_overwriting
from retrieval import InputError, ItemIndex, StoreLockedError

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class LaunchForecasts:
    """What is expected of new items.

    Attributes:
        curves: The forecasts table, a row per item and age.
        totals: As `forecasting.LaunchForecaster.predict_total` gives them, a row per item; with
            ``forecast.taken`` also taken, the units that others lose, NaN where not shown.
        remarks: What whoever reads them should know.
        orders: As `forecasting.LaunchForecaster.order_quantity` gives them, where asked for.
        background: What they rest on, where asked for.
        names: Item id → what people call it, of the launches and of the items learned from, as far
            as they were read.
    """

    curves: pd.DataFrame
    totals: pd.DataFrame
    remarks: tuple[str, ...]
    orders: pd.DataFrame | None = None
    background: Background | None = None
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Background:
    """What forecasts rest on, and what they add up to.

    Attributes:
        analogues: As `forecasting.LaunchForecaster.explain` gives them.
        sums: As `forecasting.LaunchForecaster.predict_sum` gives them, of all launches; None where
            their first sales are known already.
        groups: The same by their first attribute that is no number; None where there is none.
        by: That attribute.
        freq: Of the periods.
    """

    analogues: pd.DataFrame
    sums: pd.DataFrame | None
    groups: pd.DataFrame | None
    by: str | None
    freq: str


def forecast_launches(
    settings: Settings,
    items: TableInput | None = None,
    sales: TableInput | None = None,
    *,
    new: TableInput | None = None,
    cutoff: str | pd.Timestamp | None = None,
    future: TableInput | None = None,
    observed: TableInput | None = None,
    observed_until: pd.Timestamp | None = None,
    model: Path | None = None,
    save: Path | None = None,
    quarantine: Quarantine | None = None,
    background: bool = False,
) -> LaunchForecasts:
    """Forecasts new items, by age and in total, from what had sold until the cutoff.

    Args:
        settings: `items` and `sales` map the columns, `forecast` says what is forecast.
        items: The items, with launch dates; None: the table the settings name.
        sales: The sales panel; None: the table the settings name.
        new: The items to forecast; None: those of `items` that launch after the cutoff's period.
        cutoff: The last period seen; None: the last one in `sales`.
        future: Plans, of past launches and of the new items, in the columns `forecast.covariates`;
            None: the table the settings name, if any.
        observed: Sales of the new items so far, in the columns of the sales panel.
        observed_until: A day in the last period of which they tell; None: in that of the last row.
        model: A saved forecaster that answers instead of one fitted now: its own parameters,
            columns and cutoff count, and no sales are read.
        save: Folder to save the fitted forecaster to.
        quarantine: What becomes of bad rows; None: as the settings say. A period that a bad row of
            sales was about counts as unknown.
        background: Tell what the forecasts rest on, too.

    Raises:
        InputError: A table is missing or breaks its contract, nothing launches after the cutoff, or
            `model` names an index on another server, for which the settings have no token.
        ArtifactError: `model` is not a whole, untouched forecaster.
    """
    _refuse_contradictions(model, save, sales, cutoff)
    if observed is None and observed_until is not None:
        raise InputError("forecast: --observed-until goes with --observed")
    quarantine = quarantine or Quarantine.of(settings, "forecast")
    given = {"items": items, "sales": sales, "new_items": new, "future": future}
    check_saving(settings, save, quarantine, **given, observed=observed, model=model)
    items = items if items is not None else settings.items.source
    future = future if future is not None else settings.future.source
    with _forecaster(settings, model) as forecaster:
        tables = LaunchTables(
            forecaster,
            settings.items.categories,
            settings.items.name,
            settings.orders.columns,
            are_named=new is not None,
        )
        screened = ScreenedLaunches(tables, quarantine)
        known = sold = None
        if model is None or new is None:
            items = source_of(items, "items")
            known = screened.items(items)
        if model is None:
            assert known is not None
            sales = source_of(sales if sales is not None else settings.sales.source, "sales")
            sold = screened.sales(sales, known)
        coming = screened.new(new, known, cutoff, sold)
        seen = None
        if observed is not None:
            grid = forecaster.panel_.grid if sold is None else sold.grid
            seen = screened.sales(observed, coming, "observed", grid)
        plan = screened.plan(future)
        # All tables are read before the work begins.
        remarks: list[str] = []
        if known is not None and sold is not None:
            named = naming_tables(items=items, future=future)
            with named, timed(_log, "forecaster fitted"), _remarks() as remarks:
                forecaster.fit(known, sold, cutoff=cutoff, future=plan)
        if save is not None:
            if settings.forecast.taken:
                forecaster.cannibalization()  # estimated once, and kept with the rest
            forecaster.save(save, standalone=True)
        named = naming_tables(new_items=new, observed=observed, future=future)
        with named, timed(_log, "launches forecast", rows=len(coming)), _remarks() as more:
            predict = forecaster.predict_both
            if settings.engine.kind == "ray":
                from pipelines.distributed.jobs import forecast_on_ray

                predict = partial(forecast_on_ray, settings, forecaster)
            curves, totals = predict(
                coming, observed=seen, observed_until=observed_until, future=plan
            )
            for line in in_short(totals):
                warnings.warn(line, ForecastWarning, stacklevel=2)
            terms, orders = settings.orders.asked, None
            if terms:
                orders = forecaster.order_quantity(coming, future=plan, **terms)
            if settings.forecast.taken:
                found = forecaster.cannibalization()
                warnings.warn(found.words, ForecastWarning, stacklevel=2)
                share = found.share if found.is_shown else float("nan")
                totals = totals.assign(taken=share * totals["mean"])
            told = None
            if background:
                told = _background(forecaster, coming, plan, seen is None)
            names = _names(forecaster, settings.items.name, known, coming)
        return LaunchForecasts(curves, totals, (*remarks, *more), orders, told, names)


def _names(
    forecaster: LaunchForecaster, called: str | None, *tables: pd.DataFrame | None
) -> dict[str, str]:
    """Item id → what people call it: a column of its own, else the first text column."""
    text = forecaster.text if isinstance(forecaster.text, str) else forecaster.text[0]
    names: dict[str, str] = {}
    for table in tables:
        if table is not None and (called or text) in table:
            said = table[called or text].fillna("")
            names |= dict(zip(table[forecaster.item_id], said, strict=True))
    return {key: name for key, name in names.items() if name}


def _background(
    forecaster: LaunchForecaster,
    coming: pd.DataFrame,
    plan: pd.DataFrame | None,
    are_sums_of_all: bool,
) -> Background:
    kinds = forecaster.history_.attributes.dtypes
    by = next((name for name, kind in kinds.items() if not is_numeric_dtype(kind)), None)
    sums = groups = None
    if are_sums_of_all:
        sums = forecaster.predict_sum(coming, future=plan)
        groups = None if by is None else forecaster.predict_sum(coming, str(by), future=plan)
    return Background(
        forecaster.explain(coming, future=plan),
        sums,
        groups,
        None if by is None else str(by),
        forecaster.freq,
    )


def backtest_job(
    settings: Settings,
    items: TableInput | None = None,
    sales: TableInput | None = None,
    *,
    future: TableInput | None = None,
    cutoffs: Sequence[pd.Timestamp | str] | None = None,
    n_windows: int | None = None,
    step: int | None = None,
    last: pd.Timestamp | str | None = None,
    like: Path | None = None,
    progress: bool | None = None,
    quarantine: Quarantine | None = None,
) -> BacktestResult:
    """Scores forecasts of past launches, beside every baseline.

    Args:
        settings: `items` and `sales` map the columns, `forecast` says what is forecast, `backtest`
            from when.
        items: The items, with launch dates; None: the table the settings name.
        sales: The sales panel; None: the table the settings name.
        future: Plans with which the launches began; None: the table the settings name, if any.
        cutoffs: The last periods seen; as the next three in `forecasting.backtest`, and in place of
            what the settings say.
        n_windows: How many cutoffs to place, in place of `cutoffs`.
        step: Periods between these.
        last: Latest launch date to score.
        like: A saved forecaster that is to be judged: its columns, options and encoder count, and
            the method that it answers by is that of every cutoff; what it has learned does not.
        progress: Whether to show a progress bar; None: on a terminal, where it takes long.
        quarantine: What becomes of bad rows, as in `forecast_launches`.

    Raises:
        InputError: A table is missing or breaks its contract, or the cutoffs do not fit the sales.
        ArtifactError: `like` is not a whole, untouched forecaster.
    """
    when = asked_cutoffs(settings.backtest, cutoffs, n_windows, step, last)
    quarantine = quarantine or Quarantine.of(settings, "backtest")
    given = {"items": items, "sales": sales, "future": future}
    refuse_overwriting(settings, quarantine.written, **given, model=like)
    with _forecaster(settings, like) as forecaster:
        if like is not None:
            forecaster.set_params(method=forecaster.engine_.method)
        items = source_of(items if items is not None else settings.items.source, "items")
        sales = source_of(sales if sales is not None else settings.sales.source, "sales")
        future = future if future is not None else settings.future.source
        called = settings.items.name
        tables = LaunchTables(forecaster, settings.items.categories, called)
        screened = ScreenedLaunches(tables, quarantine)
        known = screened.items(items)
        sold, plan = screened.sales(sales, known), screened.plan(future)
        named = naming_tables(items=items, future=future)
        with named, timed(_log, "launches backtested") as fields, _remarks():
            result = backtest(
                forecaster,
                known,
                sold,
                **when,
                future=plan,
                baselines=settings.backtest.baselines,
                progress=progress,
            )
            fields |= {"launches": len(result.items), "left_out": len(result.left_out)}
        names = _names(forecaster, called, known)
    said = result.items["unique_id"].map(names).astype("str")
    return replace(result, items=result.items.assign(name=said))


def make_forecaster(settings: Settings, index: ItemIndex | None = None) -> LaunchForecaster:
    """Return an unfitted forecaster with the settings' columns and options.

    Args:
        settings: `items` and `sales` map the columns, `forecast` says what is forecast.
        index: Has their vectors; None: they are made, by the settings' encoder.
    """
    items, options = settings.items, settings.forecast
    text = _text(settings)
    require_text(items.model_copy(update={"text": text}))
    if items.launch_date is None:
        hint = "set items.launch_date in the config, or give --launch-date-col"
        raise InputError(f"no column of launch dates: {hint}")
    forecaster = LaunchForecaster(
        index=index,
        encoder=make_encoder(settings) if index is None else None,
        freq=options.freq,
        horizon=options.horizon,
        quantiles=options.quantiles,
        text=text,
        attributes=items.attributes if options.attributes is None else options.attributes,
        launch_date=items.launch_date,
        item_id=items.id,
        columns=_columns(settings),
        sales=settings.sales.rules,
        method=options.method,
        k=options.k,
        similarity=options.similarity,
        concepts=options.concepts,
        options=options.options,
        seed=options.seed,
        n_jobs=options.n_jobs,
    )
    forecaster.check()
    return forecaster


def _columns(settings: Settings) -> Columns:
    """Return what the settings call the columns; each is in the section of its table."""
    return Columns(
        delist_date=settings.items.delist_date,
        elsewhere=settings.items.elsewhere,
        group=settings.items.group,
        covariates=settings.forecast.covariates,
        id_col=settings.sales.id,
        time_col=settings.sales.time,
        target_col=settings.sales.target,
        in_stock=settings.sales.in_stock,
    )


def asked_cutoffs(
    written: BacktestSettings,
    cutoffs: Sequence[pd.Timestamp | str] | None = None,
    n_windows: int | None = None,
    step: int | None = None,
    last: pd.Timestamp | str | None = None,
) -> dict[str, Any]:
    """Return from when to forecast, as `forecasting.backtest` takes it; arguments win.

    Args:
        written: The settings.
        cutoffs: In their place.
        n_windows: In their place.
        step: Periods between these.
        last: Latest launch date to score.

    Raises:
        InputError: Neither says.
    """
    if cutoffs is None and n_windows is None:
        days, n_windows = written.cutoffs, written.n_windows
        cutoffs = None if days is None else [pd.Timestamp(day) for day in days]
    if cutoffs is None and n_windows is None:
        raise InputError(
            "backtest: give the cutoffs, --cutoffs DATE,DATE, or how many to place, --windows N; "
            "or set backtest.cutoffs or backtest.n_windows in the config"
        )
    if step is None and n_windows is not None:
        step = written.step
    if last is None and written.last is not None:
        last = pd.Timestamp(written.last)
    return {"cutoffs": cutoffs, "n_windows": n_windows, "step": step, "last": last}


@contextmanager
def _forecaster(settings: Settings, model: Path | None) -> Iterator[LaunchForecaster]:
    """Provide a forecaster to be fitted, or a saved one; the latter knows where its index is."""
    if model is None:
        with _collection(settings) as index:
            yield make_forecaster(settings, index)
        return
    named = settings.encoder.is_named
    home = named_index(model)
    if home is None:
        yield LaunchForecaster.load(model, encoder=make_encoder(settings) if named else None)
        return
    its_own = settings.model_copy(update={"index": settings.index.at(**home, said_by=model)})
    with open_index(its_own, to_read=True) as index:
        yield LaunchForecaster.load(model, index=index)


@contextmanager
def _collection(settings: Settings) -> Iterator[ItemIndex | None]:
    """Provide the settings' collection, where its vectors are of the texts that are forecast by.

    None where they are not, or there is no collection yet, or a server at work has its Lite file:
    the items are then embedded for this job alone.
    """
    uri = settings.index.uri
    with ExitStack() as opened:
        index = None
        if "://" in uri or Path(uri).exists():
            try:
                index = opened.enter_context(open_index(settings))
            except StoreLockedError as error:
                _log.warning("items are embedded without the collection", reason=str(error))
        if index is not None and not _has_texts(index, _text(settings)):
            index = None
        yield index


def _has_texts(index: ItemIndex, text: Sequence[str]) -> bool:
    """Whether there are items, and their vectors are made of these columns."""
    if not index.count():
        return False
    if index.layout.text == tuple(text):
        return True
    held = ", ".join(index.layout.text)
    _log.info("items are embedded without the collection", reason=f"it has the texts of {held}")
    return False


def _text(settings: Settings) -> tuple[str, ...]:
    """Return the columns of text that items are alike by."""
    return settings.items.text if settings.forecast.text is None else settings.forecast.text


def _refuse_contradictions(
    model: Path | None, save: Path | None, sales: object, cutoff: object
) -> None:
    if model is None:
        return
    if save is not None:
        raise InputError("forecast: --model is saved already; give --save without it")
    if sales is not None or cutoff is not None:
        raise InputError(
            "forecast: a saved forecaster has learned from the sales up to its own cutoff; give "
            "sales and --cutoff without --model (sales of the new items so far are --observed)"
        )


@contextmanager
def _remarks() -> Iterator[list[str]]:
    """Log what the forecaster warns of, instead of a Python warning; the list holds it, too."""
    said: list[str] = []
    with telling() as told, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ForecastWarning)
        yield said
    others = [one for one in caught if not issubclass(one.category, ForecastWarning)]
    heard = [str(one.message) for one in caught if one not in others]
    for remark in dict.fromkeys([*heard, *told]):  # cutoff after cutoff says the same
        said.append(remark)
        _log.warning(remark)
    for one in others:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
