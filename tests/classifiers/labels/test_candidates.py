import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from classifiers.labels.candidates import allowed_labels, restrict
from classifiers.labels.tree import LabelTree
from retrieval import InputError

CLASSES = np.array(["cheese", "coffee", "soap"], dtype=object)


def test_one_list_holds_for_all_items() -> None:
    allowed = allowed_labels(["soap", "cheese", "soap"], CLASSES, 2)
    assert allowed.tolist() == [[True, False, True]] * 2


@pytest.mark.parametrize("kind", [list, tuple, set, np.array])
def test_each_item_can_have_a_list_of_its_own(kind: type) -> None:
    allowed = allowed_labels([kind(["soap"]), kind(["coffee", "cheese"])], CLASSES, 2)
    assert allowed.tolist() == [[False, False, True], [True, True, False]]


def test_a_node_of_a_hierarchy_stands_for_all_below_it() -> None:
    paths = ["Food > Dairy", "Food > Dairy > Milk", "Food > Snacks", "Home"]
    tree = LabelTree.from_paths(paths)
    names = np.array(paths, dtype=object)
    assert allowed_labels(["Food"], names, 1, tree).tolist() == [[True, True, True, False]]
    assert allowed_labels(["Food > Dairy"], names, 1, tree).tolist() == [[True, True, False, False]]
    assert allowed_labels([["Home"], ["Food"]], names, 2, tree).sum() == 4
    with pytest.raises(InputError, match="unknown label 'Fod'; did you mean 'Food'"):
        allowed_labels(["Fod"], names, 1, tree)
    with pytest.raises(InputError, match="unknown label 'Food'"):
        allowed_labels(["Food"], names, 1)


def test_labels_that_are_no_strings_are_told_apart() -> None:
    assert allowed_labels([9], np.array([9, 10]), 1).tolist() == [[True, False]]
    assert allowed_labels([False], np.array([False, True]), 1).tolist() == [[True, False]]
    with pytest.raises(InputError, match="unknown label '9'"):
        allowed_labels(["9"], np.array([9, 10]), 1)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (["cofee"], "candidates: unknown label 'cofee'; did you mean 'coffee'"),
        (["zzz"], r"unknown label 'zzz' \(there are: 'cheese', 'coffee', 'soap'\)"),
        ([["soap"], ["tea"]], "candidates: item 2: unknown label 'tea'"),
        ([["soap"], []], "candidates: item 2: no label is left"),
        ([["soap"]], "lists for 1 items, there are 2"),
        ([], "candidates: no label is left"),
        ("soap", "must be a list of labels, got the string 'soap'"),
    ],
)
def test_what_cannot_be_a_candidate_is_refused(candidates: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        allowed_labels(candidates, CLASSES, 2)  # type: ignore[arg-type]


def test_of_many_labels_only_some_are_listed() -> None:
    many = np.array([f"label {number}" for number in range(500)], dtype=object)
    with pytest.raises(InputError, match=r"'label 9', \.\.\. and 490 more\)") as error:
        allowed_labels(["nothing like it"], many, 1)
    assert len(str(error.value)) < 300


@given(st.data(), st.tuples(st.integers(1, 5), st.integers(1, 6)))
def test_what_is_left_sums_to_one_again(data: st.DataObject, shape: tuple[int, int]) -> None:
    proba = data.draw(arrays.arrays(np.float64, shape, elements=st.floats(0, 1)))
    allowed = data.draw(arrays.arrays(bool, shape))
    allowed[:, data.draw(st.integers(0, shape[1] - 1))] = True
    one = restrict(proba, allowed, exclusive=True)
    assert np.allclose(one.sum(axis=1), 1)
    assert (one[~allowed] == 0).all()
    kept = np.where(allowed, proba, 0)
    total = kept.sum(axis=1, keepdims=True)
    assert np.allclose(np.where(total > 0, one * total, 0), kept)  # in the same proportions
    several = restrict(proba, allowed, exclusive=False)
    assert (several == kept).all()


def test_where_nothing_speaks_for_any_they_are_equally_likely() -> None:
    proba = np.array([[1.0, 0.0, 0.0]])
    allowed = np.array([[False, True, True]])
    assert restrict(proba, allowed, exclusive=True).tolist() == [[0.0, 0.5, 0.5]]
