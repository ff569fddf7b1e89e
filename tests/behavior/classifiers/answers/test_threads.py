"""Threads that share a classifier or an index: nothing is lost, an answer is of one moment."""

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from retrieval import Encoder, InputError
from tests.milvus_places import Places

X = ["whole milk", "chips bag", "light bulb"] * 3
Y = ["dairy", "snacks", "home"] * 3
THREADS = 8


def _at_once(work: Callable[[int], object]) -> list[object]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


@pytest.fixture
def clf(encoder: Encoder) -> NeighborClassifier:
    return NeighborClassifier(encoder=encoder).fit(X, Y)


def test_nothing_that_threads_add_is_lost(clf: NeighborClassifier) -> None:
    def work(number: int) -> None:
        clf.add_examples([f"thing {number} {one}" for one in range(3)], [f"lab{number}"] * 3)
        clf.add_label(f"word{number}", f"a thing called {number}")
        proba = clf.predict_proba(["milk", f"thing {number} 0"])
        assert proba.sum(axis=1) == pytest.approx([1, 1])
        assert len(clf.predict(["milk"])) == len(clf.classify(["milk"])) == 1

    _at_once(work)
    names = [f"{kind}{number}" for kind in ("lab", "word") for number in range(THREADS)]
    assert clf.classes_.tolist() == sorted({*Y, *names})
    assert len(clf.knowledge_.example_ids) == len(X) + 3 * THREADS
    assert clf.knowledge_.counts.sum() == len(X) + 3 * THREADS
    taught = clf.knowledge_.example_ids
    removed = _at_once(lambda number: clf.remove_examples(sorted(taught)[number::THREADS][:2]))
    assert removed == [2] * THREADS
    assert len(clf.knowledge_.example_ids) == len(X) + THREADS


def test_threads_that_share_an_index_lose_nothing(milvus: Places, encoder: Encoder) -> None:
    items = pd.DataFrame({"item_id": [f"i{one}" for one in range(9)], "name": X, "kind": Y})
    with milvus().open(encoder) as index:

        def write(number: int) -> None:
            own = items.assign(item_id=[f"{number}-{one}" for one in range(9)])
            index.upsert(own, text="name", label="kind")

        _at_once(write)  # the first of them makes the collection
        assert index.count() == 9 * THREADS
        clf = NeighborClassifier(index).fit()

        def work(number: int) -> None:
            clf.add_examples(
                pd.DataFrame({"item_id": [f"new{number}"], "name": [f"thing {number}"]}),
                [f"lab{number}"],
            )
            assert len(clf.predict(["milk", "bulb"])) == 2

        _at_once(work)
        assert len(clf.classes_) == 3 + THREADS
        assert len(clf.knowledge_.example_ids) == 10 * THREADS
        near = index.neighbors(["milk"] * 300, k=50)
        assert near.valid.all()
        gone = _at_once(lambda number: index.delete([f"{number}-0", f"{number}-1"]))
        assert gone == [2] * THREADS


def test_an_answer_is_of_one_moment(clf: NeighborClassifier) -> None:
    asked = ["milk"] * 40

    def work(number: int) -> None:
        if number % 2:
            clf.add_examples([f"soap {number}"], [f"a{number}"])
        else:
            table, proba = clf.classify_with_proba(asked)
            assert table["probability"].to_numpy() == pytest.approx(proba.max(axis=1))
            assert set(clf.predict(asked)) == {"dairy"}

    _at_once(work)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_goes_its_own_way(
    clf: NeighborClassifier, copied: Callable[[NeighborClassifier], NeighborClassifier]
) -> None:
    before = clf.predict_proba(["milk", "lamp"])
    other = copied(clf)
    assert np.array_equal(other.predict_proba(["milk", "lamp"]), before)
    other.add_examples(["hand soap"], ["soap"])
    assert other.predict(["soap"]).tolist() == ["soap"]
    assert clf.classes_.tolist() == ["dairy", "home", "snacks"]
    assert np.array_equal(clf.predict_proba(["milk", "lamp"]), before)
    again = copied(NeighborClassifier(k=3)).fit(X, Y)
    assert again.predict(["whole milk"]).tolist() == ["dairy"]


def test_an_index_in_milvus_is_shared_by_copies_and_cannot_be_pickled(
    milvus: Places, encoder: Encoder
) -> None:
    items = pd.DataFrame({"item_id": [f"i{one}" for one in range(9)], "name": X, "kind": Y})
    with milvus().open(encoder) as index:
        index.upsert(items, text="name", label="kind")
        clf = NeighborClassifier(index).fit()
        assert copy.deepcopy(clf).index_ is index
        with pytest.raises(InputError, match=r"cannot be pickled: .*save\(path\) and load"):
            pickle.dumps(clf)
