"""Model launches: trees, neighbor votes, sample paths, calibrated quantiles."""
