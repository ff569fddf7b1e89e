"""Concepts and relations out of tables, files and SKOS."""
