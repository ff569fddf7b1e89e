"""Decide on labels: the decision itself, thresholds, label sets, novelty."""
