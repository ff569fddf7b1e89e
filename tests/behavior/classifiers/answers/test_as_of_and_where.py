"""Answers that must not see all items: as of a date, where a filter holds, about a known item.

What `fit` learned rests on every item of the index: to be honest about the past, fit on what was
there. What these tests hold is that no later item, and nothing learned about items, adds to an
answer: neighbors alone do.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from retrieval import Encoder, ItemIndex
from tests.classifiers.conftest import TEXT, Shelf

NEW = ["espresso beans, dark roast 12 OZ", "shredded mozzarella", "lavender hand wash refill"]
EARLY = "2023-06-01"  # only fold 0 is there


@pytest.fixture(scope="module")
def past(
    tmp_path_factory: pytest.TempPathFactory, encoder: Encoder, groceries: pd.DataFrame
) -> Iterator[ItemIndex]:
    """As `index`, not to be changed."""
    with ItemIndex(str(tmp_path_factory.mktemp("past") / "items.db"), encoder=encoder) as index:
        _write(index, _items(groceries))
        yield index


def _items(groceries: pd.DataFrame) -> pd.DataFrame:
    items = groceries.assign(fold=[str(row % 2) for row in range(len(groceries))])
    launch = pd.to_datetime(items["fold"].map({"0": "2023-01-02", "1": "2024-01-01"}))
    return items.assign(launch_date=launch)


def _write(index: ItemIndex, items: pd.DataFrame) -> None:
    index.upsert(items, text=TEXT, label="category", launch_date="launch_date", attributes=["fold"])


def _corrupt_later_items(index: ItemIndex, groceries: pd.DataFrame) -> None:
    later = _items(groceries).query("fold == '1'").copy()
    later["category"] = later["category"].to_numpy()[::-1]
    later[TEXT] = "espresso mozzarella hand wash"
    _write(index, later)


def _answers(classifier: NeighborClassifier, X: object = NEW) -> pd.DataFrame:
    return classifier.classify(X, as_of=EARLY)  # type: ignore[arg-type]


def test_only_items_launched_by_then_vote(past: ItemIndex, groceries: pd.DataFrame) -> None:
    clf = NeighborClassifier(index=past, k=200).fit()
    first_half = set(groceries["item_id"][0::2])
    dates = ["2022-12-31", EARLY, "2024-01-01"]
    table = clf.classify([NEW[0]] * 3, as_of=dates, neighbors=200)
    voters = [{each["item_id"] for each in neighbors} for neighbors in table["neighbors"]]
    counts = [sum(each["count"] for each in neighbors) for neighbors in table["neighbors"]]
    assert voters[0] == set()
    assert voters[1] <= first_half
    assert counts == [0, len(first_half), len(groceries)]


def test_only_items_that_pass_the_filter_vote(past: ItemIndex, groceries: pd.DataFrame) -> None:
    clf = NeighborClassifier(index=past).fit()
    table = clf.classify(groceries[["item_id", *TEXT]], where={"fold": ["1"]})
    voters = {each["item_id"] for neighbors in table["neighbors"] for each in neighbors}
    assert voters
    assert voters <= set(groceries["item_id"][1::2])


def test_neighbors_alone_answer(past: ItemIndex) -> None:
    clf = NeighborClassifier(index=past).fit()
    assert set(clf.classify(NEW)["parts"][0]) == {"neighbors", "prototypes", "head"}
    for bound in ({"as_of": EARLY}, {"as_of": "2030-01-01"}, {"where": {"fold": "1"}}):
        table = clf.classify(NEW, **bound)  # type: ignore[arg-type]
        assert all(set(parts) == {"neighbors"} for parts in table["parts"])
        assert set(clf.explain(NEW, **bound)["part"]) == {"neighbors"}


def test_where_nothing_is_visible_nothing_is_claimed(past: ItemIndex) -> None:
    clf = NeighborClassifier(index=past).fit()
    table = clf.classify(NEW, as_of="2020-01-01")
    assert table["label"].isna().all()
    assert table["probability"].isna().all()
    assert table["novelty"].isna().all()
    assert not table["known"].any()
    assert table["neighbors"].tolist() == [[], [], []]
    assert (clf.predict_proba(NEW, as_of="2020-01-01") == 1 / len(clf.classes_)).all()
    assert np.isnan(clf.novelty(NEW, as_of="2020-01-01")).all()


def test_items_that_come_later_change_no_answer_of_the_past(
    index: ItemIndex, groceries: pd.DataFrame
) -> None:
    clf = NeighborClassifier(index=index).fit()
    before, now = _answers(clf), clf.classify(NEW)
    proba = clf.predict_proba(NEW, as_of=EARLY)
    _corrupt_later_items(index, groceries)
    index.read()  # into memory as before: Milvus itself computes another last digit
    pd.testing.assert_frame_equal(_answers(clf), before, check_exact=True)
    assert (clf.predict_proba(NEW, as_of=EARLY) == proba).all()
    assert clf.classify(NEW)["neighbors"].tolist() != now["neighbors"].tolist()


def test_even_a_fit_on_a_corrupted_future_leaves_the_votes_of_the_past(
    index: ItemIndex, groceries: pd.DataFrame
) -> None:
    pure = NeighborClassifier(index=index, head=None, calibrate=False)
    full = NeighborClassifier(index=index)
    votes = ["label", "probability", "neighbors", "parts"]
    before, labels = _answers(pure.fit())[votes], _answers(full.fit())["label"]
    _corrupt_later_items(index, groceries)
    pd.testing.assert_frame_equal(_answers(pure.fit())[votes], before, check_exact=True)
    # What is learned from all items bends probabilities; it does not change who is the first.
    again = _answers(full.fit())
    assert again["label"].tolist() == labels.tolist()
    assert again["neighbors"].tolist() == before["neighbors"].tolist()


def test_an_item_of_the_index_does_not_answer_for_itself(
    past: ItemIndex, groceries: pd.DataFrame
) -> None:
    clf = NeighborClassifier(index=past).fit()
    known = groceries[["item_id", *TEXT]]
    table = clf.classify(known)
    for own, neighbors in zip(table["item_id"], table["neighbors"], strict=True):
        assert own not in {each["item_id"] for each in neighbors}
    # Prototypes and head have learned from it: they keep silent.
    assert all(set(parts) == {"neighbors"} for parts in table["parts"])


def test_known_and_new_items_can_be_asked_together(
    past: ItemIndex, groceries: pd.DataFrame
) -> None:
    clf = NeighborClassifier(index=past).fit()
    known = groceries[["item_id", *TEXT]].iloc[[0, 50]]
    both = pd.concat([known, known.assign(item_id=["new 1", "new 2"])], ignore_index=True)
    together, alone = clf.classify(both), clf.classify(known)
    np.testing.assert_allclose(together["probability"][:2], alone["probability"], atol=1e-5)
    assert together["known"].tolist()[:2] == alone["known"].tolist()
    for parts in together["parts"][:2]:
        assert not parts["head"]
        assert not parts["prototypes"]
    assert all(parts["head"] > 0 for parts in together["parts"][2:])
    # The same text under another id meets its twin.
    assert together["neighbors"][2][0]["item_id"] in set(groceries["item_id"])
    assert together["probability"][2] >= together["probability"][0]


def test_a_lie_about_one_item_does_not_reach_its_own_answer(encoder: Encoder, shelf: Shelf) -> None:
    X = pd.DataFrame({"item_id": [f"i{row}" for row in range(100)], "text": shelf.texts[:100]})
    lie = [*shelf.labels[:99], "SOUP" if shelf.labels[99] != "SOUP" else "BEEF"]
    honest, lied = (
        NeighborClassifier(encoder=encoder, calibrate=False).fit(X, y).classify(X.iloc[[99]])
        for y in (shelf.labels[:100], lie)
    )
    columns = ["label", "probability", "neighbors", "parts"]
    pd.testing.assert_frame_equal(honest[columns], lied[columns], check_exact=True)
