"""Neighbors to demand: launch curves with quantiles for items that have no history."""

from forecasting.data.panel import NEVER, Floats, Grid, Panel, item_lives
from forecasting.data.plans import plan_array
from forecasting.data.sales import local_dates
from forecasting.evaluation.backtest import FORECASTER, BacktestResult, backtest
from forecasting.evaluation.cohorts import SALES_UNKNOWN
from forecasting.evaluation.comparison import BETTER, NO_DIFFERENCE, WORSE
from forecasting.evaluation.metrics import interval_names
from forecasting.evaluation.plots import PLOTS, period_name
from forecasting.evaluation.slices import SLICES
from forecasting.forecaster import FewLaunchesWarning, LaunchForecaster
from forecasting.forecasts import quantile_names
from forecasting.models.empirical import describe
from forecasting.persistence.files import named_index
from forecasting.plotting.plots import plot_analogues, plot_forecast, plot_importance
from forecasting.reader import Reader
from forecasting.updates.adjustments import Adjustments

__all__ = [
    "BETTER",
    "FORECASTER",
    "NEVER",
    "NO_DIFFERENCE",
    "PLOTS",
    "SALES_UNKNOWN",
    "SLICES",
    "WORSE",
    "Adjustments",
    "BacktestResult",
    "FewLaunchesWarning",
    "Floats",
    "Grid",
    "LaunchForecaster",
    "Panel",
    "Reader",
    "backtest",
    "describe",
    "interval_names",
    "item_lives",
    "local_dates",
    "named_index",
    "period_name",
    "plan_array",
    "plot_analogues",
    "plot_forecast",
    "plot_importance",
    "quantile_names",
]
