"""What scikit-learn expects of a classifier."""

from pathlib import Path

import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from classifiers import NeighborClassifier
from retrieval import Encoder
from tests.classifiers.conftest import Shelf


def test_parameters_can_be_read_set_and_cloned(encoder: Encoder) -> None:
    parameters = {
        "index": None,
        "encoder": encoder,
        "k": 5,
        "temperature": 0.1,
        "head": None,
        "prototypes": True,
        "calibrate": False,
        "prior": {"a": 0.9, "b": 0.1},
        "hierarchy": {"a": "c"},
        "normalize_labels": True,
        "false_alarm_rate": 0.1,
        "random_state": 7,
    }
    clf = NeighborClassifier(**parameters)
    assert is_classifier(clf)
    assert clf.get_params() == parameters
    copy = clone(clf)
    assert copy is not clf
    assert copy.get_params() == parameters
    assert copy.encoder is encoder, "engines are shared"
    assert clf.set_params(k=9, head="linear") is clf
    assert (clf.k, clf.head, copy.k) == (9, "linear", 5)
    with pytest.raises(ValueError, match="Invalid parameter 'neighbours'"):
        clf.set_params(neighbours=3)


def test_a_clone_is_not_fitted(learned: NeighborClassifier) -> None:
    copy = clone(learned)
    assert not hasattr(copy, "classes_")
    with pytest.raises(NotFittedError):
        copy.predict(["a text"])
    assert learned.predict(["coffee"]).tolist() == ["COFFEE"]


@pytest.mark.parametrize("kind", [list, pd.Series])
def test_it_is_cross_validated(encoder: Encoder, shelf: Shelf, kind: type) -> None:
    clf = NeighborClassifier(encoder=encoder)
    X, y = kind(shelf.texts[:120]), kind(shelf.labels[:120])
    assert cross_val_score(clf, X, y, cv=2).mean() > 0.85
    assert not hasattr(clf, "classes_")


def test_parameters_are_searched(encoder: Encoder, shelf: Shelf) -> None:
    grid = {"k": [1, 10], "head": [None, "linear"]}
    search = GridSearchCV(NeighborClassifier(encoder=encoder), grid, cv=2, error_score="raise")
    search.fit(shelf.texts[:100], shelf.labels[:100])
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.8
    assert search.predict(["ground coffee"]).tolist() == ["COFFEE"]


def _cleaned(texts: list[str]) -> list[str]:
    return [text.replace("#", " ").lower() for text in texts]


def test_it_ends_a_pipeline(encoder: Encoder, shelf: Shelf) -> None:
    clf = NeighborClassifier(encoder=encoder)
    pipeline = make_pipeline(FunctionTransformer(_cleaned), clf)
    pipeline.fit(shelf.texts[:100], shelf.labels[:100])
    assert pipeline.predict(["GROUND#COFFEE"]).tolist() == ["COFFEE"]
    assert pipeline.score(shelf.new_texts, shelf.new_labels) > 0.85
    assert pipeline.classes_.tolist() == sorted(set(shelf.labels[:100]))


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("predict", [["a text"]]),
        ("predict_proba", [["a text"]]),
        ("novelty", [["a text"]]),
        ("predict_set", [["a text"]]),
        ("classify", [["a text"]]),
        ("explain", [["a text"]]),
        ("plot_explanation", ["a text"]),
        ("score", [["a text"], ["a"]]),
        ("add_label", ["a"]),
        ("add_examples", [["a text"], ["a"]]),
        ("remove_examples", [["an id"]]),
        ("refit_head", []),
        ("save", ["a folder"]),
    ],
)
def test_nothing_works_before_fit(method: str, arguments: list[object]) -> None:
    with pytest.raises(NotFittedError):
        getattr(NeighborClassifier(), method)(*arguments)
    assert not Path("a folder").exists()
