from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from classifiers.inputs import stored_label
from classifiers.labels.tree import LabelTree
from classifiers.labels_table import UNLIKE, UNREADABLE, UNSEEN, labels_table
from classifiers.prediction import Prediction
from classifiers.scorers.ensemble import HEAD, NEIGHBORS
from retrieval import Neighbors

CLASSES = np.array(["a > x", "a > y", "b"], dtype=object)


def _objects(rows: list[list[object]]) -> np.ndarray:
    return np.array(rows, dtype=object)


@pytest.fixture
def answer() -> Prediction:
    """To three items; the third has seen nothing."""
    near = Neighbors(
        ids=_objects([["p", "q"], ["q", None], [None, None]]),
        similarity=np.array([[0.9, 0.8], [0.7, np.nan], [np.nan, np.nan]], dtype=np.float32),
        labels=_objects([["a > x", "a > y"], ["b", None], [None, None]]),
        queries=np.array(["one", None, "three"], dtype=object),
    )
    proba = np.array([[0.45, 0.4, 0.15], [0.1, 0.1, 0.8], [1 / 3, 1 / 3, 1 / 3]])
    return Prediction(
        near=near,
        weights=np.array([[0.6, 0.4], [1.0, 0.0], [0.0, 0.0]]),
        classes=CLASSES,
        proba=proba,
        added={NEIGHBORS: 0.6 * proba, HEAD: 0.4 * proba},
        head_knows=np.array([True, True, False]),
        novelty=np.array([0.1, 2.0, np.nan]),
        known=np.array([True, False, False]),
        sets=np.array([[True, True, False], [False, False, True], [False, False, False]]),
        assured=np.array([True, False, False]),
    )


def _table(answer: Prediction, **options: object) -> pd.DataFrame:
    given = {"listed": 20, "exclusive": True, "tree": None, "confidence": 0.5, **options}
    return labels_table(answer, **given)  # type: ignore[arg-type]


def test_each_item_gets_its_most_probable_label(answer: Prediction) -> None:
    table = _table(answer)
    assert table["label"].tolist() == ["a > x", "b", None]
    assert table["probability"][:2].tolist() == [0.45, 0.8]
    assert np.isnan(table["probability"][2])
    assert table["known"].tolist() == [True, False, False]
    assert table["assured"].tolist() == [True, False, False]
    assert table["item_id"].tolist() == ["one", None, "three"]


def test_an_item_of_none_of_the_labels_says_why(answer: Prediction) -> None:
    assert _table(answer)["why"].tolist() == [None, UNLIKE, UNSEEN]
    unread = answer.without_unread(np.array([True, False, True]))
    assert _table(unread)["why"].tolist() == [None, UNREADABLE, UNSEEN]


def test_sets_name_the_most_probable_label_first(answer: Prediction) -> None:
    assert _table(answer)["label_set"].tolist() == [["a > x", "a > y"], ["b"], []]
    swapped = replace(answer, proba=answer.proba[:, [1, 0, 2]])
    assert _table(swapped)["label_set"][0] == ["a > y", "a > x"]
    without = _table(replace(answer, sets=None))["label_set"]
    assert without.tolist() == [None, None, None]


def test_neighbors_are_listed_up_to_the_last_there_is(answer: Prediction) -> None:
    listed = _table(answer)["neighbors"]
    assert listed[0][1] == {
        "item_id": "q",
        "label": "a > y",
        "similarity": pytest.approx(0.8),
        "weight": 0.4,
        "count": 1,
    }
    assert [len(one) for one in listed] == [2, 1, 0]
    assert [len(one) for one in _table(answer, listed=1)["neighbors"]] == [1, 1, 0]


def test_parts_say_what_they_add_to_the_label_and_none_where_they_do_not_know_it(
    answer: Prediction,
) -> None:
    parts = _table(answer)["parts"]
    assert parts[0] == {NEIGHBORS: pytest.approx(0.27), HEAD: pytest.approx(0.18)}
    assert parts[1] == {NEIGHBORS: pytest.approx(0.48), HEAD: None}


def test_in_a_tree_the_deepest_label_that_is_certain_enough_is_named(answer: Prediction) -> None:
    tree = LabelTree.from_paths(CLASSES, separator=" > ")
    some = replace(
        answer,
        near=answer.near[np.array([0, 1])],
        weights=answer.weights[:2],
        proba=answer.proba[:2],
        added={part: one[:2] for part, one in answer.added.items()},
        novelty=answer.novelty[:2],
        known=answer.known[:2],
        sets=None,
        assured=answer.assured[:2],
    )
    table = _table(some, tree=tree)
    assert table["label"].tolist() == ["a", "b"]
    assert table["probability"].tolist() == pytest.approx([0.85, 0.8])
    assert _table(some, tree=tree, confidence=0.9)["label"].tolist() == [None, None]


def test_with_several_labels_an_item_has_those_of_its_set(answer: Prediction) -> None:
    labels = _objects(
        [[stored_label(["b"]), stored_label(["a > x", "b"])], [stored_label([]), None], [None] * 2]
    )
    several = replace(answer, near=replace(answer.near, labels=labels))
    table = _table(several, exclusive=False)
    assert table["label"].tolist() == [["a > x", "a > y"], ["b"], []]
    assert table["probability"].tolist() == [[0.45, 0.4], [0.8], []]
    assert [near["label"] for near in table["neighbors"][0]] == [["b"], ["a > x", "b"]]
    assert table["neighbors"][1][0]["label"] == []


def test_some_rows_can_be_taken_from_another_answer(answer: Prediction) -> None:
    other = replace(
        answer,
        proba=np.full((3, 3), 0.5),
        added={NEIGHBORS: np.full((3, 3), 0.5)},
        novelty=np.zeros(3),
        known=np.ones(3, dtype=bool),
    )
    rows = np.array([False, True, False])
    both = answer.replaced(other, rows)
    assert (both.proba == np.where(rows[:, None], other.proba, answer.proba)).all()
    assert (both.added[NEIGHBORS][1] == 0.5).all()
    assert (both.added[HEAD][1] == 0).all(), "a part the other answer does not have adds nothing"
    assert (both.added[HEAD][0] == answer.added[HEAD][0]).all()
    assert both.known.tolist() == [True, True, False]
    assert answer.replaced(replace(other, sets=None), rows).sets is None
