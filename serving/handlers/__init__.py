"""Answer requests with the engines."""
