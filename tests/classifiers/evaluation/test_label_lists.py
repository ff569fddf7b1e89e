"""Scores of lists of labels, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, jaccard_score
from sklearn.preprocessing import MultiLabelBinarizer

from classifiers import NeighborClassifier, cross_evaluate_lists, evaluate_lists
from retrieval import Encoder, InputError

TEXTS = ["iced coffee", "iced tea", "hot coffee", "hot tea", "plain water"] * 8
LISTS = [["cold", "coffee"], ["cold", "tea"], ["coffee"], ["tea"], []] * 8


@pytest.fixture(scope="module")
def fitted(encoder: Encoder) -> NeighborClassifier:
    return NeighborClassifier(encoder=encoder, k=5).fit(TEXTS, LISTS)


def test_scores_are_those_of_scikit_learn(fitted: NeighborClassifier) -> None:
    texts = ["cold coffee", "a cup of tea", "ice water", "iced tea with ice"]
    asked = pd.DataFrame({"text": texts})
    truth = [["coffee", "cold"], ["tea"], [], ["cold", "tea"]]
    made = evaluate_lists(fitted, asked, truth, examples=LISTS)
    names = ["coffee", "cold", "tea"]
    there = MultiLabelBinarizer(classes=names).fit_transform(truth)
    given = MultiLabelBinarizer(classes=names).fit_transform(made.answers["predicted"])
    assert made.scores["exact"] == pytest.approx(accuracy_score(there, given))
    assert made.scores["micro_f1"] == pytest.approx(f1_score(there, given, average="micro"))
    assert made.scores["macro_f1"] == pytest.approx(f1_score(there, given, average="macro"))
    alike = jaccard_score(there, given, average="samples", zero_division=1)
    assert made.scores["jaccard"] == pytest.approx(alike)
    assert made.counts == {"items": 4, "labels": 3}
    assert made.per_label["label"].tolist()[0] in names
    assert set(made.to_dict()) == {"counts", "scores", "intervals", "baseline", "per_label"}


def test_each_item_is_answered_without_its_fold(encoder: Encoder) -> None:
    classifier = NeighborClassifier(encoder=encoder, k=5)
    made = cross_evaluate_lists(classifier, TEXTS, LISTS, folds=2)
    assert made.answers["labels"].tolist() == [sorted(one) for one in LISTS]
    assert sorted(made.answers["fold"].unique()) == [1, 2]
    assert made.scores["micro_f1"] > made.baseline["micro_f1"]
    low, high = made.intervals["micro_f1"]
    assert low <= made.scores["micro_f1"] <= high
    groups = np.arange(len(TEXTS)) % 5
    apart = cross_evaluate_lists(classifier, TEXTS, LISTS, folds=5, groups=groups.tolist())
    assert len(apart.answers.groupby("fold")) == 5


def test_what_cannot_be_scored_is_refused(encoder: Encoder, fitted: NeighborClassifier) -> None:
    with pytest.raises(InputError, match="X has 1 rows and y has 2"):
        evaluate_lists(fitted, ["tea"], [["tea"], []])
    with pytest.raises(InputError, match="all lists are empty"):
        evaluate_lists(fitted, ["tea"], [[]])
    words = NeighborClassifier(encoder=encoder).fit(labels=["coffee", "tea"])
    with pytest.raises(InputError, match="gives one label an item"):
        evaluate_lists(words, ["tea"], [["tea"]])
