"""The language of a text: its code, how it is found out, and whether neighbors go by it."""
