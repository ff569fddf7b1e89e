"""How good is a classifier? Its answers on items it has not learned from, scored."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import (
    average_precision_score,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from classifiers.arrays import BoolArray
from classifiers.evaluation.bootstrap import DRAWS, intervals
from classifiers.evaluation.metrics import (
    Statistic,
    calibration_statistic,
    group_codes,
    macro_f1,
    mean,
    mean_of_means,
    reliability,
)
from classifiers.evaluation.predictions import TOP, Answers, Classifier, answer
from classifiers.evaluation.selective import risk_coverage
from classifiers.inputs import Labels, Texts

TAIL_EXAMPLES = 5
"""A label with at most so many examples is of the tail."""

_CURVE_POINTS = 200
# So many items of no label, at least, tell what examples of them would bring.
_FEWEST_OUTSIDE = 8
# What scikit-learn's log loss takes for probability 0.
_LEAST_PROBABILITY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Evaluation:
    """Scores of a classifier, and what they are made of.

    All scores are over the items of which the true label is given, those whose label the classifier
    does not know included: there it can only be wrong. Shares and errors are fractions, not
    percent.

    Attributes:
        scores: `accuracy`; `top_5_accuracy` (the label is among the five most probable);
            `balanced_accuracy` (mean over labels of the recall); `macro_f1` (mean over the labels
            that occur); `tail_recall` (mean recall over labels with 1 to 5 examples);
            `accuracy_by_group` (mean over groups); `log_loss` (nats); `brier` (squared error summed
            over labels, 0 to 2); `calibration_error` (see `classifiers.evaluation.metrics`);
            `set_coverage` (share of label sets that hold the label) and `set_size` (mean), both
            over items of known labels; `false_alarm_rate` (share of items of known labels that are
            called unknown); `accuracy_known` (over the items called known); `novelty_auroc`,
            `novelty_aupr` (items outside all labels against those of known labels) and
            `novelty_recall` (share of them called unknown); `novelty_recall_told` and
            `false_alarm_rate_told`: the same two where the threshold is learned from half of those
            items and judged on the other half, both ways, which needs 8 of them. A score that rests
            on no item is NaN.
        intervals: Score → 95 % bootstrap interval over items, or over whole groups if there are
            any; none for the two of ranking and the two of a threshold told.
        baseline: The scores of naming labels by their frequency among the examples, for every item
            alike.
        counts: `items`, `labels` (that occur), `unknown_label_items` (their label is not among the
            classifier's), `unassured_items` (they got a label, and a label set, for which coverage
            is not assured), `tail_items` and `tail_labels`, `twins` (items with a labeled item that
            reads the same), `outside` (items of none of the labels: those given, and those of
            unknown labels), `groups`.
        answers: One row an item; see `classifiers.evaluation.predictions.Answers.items`.
        reliability: `bin`, `confidence`, `accuracy`, `n`.
        risk_coverage: `threshold`, `coverage`, `precision`; see `classifiers.evaluation.selective`.
        confusions: `label`, `predicted`, `n`, `share` (of the label's items), most frequent first.
        per_label: `label`, `n` (items), `examples` (mean, that the classifier had), `recall`,
            `precision`, `f1`; lowest recall first.
    """

    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    baseline: dict[str, float]
    counts: dict[str, int]
    answers: pd.DataFrame
    reliability: pd.DataFrame
    risk_coverage: pd.DataFrame
    confusions: pd.DataFrame
    per_label: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return all but the answers in JSON's types; NaN is None, the curve has 200 points."""
        tables = {
            "reliability": self.reliability,
            "risk_coverage": thinned(self.risk_coverage),
            "confusions": self.confusions,
            "per_label": self.per_label,
        }
        numbers = {
            "counts": self.counts,
            "scores": {name: _number(value) for name, value in self.scores.items()},
            "intervals": {name: [*map(_number, ends)] for name, ends in self.intervals.items()},
            "baseline": {name: _number(value) for name, value in self.baseline.items()},
        }
        # pandas knows which cells are missing, and has Python's own numbers.
        return numbers | {
            name: json.loads(table.to_json(orient="records", double_precision=12))
            for name, table in tables.items()
        }

    def to_json(self) -> str:
        """Return `to_dict` as text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=2)


def evaluate(
    classifier: Classifier,
    X: Texts,
    y: Labels,
    *,
    examples: Labels | Mapping[Any, int] | None = None,
    groups: Sequence[Any] | None = None,
    outside: Texts | None = None,
    coverage: float = 0.9,
    seed: int = 0,
) -> Evaluation:
    """Score a fitted classifier on items it has not learned from.

    Args:
        classifier: A fitted `NeighborClassifier`.
        X: n texts, or a table of items.
        y: n labels; one that the classifier does not know counts as an error.
        examples: The labels the classifier learned from, or label → count. They make the baseline
            and tell which labels are rare; None: the baseline knows the shares in `y`, and
            `tail_recall` is NaN.
        groups: (n,) what each item belongs to: product type, customer, week.
        outside: Texts or items of none of the labels.
        coverage: Wanted of the label sets.
        seed: Of the bootstrap.

    Raises:
        InputError: X and y do not match, or a label cannot be one of this classifier's.
    """
    counts = examples if examples is None or isinstance(examples, Mapping) else Counter(examples)
    answers = answer(classifier, X, y, examples=counts, outside=outside, coverage=coverage)
    return score(answers, groups=groups, seed=seed)


def score(
    answers: Answers, *, groups: Sequence[Any] | None = None, seed: int = 0, draws: int = DRAWS
) -> Evaluation:
    """Score answers that were given already.

    Args:
        answers: Of `classifiers.evaluation.predictions.answer`.
        groups: (n,) what each item belongs to.
        seed: Of the bootstrap.
        draws: Of the bootstrap.
    """
    items, outside = answers.items, _outside(answers)
    statistics = _label_statistics(items, groups) | _certainty_statistics(items)
    of_outside = {"novelty_recall": mean(~outside["known"].to_numpy(dtype=bool))}
    ends = intervals(statistics, len(items), groups=groups, draws=draws, seed=seed)
    ends |= intervals(of_outside, len(outside), draws=draws, seed=seed)
    confidence, correct = items["probability"].to_numpy(), items["correct"].to_numpy()
    return Evaluation(
        scores=_at_once(statistics, len(items))
        | _novelty_ranking(items[items["label_known"]], outside)
        | _novelty_told(items[items["label_known"]], outside)
        | _at_once(of_outside, len(outside)),
        intervals=ends,
        baseline=_at_once(_baseline_statistics(answers, groups), len(items)),
        counts=_counts(answers, groups),
        answers=items,
        reliability=reliability(confidence, correct),
        risk_coverage=risk_coverage(confidence, correct),
        confusions=_confusions(items),
        per_label=_per_label(items),
    )


def thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """Return at most 200 rows of a curve, evenly spaced, its ends among them."""
    chosen = np.linspace(0, len(curve) - 1, min(len(curve), _CURVE_POINTS)).round().astype(int)
    return curve.iloc[chosen]


# --- scores, as functions of how often each item counts ----------------------------------------


def _label_statistics(items: pd.DataFrame, groups: Sequence[Any] | None) -> dict[str, Statistic]:
    """Score the labels: those of the classifier as those of the baseline."""
    label, names = pd.factorize(items["label"])
    correct, top = items["correct"].to_numpy(), items[f"in_top_{TOP}"].to_numpy()
    group = None if groups is None else group_codes(groups)
    by_group = {} if group is None else {"accuracy_by_group": mean_of_means(correct, group)}
    surprise = -np.log(items["label_probability"].clip(lower=_LEAST_PROBABILITY).to_numpy())
    return {
        "accuracy": mean(correct),
        f"top_{TOP}_accuracy": mean(top),
        "balanced_accuracy": mean_of_means(correct, label),
        "macro_f1": macro_f1(label, names.get_indexer(pd.Index(items["predicted"]))),
        "tail_recall": mean_of_means(correct, label, _is_tail(items)),
        **by_group,
        "log_loss": mean(surprise),
        "brier": mean(items["squared_error"].to_numpy()),
    }


def _baseline_statistics(answers: Answers, groups: Sequence[Any] | None) -> dict[str, Statistic]:
    """Score the baseline; it calls nothing unknown, so it is asked what the classifier is."""
    correct, known = answers.baseline["correct"], answers.items["known"]
    return _label_statistics(answers.baseline, groups) | {
        "accuracy_known": mean(correct.to_numpy(), known.to_numpy(dtype=bool))
    }


def _certainty_statistics(items: pd.DataFrame) -> dict[str, Statistic]:
    """Whether the classifier knows what it knows."""
    known = items["known"].to_numpy(dtype=bool)
    label_known = items["label_known"].to_numpy(dtype=bool)
    # A set promises to hold the labels of items like the examples, not labels it cannot know.
    judged = items["label_set"].notna().to_numpy() & label_known
    return {
        "calibration_error": calibration_statistic(
            items["probability"].to_numpy(), items["correct"].to_numpy()
        ),
        "set_coverage": mean(items["in_set"].to_numpy(), judged),
        "set_size": mean(items["set_size"].fillna(0).to_numpy(), judged),
        "false_alarm_rate": mean(~known, label_known),
        "accuracy_known": mean(items["correct"].to_numpy(), known),
    }


def _at_once(statistics: Mapping[str, Statistic], n: int) -> dict[str, float]:
    """Return the scores themselves: every item counts once."""
    return {name: statistic(np.ones(n)) for name, statistic in statistics.items()}


# --- what else there is to see -----------------------------------------------------------------


def _outside(answers: Answers) -> pd.DataFrame:
    """`known` and `novelty` of all items of none of the classifier's labels."""
    columns = ["known", "novelty"]
    strangers = answers.items.loc[~answers.items["label_known"], columns]
    return pd.concat([strangers, answers.outside[columns].astype(strangers.dtypes)])


def _novelty_ranking(inside: pd.DataFrame, outside: pd.DataFrame) -> dict[str, float]:
    """How well novelty alone tells the items outside all labels from the others."""
    if inside.empty or outside.empty:
        return {"novelty_auroc": float("nan"), "novelty_aupr": float("nan")}
    is_outside = np.repeat([False, True], [len(inside), len(outside)])
    novelty = np.concatenate([inside["novelty"], outside["novelty"]])
    return {
        "novelty_auroc": float(roc_auc_score(is_outside, novelty)),
        "novelty_aupr": float(average_precision_score(is_outside, novelty)),
    }


def _novelty_told(inside: pd.DataFrame, outside: pd.DataFrame) -> dict[str, float]:
    """Score a threshold that is learned from items outside, as `fit` learns one.

    What novelty looks at stays as it is, so that examples of strangers can bring more than this.
    """
    found, alarms = float("nan"), float("nan")
    if len(outside) >= _FEWEST_OUTSIDE and len(inside) > 1:
        known, strange = (part["novelty"].to_numpy(np.float64) for part in (inside, outside))
        caught: list[BoolArray] = []
        alarmed: list[BoolArray] = []
        for half in (0, 1):
            learned = np.concatenate([known[half::2], strange[half::2]])
            is_new = np.repeat([False, True], [len(known[half::2]), len(strange[half::2])])
            false, true, thresholds = roc_curve(is_new, learned)
            threshold = thresholds[(true - false).argmax()]
            caught.append(strange[1 - half :: 2] >= threshold)
            alarmed.append(known[1 - half :: 2] >= threshold)
        found, alarms = (float(np.concatenate(one).mean()) for one in (caught, alarmed))
    return {"novelty_recall_told": found, "false_alarm_rate_told": alarms}


def _counts(answers: Answers, groups: Sequence[Any] | None) -> dict[str, int]:
    items, tail = answers.items, _is_tail(answers.items)
    counts = {
        "items": len(items),
        "labels": items["label"].nunique(),
        "unknown_label_items": int((~items["label_known"]).sum()),
        "unassured_items": int((~items["assured"] & items["label_set"].notna()).sum()),
        "tail_items": int(tail.sum()),
        "tail_labels": items.loc[tail, "label"].nunique(),
        "twins": int(items["twin"].sum()),
        "outside": len(_outside(answers)),
    }
    return counts if groups is None else counts | {"groups": pd.Series(list(groups)).nunique()}


def _is_tail(items: pd.DataFrame) -> BoolArray:
    is_tail: BoolArray = items["examples"].between(1, TAIL_EXAMPLES).to_numpy(dtype=bool)
    return is_tail


def _confusions(items: pd.DataFrame) -> pd.DataFrame:
    wrong = items.loc[~items["correct"].to_numpy(dtype=bool), ["label", "predicted"]]
    pairs = wrong.value_counts().rename("n").reset_index()
    of_label = pairs["label"].map(items["label"].value_counts())
    pairs["share"] = pairs["n"] / of_label.astype("float64")  # of no pair the map is of strings
    order = ["n", "share", "label", "predicted"]
    ascending = [False, False, True, True]
    return pairs.sort_values(order, ascending=ascending, ignore_index=True)


def _per_label(items: pd.DataFrame) -> pd.DataFrame:
    labels = sorted(items["label"].unique())
    truth, predicted = items["label"].tolist(), items["predicted"].tolist()
    precision, recall, f1, n = precision_recall_fscore_support(
        truth, predicted, labels=labels, zero_division=0
    )
    table = pd.DataFrame({"label": labels, "n": n, "recall": recall})
    table.insert(2, "examples", table["label"].map(items.groupby("label")["examples"].mean()))
    table = table.assign(precision=precision, f1=f1)
    return table.sort_values(["recall", "f1", "label"], ignore_index=True)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
