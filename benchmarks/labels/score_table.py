"""One row a contestant: accuracy, macro F1, calibration and log loss, with how sure they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import f1_score, log_loss

from benchmarks.labels.banking77 import Task
from benchmarks.labels.contestants import Answers
from classifiers.evaluation.bootstrap import intervals
from classifiers.evaluation.metrics import calibration_error, macro_f1, mean

OURS = "likewise"

Runs = Mapping[int, Answers]
"""Seed → answers; one seed where nothing is drawn."""


def score_table(runs: Mapping[str, Runs], task: Task) -> pd.DataFrame:
    """Score every contestant, and pair it with the row named `OURS`.

    Accuracy and macro F1 are in percent; "ECE" is the top-label expected calibration error in 15
    bins of equal count; log loss is scikit-learn's, in nats.
    """
    rows = {name: _row(of, task) for name, of in runs.items()}
    for name, of in runs.items():
        if name != OURS and OURS in runs:
            rows[name]["accuracy minus likewise"] = _difference(of, runs[OURS], task)
    return pd.DataFrame.from_dict(rows, orient="index").fillna("")


def over_seeds(values: list[float], digits: int = 1) -> str:
    """Mean ± standard deviation, or the one value there is."""
    middle = f"{np.mean(values):.{digits}f}"
    return f"{middle} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else middle


def interval(edges: Iterable[float], form: str = ".1f") -> str:
    """Return the edges of an interval, to be written behind its middle."""
    low, high = edges
    return f" [{low:{form}}, {high:{form}}]"


def _row(runs: Runs, task: Task) -> dict[str, str]:
    answers = list(runs.values())
    truth = task.test["label"]
    right = [100 * _right(one, task) for one in answers]
    occurring = sorted(set(truth))  # what the interval also averages over
    f1 = [100 * f1_score(truth, one.named, labels=occurring, average="macro") for one in answers]
    row = {
        "accuracy": over_seeds([float(one.mean()) for one in right]),
        "macro F1": over_seeds(f1),
        "ECE": "",
        "log loss": "",
    }
    if len(answers) == 1:
        scores = {"accuracy": mean(right[0]), "macro F1": macro_f1(*_codes(answers[0], task))}
        found = intervals(scores, len(truth))
        row["accuracy"] += interval(found["accuracy"])
        row["macro F1"] += interval([100 * edge for edge in found["macro F1"]])
    probabilities = [one.probabilities for one in answers if one.probabilities is not None]
    if probabilities:
        row["ECE"] = over_seeds([_calibration(p, task) for p in probabilities], 3)
        row["log loss"] = over_seeds(
            [log_loss(truth, p, labels=task.labels) for p in probabilities], 3
        )
    return row


def _difference(theirs: Runs, ours: Runs, task: Task) -> str:
    """Paired by item and seed: the items are drawn, each with its mean over the seeds."""
    seeds = sorted(set(theirs) & set(ours))
    gaps = [_right(theirs[seed], task) - _right(ours[seed], task) for seed in seeds]
    by_item = 100 * np.mean(gaps, axis=0)
    found = intervals({"gap": mean(by_item)}, len(by_item))
    return f"{by_item.mean():+.1f}" + interval(found["gap"], "+.1f")


def _right(answers: Answers, task: Task) -> npt.NDArray[np.float64]:
    named = np.asarray(answers.named, dtype=object)
    right: npt.NDArray[np.bool_] = named == task.test["label"].to_numpy(dtype=object)
    return right.astype(np.float64)


def _codes(answers: Answers, task: Task) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions of the true and of the named labels."""
    labels = pd.Index(task.labels, dtype=object)
    truth = pd.Index(task.test["label"], dtype=object)
    return labels.get_indexer(truth), labels.get_indexer(pd.Index(answers.named, dtype=object))


def _calibration(probabilities: npt.NDArray[np.float64], task: Task) -> float:
    named = np.array(task.labels, dtype=object)[probabilities.argmax(axis=1)]
    right = named == task.test["label"].to_numpy(dtype=object)
    return calibration_error(probabilities.max(axis=1), right)
