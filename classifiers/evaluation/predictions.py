"""What a classifier says about items whose label is known, one row an item: the ground of scores.

Beside each answer stands the one of the majority baseline, which looks at no item.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import FloatArray
from classifiers.evaluation.metrics import hits
from classifiers.inputs import Labels, Texts, told_labels
from classifiers.labels.spelling import normalize_labels
from retrieval import InputError

TOP = 5
# Probabilities held in memory at a time.
_BATCH_CELLS = 2_000_000
# Cosine similarity from which two texts are taken to read the same.
_SAME_TEXT = 0.9999


class Classifier(Protocol):
    """What is asked of a classifier; `NeighborClassifier` is one."""

    classes_: npt.NDArray[Any]

    def classify(self, X: Texts) -> pd.DataFrame:
        """Return the labels table."""

    def classify_with_proba(
        self, X: Texts, *, neighbors: int = 20, coverage: float = 0.9
    ) -> tuple[pd.DataFrame, FloatArray]:
        """Return the table, with so many neighbors, and the probabilities (n, n_classes)."""


@dataclass(frozen=True)
class Answers:
    """Answers for items, and what the majority baseline answers.

    Attributes:
        items: One row an item: `item_id`, `label` (the true one), `predicted`, `probability` (of
            `predicted`), `correct`, `in_top_5`, `label_probability` (of the true one),
            `squared_error` (summed over labels), `examples` (of the true label, that the classifier
            had; NaN if that is not known), `label_known` (whether the true label is among the
            classifier's), `known`, `novelty`, `label_set` (None where there are too few
            examples for one), `assured` (whether sets of items of the predicted label hold it as
            often as promised),
            `in_set`, `set_size`, `twin` (whether a labeled item reads the same).
        baseline: The same rows, columns `label` to `label_known`.
        outside: `item_id`, `label` (predicted), `known` and `novelty` of items of none of the
            labels; no row where none were given.
    """

    items: pd.DataFrame
    baseline: pd.DataFrame
    outside: pd.DataFrame


def answer(
    classifier: Classifier,
    X: Texts,
    y: Labels,
    *,
    examples: Mapping[Any, int] | None = None,
    outside: Texts | None = None,
    coverage: float = 0.9,
) -> Answers:
    """Ask a classifier for the labels of items whose label is known.

    Args:
        classifier: A fitted one.
        X: n texts, or a table of items.
        y: n labels.
        examples: Label → how many examples the classifier had. None where that is not known; the
            baseline then knows the shares of the labels in `y`, more than it could.
        outside: Texts or items of none of the labels.
        coverage: Of the label sets.

    Raises:
        InputError: X and y do not match, a label is missing, or of another kind than the
            classifier's.
    """
    table, truth = as_rows(X), one_label_each(X, y)
    if getattr(classifier, "normalize_labels", False):
        truth[:] = normalize_labels(truth, classifier.classes_)
    _check_kind(truth, classifier.classes_)
    shares = _shares(
        classifier.classes_, pd.Series(truth).value_counts() if examples is None else examples
    )
    items, baseline = [], []
    for rows in _batches(len(table), len(classifier.classes_)):
        part, label = table.iloc[rows], truth[rows]
        labels, proba = classifier.classify_with_proba(part, neighbors=1, coverage=coverage)
        prior = np.broadcast_to(shares, (len(label), len(shares)))
        baseline.append(_scored(prior, classifier.classes_, label, examples))
        scored = _scored(proba, classifier.classes_, label, examples)
        items.append(_described(scored, labels))
    nothing = pd.DataFrame(columns=["item_id", "label", "known", "novelty"])
    novel = nothing if outside is None else classifier.classify(as_rows(outside))[nothing.columns]
    return Answers(
        pd.concat(items, ignore_index=True), pd.concat(baseline, ignore_index=True), novel
    )


def as_rows(X: Texts) -> pd.DataFrame | pd.Series:
    """Let each text keep its place in X as its name, whichever of them are taken."""
    return X if isinstance(X, (pd.DataFrame, pd.Series)) else pd.Series(list(X), dtype=object)


def one_label_each(X: Texts, y: Labels) -> npt.NDArray[np.object_]:
    """Return the labels, blanks around them cut off, shape (n,).

    Raises:
        InputError: X and y differ in length or are empty, or a label is missing or a list.
    """
    values: list[Any] = [
        value.strip() if isinstance(value, str) else value for value in told_labels(y)
    ]
    if len(values) != len(X) or not values:
        raise InputError(f"X has {len(X)} rows and y has {len(values)}; they must be equal, not 0")
    for row, value in enumerate(values, start=1):
        if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
            raise InputError(f"y: row {row} holds several labels; one label an item is scored")
        if value == "" or pd.isna(value):
            raise InputError(f"y: row {row} has no label; leave it out")
    labels = np.empty(len(values), dtype=object)
    labels[:] = values
    return labels


def _check_kind(truth: npt.NDArray[np.object_], classes: npt.NDArray[Any]) -> None:
    """Strings are never equal to numbers: all would be errors, and the user none the wiser."""
    if isinstance(truth[0], str) != isinstance(classes[0], str):
        raise InputError(
            f"y holds {truth[0]!r} and the classifier's labels are like {classes[0]!r}; "
            "both must be strings, or neither"
        )


def _shares(classes: npt.NDArray[Any], counts: Mapping[Any, int] | pd.Series) -> FloatArray:
    known = np.array([counts.get(label, 0) for label in classes.tolist()], dtype=np.float64)
    shares: FloatArray = known / max(known.sum(), 1.0)
    return shares


def _batches(n: int, n_classes: int) -> Iterator[slice]:
    size = max(1, _BATCH_CELLS // max(n_classes, 1))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _scored(
    probabilities: FloatArray,
    classes: npt.NDArray[Any],
    truth: npt.NDArray[np.object_],
    examples: Mapping[Any, int] | None,
) -> pd.DataFrame:
    """Compare probabilities with the truth, item by item."""
    column = pd.Index(classes).get_indexer(pd.Index(truth))
    best = probabilities.argmax(axis=1)
    of_truth = np.where(
        column >= 0, np.take_along_axis(probabilities, column[:, None], axis=1)[:, 0], 0.0
    )
    counts = np.nan if examples is None else [examples.get(label, 0) for label in truth]
    return pd.DataFrame(
        {
            "label": truth,
            "predicted": classes[best].astype(object),
            "probability": np.take_along_axis(probabilities, best[:, None], axis=1)[:, 0],
            "correct": hits(probabilities, classes, truth.tolist(), 1),
            f"in_top_{TOP}": hits(probabilities, classes, truth.tolist(), TOP),
            "label_probability": of_truth,
            # (p - 1)² for the true label and p² for each other one.
            "squared_error": np.square(probabilities).sum(axis=1) - 2 * of_truth + 1,
            "examples": counts,
            "label_known": column >= 0,
        }
    )


def _described(scored: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Add what `classify` says."""
    nearest = [near[0]["similarity"] if near else np.nan for near in labels["neighbors"]]
    sets = labels["label_set"].tolist()
    pairs = zip(scored["label"], sets, strict=True)
    more = {
        "known": labels["known"].to_numpy(dtype=bool),
        "novelty": labels["novelty"].to_numpy(dtype=np.float64),
        "label_set": pd.Series(sets, dtype=object),
        "assured": labels["assured"].to_numpy(dtype=bool),
        "in_set": [one is not None and label in one for label, one in pairs],
        "set_size": [np.nan if one is None else len(one) for one in sets],
        "twin": np.array(nearest, dtype=np.float64) >= _SAME_TEXT,
    }
    return pd.concat([labels["item_id"], scored, pd.DataFrame(more)], axis=1)
