"""Who takes part in `classification.py`: likewise and what a user would otherwise take.

All but TF-IDF see the same vectors. Settings of the baselines are chosen by cross-validation on
their own training examples (three folds), so that nobody is beaten for want of tuning; with a
single example a label there is nothing to fold, and the first setting of each list is taken.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline

from benchmarks.labels.banking77 import Setting, Task
from classifiers import NeighborClassifier

FloatArray = npt.NDArray[np.float64]

_FOLDS = 3
_STEPS = 1_000
# Stated and not searched: on a fifth of train.csv as accurate as a tenth of it, better calibrated.
_TFIDF_C = 100.0
# What scikit-learn says to a single example a label; it is meant so.
warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
warnings.filterwarnings("ignore", message="invalid value encountered in divide", module="sklearn")

_SCRIPT = Path(__file__).with_name("setfit_contestant.py")


@dataclass(frozen=True)
class Answers:
    """What one contestant said of the test items.

    Attributes:
        named: (n,) the label of each.
        probabilities: (n, n_labels), columns as `Task.labels`; None where it gives none.
    """

    named: npt.NDArray[Any]
    probabilities: FloatArray | None

    @classmethod
    def of(cls, probabilities: FloatArray, classes: npt.NDArray[Any], labels: list[str]) -> Answers:
        """Take the columns of a classifier into the order of `labels`."""
        columns = pd.DataFrame(probabilities, columns=list(classes))
        # Rows that sum to 1 in 32 bits only, or after rounding, are brought to 1.
        aligned = columns.reindex(columns=labels, fill_value=0.0).to_numpy(dtype=np.float64)
        return cls(classes[probabilities.argmax(axis=1)], aligned / aligned.sum(1, keepdims=True))


Contestant = Callable[[Task], Answers]


def likewise(
    *, names: bool = True, unlabeled: bool = False, examples: bool = True, **parameters: Any
) -> Contestant:
    """Our classifier, with or without label names, examples and unlabeled texts."""

    def _answers(task: Task) -> Answers:
        fitted = fit_likewise(
            task, names=names, unlabeled=unlabeled, examples=examples, **parameters
        )
        probabilities = fitted.predict_proba(task.test["text"].tolist())
        return Answers.of(probabilities, fitted.classes_, task.labels)

    return _answers


def fit_likewise(
    task: Task,
    *,
    names: bool = True,
    unlabeled: bool = False,
    examples: bool = True,
    **parameters: Any,
) -> NeighborClassifier:
    """Fit it to what it may see."""
    given: dict[str, Any] = {}
    if names:
        given["labels"] = task.labels
    if unlabeled:
        given["unlabeled"] = task.unlabeled
    if examples:
        given |= {"X": task.train["text"].tolist(), "y": task.train["label"].tolist()}
    return NeighborClassifier(encoder=task.encoder, **parameters).fit(**given)


def nearest_name(task: Task) -> Answers:
    """Return the label whose name, in words, is the most similar text."""
    names = task.encoder.encode([name.replace("_", " ") for name in task.labels])
    nearest = (task.vectors(task.test) @ names.T).argmax(axis=1)
    return Answers(np.array(task.labels, dtype=object)[nearest], None)


def fit_logistic(task: Task) -> Any:
    """Logistic regression on the vectors; C by log loss, since its probabilities are scored too."""
    return _tuned(
        LogisticRegression(max_iter=_STEPS),
        {"C": [100.0, 10.0, 1_000.0]},
        task.vectors(task.train),
        task.train["label"],
        scoring="neg_log_loss",
    )


def _logistic(task: Task) -> Answers:
    fitted = fit_logistic(task)
    probabilities = fitted.predict_proba(task.vectors(task.test))
    return Answers.of(probabilities, fitted.classes_, task.labels)


def _k_neighbors(task: Task) -> Answers:
    fitted = _tuned(
        KNeighborsClassifier(metric="cosine", weights="distance"),
        {"n_neighbors": [1, 3, 5, 10, 20, 30]},
        task.vectors(task.train),
        task.train["label"],
        scoring="accuracy",
    )
    probabilities = fitted.predict_proba(task.vectors(task.test))
    return Answers.of(probabilities, fitted.classes_, task.labels)


def _centroids(task: Task) -> Answers:
    fitted = NearestCentroid().fit(task.vectors(task.train), task.train["label"])
    return Answers(fitted.predict(task.vectors(task.test)), None)


def _tfidf(task: Task) -> Answers:
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    fitted = make_pipeline(words, LogisticRegression(C=_TFIDF_C, max_iter=_STEPS))
    fitted.fit(task.train["text"], task.train["label"])
    return Answers.of(fitted.predict_proba(task.test["text"]), fitted.classes_, task.labels)


BASELINES: dict[str, Contestant] = {
    "KNeighborsClassifier": _k_neighbors,
    "NearestCentroid": _centroids,
    "LogisticRegression": _logistic,
    "TF-IDF + LogisticRegression": _tfidf,
}


def _tuned(
    model: BaseEstimator,
    grid: Mapping[str, list[Any]],
    X: npt.NDArray[np.float32],
    y: pd.Series,
    *,
    scoring: str,
) -> Any:
    folds = min(_FOLDS, int(y.value_counts().min()))
    if folds < 2:
        first = {name: values[0] for name, values in grid.items()}
        return clone(model).set_params(**first).fit(X, y)
    cv = StratifiedKFold(folds, shuffle=True, random_state=0)
    return GridSearchCV(model, dict(grid), cv=cv, scoring=scoring).fit(X, y)


@dataclass(frozen=True)
class SetFitRun:
    """What `setfit_contestant.py` wrote down."""

    answers: Answers
    pairs: int
    train_seconds: float
    items_per_second: float | None
    versions: dict[str, str]

    def describe(self) -> str:
        """Tell how it was trained."""
        engines = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        pairs = f"{self.pairs} pairs of each kind an example" if self.pairs else "all pairs"
        return f"SetFit: one epoch, {pairs}, trained in {self.train_seconds:,.0f} s; {engines}"


def run_setfit(setting: Setting, task: Task, to_time: list[str]) -> SetFitRun:
    """Let SetFit answer from its own environment.

    Training takes many minutes and two parts of the benchmark need it, so that a model trained on
    these examples before is taken from the work folder.
    """
    examples = {"texts": task.train["text"].tolist(), "labels": task.train["label"].tolist()}
    queries = {"queries": task.test["text"].tolist(), "speed_queries": to_time}
    options = ["--pairs", str(setting.setfit_pairs), "--seed", str(setting.seeds[0])]
    trained = hashlib.sha256(json.dumps([examples, options]).encode()).hexdigest()[:16]
    asked, said = setting.work / "setfit-asked.json", setting.work / "setfit-said.json"
    asked.write_text(json.dumps(examples | queries), encoding="utf-8")
    paths = (_SCRIPT, asked, setting.work / f"setfit-{trained}", said)
    subprocess.run([str(setting.setfit_python), *map(str, paths), *options], check=True)
    result = json.loads(said.read_text(encoding="utf-8"))
    answers = Answers.of(
        np.array(result["probabilities"]), np.array(result["classes"], dtype=object), task.labels
    )
    kept = ("pairs", "train_seconds", "items_per_second", "versions")
    return SetFitRun(answers, **{name: result[name] for name in kept})
