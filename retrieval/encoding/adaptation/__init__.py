"""Tune an encoder on labels: a ladder of methods, each tried on held-out items, and its folder."""
