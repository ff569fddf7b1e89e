"""Read tables as the settings say, bad rows set aside."""
