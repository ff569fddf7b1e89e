"""Neighbors to demand: launch curves with quantiles for items that have no history."""

from forecasting.evaluation.backtest import BacktestResult, backtest
from forecasting.forecaster import FewLaunchesWarning, LaunchForecaster
from forecasting.plotting.plots import plot_analogues, plot_forecast, plot_importance
from forecasting.updates.adjustments import Adjustments

__all__ = [
    "Adjustments",
    "BacktestResult",
    "FewLaunchesWarning",
    "LaunchForecaster",
    "backtest",
    "plot_analogues",
    "plot_forecast",
    "plot_importance",
]
