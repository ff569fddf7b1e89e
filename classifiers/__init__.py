"""What is this item? Labels for new items, from the like items already labeled."""

from classifiers.evaluation.by_language import scores_by_language as scores_by_language
from classifiers.evaluation.cross_validation import cross_evaluate as cross_evaluate
from classifiers.evaluation.evaluation import (
    TAIL_EXAMPLES as TAIL_EXAMPLES,
    Evaluation as Evaluation,
    evaluate as evaluate,
)
from classifiers.evaluation.label_lists import (
    ListEvaluation as ListEvaluation,
    cross_evaluate_lists as cross_evaluate_lists,
    evaluate_lists as evaluate_lists,
)
from classifiers.evaluation.metrics import (
    accuracy as accuracy,
    hits as hits,
    majority_proba as majority_proba,
)
from classifiers.evaluation.selective import (
    Selective as Selective,
    risk_coverage as risk_coverage,
    selective as selective,
)
from classifiers.fitted import spelled_as_known as spelled_as_known
from classifiers.labels.issues import indexed_issues as indexed_issues, label_issues
from classifiers.labels.spelling import (
    LabelSpellingWarning,
    normalize_labels,
    spelled_like as spelled_like,
    warn_of_similar_spellings as warn_of_similar_spellings,
)
from classifiers.labels.tree import LabelTree
from classifiers.labels.worth import (
    LikeItems as LikeItems,
    uncertainty as uncertainty,
    worth as worth,
)
from classifiers.language.cases import unsure_items as unsure_items
from classifiers.language.opinion import Prompts as Prompts
from classifiers.language.second_opinion import (
    ask_language_model,
    estimate_questions as estimate_questions,
)
from classifiers.language.verdict import LanguageVerdict, judge_language_model
from classifiers.neighbor_classifier import NeighborClassifier
from classifiers.persistence.files import named_index as named_index
from classifiers.scorers.ensemble import NewLabelsError as NewLabelsError

__all__ = [
    "LabelSpellingWarning",
    "LabelTree",
    "LanguageVerdict",
    "NeighborClassifier",
    "ask_language_model",
    "judge_language_model",
    "label_issues",
    "normalize_labels",
]
