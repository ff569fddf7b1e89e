"""The ladder: each way to tune is tried on held-out texts, and climbed where it is better."""
