"""Read single values one way, wherever they come from: dates, numbers, and what is text."""
