"""What is this item? Labels for new items, from the like items already labeled."""

from classifiers.labels.issues import label_issues
from classifiers.labels.spelling import LabelSpellingWarning, normalize_labels
from classifiers.labels.tree import LabelTree
from classifiers.neighbor_classifier import NeighborClassifier

__all__ = [
    "LabelSpellingWarning",
    "LabelTree",
    "NeighborClassifier",
    "label_issues",
    "normalize_labels",
]
