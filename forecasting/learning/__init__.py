"""From past launches to a fitted forecaster, and which of its powers earn their place."""
