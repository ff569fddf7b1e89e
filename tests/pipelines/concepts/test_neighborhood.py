from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipelines.concepts.neighborhood import draw_neighborhood, neighborhood
from retrieval import ConceptGraph, Encoder, InputError, ItemIndex


@pytest.fixture(scope="module")
def graph(encoder: Encoder) -> ConceptGraph:
    index = ItemIndex(":memory:", encoder)
    items = pd.DataFrame({"item_id": ["a", "b"], "text": ["green apple", "apple $2 | ripe"]})
    index.upsert(items, text="text")
    paths = items.assign(path="Food > Fruit > Apples")
    graph = ConceptGraph(index).load(paths, path="path")
    graph.link(paths, path="path")
    return graph.relate("b", "replaces", "a", "2024-01-01")


def test_an_item_stands_among_its_concept_siblings_and_relations(graph: ConceptGraph) -> None:
    around = neighborhood(graph, "a")
    apples = "Food > Fruit > Apples"
    assert set(around) == {"a", "b", apples, "Food > Fruit", "Food"}
    assert around.edges["b", "a"]["label"] == "replaces"
    assert around.nodes["a"]["kind"] == "asked"


def test_a_concept_stands_among_those_above_and_below_it(
    graph: ConceptGraph, tmp_path: Path
) -> None:
    assert set(neighborhood(graph, "fruit")) == {"Food > Fruit", "Food", "Food > Fruit > Apples"}
    draw_neighborhood(graph, "b", tmp_path / "b.png")
    assert (tmp_path / "b.png").stat().st_size > 1_000
    with pytest.raises(InputError, match="no concept 'soup'"):
        neighborhood(graph, "soup")
