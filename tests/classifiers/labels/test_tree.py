import time

import numpy as np
import pytest
from hypothesis import given, strategies as st

from classifiers.labels.tree import LabelTree
from retrieval import InputError

PATHS = ["Grocery > Snacks", "Grocery > Snacks > Chips", "Grocery > Snacks > Nuts", "Home > Soap"]
NODES = (
    "Grocery",
    "Grocery > Snacks",
    "Grocery > Snacks > Chips",
    "Grocery > Snacks > Nuts",
    "Home",
    "Home > Soap",
)


@st.composite
def _trees(draw: st.DrawFn) -> tuple[list[str], dict[str, str]]:
    """Labels anywhere in a random tree: at leaves, at inner nodes, at several roots."""
    size = draw(st.integers(1, 12))
    above = [draw(st.integers(-1, node - 1)) for node in range(size)]
    names = draw(st.permutations([f"n{node}" for node in range(size)]))
    labels = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    parents = {names[node]: names[up] for node, up in enumerate(above) if up >= 0}
    named = {name for pair in parents.items() for name in pair}
    return labels, parents if named & set(labels) else {}


def _random_proba(tree: LabelTree, seed: int, n: int = 5) -> np.ndarray:
    # Few examples of few labels, so that zeros and ties occur.
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(4, np.full(len(tree.class_nodes), 1 / len(tree.class_nodes)), n)
    return counts / 4


def test_paths_make_a_tree_with_inner_labels() -> None:
    tree = LabelTree.from_paths(PATHS)
    assert tree.nodes == NODES
    assert tree.parents.tolist() == [-1, 0, 1, 1, -1, 4]
    assert tree.depths.tolist() == [0, 1, 2, 2, 0, 1]
    assert tree.class_nodes.tolist() == [1, 2, 3, 5]


def test_an_inner_label_has_its_own_share_beside_its_children() -> None:
    tree = LabelTree.from_paths(PATHS)
    node_proba = tree.probabilities([[0.3, 0.2, 0.1, 0.4]])
    assert node_proba.tolist() == [[0.6, 0.6, 0.2, 0.1, 0.4, 0.4]]


def test_a_parent_mapping_makes_the_same_tree() -> None:
    parents = {"Chips": "Snacks", "Nuts": "Snacks", "Snacks": "Grocery", "Soap": "Home", "x": "y"}
    tree = LabelTree.from_parents(["Soap", "Snacks", "Chips", "Nuts", "Tea"], parents)
    assert tree.nodes == ("Grocery", "Snacks", "Chips", "Nuts", "Home", "Soap", "Tea")
    assert tree.parents.tolist() == [-1, 0, 1, 1, -1, 4, -1]
    assert tree.class_nodes.tolist() == [5, 1, 2, 3, 6]


def test_labels_without_parents_make_a_flat_tree() -> None:
    for tree in (LabelTree.from_paths(["b", "a"]), LabelTree.from_parents(["b", "a"], {})):
        assert tree.nodes == ("a", "b")
        assert tree.parents.tolist() == [-1, -1]
        assert tree.probabilities([[0.2, 0.8]]).tolist() == [[0.8, 0.2]]


def test_blanks_around_a_part_do_not_count() -> None:
    tree = LabelTree.from_paths(["A>B", "A > B", " A >C"], separator=">")
    assert tree.nodes == ("A", "A > B", "A >C")
    assert tree.class_nodes.tolist() == [1, 1, 2]
    assert tree.probabilities([[0.2, 0.3, 0.5]]).tolist() == [[1.0, 0.5, 0.5]]


def test_a_separator_with_blanks_wants_them() -> None:
    tree = LabelTree.from_paths(["Food/Drinks / Tea", "Food/Drinks  /  Oil"], separator=" / ")
    assert tree.nodes == ("Food/Drinks", "Food/Drinks  /  Oil", "Food/Drinks / Tea")


