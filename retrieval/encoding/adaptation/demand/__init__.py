"""Tune by demand: texts of items that sold alike become neighbors, beside labels or alone."""
