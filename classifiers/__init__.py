"""What is this item? Labels for new items, from the like items already labeled."""

from classifiers.evaluation.cross_validation import cross_evaluate
from classifiers.evaluation.evaluation import TAIL_EXAMPLES, Evaluation, evaluate
from classifiers.evaluation.metrics import accuracy, hits, majority_proba
from classifiers.evaluation.selective import Selective, risk_coverage, selective
from classifiers.labels.issues import label_issues
from classifiers.labels.spelling import LabelSpellingWarning, normalize_labels
from classifiers.labels.tree import LabelTree
from classifiers.neighbor_classifier import NeighborClassifier
from classifiers.persistence.files import named_index
from classifiers.scorers.ensemble import NewLabelsError

__all__ = [
    "TAIL_EXAMPLES",
    "Evaluation",
    "LabelSpellingWarning",
    "LabelTree",
    "NeighborClassifier",
    "NewLabelsError",
    "Selective",
    "accuracy",
    "cross_evaluate",
    "evaluate",
    "hits",
    "label_issues",
    "majority_proba",
    "named_index",
    "normalize_labels",
    "risk_coverage",
    "selective",
]
