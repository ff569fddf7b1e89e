"""The demo's first half: label products of product types that nobody has labeled yet, and score it.

Whole product types are held out, so that no answer can be copied from a twin. Two baselines stand
beside the neighbors: the most frequent label, and matching the item's text with the labels' names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers import NeighborClassifier
from classifiers.evaluation import (
    Selective,
    accuracy,
    hits,
    majority_proba,
    risk_coverage,
    selective,
)
from pipelines.complete_journey import FOLDS, HELD_OUT, LABEL, TEXT
from retrieval import ItemIndex
from retrieval.tables import item_texts

NEIGHBORS = "neighbor votes"
NAMES = "label names alone"
MAJORITY = "most frequent label"
EVERY = "all held out"
HARDER = "no label word in the text"

# Out-of-fold answers for the confidence threshold come from this many labeled items.
_TUNING_ITEMS = 10_000


@dataclass(frozen=True)
class Labeling:
    """Labels for the held-out items, and how good they are.

    Attributes:
        labels: The labels table, `product_category` (the truth) added.
        scores: Index (`items`, `method`): which held-out items, labeled how; columns `top1_item`,
            `top5_item` (share of items), `top1_type`, `top5_type` (mean over product types of the
            share within the type), `n_items`, `n_types`.
        automatic: What can be labeled without a person at 90 % precision.
        curve: Coverage and precision on the held-out items while ever less certain labels count.
    """

    labels: pd.DataFrame
    scores: pd.DataFrame
    automatic: Selective
    curve: pd.DataFrame


def label_held_out(
    index: ItemIndex, items: pd.DataFrame, *, k: int, temperature: float, seed: int = 0
) -> Labeling:
    """Label the held-out items by their labeled neighbors.

    Args:
        index: All items; those held out without label; attribute `fold`.
        items: As `pipelines.complete_journey` builds them.
        k: Neighbors that vote.
        temperature: How fast a vote fades.
        seed: Of the sample on which the confidence threshold is chosen.
    """
    classifier = NeighborClassifier(index, k=k, temperature=temperature).fit()
    held = items[items["fold"] == HELD_OUT].reset_index(drop=True)
    labeled = items[items["fold"] != HELD_OUT]
    votes = classifier.predict_proba(held)
    classes = classifier.classes_
    methods = {
        NEIGHBORS: votes,
        NAMES: _by_name(index, held, classes),
        MAJORITY: majority_proba(labeled[LABEL].tolist(), classes, len(held)),
    }
    truth = held[LABEL].tolist()
    confidence, correct = votes.max(axis=1), hits(votes, classes, truth)
    sample = labeled.sample(min(_TUNING_ITEMS, len(labeled)), random_state=seed)
    return Labeling(
        labels=classifier.classify(held).assign(**{LABEL: truth}),
        scores=_score(methods, classes, held),
        automatic=selective(*_out_of_fold(classifier, sample), confidence, correct),
        curve=risk_coverage(confidence, correct),
    )


def _by_name(
    index: ItemIndex, held: pd.DataFrame, classes: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Zero-shot: every label stands for itself, by its name."""
    names = NeighborClassifier(encoder=index.encoder).fit(labels=list(classes))
    return names.predict_proba(item_texts(held, TEXT))


def _out_of_fold(
    classifier: NeighborClassifier, sample: pd.DataFrame
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Confidence and correctness where items of the same product types have no vote."""
    confidence, correct = [], []
    for fold, part in sample.groupby("fold"):
        others = [other for other in FOLDS if other != fold]
        votes = classifier.predict_proba(part, where={"fold": others})
        confidence.append(votes.max(axis=1))
        correct.append(hits(votes, classifier.classes_, part[LABEL].tolist()))
    return np.concatenate(confidence), np.concatenate(correct)


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
