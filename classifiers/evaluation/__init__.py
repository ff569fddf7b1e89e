"""Measure a classifier: predictions, metrics, intervals, cross-validation."""
