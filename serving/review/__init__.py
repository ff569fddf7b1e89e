"""Queues of items that a person is to label: kept, ordered, decided, counted."""
