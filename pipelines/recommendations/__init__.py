"""Recommend items to people and people for items, from what was bought and what is alike."""
