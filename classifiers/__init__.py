"""What is this item? Labels for new items, voted by the like items already labeled."""

from classifiers.neighbor_classifier import NeighborClassifier

__all__ = ["NeighborClassifier"]
