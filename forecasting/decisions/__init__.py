"""What to do with a forecast: how much to order."""
