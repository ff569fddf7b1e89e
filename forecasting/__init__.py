"""Neighbors to demand: launch curves with quantiles for items that have no history."""

from forecasting.backtest import BacktestResult, backtest
from forecasting.forecaster import LaunchForecaster

__all__ = ["BacktestResult", "LaunchForecaster", "backtest"]
