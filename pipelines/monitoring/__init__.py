"""Watch labels and forecasts that came true."""
