"""What is this item? Labels for new items, from the like items already labeled."""

from classifiers.hierarchy import LabelTree
from classifiers.label_names import LabelSpellingWarning, normalize_labels
from classifiers.label_quality import label_issues
from classifiers.neighbor_classifier import NeighborClassifier

__all__ = [
    "LabelSpellingWarning",
    "LabelTree",
    "NeighborClassifier",
    "label_issues",
    "normalize_labels",
]
