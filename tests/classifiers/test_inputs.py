import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from classifiers.inputs import (
    as_queries,
    label_texts,
    labeled_examples,
    query_ids,
    stored_label,
    stored_names,
)
from retrieval import InputError

ITEMS = pd.DataFrame(
    {"item_id": ["p1", "p2"], "name": ["roast coffee", "hand soap"], "brand": ["own", "other"]}
)


def _examples(X: object, y: object, text: object = None, item_id: str = "item_id") -> object:
    return labeled_examples(X, y, text=text, item_id=item_id)  # type: ignore[arg-type]


def test_a_table_keeps_its_ids_and_gives_all_columns_as_text() -> None:
    examples = labeled_examples(ITEMS, ["coffee", "soap"], text=None, item_id="item_id")
    assert examples.text == ["name", "brand"]
    assert examples.table["item_id"].tolist() == ["p1", "p2"]
    assert examples.table["label"].tolist() == ["coffee", "soap"]


def test_a_table_can_name_its_columns() -> None:
    table = ITEMS.rename(columns={"item_id": "sku"})
    examples = labeled_examples(table, ["coffee", "soap"], text="name", item_id="sku")
    assert (examples.text, examples.item_id) == (["name"], "sku")
    assert list(examples.table) == ["sku", "name", "label"]


def test_made_ids_depend_on_content_alone_and_tell_repeats_apart() -> None:
    first = labeled_examples(["tea", "tea", "milk"], ["a", "a", "b"], text=None, item_id="item_id")
    again = labeled_examples(
        pd.Series(["milk", "tea", "tea"], index=[7, 8, 9]), ["b", "a", "a"], text=None, item_id="id"
    )
    other = labeled_examples(["tea"], ["b"], text=None, item_id="item_id")
    ids = set(first.table["item_id"])
    assert len(ids) == 3
    assert ids == set(again.table["id"])
    assert not ids & set(other.table["item_id"])


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["b", " a "], ["a", "b"]),
        ([10, 9], [9, 10]),
        (np.array([10, 9]), [9, 10]),
        (pd.Series(["b", "a"], dtype="category"), ["a", "b"]),
        ([True, False], [False, True]),
    ],
)
def test_labels_keep_their_kind(y: object, classes: list[object]) -> None:
    examples = labeled_examples(["one", "two"], y, text=None, item_id="item_id")  # type: ignore[arg-type]
    assert examples.classes.tolist() == classes
    assert set(examples.table["label"]) == {str(value) for value in classes}


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (["a text"], ["a", "b"], "X has 1 rows and y has 2"),
        ([], [], "nothing to fit"),
        (["one", "two"], [None, np.nan], r"all labels are missing \(2 of 2: row 1, 2\)"),
        (["one", "two"], ["a", " "], r"a label is missing \(1 of 2: row 2\)"),
        (["x"] * 9, [None] * 8 + ["a"], r"8 of 9: row 1, 2, 3, 4, 5, \.\.\."),
        (["one", "two"], ["a", 1], "one kind only"),
        (["one", "two"], [1.5, 2.0], "one kind only"),
        (["one"], "a", "one label for each row"),
        (["one", "two"], [["a"], "b"], "row 2 is not a list of strings, as other rows are: 'b'"),
        (["one", "two"], [["a"], [1]], r"row 2 is not a list of strings.*\[1\]"),
        (["one", "two"], [["a"], ["b", " "]], "row 2 holds a blank label"),
        (["one", "two"], [[], []], "all labels are missing: 2 empty lists"),
        (["one"], [["a"], ["b"]], "X has 1 rows and y has 2"),
        ("one text", ["a"], "list or Series of texts"),
        (np.array([["one"]]), ["a"], "list or Series of texts"),
        (["one", " "], ["a", "b"], "row 2 is not a text: ' '"),
        (["one", None], ["a", "b"], "row 2 is not a text: None"),
        ([3], ["a"], "row 1 is not a text: 3"),
        (ITEMS[["item_id"]], ["a", "b"], "there are: item_id"),
        (ITEMS.assign(label="x"), ["a", "b"], "must not have a column 'label'"),
    ],
)
def test_what_cannot_be_learned_is_refused(X: object, y: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _examples(X, y)


def test_unknown_text_columns_are_answered_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no text column title; there are: item_id, name, brand"):
        _examples(ITEMS, ["a", "b"], text=["name", "title"])
    with pytest.raises(InputError, match="not a DataFrame"):
        _examples(["one"], ["a"], text="name")


@pytest.mark.parametrize("kind", [list, tuple, set, np.array])
def test_an_item_can_have_any_number_of_labels(kind: type) -> None:
    y = [kind(["b", " a "]), kind([]), kind(["b", "b"])]
    examples = labeled_examples(["one", "two", "three"], y, text=None, item_id="item_id")
    assert not examples.exclusive
    assert examples.classes.tolist() == ["a", "b"]
    assert [stored_names(one) for one in examples.table["label"]] == [["a", "b"], [], ["b"]]


def test_one_label_an_item_is_no_list() -> None:
    examples = labeled_examples(["one", "two"], ["a", "b"], text=None, item_id="item_id")
    assert examples.exclusive
    assert examples.table["label"].tolist() == ["a", "b"]


@given(st.lists(st.text(), unique=True))
def test_lists_of_labels_come_back_as_they_were_stored(names: list[str]) -> None:
    assert stored_names(stored_label(names)) == sorted(names)
    assert stored_label(names) == stored_label(names[::-1])


def test_label_names_describe_themselves() -> None:
    assert label_texts(["card_arrival", "top_up"]) == {
        "card_arrival": ["card arrival"],
        "top_up": ["top up"],
    }


def test_a_label_takes_one_description_or_several() -> None:
    described = label_texts({"b": "second letter", " a ": ["first letter", "alpha"]})
    assert described == {"b": ["second letter"], "a": ["first letter", "alpha"]}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "labels is empty"),
        ({}, "labels is empty"),
        ("coffee", "got the string 'coffee'"),
        ([""], "blank name or description"),
        ({"a": " "}, "blank name or description: 'a'"),
        ({"a": ["fine", ""]}, "blank name or description: 'a'"),
        ([1], "not two strings: 1"),
        ({1: "one"}, "not two strings: 1"),
        ({"a": None}, "'a' has no description"),
        ({"a": []}, "'a' has no description"),
        ({"a": [3]}, "not two strings: 'a'"),
        (["a", "a "], "'a' appears twice"),
    ],
)
def test_labels_without_a_name_or_description_are_refused(labels: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        label_texts(labels)  # type: ignore[arg-type]


def test_queries_may_be_a_table_without_ids() -> None:
    text = ["name", "brand"]
    assert as_queries(ITEMS, text=text, item_id="item_id") is ITEMS
    bare = as_queries(ITEMS[text], text=text, item_id="item_id")
    assert bare == ["roast coffee own", "hand soap other"]
    with pytest.raises(InputError, match="no text column brand"):
        as_queries(ITEMS[["name"]], text=text, item_id="item_id")


def test_every_query_gets_a_name() -> None:
    none = np.array([None, None], dtype=object)
    assert query_ids(ITEMS, np.array(["p1", "p2"], dtype=object)) == ["p1", "p2"]
    assert query_ids(pd.Series(["x", "y"], index=["r", "s"]), none) == ["r", "s"]
    assert query_ids(["x", "y"], none) == ["0", "1"]
