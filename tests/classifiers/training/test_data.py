import pandas as pd
import pytest

from classifiers import NeighborClassifier
from classifiers.inputs import labeled_examples, stored_label
from classifiers.training.data import FitRequest, teach, to_rows, to_targets
from retrieval import IN_MEMORY, Encoder, InputError, ItemIndex

ITEMS = pd.DataFrame({"item_id": ["t1", "c1"], "text": ["green tea", "espresso coffee"]})


def _lesson(
    y: list[object] | None, described: dict[str, list[str]], **others: object
) -> FitRequest:
    examples = None if y is None else labeled_examples(ITEMS, y, text=None, item_id="item_id")
    given = {"unlabeled": None, "outside": None, "groups": None, **others}
    return FitRequest(examples, described, ["text"], "item_id", **given)  # type: ignore[arg-type]


def test_targets_tell_which_label_or_which_labels() -> None:
    names = pd.Index(["a", "b", "c"], dtype=object).to_numpy()
    stored = pd.Index(["c", "a", "c"], dtype=object).to_numpy()
    assert to_targets(stored, names, exclusive=True).tolist() == [2, 0, 2]
    lists = pd.Index([stored_label(["a", "c"]), stored_label([])], dtype=object).to_numpy()
    assert to_targets(lists, names, exclusive=False).tolist() == [
        [True, False, True],
        [False, False, False],
    ]


def test_in_a_private_index_a_description_is_an_item_but_no_example(encoder: Encoder) -> None:
    index = ItemIndex(IN_MEMORY, encoder)
    taught = teach(index, _lesson(["tea", "coffee"], {"soap": ["hand soap"]}), is_private=True)
    assert taught.names.tolist() == ["coffee", "soap", "tea"]
    assert dict(zip(taught.examples.ids, taught.examples.targets, strict=True)) == {
        "c1": 0,
        "t1": 2,
    }
    assert list(taught.examples.described) == ["soap"]
    assert sorted(index.read(labeled=True).labels) == ["coffee", "soap", "tea"]


def test_an_index_of_ones_own_holds_items_only(index: ItemIndex) -> None:
    before = index.count()
    taught = teach(index, _lesson(None, {"BEEF": ["steak"]}), is_private=False)
    assert index.count() == before == len(taught.examples.ids)
    assert taught.names.tolist() == sorted({*index.labels(), "BEEF"})
    assert (taught.names[taught.examples.targets] == taught.examples.stored).all()


def test_the_order_of_examples_changes_nothing(encoder: Encoder) -> None:
    index = ItemIndex(IN_MEMORY, encoder)
    taught = teach(index, _lesson(["tea", "coffee"], {}, groups=["gt", "gc"]), is_private=True)
    # By what they say, whatever their ids.
    assert taught.examples.ids.tolist() == ["t1", "c1"]
    assert taught.examples.stored.tolist() == ["tea", "coffee"]
    assert taught.examples.groups is not None
    assert taught.examples.groups.tolist() == ["gt", "gc"]
    expected = encoder.encode(["green tea", "espresso coffee"])
    assert taught.examples.vectors == pytest.approx(expected, abs=1e-6)


def test_the_attribute_that_tells_the_group_is_read_item_by_item(index: ItemIndex) -> None:
    taught = teach(index, _lesson(None, {}, groups="fold"), is_private=False)
    expected = index.get(taught.examples.ids.tolist())
    assert expected["item_id"].tolist() == taught.examples.ids.tolist()
    assert taught.examples.groups is not None
    assert taught.examples.groups.tolist() == expected["fold"].tolist()


@pytest.mark.parametrize(
    ("y", "others", "message"),
    [
        (["a", "b"], {"groups": ["x"]}, "groups holds 1 values for 2 examples"),
        (["a", "b"], {"groups": "x"}, r"no attribute 'x' \(there are: none\)"),
        (["a", "b"], {"unlabeled": []}, "unlabeled is empty"),
        (["a", "b"], {"outside": []}, "outside is empty"),
        (["a", "b"], {"outside": ["fine", ""]}, "row 2 is not a text"),
    ],
)
def test_what_does_not_go_together_is_refused(
    encoder: Encoder, y: list[object], others: dict[str, object], message: str
) -> None:
    index = ItemIndex(IN_MEMORY, encoder)
    with pytest.raises(InputError, match=message):
        teach(index, _lesson(y, {}, **others), is_private=True)


def test_labels_of_another_kind_than_strings_cannot_be_described(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="convert y to strings"):
        NeighborClassifier(encoder=encoder).fit(ITEMS, [1, 2], labels={"3": "three"})


@pytest.mark.parametrize(
    ("y", "groups", "message"),
    [
        ([["a"], ["b"]], None, "one label an item; leave index= out"),
        ([1, 2], None, "labels as strings; convert y"),
        (None, ["x"], "name the attribute that tells the group"),
        (None, "x", r"no attribute 'x' \(there are: fold\)"),
    ],
)
def test_an_index_of_ones_own_cannot_take_everything(
    index: ItemIndex, y: list[object] | None, groups: object, message: str
) -> None:
    before = index.count()
    with pytest.raises(InputError, match=message):
        teach(index, _lesson(y, {}, groups=groups), is_private=False)
    assert index.count() == before


def test_items_to_learn_from_come_as_texts_or_as_a_table(index: ItemIndex) -> None:
    table = pd.DataFrame(
        {"item_id": ["x"], "product_type": ["roast"], "package_size": [None], "brand": ["Own"]}
    )
    vectors, ids = to_rows(index, table)
    assert ids.tolist() == ["x"]
    alike, nobody = to_rows(index, ["roast Own"])
    assert nobody.tolist() == [None]
    assert vectors == pytest.approx(alike, abs=1e-6)
