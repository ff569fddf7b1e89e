"""Hold what answers: tenants, their indexes and models, and lanes of calls."""
