from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import given, settings, strategies as st

from retrieval import IN_MEMORY, Encoder, ItemIndex, Neighbors

# Directions of texts; an item has the vector of its text, so that no text is encoded.
DIRECTIONS = np.random.default_rng(0).standard_normal((4, 384)).astype(np.float32)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)


@dataclass(frozen=True)
class Shelf:
    """Items of few texts and labels; each is (text, label)."""

    items: list[tuple[int, str]]

    def index(self, encoder: Encoder, ids: list[str], order: list[int]) -> ItemIndex:
        """The same items, of these ids and in this order."""
        rows = [(ids[one], *self.items[one]) for one in order]
        table = pd.DataFrame(rows, columns=["item_id", "text", "label"])
        vectors = DIRECTIONS[table["text"]]
        index = ItemIndex(IN_MEMORY, encoder)
        index.upsert(
            table.assign(text=table["text"].map("text {}".format)),
            text="text",
            label="label",
            vectors=vectors,
        )
        return index

    def votes(self, query: int, k: int, without: int | None) -> Counter[tuple[int, str]]:
        """Places of each text and label among the k nearest, ties sharing the last ones."""
        alike = (DIRECTIONS @ DIRECTIONS[query]).round(5)
        others = Counter(one for place, one in enumerate(self.items) if place != without)
        votes: Counter[tuple[int, str]] = Counter()
        left = float(k)
        for value in sorted(set(alike.tolist()), reverse=True):
            tied = {one: n for one, n in others.items() if alike[one[0]] == value}
            total = sum(tied.values())
            taken = min(left, total)
            votes.update({one: n * taken / total for one, n in tied.items() if taken})
            left -= taken
        return votes


shelves = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=40
).map(Shelf)


def _told(near: Neighbors, index: ItemIndex, what: npt.NDArray[np.generic]) -> dict[object, float]:
    texts = index.get([one for one in near.ids[0] if one is not None]).set_index("item_id")["text"]
    return {
        (int(texts[one].split()[1]), label): float(value)
        for one, label, value in zip(near.ids[0], near.labels[0], what[0], strict=True)
        if one is not None
    }


@settings(max_examples=40)
@given(shelf=shelves, data=st.data())
def test_ids_and_the_order_of_rows_change_no_vote(
    encoder: Encoder, shelf: Shelf, data: st.DataObject
) -> None:
    n = len(shelf.items)
    query, k = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 12))
    own = data.draw(st.none() | st.integers(0, n - 1))
    expected = shelf.votes(query, k, own)
    for _ in range(2):
        names = [f"i{one}" for one in data.draw(st.permutations(range(n)))]
        index = shelf.index(encoder, names, data.draw(st.permutations(range(n))))
        asked = DIRECTIONS[query : query + 1]
        ids = [None if own is None else names[own]]
        near = index.voters(asked, k, ids=ids)
        told = _told(near, index, near.places)
        assert told.keys() == expected.keys()
        assert all(abs(told[one] - expected[one]) < 1e-9 for one in told)
        nearest = near.nearest(k)
        plain = index.neighbors(asked, k, ids=ids)
        np.testing.assert_allclose(nearest, plain.similarity, atol=1e-5)
        assert own is None or names[own] not in set(plain.ids.ravel())


@settings(max_examples=25)
@given(shelf=shelves, data=st.data())
def test_twins_are_listed_once_with_their_number(
    encoder: Encoder, shelf: Shelf, data: st.DataObject
) -> None:
    n = len(shelf.items)
    query, k = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 8))
    own = data.draw(st.none() | st.integers(0, n - 1))
    index = shelf.index(encoder, [f"i{one}" for one in range(n)], list(range(n)))
    ids = [None if own is None else f"i{own}"]
    near = index.neighbors(DIRECTIONS[query : query + 1], k, ids=ids, twins="once")
    others = Counter(one for place, one in enumerate(shelf.items) if place != own)
    told = _told(near, index, near.count)
    assert len(told) == int(near.valid.sum()) == min(k, len(others))
    assert all(count == others[one] for one, count in told.items())  # type: ignore[index]


def test_the_first_of_some_share_the_last_places() -> None:
    near = Neighbors(
        ids=np.array([["a", "b", "c", "d"]], dtype=object),
        similarity=np.array([[0.9, 0.8, 0.8, 0.7]], dtype=np.float32),
        labels=np.array([["x", "x", "y", "z"]], dtype=object),
        queries=np.array([None], dtype=object),
        count=np.array([[1, 6, 2, 1]]),
    )
    first = near.first(5, np.array([[True, True, True, True]]))
    assert first.labels.tolist() == [["x", "x", "y"]]
    np.testing.assert_allclose(first.places, [[1, 3, 1]])
    without = near.first(5, np.array([[False, False, True, True]]))
    assert without.labels.tolist() == [["y", "z"]]
    np.testing.assert_allclose(without.places, [[2, 1]])
