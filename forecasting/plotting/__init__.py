"""Draw forecasts, analogues and importances."""
