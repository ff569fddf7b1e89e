"""The graph on Milvus: loaded, linked, corrected, taken along to another encoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from retrieval import ConceptGraph, Encoder, InputError, ItemIndex
from tests.encoders import shallow_encoder
from tests.milvus_places import Places

CONCEPTS = pd.DataFrame(
    {
        "concept_id": ["food", "fruit", "apple", "cheese", "tools", "hammer", "screw", "paint"],
        "name": ["Food", "Fruit", "Apples", "Cheese", "Tools", "Hammers", "Screws", "Wall paint"],
        "parents": ["", "food", "fruit", "food", "", "tools", "tools", "tools"],
        "synonyms": ["", "", "pippins|Granny Smith", "", "", "", "", ""],
    }
)
ITEMS = pd.DataFrame(
    {
        "item_id": ["a", "b", "c", "d", "e"],
        "text": [
            "green apple, loose",
            "steel claw hammer 500 g",
            "gouda cheese slices",
            "wood screws 4 x 40",
            "one month of music streaming",
        ],
    }
)


@pytest.fixture
def index(encoder: Encoder, milvus: Places) -> Iterator[ItemIndex]:
    with milvus().open(encoder) as filled:
        filled.upsert(ITEMS, text="text")
        yield filled


@pytest.fixture
def graph(index: ItemIndex) -> ConceptGraph:
    return ConceptGraph(index).load(CONCEPTS)


def _concepts(links: pd.DataFrame) -> dict[str, str | None]:
    return {
        item: None if pd.isna(one) else one
        for item, one in zip(links["item_id"], links["concept_id"], strict=True)
    }


def test_items_are_linked_to_the_nearest_concept_or_to_none(graph: ConceptGraph) -> None:
    links = graph.link()
    found = _concepts(links)
    assert found == {"a": "apple", "b": "hammer", "c": "cheese", "d": "screw", "e": None}
    assert links.set_index("item_id").loc["a", "path"] == "Food > Fruit > Apples"
    assert links["similarity"].between(0, 1).all()
    assert graph.items("Food") == ["a", "c"]
    assert graph.items("Food", below=False) == []


def test_a_second_load_and_link_do_nothing(graph: ConceptGraph, index: ItemIndex) -> None:
    before, version = graph.link(), graph.version
    again = ConceptGraph(index).load(CONCEPTS)
    assert (again.loaded["new"], again.loaded["changed"], again.loaded["removed"]) == (0, 0, 0)
    assert again.version == version
    assert again.link().equals(before)
    assert again.links().equals(before)


def test_only_new_and_changed_items_are_linked_again(graph: ConceptGraph) -> None:
    graph.link()
    changed = ITEMS.iloc[[0]].assign(text="cheddar cheese")
    new = pd.DataFrame({"item_id": ["f"], "text": ["sledge hammer"]})
    graph.index.upsert(pd.concat([changed, new]), text="text")
    graph.index.delete(["e"])
    found = _concepts(graph.link())
    assert (found["a"], found["f"]) == ("cheese", "hammer")
    assert "e" not in _concepts(graph.links())


def test_a_persons_word_stays_and_teaches_those_that_read_the_same(graph: ConceptGraph) -> None:
    graph.index.upsert(
        pd.DataFrame({"item_id": ["g"], "text": ["one month of music streaming"]}), text="text"
    )
    graph.link()
    graph.correct({"e": "Wall paint", "a": None})
    found = graph.link().set_index("item_id")
    assert found.loc["e", "concept_id"] == found.loc["g", "concept_id"] == "paint"
    assert (found.loc["e", "by"], found.loc["g", "by"]) == ("person", "graph")
    assert pd.isna(found.loc["a", "concept_id"])


def test_a_table_tells_links_that_nobody_guesses(graph: ConceptGraph) -> None:
    told = ITEMS.assign(path=["Tools > Hammers", None, None, None, None])
    assert graph.link(told, path="path")["concept_id"].tolist() == ["hammer"]
    assert _concepts(graph.link())["a"] == "hammer"
    with pytest.raises(InputError, match="row 1: Tools > Saws"):
        graph.link(ITEMS.assign(path="Tools > Saws"), path="path")


def test_links_are_those_of_a_day(graph: ConceptGraph) -> None:
    graph.link()
    graph.correct({"a": "Cheese"}, since="2024-03-01")
    graph.correct({"a": "Fruit"}, since="2024-05-01")
    assert _concepts(graph.links(["a"], as_of="2024-02-29")) == {"a": "apple"}
    assert _concepts(graph.links(["a"], as_of="2024-03-01")) == {"a": "cheese"}
    assert graph.levels(["a"], depth=2, as_of="2024-04-30")["concept_2"].tolist() == [
        "Food > Cheese"
    ]
    assert _concepts(graph.links(["a"])) == {"a": "fruit"}
    graph.correct({"a": None}, since="2024-04-01")
    history = ConceptGraph(graph.index).link_history(["a"])
    assert history["concept_id"].where(history["concept_id"].notna(), None).tolist() == [
        "apple",
        "cheese",
        None,
    ]
    told = ITEMS.assign(path="Tools > Screws", day=["2024-06-01", "", None, "2024-06-02", None])
    graph.link(told.iloc[[1, 3]], path="path", since="day")
    assert _concepts(graph.links(["b", "d"], as_of="2024-06-01")) == {"b": "screw", "d": "screw"}
    with pytest.raises(InputError, match="row 1: day"):
        graph.link(told.assign(day="soon"), path="path", since="day")


def test_what_was_taught_is_known_since_it_was_told(graph: ConceptGraph) -> None:
    twin = pd.DataFrame({"item_id": ["g"], "text": ["green apple, loose"]})
    graph.index.upsert(twin, text="text")
    alone = _concepts(graph.link())["g"]
    graph.correct({"a": "Wall paint"}, since="2024-03-01")
    assert _concepts(graph.link())["g"] == "paint"
    assert _concepts(graph.links(["g"], as_of="2024-02-01")) == {"g": alone}
    assert graph.link_history(["g"])["since"].isna().tolist() == [True, False]
    before = graph.links()
    assert graph.link().equals(before)


def test_strangers_are_answered_and_not_kept(graph: ConceptGraph) -> None:
    graph.link()
    asked = pd.DataFrame({"item_id": ["new"], "text": ["claw hammer"]})
    assert _concepts(graph.link(asked)) == {"new": "hammer"}
    assert "new" not in _concepts(graph.links())
    with pytest.raises(InputError, match="no item 'nobody'"):
        graph.link(["nobody"])


def test_a_new_branch_counts_at_once(graph: ConceptGraph) -> None:
    graph.link()
    streaming = {"concept_id": ["s", "m"], "name": ["Subscriptions", "Music streaming"]}
    graph.load(pd.DataFrame({**streaming, "parents": ["", "s"]}))
    assert _concepts(graph.link())["e"] == "m"
    graph.remove(["m"])
    assert _concepts(graph.link())["e"] != "m"


def test_relations_hold_as_of_a_day_and_their_ends_are_known(graph: ConceptGraph) -> None:
    graph.relate("a", "replaces", "b", "2024-01-01").relate("apple", "related_to", "cheese")
    again = ConceptGraph(graph.index)
    assert len(again.relations()) == 2
    assert again.relations(as_of="2023-12-31")["source"].tolist() == ["apple"]
    assert again.relations(relation="replaces")["target"].tolist() == ["b"]
    with pytest.raises(InputError, match="target 'z' is neither a concept nor an item"):
        graph.relate("a", "replaces", "z")


def test_an_opened_graph_sees_what_another_has_written(graph: ConceptGraph) -> None:
    other = ConceptGraph(graph.index)
    graph.load(pd.DataFrame({"concept_id": ["x"], "name": ["Books"]}))
    assert "x" not in other.concepts
    assert "x" in other.refresh().concepts


def test_names_are_encoded_anew_with_the_items_encoder(
    encoder: Encoder, milvus: Places, tmp_path: Path
) -> None:
    place = milvus()
    with place.open(encoder) as index:
        index.upsert(ITEMS, text="text")
        ConceptGraph(index).load(CONCEPTS).link()
        index.drop()
    other = shallow_encoder(encoder, tmp_path / "shallow")
    with place.open(other) as index:
        index.upsert(ITEMS, text="text")
        graph = ConceptGraph(index)
        assert len(graph.concepts) == len(CONCEPTS)
        told = graph.index.beside("_concepts").get(["n0:food"])["text"].tolist()
        assert told == ["Food"]
        own = graph.index.beside("_concepts").vectors(["n0:food"])[0]
        assert own @ other.encode(["Food"])[0] == pytest.approx(1, abs=1e-4)
        assert graph.link()["concept_id"].notna().any()


def test_a_write_that_was_cut_off_is_finished_when_the_graph_is_opened(
    graph: ConceptGraph, index: ItemIndex
) -> None:
    index.beside("_concepts").delete(["n0:hammer", "p1:hammer"])
    graph._ledger.write({"s:": {**graph._state, "names": "cut off"}})
    again = ConceptGraph(index)
    assert again.find(["hammer"], k=1)["concept_id"].tolist() == ["hammer"]


def test_without_texts_concepts_are_called_by_their_ids(encoder: Encoder, milvus: Places) -> None:
    place = milvus()
    with place.open(encoder, store_text=False) as index:
        index.upsert(ITEMS, text="text")
        assert _concepts(ConceptGraph(index).load(CONCEPTS).link())["a"] == "apple"
    with place.open(encoder, store_text=False) as index:
        graph = ConceptGraph(index)
        assert graph.concepts["apple"].name == "apple"
        assert _concepts(graph.link())["a"] == "apple"
        with pytest.raises(InputError, match="with replace"):
            graph.load(pd.DataFrame({"concept_id": ["x"], "name": ["Books"]}))
        assert graph.load(CONCEPTS, replace=True).concepts["apple"].name == "Apples"


def test_tenants_see_their_own_concepts_and_links(encoder: Encoder, milvus: Places) -> None:
    place = milvus()
    with place.open(encoder, tenant="a") as mine, place.open(encoder, tenant="b") as others:
        for index in (mine, others):
            index.upsert(ITEMS, text="text")
        graph = ConceptGraph(mine).load(CONCEPTS)
        graph.link()
        other = ConceptGraph(others)
        assert len(other.concepts) == 0
        with pytest.raises(InputError, match="no concepts yet"):
            other.link()
        other.load(CONCEPTS.iloc[:1])
        assert len(ConceptGraph(mine).concepts) == len(CONCEPTS)
        assert other.links().empty


def test_concepts_are_labels_in_words_and_levels_for_launches(graph: ConceptGraph) -> None:
    labels = graph.labels(words=["name", "synonyms"], below="Food")
    assert labels["Food > Fruit > Apples"] == ["Apples", "pippins", "Granny Smith"]
    assert set(labels) == {"Food > Fruit", "Food > Fruit > Apples", "Food > Cheese"}
    assert "Fruit: Apples" in graph.labels(words=["children"])["Food > Fruit"]
    with pytest.raises(InputError, match="words"):
        graph.labels(words=["poem"])  # type: ignore[list-item]
    graph.link()
    levels = graph.levels(depth=2).set_index("item_id")
    assert levels.loc["a"].tolist() == ["Food", "Food > Fruit"]
    assert levels.loc["e"].isna().all()


def test_a_graph_of_an_index_in_memory_goes_with_it(encoder: Encoder) -> None:
    index = ItemIndex(":memory:", encoder)
    index.upsert(ITEMS, text="text")
    ConceptGraph(index).load(CONCEPTS)
    assert _concepts(ConceptGraph(index).link())["b"] == "hammer"
    shown = ConceptGraph(index).show("Fruit")
    assert (shown["path"], shown["children"], shown["n_items_below"]) == (
        "Food > Fruit",
        ["apple"],
        1,
    )
