"""Read and check settings."""
