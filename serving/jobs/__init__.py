"""Queue jobs and keep their state."""
