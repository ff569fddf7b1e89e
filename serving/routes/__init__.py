"""Route requests to handlers."""
