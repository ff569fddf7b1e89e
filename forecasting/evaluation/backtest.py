"""Score a forecaster and its baselines on launches it had not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import clone

from forecasting.data.panel import Floats
from forecasting.data.sales import Sales
from forecasting.evaluation.baselines import BASELINES, Baseline, Case
from forecasting.evaluation.catboost import CATBOOST, catboost_with_text, installed_catboost
from forecasting.evaluation.cohorts import Cohort, make_cohorts
from forecasting.evaluation.comparison import paired_difference
from forecasting.evaluation.metrics import calibration, score, score_ages
from forecasting.evaluation.order_costs import order_costs
from forecasting.evaluation.plots import PLOTS, plot_result
from forecasting.evaluation.slices import SLICES
from forecasting.forecaster import LaunchForecaster
from retrieval import InputError, progress_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORECASTER = "LaunchForecaster"

# Scored only where they are asked for: they need a package that is not always there.
_FURTHER: dict[str, Baseline] = {CATBOOST: catboost_with_text}

_KEYS = ["unique_id", "cutoff"]
_METHODS = ("cutoff", "method", "finished")


@dataclass(frozen=True)
class BacktestResult:
    """Forecasts of all methods beside what came.

    Attributes:
        predictions: The forecasts table of every method: method, unique_id, cutoff, ds, age, y,
            mean, quantiles.
        totals: The same for the sum over the horizon: method, unique_id, cutoff, y, mean,
            quantiles.
        items: The launches scored: unique_id, cutoff, category (first attribute that is not a
            number; missing without one), similarity (of the best analogue in either pool), level
            (our mean forecast of the total), name (the first of its texts).
        left_out: The launches after the first cutoff that could not be scored: unique_id, cutoff,
            reason. None is here for what it sold.
        quantiles: The levels forecast.
        forecaster: As fitted at the last cutoff, to explain its forecasts.
        methods: What answered at each cutoff: cutoff, method (``lightgbm``, or ``knn``: the
            analogues voted), finished (launches whose horizon was over by then).
    """

    predictions: pd.DataFrame
    totals: pd.DataFrame
    items: pd.DataFrame
    left_out: pd.DataFrame
    quantiles: tuple[float, ...]
    forecaster: LaunchForecaster
    methods: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*_METHODS]))

    @property
    def forecasts(self) -> pd.DataFrame:
        """The forecasts table of LaunchForecaster alone."""
        ours = self.predictions[self.predictions["method"] == FORECASTER]
        return ours.drop(columns=["method", "y"]).reset_index(drop=True)

    @property
    def metrics(self) -> pd.DataFrame:
        """The scores of each cutoff on its own; index cutoff and method."""
        return self.by("cohort").rename_axis(["cutoff", "method"])

    @property
    def calibration(self) -> pd.DataFrame:
        """How many totals came out under each quantile; see `metrics.calibration`."""
        return calibration(self.totals, self.quantiles)

    def by(self, what: str) -> pd.DataFrame:
        """Score every method in groups of launches, or at each age.

        Args:
            what: ``age``: periods since launch; ``category``: those with fewer than 20 launches
                pooled as ``other``; ``similarity``: quartiles of the best analogue's similarity;
                ``cohort``: by cutoff; ``level``: thirds by our forecast, not by what was sold.

        Returns:
            Index ``what`` and method; columns as in `forecasting.evaluation.metrics.score`, and for
            ages as in `forecasting.evaluation.metrics.score_ages`.

        Raises:
            InputError: There is no such grouping.
        """
        if what == "age":
            return score_ages(self.predictions, self.quantiles)
        if what not in SLICES:
            raise InputError(
                f"by() cannot group by {what!r}; it can by {', '.join(['age', *SLICES])}"
            )
        group = SLICES[what](self.items)
        scores = {}
        for name in group.cat.categories:
            chosen = self.items.loc[group == name, _KEYS]
            scores[name] = score(
                self.totals.merge(chosen), self.predictions.merge(chosen), self.quantiles
            )
        table: pd.DataFrame = pd.concat(scores, names=[what])
        return table

    def compare(self, *, seed: int = 0, draws: int = 2000) -> pd.DataFrame:
        """Compare all methods over all cutoffs together.

        Args:
            seed: Of the bootstrap.
            draws: Of the bootstrap, at least 1,000.

        Returns:
            Index method; the columns of `forecasting.evaluation.metrics.score`, and against
            LaunchForecaster those of `forecasting.evaluation.comparison.paired_difference` (missing
            in its own row).

        Raises:
            InputError: Too few draws.
        """
        scores = score(self.totals, self.predictions, self.quantiles)
        return scores.join(
            paired_difference(self.totals, self.quantiles, FORECASTER, seed=seed, draws=draws)
        )

    def order_costs(
        self,
        overage_cost: float,
        underage_cost: float,
        *,
        pack_size: float = 1.0,
        seed: int = 0,
        draws: int = 2000,
    ) -> pd.DataFrame:
        """Score in money the orders that each method's totals would have led to.

        Args:
            overage_cost: What a unit left over costs.
            underage_cost: What a unit missing costs.
            pack_size: Orders are rounded to multiples of it.
            seed: Of the bootstrap.
            draws: Of the bootstrap.

        Returns:
            Index method; the columns of `forecasting.evaluation.order_costs.order_costs`, which
            says what each method orders.

        Raises:
            InputError: A cost or the pack size is not above 0.
        """
        return order_costs(
            self.totals,
            self.quantiles,
            FORECASTER,
            overage_cost=overage_cost,
            underage_cost=underage_cost,
            pack_size=pack_size,
            seed=seed,
            draws=draws,
        )

    def plot(self, kind: str = "comparison", ax: Axes | None = None) -> Axes:
        """Draw how the forecasts did.

        Args:
            kind: ``comparison``: how much larger the error of each baseline's total is than ours,
                with its interval; ``age``: mean units by age, forecast and sold; ``coverage``: how
                many totals lay within our interval, by how much was forecast.
            ax: Where to draw; None makes a figure.

        Raises:
            InputError: There is no such picture.
        """
        if kind not in PLOTS:
            raise InputError(f"plot() has no kind {kind!r}; it has {', '.join(PLOTS)}")
        return plot_result(self, FORECASTER, kind, ax)


def first_cutoff(
    forecaster: LaunchForecaster,
    items: pd.DataFrame,
    sales: pd.DataFrame | Sales,
    *,
    cutoffs: Sequence[pd.Timestamp | str] | None = None,
    n_windows: int | None = None,
    step: int | None = None,
    last: pd.Timestamp | str | None = None,
) -> pd.Timestamp:
    """Return the earliest cutoff of a backtest: what was learned by then, all of it may judge.

    Args:
        forecaster: As in `backtest`, and so the others.
        items: The items.
        sales: What they sold.
        cutoffs: The last periods seen.
        n_windows: How many cutoffs to place, in place of `cutoffs`.
        step: Periods between these.
        last: Latest launch date to score.

    Raises:
        TableError: A table is not in order.
        InputError: As in `backtest`.
    """
    reader = forecaster.reader
    sold = reader.sales(reader.items(items), sales)
    cohorts = make_cohorts(
        sold.panel(),
        forecaster.horizon,
        cutoffs=cutoffs,
        n_windows=n_windows,
        step=forecaster.options.max_lead + 1 if step is None else step,
        last=last,
    )
    return min(one.cutoff for one in cohorts)


def backtest(
    forecaster: LaunchForecaster,
    items: pd.DataFrame,
    sales: pd.DataFrame | Sales,
    cutoffs: Sequence[pd.Timestamp | str] | None = None,
    *,
    n_windows: int | None = None,
    step: int | None = None,
    future: pd.DataFrame | None = None,
    last: pd.Timestamp | str | None = None,
    baselines: Sequence[str] | None = None,
    progress: bool | None = None,
) -> BacktestResult:
    """Fit at each cutoff and score the launches between it and the next one, beside every baseline.

    Every launch whose whole horizon has been observed is scored, whatever it sold. One with unknown
    sales in its horizon (sold out, delisted) has no total to be scored by; it is listed in
    ``left_out``, as are those whose horizon is not over.

    Args:
        forecaster: Its parameters are used; itself it stays as it is.
        items: As in `LaunchForecaster.fit`.
        sales: As in `LaunchForecaster.fit`, the periods to score included.
        cutoffs: Last periods seen; or else
        n_windows: How many cutoffs to place, as late as all launches up to ``step`` periods after
            the last one can be scored.
        step: Periods between these, so that cohorts adjoin; None for ``max_lead + 1`` (4 by
            default), the leads the forecaster prepares for.
        future: As in `LaunchForecaster.fit`, for the launches scored as well.
        last: Latest launch date to score; None for the latest with a whole horizon.
        baselines: Those to score, by name; None for all that need no package besides. The one that
            does is ``"CatBoost with text"`` (``pip install 'likewise[catboost]'``).
        progress: True shows a progress bar, False hides it, None shows it on a terminal from two
            cutoffs on.

    Raises:
        TableError: A table is not in order.
        InputError: There is no such baseline, or its package is missing; both or neither of cutoffs
            and n_windows are given, they do not fit the sales, or a cutoff has no launch to score,
            or too few to learn from.
    """
    if step is not None and n_windows is None:
        raise InputError("step is the distance of the cutoffs that n_windows places; pass both")
    rivals = named_baselines(baselines)
    reader = forecaster.reader
    clean = reader.items(items)
    sold = reader.sales(clean, sales)
    cohorts = make_cohorts(
        sold.panel(),
        forecaster.horizon,
        cutoffs=cutoffs,
        n_windows=n_windows,
        step=forecaster.options.max_lead + 1 if step is None else step,
        last=last,
    )
    position = pd.Index(clean[forecaster.item_id])
    methods = 1 + len(rivals)
    scored: list[_Scored] = []
    with progress_bar(
        methods * len(cohorts), "backtest", "forecast", progress, long=2 * methods
    ) as bar:
        # The last cutoff first: the index made for it holds the items of all others.
        latest: LaunchForecaster | None = None
        for cohort in reversed(cohorts):
            shared = None if latest is None else latest.engine_.describer.analogues
            fitted = clone(forecaster)._fit(items, sold, cohort.cutoff, future, shared)
            latest = latest or fitted
            # In the order of ids: that of the table must not matter.
            chosen = items.iloc[position.get_indexer(cohort.came.index)]
            scored.insert(0, _score_cohort(fitted, chosen, future, cohort, rivals, bar.update))
    assert latest is not None  # there is at least one cohort
    return BacktestResult(
        predictions=pd.concat([one.by_age for one in scored], ignore_index=True),
        totals=pd.concat([one.totals for one in scored], ignore_index=True),
        items=pd.concat([one.items for one in scored], ignore_index=True),
        left_out=pd.concat([_left_out(cohort) for cohort in cohorts], ignore_index=True),
        quantiles=tuple(forecaster.quantiles),
        forecaster=latest,
        methods=pd.DataFrame([one.method for one in scored], columns=[*_METHODS]),
    )


def named_baselines(names: Sequence[str] | None) -> dict[str, Baseline]:
    """Return baselines by their names, in the order given; None: all that need no further package.

    Raises:
        InputError: There is no such baseline, or none at all, or its package is missing.
    """
    if names is None:
        return dict(BASELINES)
    known = BASELINES | _FURTHER
    there = ", ".join(map(repr, known))
    if isinstance(names, str) or not names:
        raise InputError(f"baselines: give a list of names; there are: {there}")
    for name in names:
        if name not in known:
            raise InputError(f"baselines: there is no {name!r}; there are: {there}")
    if CATBOOST in names:
        installed_catboost()
    return {name: known[name] for name in names}


@dataclass(frozen=True)
class _Scored:
    """The tables of one cohort, as in `BacktestResult`."""

    by_age: pd.DataFrame
    totals: pd.DataFrame
    items: pd.DataFrame
    method: tuple[pd.Timestamp, str, int]


def _score_cohort(
    fitted: LaunchForecaster,
    new_items: pd.DataFrame,
    future: pd.DataFrame | None,
    cohort: Cohort,
    baselines: Mapping[str, Baseline],
    done: Callable[[], object],
) -> _Scored:
    """Forecast one cohort by every method, with what came."""
    case = Case.of(fitted, new_items, future)
    came = cohort.came.to_numpy()
    by_age, totals = [], []
    for name in (FORECASTER, *baselines):
        ours = name == FORECASTER
        forecasts = fitted._forecast(case.rows) if ours else baselines[name](case)
        curve, total = fitted._tables(case.rows, forecasts)
        curve.insert(0, "method", name)
        total.insert(0, "method", name)
        by_age.append(curve.assign(y=came.ravel()))
        totals.append(total.assign(y=came.sum(axis=1)))
        done()
    items = totals[0][["unique_id", "cutoff"]].assign(
        category=_category(case),
        name=_names(fitted, new_items),
        similarity=_similarity(case),
        level=totals[0]["mean"],
    )
    return _Scored(
        pd.concat(by_age, ignore_index=True),
        pd.concat(totals, ignore_index=True),
        items,
        (cohort.cutoff, fitted.engine_.method, fitted.history_.finished),
    )


def _category(case: Case) -> pd.Series:
    if case.category is None:
        return pd.Series(None, index=range(len(case.rows)), dtype="str")
    return case.rows.attributes[case.category].astype("str").reset_index(drop=True)


def _names(fitted: LaunchForecaster, new_items: pd.DataFrame) -> pd.Series:
    """Return the first text of each item; missing where that is none."""
    column = fitted.text if isinstance(fitted.text, str) else fitted.text[0]
    texts = new_items[column].reset_index(drop=True).astype(object)
    return texts.where(texts.map(lambda one: isinstance(one, str)), None).astype("str")


def _similarity(case: Case) -> Floats:
    """(n,) similarity of the best analogue of either pool; NaN where there is none."""
    both = np.hstack([case.incumbents.similarity, case.launches.similarity])
    best: Floats = np.where(np.isfinite(both), both, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(best), best, np.nan)


def _left_out(cohort: Cohort) -> pd.DataFrame:
    table = cohort.left_out.copy()
    table.insert(1, "cutoff", cohort.cutoff)
    return table
