from typing import Any

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier, prediction
from classifiers.scorers.ensemble import ANY, HEAD, NEIGHBORS, PROTOTYPES
from retrieval import Encoder, InputError, ItemIndex
from tests.classifiers.conftest import ASTRONOMY, TEXT, Shelf


def _of_fold(groceries: pd.DataFrame, fold: int) -> pd.DataFrame:
    return groceries[np.arange(len(groceries)) % 2 == fold][["item_id", *TEXT]]


@pytest.fixture(scope="module")
def asked(learned: NeighborClassifier, shelf: Shelf) -> pd.DataFrame:
    return learned.classify(shelf.new_texts[:60])


def _voters(near: list[dict[str, Any]]) -> int:
    """How many items voted, at most 20: more may share the last places."""
    return min(sum(one["count"] for one in near), 20)


def test_contributions_add_up_to_the_probability_but_for_the_share_of_any_label(
    learned: NeighborClassifier, shelf: Shelf, asked: pd.DataFrame
) -> None:
    assert all(list(parts) == [NEIGHBORS, PROTOTYPES, HEAD] for parts in asked["parts"])
    added = np.array([sum(parts.values()) for parts in asked["parts"]])
    rest = asked["probability"].to_numpy() - added
    most = learned.knowledge_.trained.decision.blend.shares[ANY]
    assert most > 0
    assert (rest > -1e-9).all()
    assert (rest < most).all()


def test_an_example_is_answered_by_its_neighbors_alone(encoder: Encoder, shelf: Shelf) -> None:
    # Prototypes and head have learned from it: they know its label by heart.
    ids = [f"item {row}" for row in range(len(shelf.texts))]
    items = pd.DataFrame({"item_id": ids, "text": shelf.texts})
    wrong = [*["SOUP"] * 3, *shelf.labels[3:]]
    clf = NeighborClassifier(encoder=encoder).fit(items, wrong)
    strangers = items.assign(item_id=[f"new {one}" for one in ids])
    mixed = pd.concat([items[:3], strangers[3:6]], ignore_index=True)
    parts = clf.classify(mixed)["parts"]
    assert [bool(one[PROTOTYPES] or one[HEAD]) for one in parts] == [False] * 3 + [True] * 3
    # In whatever company it is asked for, the answer to an item is the same.
    together, alone = clf.predict_proba(mixed), clf.predict_proba(items[:3])
    assert together[:3] == pytest.approx(alone)
    assert together[3:] == pytest.approx(clf.predict_proba(strangers[3:6]))
    honest = clf.predict(items)
    assert (honest[:3] == shelf.labels[:3]).all()


@pytest.mark.parametrize("seen", [{"as_of": "2023-06-01"}, {"where": {"fold": "0"}}])
def test_what_must_not_be_seen_has_no_say(
    index: ItemIndex, groceries: pd.DataFrame, seen: dict[str, object]
) -> None:
    clf = NeighborClassifier(index=index).fit()
    later = _of_fold(groceries, 1)
    table = clf.classify(later, **seen)  # type: ignore[arg-type]
    allowed = set(_of_fold(groceries, 0)["item_id"])
    assert all({near["item_id"] for near in listed} <= allowed for listed in table["neighbors"])
    assert all(set(parts) == {NEIGHBORS} for parts in table["parts"])
    # An answer that rests on votes alone is the same, whatever prototypes and head have learned.
    strangers = later[TEXT].head(5)
    assert set(clf.classify(strangers)["parts"][0]) == {NEIGHBORS, PROTOTYPES, HEAD}
    assert set(clf.classify(strangers, **seen)["parts"][0]) == {NEIGHBORS}  # type: ignore[arg-type]


def test_each_item_can_be_asked_for_at_a_date_of_its_own(
    index: ItemIndex, groceries: pd.DataFrame
) -> None:
    clf = NeighborClassifier(index=index).fit()
    twice = _of_fold(groceries, 1).head(1)[TEXT]
    table = clf.classify(
        pd.concat([twice, twice], ignore_index=True), as_of=["2023-06-01", "2020-01-01"]
    )
    assert table["neighbors"].map(_voters).tolist() == [20, 0]
    assert table["label"].isna().tolist() == [False, True]
    assert np.isnan(table["novelty"][1])
    assert not table["known"][1]


