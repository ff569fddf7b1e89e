"""Label sets: the true label is in them as often as wanted."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import betabinom

from classifiers import NeighborClassifier
from retrieval import Encoder, InputError
from tests.classifiers.conftest import Shelf


def _hits(sets: list[list[str]], labels: list[str]) -> pd.Series:
    return pd.Series([label in one for label, one in zip(labels, sets, strict=True)])


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.98])
def test_coverage_holds_on_new_items(
    learned: NeighborClassifier, shelf: Shelf, coverage: float
) -> None:
    n = len(shelf.new_texts)
    covered = int(_hits(learned.predict_set(shelf.new_texts, coverage), shelf.new_labels).sum())
    # What a conformal set covers of n new items, calibrated on as many (Vovk, 2012).
    spread = betabinom(n, coverage * n, (1 - coverage) * n)
    assert spread.ppf(1e-3) <= covered <= spread.ppf(1 - 1e-3)


def test_more_coverage_takes_larger_sets(learned: NeighborClassifier, shelf: Shelf) -> None:
    sets = [learned.predict_set(shelf.new_texts, coverage) for coverage in (0.8, 0.99)]
    for small, large in zip(*sets, strict=True):
        assert set(small) <= set(large)
    assert sum(map(len, sets[1])) > sum(map(len, sets[0]))


def test_coverage_can_hold_within_each_label(learned: NeighborClassifier, shelf: Shelf) -> None:
    def worst(*, per_label: bool) -> float:
        sets = learned.predict_set(shelf.new_texts, 0.9, per_label=per_label)
        return float(_hits(sets, shelf.new_labels).groupby(shelf.new_labels).mean().min())

    assert worst(per_label=True) > worst(per_label=False)
    assert worst(per_label=True) > 0.7


def test_a_set_lists_the_most_probable_label_first(learned: NeighborClassifier) -> None:
    text = ["beef broth for dogs"]
    (labels,) = learned.predict_set(text, 0.99)
    proba = dict(zip(learned.classes_, learned.predict_proba(text)[0], strict=True))
    assert labels == sorted(labels, key=lambda label: -proba[label])
    assert learned.classify(text, coverage=0.99)["label_set"].tolist() == [labels]


def test_too_few_examples_give_no_set(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "cheese"] * 4, ["a", "b"] * 4)
    with pytest.raises(InputError, match=r"coverage 0\.9 needs more examples"):
        clf.predict_set(["espresso"])
    assert clf.classify(["espresso"])["label_set"].tolist() == [None]


def test_more_examples_are_needed_for_more_coverage(learned: NeighborClassifier) -> None:
    with pytest.raises(InputError, match=r"0\.999 needs more examples.* answers to 400"):
        learned.predict_set(["espresso"], 0.999)
    assert learned.classify(["espresso"], coverage=0.999)["label_set"][0] is None


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90])
def test_coverage_is_between_0_and_1(learned: NeighborClassifier, coverage: float) -> None:
    with pytest.raises(InputError, match=r"coverage must be in \(0, 1\)"):
        learned.predict_set(["espresso"], coverage)


def test_sets_keep_to_the_candidates(learned: NeighborClassifier) -> None:
    sets = learned.predict_set(["cheese pizza"] * 2, 0.95, candidates=[["SOUP"], ["CHEESE"]])
    assert np.concatenate(sets).tolist() == ["SOUP", "CHEESE"]
