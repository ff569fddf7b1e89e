"""Pictures to vectors: a network that comes in a package, and models of text and pictures."""
