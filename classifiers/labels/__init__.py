"""Handle labels themselves: candidates, spelling, issues, trees, priors."""