@pytest.mark.parametrize(
    ("labels", "separator", "message"),
    [
        (["A >  > B"], " > ", "'A >  > B' has a blank part"),
        (["A > "], " > ", "blank part"),
        (["> A"], " > ", "blank part"),
        (["A>>B"], ">", "blank part; parts are separated by '>'"),
        (["A", 3], " > ", "names in a tree are strings, got 3"),
        (["A", None], " > ", "got None"),
        (["A", " "], " > ", "a blank name"),
        ([], " > ", "labels is empty"),
        ("A > B", " > ", "got the string 'A > B'"),
        (["A"], " ", "separator must be"),
        (["A"], "", "separator must be"),
    ],
)
def test_paths_that_make_no_tree_are_refused(
    labels: list[str], separator: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        LabelTree.from_paths(labels, separator)


@pytest.mark.parametrize(
    ("parents", "message"),
    [
        ({"a": "b", "b": "c", "c": "a"}, "circle: .* → .* → .* → "),
        ({"a": "a"}, "circle: a → a"),
        ({"x": "y", "y": "x", "a": "x"}, "circle"),
        ({"a": "b", " a ": "c"}, "'a' has two: 'b' and 'c'"),
        ({"a": None}, "parents: the names in a tree are strings, got None"),
        ({1: "a"}, "got 1"),
        ({"a": " "}, "a blank name"),
        ({"x": "y"}, r"none of the labels \(a, ...\), but x"),
    ],
)
def test_mappings_that_make_no_tree_are_refused(parents: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LabelTree.from_parents(["a"], parents)


@given(_trees(), st.integers(0, 99))
def test_probabilities_add_up_along_any_tree(
    labels_and_parents: tuple[list[str], dict[str, str]], seed: int
) -> None:
    tree = LabelTree.from_parents(*labels_and_parents)
    proba = _random_proba(tree, seed)
    node_proba = tree.probabilities(proba)
    for node in range(len(tree.nodes)):
        own = proba[:, tree.class_nodes == node].sum(axis=1)
        children = node_proba[:, tree.parents == node]
        np.testing.assert_allclose(node_proba[:, node], own + children.sum(axis=1), atol=1e-9)
        assert (children <= node_proba[:, [node]]).all()
        assert tree.parents[node] < node
    np.testing.assert_allclose(node_proba[:, tree.parents < 0].sum(axis=1), 1, atol=1e-9)


@given(_trees(), st.integers(0, 99), st.floats(0.05, 1))
def test_no_deeper_node_is_certain_enough(
    labels_and_parents: tuple[list[str], dict[str, str]], seed: int, confidence: float
) -> None:
    tree = LabelTree.from_parents(*labels_and_parents)
    node_proba = tree.probabilities(_random_proba(tree, seed))
    answer, probability = tree.deepest(node_proba, confidence)
    for row, node, reached in zip(node_proba, answer, probability, strict=True):
        certain = row >= confidence
        if node < 0:
            assert not certain.any()
            assert np.isnan(reached)
            continue
        assert reached == row[node] >= confidence
        assert not certain[tree.depths > tree.depths[node]].any()
        level = row[tree.depths == tree.depths[node]]
        assert reached == level.max()


@given(_trees(), st.randoms(use_true_random=False))
def test_the_order_of_labels_does_not_matter(
    labels_and_parents: tuple[list[str], dict[str, str]], random: object
) -> None:
    labels, parents = labels_and_parents
    shuffled = list(labels)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = LabelTree.from_parents(labels, parents), LabelTree.from_parents(shuffled, parents)
    assert one.nodes == other.nodes
    assert one.parents.tolist() == other.parents.tolist()
    proba = _random_proba(one, seed=0)
    columns = [labels.index(label) for label in shuffled]
    np.testing.assert_array_equal(one.probabilities(proba), other.probabilities(proba[:, columns]))


def test_the_answer_goes_as_deep_as_it_is_certain() -> None:
    tree = LabelTree.from_paths(PATHS)
    node_proba = tree.probabilities([[0.0, 0.7, 0.2, 0.1]])
    for confidence, name in [(0.1, NODES[2]), (0.7, NODES[2]), (0.8, NODES[1]), (0.9, NODES[1])]:
        answer, _ = tree.deepest(node_proba, confidence)
        assert tree.nodes[answer[0]] == name
    answer, probability = tree.deepest(node_proba, 0.95)
    assert answer.tolist() == [-1]
    assert np.isnan(probability[0])


def test_ties_go_to_the_first_node() -> None:
    tree = LabelTree.from_paths(PATHS)
    answer, probability = tree.deepest(tree.probabilities([[0.0, 0.5, 0.5, 0.0]]), 0.5)
    assert tree.nodes[answer[0]] == "Grocery > Snacks > Chips"
    assert probability.tolist() == [0.5]


def test_certainty_is_free_of_the_noise_of_addition() -> None:
    tree = LabelTree.from_paths([f"All > {letter}" for letter in "abcdefghij"])
    answer, probability = tree.deepest(tree.probabilities(np.full((1, 10), 0.1)), 1.0)
    assert (tree.nodes[answer[0]], probability[0]) == ("All", 1.0)


def test_no_items_have_no_answers() -> None:
    tree = LabelTree.from_paths(PATHS)
    node_proba = tree.probabilities(np.empty((0, 4)))
    assert node_proba.shape == (0, 6)
    assert tree.deepest(node_proba, 0.5)[0].shape == (0,)


def test_wrong_shapes_and_confidences_are_refused() -> None:
    tree = LabelTree.from_paths(PATHS)
    with pytest.raises(InputError, match=r"shape \(1, 3\), expected \(n, 4\)"):
        tree.probabilities([[0.2, 0.3, 0.5]])
    with pytest.raises(InputError, match=r"shape \(1, 4\), expected \(n, 6\)"):
        tree.deepest(np.ones((1, 4)), 0.5)
    for confidence in (0, 1.1, float("nan")):
        with pytest.raises(InputError, match="confidence"):
            tree.deepest(np.ones((1, 6)), confidence)


def test_ten_thousand_labels_take_seconds_at_most() -> None:
    labels = [f"{a} > {b} > {c}" for a in range(10) for b in range(20) for c in range(50)]
    start = time.perf_counter()
    tree = LabelTree.from_paths(labels)
    proba = np.random.default_rng(0).dirichlet(np.full(len(labels), 0.01), size=200)
    answer, _ = tree.deepest(tree.probabilities(proba), 0.5)
    assert len(tree.nodes) == 10_210
    assert (answer >= -1).all()
    assert time.perf_counter() - start < 10
