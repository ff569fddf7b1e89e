"""Train a classifier: its data, its scorers, out-of-fold answers."""
