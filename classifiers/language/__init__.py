"""A language model as one more scorer, asked about what is unsure, where it was shown to help."""
