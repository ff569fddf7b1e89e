"""Encoders whose weights are the content of Python packages."""
