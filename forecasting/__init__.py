"""Neighbors to demand: launch curves with quantiles for items that have no history."""

from forecasting.adjustments import Adjustments
from forecasting.backtest import BacktestResult, backtest
from forecasting.forecaster import LaunchForecaster
from forecasting.parameters import FewLaunchesWarning
from forecasting.plots import plot_analogues, plot_forecast, plot_importance

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
