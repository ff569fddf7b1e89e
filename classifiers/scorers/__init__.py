"""Score labels: neighbor votes, prototypes, the linear head, and their ensemble."""
