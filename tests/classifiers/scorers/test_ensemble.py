from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from classifiers.inputs import stored_label
from classifiers.scorers.ensemble import ANY, HEAD, NEIGHBORS, PROTOTYPES, Blend, Scorers, completed
from classifiers.scorers.linear_head import LinearHead
from classifiers.scorers.prototypes import Prototypes
from classifiers.scorers.temperature import Scaling
from retrieval import InputError

NAMES = np.array(["a", "b", "c"], dtype=object)
DIM = 4

PARTS = [NEIGHBORS, PROTOTYPES, HEAD]
SOME_PARTS = st.lists(st.sampled_from(PARTS), min_size=1, unique=True)
POSITIVE = st.floats(1e-3, 1)


def _objects(rows: list[list[object]]) -> np.ndarray:
    return np.array(rows, dtype=object)


def _sources(*, exclusive: bool = True, head_names: str = "ab") -> Scorers:
    described = {"a": np.eye(DIM)[0], "b": np.eye(DIM)[1]}
    head = LinearHead(
        np.array(list(head_names), dtype=object),
        10 * np.eye(DIM)[: len(head_names)],
        np.zeros(len(head_names)),
        exclusive,
    )
    return Scorers(NAMES, exclusive, 0.05, Prototypes.of(NAMES, described, DIM), head)


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
    nothing = Scorers(NAMES, True, 0.05, Prototypes.of(NAMES, {}, DIM))
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
    assert list(Scorers(NAMES, True, 0.05).parts(vectors, *near)) == [NEIGHBORS]


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


def _rows(draw: st.DrawFn, n: int, n_labels: int) -> np.ndarray:
    raw = draw(arrays.arrays(np.float64, (n, n_labels), elements=POSITIVE))
    return raw / raw.sum(axis=1, keepdims=True)


@st.composite
def shares(draw: st.DrawFn) -> Blend:
    floor = draw(st.sampled_from([0.0, 0.01, 0.2]))
    raw = {part: draw(st.integers(0, 5)) for part in PARTS}
    total = sum(raw.values())
    if total == 0:
        return Blend.default(PARTS, floor)
    return Blend({**{part: (1 - floor) * one / total for part, one in raw.items()}, ANY: floor})


@given(SOME_PARTS.filter(lambda parts: parts != [HEAD]), st.floats(0, 0.5), st.booleans())
def test_default_shares_sum_to_one(parts: list[str], floor: float, has_examples: bool) -> None:
    blend = Blend.default(parts, floor, has_examples=has_examples)
    assert list(blend.shares) == [*parts, ANY]
    assert sum(blend.shares.values()) == pytest.approx(1)
    assert blend.shares[ANY] == floor


def test_descriptions_alone_are_for_the_prototypes() -> None:
    blend = Blend.default([NEIGHBORS, PROTOTYPES], 0.0, has_examples=False)
    assert blend.shares[PROTOTYPES] > blend.shares[NEIGHBORS]


@given(shares(), SOME_PARTS)
def test_a_part_that_is_gone_leaves_its_share_to_the_others(blend: Blend, parts: list[str]) -> None:
    rest = blend.among(parts).shares
    assert set(rest) == {*parts, ANY}
    assert sum(rest.values()) == pytest.approx(1)
    assert rest[ANY] == blend.shares[ANY]
    if any(blend.shares[part] for part in parts):
        for one in parts:
            for other in parts:
                mine, its = rest[one] * blend.shares[other], rest[other] * blend.shares[one]
                assert mine == pytest.approx(its)


def test_parts_that_are_equally_good_keep_the_default_shares() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 200)
    one = 0.1 + 0.7 * np.eye(3)[targets]
    parts = dict.fromkeys(PARTS, one)
    start = Blend.default(PARTS, 0.01)
    learned = start.improved(parts, targets)
    assert sum(learned.shares.values()) == pytest.approx(1)
    assert learned.shares[ANY] == 0.01
    # As near as steps of a tenth come.
    assert all(abs(learned.shares[part] - start.shares[part]) <= 0.1 for part in PARTS)


@pytest.mark.parametrize("good", PARTS)
@pytest.mark.parametrize("several", [False, True])
def test_the_part_that_is_right_gets_the_say(good: str, several: bool) -> None:
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 4, 300)
    has = np.eye(4)[targets]
    wrong = np.eye(4)[(targets + 1) % 4]
    parts = {part: has if part == good else wrong for part in PARTS}
    start = Blend.default(PARTS, 0.01)
    learned = start.improved(parts, has.astype(bool) if several else targets)
    assert learned.shares[good] > 0.49  # from here on no two others can outvote it
    assert learned.shares[good] == max(learned.shares.values())


@given(st.data(), shares())
def test_contributions_sum_to_the_mixture(data: st.DataObject, blend: Blend) -> None:
    parts = {part: _rows(data.draw, 3, 4) for part in PARTS}
    added = blend.contributions(parts, 1 / 4)
    assert set(added) == {*PARTS, ANY}
    assert np.allclose(sum(added.values()).sum(axis=1), 1)  # type: ignore[union-attr]
    for part in PARTS:
        assert np.allclose(added[part], blend.shares[part] * parts[part])


@given(st.data(), st.integers(1, 5))
def test_what_the_head_does_not_know_the_others_say(data: st.DataObject, n_labels: int) -> None:
    knows = data.draw(arrays.arrays(bool, n_labels))
    others = _rows(data.draw, 3, n_labels)
    head = _rows(data.draw, 3, int(knows.sum())) if knows.any() else np.empty((3, 0))
    full = completed(head, knows, others, exclusive=True)
    assert np.allclose(full[:, ~knows], others[:, ~knows])
    assert np.allclose(full.sum(axis=1), 1 if knows.any() else others.sum(axis=1))
    if knows.any():  # the head's own proportions stay
        known = full[:, knows] / full[:, knows].sum(axis=1, keepdims=True)
        assert np.allclose(known, head, atol=1e-6)
    several = completed(head, knows, others, exclusive=False)
    assert np.allclose(several[:, knows], head)
    assert np.allclose(several[:, ~knows], others[:, ~knows])
