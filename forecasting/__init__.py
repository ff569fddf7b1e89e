"""Neighbors to demand: launch curves with quantiles for items that have no history."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecasting.checks import ForecastWarning, check_freq as check_freq, telling as telling
    from forecasting.data.columns import (
        BeforeLaunch as BeforeLaunch,
        Columns,
        Repeats as Repeats,
        Returns as Returns,
        SalesRules,
    )
    from forecasting.data.panel import (
        NEVER as NEVER,
        Floats as Floats,
        Grid as Grid,
        Panel as Panel,
    )
    from forecasting.data.plans import plan_array as plan_array
    from forecasting.data.pools import (
        POOLS as POOLS,
        ConceptUse as ConceptUse,
        PoolName as PoolName,
        Similarity as Similarity,
    )
    from forecasting.data.sales import Sales as Sales
    from forecasting.decisions.cannibalization import Cannibalization
    from forecasting.demand import past_demand
    from forecasting.evaluation.backtest import (
        FORECASTER as FORECASTER,
        BacktestResult,
        backtest,
        first_cutoff as first_cutoff,
    )
    from forecasting.evaluation.cohorts import SALES_UNKNOWN as SALES_UNKNOWN
    from forecasting.evaluation.comparison import (
        BETTER as BETTER,
        NO_DIFFERENCE as NO_DIFFERENCE,
        WORSE as WORSE,
        paired_difference as paired_difference,
        resamples as resamples,
    )
    from forecasting.evaluation.metrics import interval_names as interval_names
    from forecasting.evaluation.plots import PLOTS as PLOTS, period_name as period_name
    from forecasting.evaluation.slices import SLICES as SLICES
    from forecasting.features.doubts import APART as APART, in_short as in_short
    from forecasting.forecaster import LaunchForecaster
    from forecasting.forecasts import quantile_names as quantile_names
    from forecasting.models.empirical import describe as describe
    from forecasting.models.fitted import FewLaunchesWarning
    from forecasting.models.options import Courses as Courses, Method as Method, ModelOptions
    from forecasting.parameters import DEFAULTS as DEFAULTS
    from forecasting.persistence.files import named_index as named_index
    from forecasting.plotting.plots import plot_analogues, plot_forecast, plot_importance
    from forecasting.reader import Reader as Reader
    from forecasting.updates.adjustments import Adjustments

__all__ = [
    "Adjustments",
    "BacktestResult",
    "Cannibalization",
    "Columns",
    "FewLaunchesWarning",
    "ForecastWarning",
    "LaunchForecaster",
    "ModelOptions",
    "SalesRules",
    "backtest",
    "past_demand",
    "plot_analogues",
    "plot_forecast",
    "plot_importance",
]

# Imported when asked for: settings name parameters, and do not wait for LightGBM.
_HOMES = {
    "APART": "forecasting.features.doubts",
    "Adjustments": "forecasting.updates.adjustments",
    "BETTER": "forecasting.evaluation.comparison",
    "BacktestResult": "forecasting.evaluation.backtest",
    "BeforeLaunch": "forecasting.data.columns",
    "Cannibalization": "forecasting.decisions.cannibalization",
    "Columns": "forecasting.data.columns",
    "Courses": "forecasting.models.options",
    "DEFAULTS": "forecasting.parameters",
    "FORECASTER": "forecasting.evaluation.backtest",
    "FewLaunchesWarning": "forecasting.models.fitted",
    "Floats": "forecasting.data.panel",
    "ForecastWarning": "forecasting.checks",
    "Grid": "forecasting.data.panel",
    "LaunchForecaster": "forecasting.forecaster",
    "Method": "forecasting.models.options",
    "ModelOptions": "forecasting.models.options",
    "NEVER": "forecasting.data.panel",
    "NO_DIFFERENCE": "forecasting.evaluation.comparison",
    "PLOTS": "forecasting.evaluation.plots",
    "POOLS": "forecasting.data.pools",
    "Panel": "forecasting.data.panel",
    "PoolName": "forecasting.data.pools",
    "Reader": "forecasting.reader",
    "Repeats": "forecasting.data.columns",
    "Returns": "forecasting.data.columns",
    "SALES_UNKNOWN": "forecasting.evaluation.cohorts",
    "SLICES": "forecasting.evaluation.slices",
    "Sales": "forecasting.data.sales",
    "SalesRules": "forecasting.data.columns",
    "ConceptUse": "forecasting.data.pools",
    "Similarity": "forecasting.data.pools",
    "WORSE": "forecasting.evaluation.comparison",
    "backtest": "forecasting.evaluation.backtest",
    "check_freq": "forecasting.checks",
    "describe": "forecasting.models.empirical",
    "first_cutoff": "forecasting.evaluation.backtest",
    "in_short": "forecasting.features.doubts",
    "interval_names": "forecasting.evaluation.metrics",
    "named_index": "forecasting.persistence.files",
    "paired_difference": "forecasting.evaluation.comparison",
    "past_demand": "forecasting.demand",
    "period_name": "forecasting.evaluation.plots",
    "plan_array": "forecasting.data.plans",
    "plot_analogues": "forecasting.plotting.plots",
    "plot_forecast": "forecasting.plotting.plots",
    "plot_importance": "forecasting.plotting.plots",
    "quantile_names": "forecasting.forecasts",
    "resamples": "forecasting.evaluation.comparison",
    "telling": "forecasting.checks",
}

if not TYPE_CHECKING:  # a name that is not there stays an error of types

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        return sorted(__all__)
