"""Read and write files and databases that know no settings."""
