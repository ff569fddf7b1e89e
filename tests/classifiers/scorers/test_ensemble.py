from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from classifiers.blend import HEAD, NEIGHBORS, PROTOTYPES
from classifiers.inputs import stored_label
from classifiers.scorers.ensemble import Sources
from classifiers.scorers.linear_head import LinearHead
from classifiers.scorers.prototypes import Prototypes
from classifiers.scorers.temperature import Scaling
from retrieval import InputError

NAMES = np.array(["a", "b", "c"], dtype=object)
DIM = 4


def _objects(rows: list[list[object]]) -> np.ndarray:
    return np.array(rows, dtype=object)


def _sources(*, exclusive: bool = True, head_names: str = "ab") -> Sources:
    described = {"a": np.eye(DIM)[0], "b": np.eye(DIM)[1]}
    head = LinearHead(
        np.array(list(head_names), dtype=object),
        10 * np.eye(DIM)[: len(head_names)],
        np.zeros(len(head_names)),
        exclusive,
    )
    return Sources(NAMES, exclusive, 0.05, Prototypes.of(NAMES, described, DIM), head)


def test_the_vote_is_split_by_similarity() -> None:
    similarity = np.array([[0.9, 0.85, 0.85], [0.5, np.nan, np.nan]])
    votes = _sources().votes(similarity, _objects([["b", "a", "b"], ["c", None, None]]))
    e = np.exp(1)
    assert votes[0] == pytest.approx([1 / (e + 2), (e + 1) / (e + 2), 0])
    assert votes[1].tolist() == [0, 0, 1]


def test_without_a_neighbor_every_label_is_alike_and_of_several_there_is_none() -> None:
    nobody = np.full((1, 2), np.nan)
    nothing = _objects([[None, None]])
    assert _sources().votes(nobody, nothing) == pytest.approx(np.full((1, 3), 1 / 3))
    assert _sources(exclusive=False).votes(nobody, nothing).tolist() == [[0, 0, 0]]


def test_a_label_that_came_after_fit_is_not_ignored() -> None:
    with pytest.raises(InputError, match="came after fit: 'late'; fit again"):
        _sources().votes(np.array([[0.9, 0.8]]), _objects([["a", "late"]]))


def test_a_vote_for_several_labels_counts_for_each_of_them() -> None:
    sources = _sources(exclusive=False)
    labels = _objects([[stored_label(["a", "c"]), stored_label(["c"]), stored_label([])]])
    votes = sources.votes(np.array([[0.5, 0.5, 0.5]]), labels)
    assert votes[0] == pytest.approx([1 / 3, 0, 2 / 3])


@given(st.data(), st.integers(1, 4), st.integers(1, 6))
def test_votes_for_several_labels_are_shares_of_the_whole(
    data: st.DataObject, n: int, k: int
) -> None:
    similarity = data.draw(arrays.arrays(np.float64, (n, k), elements=st.floats(-1, 1)))
    names = st.lists(st.sampled_from(NAMES.tolist()), unique=True)
    labels = [[data.draw(names) for _ in range(k)] for _ in range(n)]
    stored = _objects([[stored_label(one) for one in row] for row in labels])
    votes = _sources(exclusive=False).votes(similarity, stored)
    assert ((votes >= 0) & (votes <= 1)).all()
    for row, mine in enumerate(labels):
        for column, name in enumerate(NAMES):
            if all(name in one for one in mine):
                assert votes[row, column] == pytest.approx(1)
            if not any(name in one for one in mine):
                assert votes[row, column] == 0


def test_prototypes_say_nothing_for_a_label_they_know_nothing_of() -> None:
    vectors = np.eye(DIM, dtype=np.float32)[[1, 3]]
    said = _sources().resemblance(vectors)
    assert np.allclose(said.sum(axis=1), 1)
    assert said[0, 1] > 0.9
    assert said[1].tolist() == [0.5, 0.5, 0.0]
    nothing = Sources(NAMES, True, 0.05, Prototypes.of(NAMES, {}, DIM))
    assert nothing.resemblance(vectors) == pytest.approx(np.full((2, 3), 1 / 3))


def test_each_part_says_its_own() -> None:
    vectors = np.eye(DIM, dtype=np.float32)[[0]]
    near = np.array([[0.9]]), _objects([["c"]])
    said = _sources().parts(vectors, *near)
    assert {part: proba.shape for part, proba in said.items()} == {
        NEIGHBORS: (1, 3),
        PROTOTYPES: (1, 3),
        HEAD: (1, 2),
    }
    assert said[NEIGHBORS].argmax() == 2
    assert said[PROTOTYPES].argmax() == said[HEAD].argmax() == 0
    assert list(_sources().parts(vectors, *near, votes_only=True)) == [NEIGHBORS]
    assert list(Sources(NAMES, True, 0.05).parts(vectors, *near)) == [NEIGHBORS]


def test_each_part_is_calibrated_on_its_own() -> None:
    vectors = np.array([[0.9, 0.43, 0, 0]], dtype=np.float32)
    near = np.array([[0.9, 0.85]]), _objects([["c", "a"]])
    plain, scaled = (
        replace(_sources(), scalings={PROTOTYPES: Scaling(slope)}).parts(vectors, *near)
        for slope in (1.0, 0.1)
    )
    assert scaled[PROTOTYPES].max() < plain[PROTOTYPES].max()
    assert (scaled[HEAD] == plain[HEAD]).all()
    assert (scaled[NEIGHBORS] == plain[NEIGHBORS]).all()


def test_the_head_speaks_only_of_labels_that_still_exist() -> None:
    vectors = np.eye(DIM, dtype=np.float32)[[0]]
    near = np.array([[0.9]]), _objects([["b"]])
    some = _sources(head_names="xb")
    assert some.head_knows.tolist() == [False, True, False]
    assert some.parts(vectors, *near)[HEAD].tolist() == [[1.0]]
    none = _sources(head_names="xy")
    assert not none.head_knows.any()
    assert HEAD not in none.parts(vectors, *near)


def test_new_names_reach_the_prototypes_and_leave_the_head() -> None:
    grown = _sources().renamed(np.array(["a", "b", "bb", "c"], dtype=object))
    assert grown.prototypes is not None
    assert grown.prototypes.directions().any(axis=1).tolist() == [True, True, False, False]
    assert grown.head_knows.tolist() == [True, True, False, False]
