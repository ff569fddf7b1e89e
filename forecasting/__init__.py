"""Neighbors to demand: launch curves with quantiles for items that have no history."""

from forecasting.checks import (
    ForecastWarning,
    check_freq as check_freq,
    telling as telling,
)
from forecasting.data.columns import Columns, SalesRules
from forecasting.data.panel import (
    NEVER as NEVER,
    Floats as Floats,
    Grid as Grid,
    Panel as Panel,
    item_lives as item_lives,
)
from forecasting.data.plans import plan_array as plan_array
from forecasting.data.sales import (
    BeforeLaunch as BeforeLaunch,
    Repeats as Repeats,
    Returns as Returns,
    local_dates as local_dates,
)
from forecasting.evaluation.backtest import FORECASTER as FORECASTER, BacktestResult, backtest
from forecasting.evaluation.cohorts import SALES_UNKNOWN as SALES_UNKNOWN
from forecasting.evaluation.comparison import (
    BETTER as BETTER,
    NO_DIFFERENCE as NO_DIFFERENCE,
    WORSE as WORSE,
    resamples as resamples,
)
from forecasting.evaluation.metrics import interval_names as interval_names
from forecasting.evaluation.plots import PLOTS as PLOTS, period_name as period_name
from forecasting.evaluation.slices import SLICES as SLICES
from forecasting.features.analogues import POOLS as POOLS, PoolName as PoolName
from forecasting.forecaster import LaunchForecaster
from forecasting.forecasts import quantile_names as quantile_names
from forecasting.models.empirical import describe as describe
from forecasting.models.fitted import FewLaunchesWarning
from forecasting.models.options import Method as Method, ModelOptions, Similarity as Similarity
from forecasting.persistence.files import named_index as named_index
from forecasting.plotting.plots import plot_analogues, plot_forecast, plot_importance
from forecasting.reader import Reader as Reader
from forecasting.updates.adjustments import Adjustments

__all__ = [
    "Adjustments",
    "BacktestResult",
    "Columns",
    "FewLaunchesWarning",
    "ForecastWarning",
    "LaunchForecaster",
    "ModelOptions",
    "SalesRules",
    "backtest",
    "plot_analogues",
    "plot_forecast",
    "plot_importance",
]
