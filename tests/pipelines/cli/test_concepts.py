"""``likewise concepts``: a file of concepts, the items' links, a person's word, a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from serving.command_line import app
from tests.milvus_places import Places

ITEMS = pd.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "text": ["green apple", "claw hammer", "gouda cheese", "yellow apple"],
        "aisle": ["fruit", "tools", "dairy", "fruit"],
        "path": ["Food > Apples", "Tools > Hammers", "Food > Cheese", None],
    }
)
TAXONOMY = "concept_id,parents,name\n1,,Food\n2,1,Apples\n3,1,Cheese\n4,,Tools\n5,4,Hammers\n"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture
def flags(milvus: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of a collection with four items, beside the files they are asked about with."""
    place = milvus("concepts")
    for name, value in place.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    ITEMS.to_csv("items.csv", index=False)
    Path("taxonomy.csv").write_text(TAXONOMY, encoding="utf-8")
    done = run(
        "index", "items.csv", "--text-cols", "text", "--attribute-cols", "aisle", *place.flags()
    )
    assert done.exit_code == 0, done.stderr
    return place.flags()


def test_from_a_taxonomy_to_a_picture(flags: list[str], tmp_path: Path) -> None:
    done = run("concepts", "load", "taxonomy.csv", *flags)
    assert done.stdout == "5 concepts, 0 relations: 5 new, 0 changed, 0 removed\n"
    assert "0 new, 0 changed" in run("concepts", "load", "taxonomy.csv", *flags).stdout
    done = run("concepts", "link", "--out", "links.parquet", *flags)
    assert done.stdout.startswith("4 of 4 items linked (100%)"), done.stderr
    links = pd.read_parquet("links.parquet").set_index("item_id")["path"]
    assert links.to_dict() == {
        "a": "Food > Apples",
        "b": "Tools > Hammers",
        "c": "Food > Cheese",
        "d": "Food > Apples",
    }
    Path("told.csv").write_text("item_id,concept_id\nc,\n", encoding="utf-8")
    assert run("concepts", "correct", "told.csv", *flags).stdout == "1 items corrected\n"
    assert run("concepts", "link", *flags).stdout == "3 of 4 items linked (75%)\n"
    done = run("concepts", "show", "food", "--picture", "food.png", "--out", "food.json", *flags)
    assert "items: 0, with those below it 2" in done.stdout
    assert Path("food.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(Path("food.json").read_text())["children"] == ["2", "3"]


def test_like_items_within_a_concept(flags: list[str]) -> None:
    run("concepts", "load", "taxonomy.csv", *flags)
    run("concepts", "link", *flags)
    asked = ["similar", "--text", "iron tool", "--concept", "Apples", "--out", "near.parquet"]
    done = run(*asked, *flags)
    assert done.exit_code == 0, done.stderr
    near = pd.read_parquet("near.parquet")
    assert sorted(near["item_id"]) == ["a", "d"]
    assert set(near["concept"]) == {"Food > Apples"}
    assert run("similar", "--text", "x", "--concept", "Soup", *flags).exit_code == 2


def test_a_column_of_paths_makes_the_concepts_and_the_links(flags: list[str]) -> None:
    done = run("concepts", "load", "items.csv", "--path-cols", "path", *flags)
    assert done.stdout.startswith("5 concepts"), done.stderr
    done = run("concepts", "link", "items.csv", "--path-cols", "path", *flags)
    assert done.stdout == "3 of 3 items linked (100%)\n", done.stderr


def test_proposals_are_loaded_once_somebody_has_said_yes(flags: list[str]) -> None:
    done = run("concepts", "propose", "--columns", "aisle", "--least", 2, "--out", "p.csv", *flags)
    assert done.exit_code == 0, done.stderr
    table = pd.read_csv("p.csv", keep_default_na=False, dtype="str")
    assert "aisle:fruit" in set(table["concept_id"])
    table["accepted"] = ["yes" if one == "aisle:fruit" else "" for one in table["concept_id"]]
    table.to_csv("p.csv", index=False)
    assert run("concepts", "load", "p.csv", *flags).stdout.startswith("1 concepts")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["load", "none.csv"], "none.csv: no such file"),
        (["link"], "there are no concepts yet"),
        (["show", "Food"], "concepts load` loads some"),
        (["link", "items.csv", "--path-cols", "path"], "there are no concepts yet"),
    ],
)
def test_what_cannot_be_exits_with_2(flags: list[str], arguments: list[str], problem: str) -> None:
    done = run("concepts", *arguments, *flags)
    assert done.exit_code == 2
    assert problem in done.stderr


def test_a_circle_names_file_and_row(flags: list[str]) -> None:
    Path("bad.csv").write_text("concept_id,parents,name\n1,2,A\n2,1,B\n", encoding="utf-8")
    done = run("concepts", "load", "bad.csv", *flags)
    assert done.exit_code == 2
    assert "bad.csv: row" in done.stderr and "round in a circle" in done.stderr
