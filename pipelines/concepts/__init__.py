"""Concepts beside the items: jobs, and a picture of what is around one."""
