from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from classifiers import NeighborClassifier
from classifiers.fitted import with_label
from classifiers.inputs import label_texts
from classifiers.labels.prior import prior_tilt
from retrieval import Encoder, InputError

CLASSES = np.array(["a", "b", "c"], dtype=object)
COUNTS = np.array([89, 9, 0])


def test_a_uniform_prior_undoes_the_frequency_of_labels() -> None:
    tilt = prior_tilt("uniform", COUNTS, CLASSES, exclusive=True)
    assert tilt == pytest.approx({"a": 1 / 90, "b": 0.1, "c": 1.0})


def test_a_prior_can_be_given_label_by_label() -> None:
    tilt = prior_tilt({"a": 90, "b": 20, "c": 1}, COUNTS, CLASSES, exclusive=True)
    assert tilt == pytest.approx({"a": 0.5, "b": 1.0, "c": 0.5})
    numbers = np.array([7, 8])
    tilt = prior_tilt({7: 0.5, 8: 0.5}, np.array([1, 3]), numbers, exclusive=True)
    assert tilt == pytest.approx({"7": 1.0, "8": 0.5})


def test_no_prior_tilts_nothing() -> None:
    assert prior_tilt(None, COUNTS, CLASSES, exclusive=True) is None
    assert prior_tilt(None, COUNTS, CLASSES, exclusive=False) is None


@pytest.mark.parametrize(
    ("prior", "exclusive", "message"),
    [
        ("even", True, "must be None, 'uniform' or label"),
        ({"a": 1, "b": 1}, True, "no share above 0 for label 'c'"),
        ({"a": 1, "b": 1, "c": 0}, True, "no share above 0 for label 'c'"),
        ("uniform", False, "prior is for items of one label"),
    ],
)
def test_a_prior_that_is_none_is_refused(prior: object, exclusive: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prior_tilt(prior, COUNTS, CLASSES, exclusive)  # type: ignore[arg-type]


def test_a_uniform_prior_helps_the_rare_label(encoder: Encoder) -> None:
    texts = [f"{color} tea" for color in ("green", "black", "white", "red")] + ["coffee"]
    kinds = ["tea"] * 4 + ["coffee"]
    plain = NeighborClassifier(encoder=encoder).fit(texts, kinds)
    even = NeighborClassifier(encoder=encoder, prior="uniform").fit(texts, kinds)
    doubtful = ["a hot drink"]
    assert plain.classes_[0] == even.classes_[0] == "coffee"
    before, after = (clf.predict_proba(doubtful)[0, 0] for clf in (plain, even))
    # Odds of one to four among the examples, with one more of each: 2 to 5.
    assert after / (1 - after) == pytest.approx(before / (1 - before) * 5 / 2)


def test_what_is_known_is_replaced_and_never_changed(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["green tea", "hand soap"], ["tea", "soap"])
    before = clf.knowledge_
    assert before.trained.sources.prototypes is not None
    sums = before.trained.sources.prototypes.sums.copy()
    after = with_label(before, clf.index_, "cheese", label_texts(["cheese"]))
    assert after.names.tolist() == ["cheese", "soap", "tea"]
    assert before.names.tolist() == ["soap", "tea"]
    assert (before.trained.sources.prototypes.sums == sums).all()
    assert clf.classes_.tolist() == ["soap", "tea"]
    with pytest.raises(FrozenInstanceError):
        before.is_private = False  # type: ignore[misc]
