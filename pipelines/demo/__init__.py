"""Run the demo on Complete Journey, and report on it."""
