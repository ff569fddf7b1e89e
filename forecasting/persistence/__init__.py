"""Save and load a forecaster, and write its model card."""