@pytest.mark.digits
def test_batches_change_nothing(
    learned: NeighborClassifier, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = shelf.new_texts[:25]
    lists = [[label, "SOUP"] for label in shelf.new_labels[:25]]
    whole, among = learned.classify(texts), learned.predict_proba(texts, candidates=lists)
    monkeypatch.setattr(prediction, "_BATCH_VOTES", 20 * 7)
    monkeypatch.setattr(prediction, "_BATCH_CELLS", 10 * 3)
    pd.testing.assert_frame_equal(learned.classify(texts), whole)
    assert learned.predict_proba(texts, candidates=lists) == pytest.approx(among)


def test_each_batch_has_the_dates_of_its_own_items(
    index: ItemIndex, groceries: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    clf = NeighborClassifier(index=index).fit()
    dates = ["2023-06-01", "2020-01-01", "2020-01-01", "2023-06-01"]
    monkeypatch.setattr(prediction, "_BATCH_VOTES", 20 * 2)
    table = clf.classify(_of_fold(groceries, 1).head(4)[TEXT], as_of=dates)
    assert table["neighbors"].map(_voters).tolist() == [20, 0, 0, 20]


def test_no_items_give_no_rows(learned: NeighborClassifier) -> None:
    assert learned.predict_proba([]).shape == (0, 10)
    assert learned.predict_set([]) == []
    assert learned.classify([]).empty
    assert learned.explain([]).empty
    assert learned.novelty([]).shape == (0,)


def test_only_candidates_are_named(learned: NeighborClassifier, shelf: Shelf) -> None:
    texts, truth = shelf.new_texts[:40], shelf.new_labels[:40]
    whole = learned.predict_proba(texts)
    two = learned.predict_proba(texts, candidates=["SOUP", "BEEF"])
    columns = [learned.classes_.tolist().index(label) for label in ("BEEF", "SOUP")]
    expected = whole[:, columns] / whole[:, columns].sum(axis=1, keepdims=True)
    assert two[:, columns] == pytest.approx(expected)
    assert two.sum() == pytest.approx(len(texts))
    named = learned.classify(texts, candidates=[[label] for label in truth])
    assert named["label"].tolist() == truth
    assert named["probability"].tolist() == pytest.approx([1.0] * 40)
    assert all(
        set(labels) <= {label} for labels, label in zip(named["label_set"], truth, strict=True)
    )


def test_unknown_items_are_told_by_their_novelty(
    learned: NeighborClassifier, asked: pd.DataFrame
) -> None:
    unknown = learned.classify(ASTRONOMY)
    threshold = learned.knowledge_.trained.decision.novelty.threshold
    for table in (asked, unknown):
        assert (table["known"] == (table["novelty"] <= threshold)).all()
    assert unknown["novelty"].min() > asked["novelty"].median()
    assert learned.novelty(ASTRONOMY) == pytest.approx(unknown["novelty"])


def test_sets_need_enough_answers(learned: NeighborClassifier, encoder: Encoder) -> None:
    assert learned.classify(["soup"], coverage=0.999)["label_set"][0] is None
    with pytest.raises(InputError, match=r"coverage 0\.999 needs more examples.* 400"):
        learned.predict_set(["soup"], coverage=0.999)
    few = NeighborClassifier(encoder=encoder).fit(["tea", "soap"], ["drink", "wash"])
    assert few.classify(["soup"])["label_set"][0] is None
    with pytest.raises(InputError, match="out-of-fold answers to 0"):
        few.predict_set(["soup"])
    several = NeighborClassifier(encoder=encoder).fit(["tea", "soap"], [["drink"], ["wash"]])
    with pytest.raises(InputError, match="for items of one label"):
        several.predict_set(["soup"])


def test_more_coverage_makes_larger_sets(learned: NeighborClassifier, shelf: Shelf) -> None:
    small, large = (
        learned.predict_set(shelf.new_texts, coverage=coverage) for coverage in (0.6, 0.99)
    )
    assert all(set(one) <= set(other) for one, other in zip(small, large, strict=True))
    assert sum(map(len, small)) < sum(map(len, large))
    with pytest.raises(InputError, match=r"coverage must be in \(0, 1\)"):
        learned.predict_set(["soup"], coverage=1.0)


def test_of_names_alone_every_one_is_a_neighbor(encoder: Encoder) -> None:
    # With k = 20 and no prototypes, the 21st name could not be named.
    names = [f"number {number}" for number in range(30)]
    clf = NeighborClassifier(encoder=encoder, head=None).fit(labels=names)
    assert len(clf.classify(["number 29"], neighbors=99)["neighbors"][0]) == 30
    assert clf.predict(names).tolist() == names
    clf.add_examples(["number 30"], ["number 30"])
    assert len(clf.classify(["number 29"], neighbors=99)["neighbors"][0]) == 20
