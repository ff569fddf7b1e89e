import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from classifiers.scorers.prototypes import DESCRIPTION_WEIGHT, Prototypes, describe
from retrieval import Encoder
from tests.classifiers.conftest import Shelf

NAMES = np.array(["a", "b", "c"], dtype=object)
DIM = 4


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@st.composite
def labeled_vectors(draw: st.DrawFn, least: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positions of labels, and the unit vectors of as many examples."""
    n = draw(st.integers(least, 8))
    raw = draw(arrays.arrays(np.float32, (n, DIM), elements=st.floats(0.125, 1, width=32)))
    labels = draw(arrays.arrays(np.intp, n, elements=st.integers(0, len(NAMES) - 1)))
    return labels, _unit(raw) if n else raw


def _start() -> Prototypes:
    unlabeled = np.eye(DIM, dtype=np.float32)
    described = {"a": np.eye(DIM)[0], "c": np.eye(DIM)[1]}
    return Prototypes.of(NAMES, described, DIM, unlabeled)


@given(labeled_vectors(), labeled_vectors())
def test_examples_that_come_and_go_leave_no_trace(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> None:
    before = _start().adding(*first)
    after = before.adding(*second).adding(*second, sign=-1)
    assert np.allclose(after.sums, before.sums, atol=1e-9)
    assert (after.counts == before.counts).all()


@given(labeled_vectors(least=1), st.randoms(use_true_random=False))
def test_the_order_of_examples_changes_nothing(
    examples: tuple[np.ndarray, np.ndarray], random: object
) -> None:
    labels, vectors = examples
    order = list(range(len(labels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one = _start().adding(labels, vectors)
    other = _start().adding(labels[order], vectors[order])
    assert np.allclose(one.directions(), other.directions(), atol=1e-7)
    assert (one.counts == other.counts).all()
    assert one.counts.sum() == len(labels)


def test_the_last_example_takes_everything_with_it() -> None:
    rng = np.random.default_rng(0)
    vectors = _unit(rng.normal(size=(50, DIM))).astype(np.float32)
    labels = np.full(50, 1)
    empty = _start().adding(labels, vectors).adding(labels, vectors[::-1], sign=-1)
    assert (empty.sums == 0).all()  # exactly: a rounding error would be a direction of length 1
    assert (empty.directions()[1] == 0).all()


def test_a_label_nothing_is_known_about_has_no_direction() -> None:
    directions = _start().directions()
    assert (directions[1] == 0).all()
    assert np.linalg.norm(directions[[0, 2]], axis=1) == pytest.approx(1)
    assert (_start().similarity(np.ones((2, DIM), np.float32) / 2)[:, 1] == 0).all()


def test_a_description_counts_as_a_few_examples() -> None:
    plain = Prototypes.of(NAMES, {"a": np.eye(DIM)[0]}, DIM)
    both = plain.adding(np.array([0]), np.eye(DIM, dtype=np.float32)[[1]]).directions()[0]
    assert both == pytest.approx(_unit(np.array([DESCRIPTION_WEIGHT, 1, 0, 0])))


def test_without_unlabeled_items_nothing_is_centered() -> None:
    plain = Prototypes.of(NAMES, {"a": np.eye(DIM)[0]}, DIM)
    assert not plain.center.any()
    assert plain.directions()[0] == pytest.approx(np.eye(DIM)[0])
    vector = np.array([[0.6, 0.8, 0, 0]], dtype=np.float32)
    assert plain.similarity(vector)[0, 0] == pytest.approx(0.6)


def test_what_all_items_share_is_taken_out() -> None:
    # The first two items differ in little; what differs decides once the common part is gone.
    items = _unit(np.array([[10, 1, 0, 0], [10, 0, 1, 0], [10, 0, 0, 1]])).astype(np.float32)
    start = Prototypes.of(NAMES, {}, DIM, items)
    plain = Prototypes.of(NAMES, {}, DIM)
    positions = np.arange(3)
    assert plain.adding(positions, items).similarity(items)[0, 1] > 0.98
    assert start.adding(positions, items).similarity(items)[0, 1] < 0


def test_descriptions_have_a_center_of_their_own() -> None:
    texts = {"a": _unit(np.array([1, 9, 0, 0])), "c": _unit(np.array([0, 9, 1, 0]))}
    start = Prototypes.of(NAMES, texts, DIM, np.eye(DIM, dtype=np.float32))
    assert start.described_center == pytest.approx((texts["a"] + texts["c"]) / 2)
    assert start.described[0] @ start.described[2] == pytest.approx(-1)
    later = start.describing("b", texts["a"])
    assert later.described[1] == pytest.approx(start.described[0])
    assert not start.described[1].any(), "the old prototypes must stay as they are"


def test_new_names_keep_what_is_there_and_are_blank_otherwise() -> None:
    rng = np.random.default_rng(1)
    vectors = _unit(rng.normal(size=(6, DIM))).astype(np.float32)
    old = _start().adding(np.array([0, 1, 1, 2, 2, 2]), vectors).drawn_to(vectors)
    new = old.renamed(np.array(["0", "a", "bb", "c"], dtype=object))
    assert new.counts.tolist() == [0, 1, 0, 3]
    assert new.directions()[[1, 3]] == pytest.approx(old.directions()[[0, 2]])
    assert not new.directions()[[0, 2]].any()
    assert new.names.tolist() == ["0", "a", "bb", "c"]


def test_prototypes_are_drawn_toward_the_clusters_near_them() -> None:
    rng = np.random.default_rng(2)
    centers = np.eye(8)[:3]
    items = _unit(np.repeat(centers, 30, axis=0) + 0.1 * rng.normal(size=(90, 8)))
    # Each description points only roughly to its cluster.
    rough = {name: _unit(one + 0.6) for name, one in zip(NAMES, centers, strict=True)}
    start = Prototypes.of(NAMES, rough, 8, items.astype(np.float32))
    drawn = start.drawn_to(items.astype(np.float32))
    middle = start.centered(np.stack([part.mean(axis=0) for part in np.split(items, 3)]))

    def nearness(prototypes: Prototypes) -> np.ndarray:
        return np.einsum("cd,cd->c", prototypes.directions(), middle)

    assert (nearness(drawn) >= nearness(start)).all()
    assert (nearness(drawn) > 0.99).all()


def test_unlabeled_items_help_where_there_are_only_names(encoder: Encoder, shelf: Shelf) -> None:
    items = encoder.encode(shelf.texts)
    names = np.unique(np.array(shelf.labels, dtype=object))
    described = describe({name: [name.lower()] for name in names}, encoder)

    def accuracy(prototypes: Prototypes) -> float:
        named = names[prototypes.similarity(items).argmax(axis=1)]
        return float((named == shelf.labels).mean())

    plain = accuracy(Prototypes.of(names, described, encoder.dim))
    drawn = accuracy(Prototypes.of(names, described, encoder.dim, items).drawn_to(items))
    assert drawn > plain > 0.5


def test_a_description_is_read_in_several_ways(encoder: Encoder) -> None:
    vectors = describe({"tea": ["green tea", "black tea"], "soap": ["hand soap"]}, encoder)
    assert list(vectors) == ["tea", "soap"]
    assert all(np.linalg.norm(one) == pytest.approx(1) for one in vectors.values())
    bare = encoder.encode(["green tea", "black tea", "hand soap"])
    # Near the text as it stands, and not that alone.
    assert 0.8 < vectors["soap"] @ bare[2] < 0.9999
    # Several descriptions weigh alike, and the other label's texts have no part in them.
    each = describe({"green": ["green tea"], "black": ["black tea"]}, encoder)
    assert vectors["tea"] @ each["green"] > each["green"] @ each["black"]
    assert vectors["tea"] @ each["black"] > each["green"] @ each["black"]
    assert describe({"soap": ["hand soap"]}, encoder)["soap"] == pytest.approx(
        vectors["soap"], abs=1e-5
    )
