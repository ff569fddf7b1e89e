from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from retrieval import Concepts, InputError, TableError
from retrieval.graph.reading.tables import (
    concepts_of_paths,
    concepts_of_table,
    read_rows,
    relations_of_table,
)


def test_a_taxonomy_is_read_by_the_names_its_columns_have_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("category_id,parent_id,name\n007,,Food\n8,007,Snacks\n")
    concepts = Concepts(concepts_of_table(read_rows(file), str(file)))
    assert concepts.path("8") == "Food > Snacks"
    assert concepts["007"].place == f"{file}: row 1"


def test_numbers_and_lists_of_parquet_are_ids_and_synonyms(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pd.DataFrame(
        {
            "id": [1, 2],
            "name": ["Food", "Snacks"],
            "parents": [[], [1]],
            "synonyms": [["grub"], ["nibbles", "crisps; chips"]],
        }
    ).to_parquet(file)
    one = concepts_of_table(read_rows(file), "t")[1]
    assert (one.concept_id, one.parents) == ("2", ("1",))
    assert one.synonyms == ("nibbles", "crisps; chips")


def test_a_second_row_of_an_id_is_its_name_in_another_language() -> None:
    table = pd.DataFrame(
        {"concept_id": ["1", "1"], "name": ["Tea", "Tee"], "language": ["en", "de"]}
    )
    (one,) = concepts_of_table(table, "t")
    assert (one.name, one.synonyms, one.language) == ("Tea", ("Tee",), "en")
    with pytest.raises(TableError, match=r"t: row 2: concept '1' is there twice \(first in t: row"):
        concepts_of_table(table.assign(language="en"), "t")


def test_a_column_of_paths_becomes_a_tree_and_levels_in_columns_the_same_one() -> None:
    items = pd.DataFrame({"path": ["Grocery > Snacks > Chips", None, "Grocery > Tea", ""]})
    levels = pd.DataFrame(
        {"a": ["Grocery", "Grocery"], "b": ["Snacks", "Tea"], "c": ["Chips", None]}
    )
    told = concepts_of_paths(items, "path", "t")
    assert [one.name for one in told] == ["Grocery", "Tea", "Snacks", "Chips"]
    assert set(told) == set(concepts_of_paths(levels, ["a", "b", "c"], "t"))
    with pytest.raises(TableError, match="t: row 1: a level of the path is blank"):
        concepts_of_paths(pd.DataFrame({"path": ["A >  > B"]}), "path", "t")


def test_the_lines_of_a_taxonomy_keep_their_ids(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_text("# Version 1\n3 - Food > Snacks\n1 - Food\n")
    made = concepts_of_paths(read_rows(file), "path", "t", ids="concept_id")
    assert {one.concept_id: one.parents for one in made} == {"1": (), "3": ("1",)}
    file.write_text("Food\n")
    with pytest.raises(InputError, match="line 1 is not"):
        read_rows(file)


def test_relations_name_their_row() -> None:
    table = pd.DataFrame({"source": ["a", "b"], "relation": "replaces", "target": ["b", None]})
    with pytest.raises(InputError, match="r: row 2: relation without a target"):
        relations_of_table(table, "r")


@pytest.mark.parametrize(
    ("column", "problem"), [("title", "is blank"), ("other", "missing column")]
)
def test_blank_and_missing_names_are_refused(column: str, problem: str) -> None:
    with pytest.raises(TableError, match=problem):
        concepts_of_table(pd.DataFrame({"id": ["1"], column: [""]}), "t")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.docx").write_text("")
    for name in ("x.docx", "none.csv"):
        with pytest.raises(InputError, match=name):
            read_rows(tmp_path / name)
