"""Save and load a classifier, and write its model card."""
