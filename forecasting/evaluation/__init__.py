"""Measure forecasts: the backtest, its baselines, metrics, slices and pictures."""
