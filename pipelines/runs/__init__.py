"""Run the steps of a config that changed, and keep what monitoring reads."""
