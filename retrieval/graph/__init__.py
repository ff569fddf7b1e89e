"""Concepts and relations kept beside the items: what they are, and which items they are of."""
