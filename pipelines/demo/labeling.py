"""The demo's first half: label products of product types that nobody has labeled yet, and score it.

Whole product types are held out, so that no answer can be copied from a twin. Three baselines stand
beside the classifier: its neighbors' votes alone, matching the item's text with the labels' names,
and the most frequent label.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers import (
    NeighborClassifier,
    Selective,
    accuracy,
    hits,
    majority_proba,
    risk_coverage,
    selective,
)
from pipelines.demo.complete_journey import FOLDS, HELD_OUT, LABEL, TEXT
from retrieval import ItemIndex, item_texts

CLASSIFIER = "NeighborClassifier"
VOTES = "neighbor votes alone"
NAMES = "label names alone"
MAJORITY = "most frequent label"
METHODS = (CLASSIFIER, VOTES, NAMES, MAJORITY)
EVERY = "all held out"
HARDER = "no label word in the text"


@dataclass(frozen=True)
class Certainty:
    """What the held-out items say of the promises made with their labels.

    Attributes:
        probability: Of the labels given, mean.
        right: Share of them that are right.
        set_coverage: Share of label sets that hold the true label; 0.9 was wanted.
        set_size: Labels in a set, mean.
    """

    probability: float
    right: float
    set_coverage: float
    set_size: float


@dataclass(frozen=True)
class Labeling:
    """Labels for the held-out items, and how good they are.

    Attributes:
        labels: The labels table, `product_category` (the truth) added.
        scores: Index (`items`, `method`): which held-out items, labeled how; columns `top1_item`,
            `top5_item` (share of items), `top1_type`, `top5_type` (mean over product types of the
            share within the type), `n_items`, `n_types`.
        certainty: Whether probabilities and label sets mean what they say.
        automatic: What can be labeled without a person at 90 % precision.
        curve: Coverage and precision on the held-out items while ever less certain labels count.
    """

    labels: pd.DataFrame
    scores: pd.DataFrame
    certainty: Certainty
    automatic: Selective
    curve: pd.DataFrame


def label_held_out(classifier: NeighborClassifier, items: pd.DataFrame) -> Labeling:
    """Label the held-out items by the labeled ones and by the labels' names.

    Args:
        classifier: Not fitted yet, on an index of all items; those held out without label;
            attribute `fold`.
        items: As `pipelines.demo.complete_journey` builds them.
    """
    index = classifier.index
    assert index is not None
    labeled = items[items["fold"] != HELD_OUT]
    held = items[items["fold"] == HELD_OUT].reset_index(drop=True)
    # New items will be of new types: whole folds, which are whole types, are kept apart.
    classifier.fit(labels=sorted(labeled["label"].unique()), groups="fold")
    proba, classes = classifier.predict_proba(held), classifier.classes_
    methods = {
        CLASSIFIER: proba,
        VOTES: classifier.predict_proba(held, where={"fold": list(FOLDS)}),
        NAMES: _by_name(index, held, classes),
        MAJORITY: majority_proba(labeled[LABEL].tolist(), classes, len(held)),
    }
    truth = held[LABEL].tolist()
    confidence, correct = proba.max(axis=1), hits(proba, classes, truth)
    others = classifier.knowledge_.trained.answers
    tuned = (others["label"] == others["predicted"]).to_numpy(dtype=bool)
    labels = classifier.classify(held).assign(**{LABEL: truth})
    return Labeling(
        labels=labels,
        scores=_score(methods, classes, held),
        certainty=_certainty(labels),
        automatic=selective(others["probability"].to_numpy(), tuned, confidence, correct),
        curve=risk_coverage(confidence, correct),
    )


def _certainty(labels: pd.DataFrame) -> Certainty:
    sets = zip(labels["label_set"], labels[LABEL], strict=True)
    return Certainty(
        probability=float(labels["probability"].mean()),
        right=float((labels["label"] == labels[LABEL]).mean()),
        set_coverage=float(np.mean([truth in one for one, truth in sets])),
        set_size=float(labels["label_set"].map(len).mean()),
    )


def _by_name(
    index: ItemIndex, held: pd.DataFrame, classes: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Zero-shot: every label stands for itself, by its name."""
    names = NeighborClassifier(encoder=index.encoder).fit(labels=list(classes))
    return names.predict_proba(item_texts(held, TEXT))


def _score(
    methods: dict[str, npt.NDArray[np.float64]], classes: npt.NDArray[Any], held: pd.DataFrame
) -> pd.DataFrame:
    subsets = {EVERY: np.ones(len(held), dtype=bool), HARDER: ~_shares_a_word(held)}
    rows = []
    for items, chosen in subsets.items():
        truth = held.loc[chosen, LABEL].tolist()
        types = held.loc[chosen, "product_type"].tolist()
        for method, votes in methods.items():
            found = accuracy(votes[chosen], classes, truth, types)
            rows.append(
                {
                    "items": items,
                    "method": method,
                    "top1_item": found.by_item[1],
                    "top5_item": found.by_item[5],
                    "top1_type": found.by_group[1],
                    "top5_type": found.by_group[5],
                    "n_items": found.n_items,
                    "n_types": found.n_groups,
                }
            )
    return pd.DataFrame(rows).set_index(["items", "method"])


def _shares_a_word(items: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether an item's text holds a word of its label, which would give the answer away."""
    pairs = zip(item_texts(items, TEXT), items[LABEL], strict=True)
    return np.array([bool(_words(text) & _words(label)) for text, label in pairs], dtype=bool)


def _words(text: str) -> set[str]:
    # A plural gives a label away as well as a singular does.
    return {word.rstrip("s") for word in re.findall(r"[a-z]{3,}", text.lower())}
