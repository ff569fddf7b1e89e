"""An item is told of as far down the tree as is sure, by what known items have shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from retrieval import Concept, ConceptGraph, Concepts, ConceptTree, Encoder, InputError, ItemIndex
from retrieval.graph.stops import Stops, Ways

TREE = ConceptTree.of(
    Concepts(
        [
            Concept("food", "Food"),
            Concept("fruit", "Fruit", parents=("food",)),
            Concept("apple", "Apples", parents=("fruit",)),
            Concept("tools", "Tools"),
            Concept("saw", "Saws", parents=("tools",)),
        ]
    )
)
PLACE = {one: at for at, one in enumerate(TREE.ids)}


def test_the_tree_knows_what_is_above_below_and_near() -> None:
    apple, fruit, saw = (np.array([PLACE[one]]) for one in ("apple", "fruit", "saw"))
    assert TREE.ids[TREE.above(apple, 1)].tolist() == ["fruit"]
    assert TREE.above(apple, 3).tolist() == [-1]
    below = TREE.ids[PLACE["food"] : TREE.end[PLACE["food"]]]
    assert set(below) == {"food", "fruit", "apple"}
    assert TREE.ids[TREE.shared(apple, fruit)].tolist() == ["fruit"]
    assert TREE.shared(apple, saw).tolist() == [-1]
    assert TREE.nearness(apple, fruit).tolist() == [0.8]
    assert TREE.nearness(apple, saw).tolist() == [0.0]


def ways(n: int, seed: int) -> tuple[Ways, np.ndarray]:
    """Ways to apples, the surer the larger the share of votes; and the truth."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(-3, 3, (n, 1)) + np.array([2.0, 0.0, -2.0])
    signals = np.zeros((n, 3, 4))
    signals[:, :, 0] = share
    signals[:, :, 3] = np.arange(3)
    right = rng.random((n, 3)) < 1 / (1 + np.exp(-1.5 * share))
    depth = np.cumprod(right, axis=1).sum(axis=1)
    truth = np.array([-1, PLACE["food"], PLACE["fruit"], PLACE["apple"]])[depth]
    way = np.tile(TREE.way[PLACE["apple"]], (n, 1))
    return Ways(way, signals), truth


def test_what_is_answered_is_right_as_often_as_was_asked() -> None:
    stops = Stops.learn(*ways(2_000, 0), TREE)
    assert stops is not None
    asked, truth = ways(4_000, 1)
    probability = stops.probability(asked)
    assert (np.diff(probability, axis=1) <= 0).all()
    depths = []
    for precision in (0.7, 0.9):
        lowest, sure = stops.lowest(asked, precision)
        told = lowest >= 0
        level = TREE.depth[np.maximum(lowest, 0)] - 1
        right = TREE.way[np.maximum(truth, 0)][np.arange(len(level)), level] == lowest
        assert (right & (truth >= 0))[told].mean() >= precision
        assert (sure[told] >= precision).all()
        depths.append((TREE.depth[np.maximum(lowest, 0)] * told).mean())
    assert depths[0] > depths[1] > 0


def test_too_few_teach_nothing() -> None:
    assert Stops.learn(*ways(49, 0), TREE) is None
    all_right = ways(100, 0)[0], np.full(100, PLACE["apple"])
    assert Stops.learn(*all_right, TREE) is None


def test_items_are_linked_as_deep_as_is_sure(encoder: Encoder) -> None:
    things = {"apple": "Food > Fruit > Apples", "saw": "Tools > Saws", "cheddar": "Food > Cheese"}
    colors = ["red", "green", "small", "large", "old", "new", "blue", "fine", "long", "plain"]
    rows = [(f"{color} {thing}", path) for thing, path in things.items() for color in colors]
    rows += [(f"gift no {number}", list(things.values())[number % 3]) for number in range(24)]
    known = pd.DataFrame(rows, columns=["text", "path"])
    known["item_id"] = [f"k{number}" for number in range(len(known))]
    asked = pd.DataFrame(
        {"item_id": ["a", "b", "c"], "text": ["yellow apple", "hand saw", "gift no 30"]}
    )
    with ItemIndex(":memory:", encoder) as index:
        index.upsert(pd.concat([known, asked]), text="text", progress=False)
        graph = ConceptGraph(index).load(known, path="path")
        with pytest.raises(InputError, match="there are 0"):
            graph.link(precision=0.8)
        graph.link(known, path="path")
        sure = graph.link(precision=0.9).set_index("item_id")["path"]
        bold = graph.link(precision=0.3).set_index("item_id")["path"]
        assert graph.link(precision=0.3).set_index("item_id")["path"].equals(bold)
    assert sure["k0"] == "Food > Fruit > Apples"
    assert pd.isna(sure["c"])
    assert bold["a"] == "Food > Fruit > Apples"
    for item in "abc":
        assert pd.isna(sure[item]) or str(bold[item]).startswith(sure[item])
