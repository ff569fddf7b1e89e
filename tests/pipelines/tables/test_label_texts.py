from pathlib import Path

import pandas as pd
import pytest

from pipelines.tables.label_texts import read_label_texts
from retrieval import InputError, TableError


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_is_read_as_it_is_written(tmp_path: Path) -> None:
    text = "no: neither\n007: [agent, 'spy: secret']\nnuts_and_seeds:\ndairy: ~\nwater: [~, sea]\n"
    assert read_label_texts(_file(tmp_path, "labels.yaml", text)) == {
        "no": ["neither"],
        "007": ["agent", "spy: secret"],
        "nuts_and_seeds": ["nuts and seeds"],
        "dairy": ["dairy"],
        "water": ["sea"],
    }


def test_json_and_lists_are_read_too(tmp_path: Path) -> None:
    mapping = _file(tmp_path, "labels.JSON", '{"007": ["agent", "spy"], "water": null}')
    assert read_label_texts(mapping) == {"007": ["agent", "spy"], "water": ["water"]}
    for name, text in (("a.json", '["007", "sea_water"]'), ("a.yml", "- 007\n- sea_water\n")):
        assert read_label_texts(_file(tmp_path, name, text)) == {
            "007": ["007"],
            "sea_water": ["sea water"],
        }


def test_a_csv_may_have_several_rows_a_label_and_no_description(tmp_path: Path) -> None:
    text = "label,description\n007,agent\nwater,\n007,spy\n"
    expected = {"007": ["agent", "spy"], "water": ["water"]}
    assert read_label_texts(_file(tmp_path, "labels.csv", text)) == expected
    names = _file(tmp_path, "names.csv", "label\n007\nwater\n")
    assert read_label_texts(names) == {"007": ["007"], "water": ["water"]}


def test_parquet_and_a_mapping_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"label": ["a", "b"], "description": ["x", "y"]}).to_parquet(path)
    assert read_label_texts(path) == {"a": ["x"], "b": ["y"]}
    assert read_label_texts({"a": "x", "b": ["y", "z"]}) == {"a": ["x"], "b": ["y", "z"]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels.yaml", "water\n", "labels are a mapping, label: description"),
        ("labels.yaml", "- a\n- {b: c}\n", r"or a list of labels; line 2"),
        ("labels.json", '["a", ""]', r"labels\.json:1: a label without a name"),
        ("labels.json", '["a", "a"]', r"labels\.json:1: 'a' appears twice"),
        ("labels.yaml", "a: x\nb: {c: d}\n", r"labels are a mapping.*line 2"),
        ("labels.yaml", "a: x\nb: y\na: z\n", r"labels\.yaml:3: 'a' appears twice"),
        ("labels.yaml", "a: [x\n", "not valid YAML"),
        ("labels.yaml", "{}", "holds no label"),
        ("labels.csv", "label,description\n", "holds no label"),
        ("labels.csv", "label,description\na,x\n ,y\n", "row 2: label is missing"),
        ("labels.csv", "name\na\n", "no column 'label'"),
        ("labels.txt", "a", "unknown suffix '.txt'"),
    ],
)
def test_what_is_no_file_of_labels_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises((InputError, TableError), match=message):
        read_label_texts(_file(tmp_path, name, text))


@pytest.mark.parametrize("name", ["absent.yaml", "absent.csv"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: no such file"):
        read_label_texts(tmp_path / name)
