from __future__ import annotations

import pytest

from retrieval import Concept, Concepts, InputError, TableError


def _concepts() -> Concepts:
    return Concepts(
        [
            Concept("1", "Food"),
            Concept("2", "Snacks", parents=("1",), synonyms=("nibbles", "Knabberzeug")),
            Concept("3", "Chips", parents=("2",)),
            Concept("4", "Tools"),
        ]
    )


def test_paths_go_from_the_root_down_and_the_net_is_walked_both_ways() -> None:
    concepts = _concepts()
    assert concepts.path("3") == "Food > Snacks > Chips"
    assert concepts.root("3") == "1"
    assert concepts.above("3") == ["2", "1"]
    assert concepts.below("1") == ["2", "3"]


def test_a_concept_is_found_by_id_name_synonym_and_path() -> None:
    concepts = _concepts()
    for name in ("2", "snacks", "NIBBLES", "Food > Snacks"):
        assert concepts.one_named(name) == "2"
    with pytest.raises(InputError, match="no concept 'Soup'"):
        concepts.one_named("Soup")


def test_two_of_one_name_are_told_with_their_paths() -> None:
    more = _concepts().merged([Concept("5", "Chips", parents=("4",))])
    with pytest.raises(InputError, match=r"Food > Snacks > Chips.*Tools > Chips"):
        more.one_named("chips")


def test_a_circle_is_named_with_its_row() -> None:
    circle = [
        Concept("1", "A", parents=("2",), place="t.csv: row 1"),
        Concept("2", "B", parents=("1",), place="t.csv: row 2"),
    ]
    with pytest.raises(TableError, match=r"t\.csv: row [12].*round in a circle: .* → "):
        Concepts(circle)


def test_an_unknown_parent_and_a_twin_are_named_with_their_rows() -> None:
    with pytest.raises(TableError, match=r"t\.csv: row 7: concept '1': parent '9' is no concept"):
        Concepts([Concept("1", "A", parents=("9",), place="t.csv: row 7")])
    twins = [Concept("1", "Tea", place="t.csv: row 1"), Concept("2", "tea", place="t.csv: row 2")]
    with pytest.raises(TableError, match=r"t\.csv: row 2.*twin of '1' \(t\.csv: row 1\)"):
        Concepts(twins)


def test_what_was_below_a_removed_concept_is_below_its_parents() -> None:
    left = _concepts().without(["2"])
    assert left.path("3") == "Food > Chips"
