"""Describe launches by numbers: analogues and features."""
