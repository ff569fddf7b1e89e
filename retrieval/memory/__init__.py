"""Keep a collection in memory, and search it exactly."""
