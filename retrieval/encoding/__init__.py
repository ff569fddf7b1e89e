"""Turn texts into vectors: the encoder, its backends, weights and cache."""
