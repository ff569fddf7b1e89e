"""The labels in words, out of a file, as `NeighborClassifier.fit(labels=...)` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import yaml

from pipelines.tables.formats import TableFile
from pipelines.tables.reader import Kind, read_table
from retrieval import InputError

LABEL, DESCRIPTION = "label", "description"

_YAML = (".yaml", ".yml", ".json")  # YAML holds JSON
_NULL = "tag:yaml.org,2002:null"

LabelTexts = dict[str, list[str]]


def read_label_texts(source: Path | TableFile | Mapping[str, str | list[str]]) -> LabelTexts:
    """Read what describes each label; one that nothing describes, by its name.

    Args:
        source: Label → description, or several; or a file. A YAML or JSON file holds such a
            mapping, or a list of labels; any other table the columns `label` and, optionally,
            `description`, with one row or more a label.

    Raises:
        InputError: There is no such file, or it holds something else.
    """
    if isinstance(source, Mapping):
        given = {name: [one] if isinstance(one, str) else one for name, one in source.items()}
    else:
        file = source if isinstance(source, TableFile) else TableFile(source)
        is_yaml = file.path.suffix.lower() in _YAML
        given = _from_yaml(file.path) if is_yaml else _from_table(file)
    if not given:
        raise InputError(f"{source}: holds no label")
    return {name: texts or [name.replace("_", " ")] for name, texts in given.items()}


def _from_yaml(path: Path) -> LabelTexts:
    """Labels and texts are what is written: ``no`` and ``007`` are no truth value and no number."""
    wrong = (
        f"{path}: labels are a mapping, label: description, or label: [description, ...], "
        "or a list of labels"
    )
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{path}: no such file") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(root, yaml.MappingNode | yaml.SequenceNode):
        raise InputError(wrong)
    given: LabelTexts = {}
    for one in root.value:
        name, value = one if isinstance(root, yaml.MappingNode) else (one, None)
        texts = value.value if isinstance(value, yaml.SequenceNode) else [value] if value else []
        if not all(isinstance(node, yaml.ScalarNode) for node in (name, *texts)):
            raise InputError(f"{wrong}; line {name.start_mark.line + 1}")
        if not name.value.strip() or name.tag == _NULL:
            raise InputError(f"{path}:{name.start_mark.line + 1}: a label without a name")
        if name.value in given:
            raise InputError(f"{path}:{name.start_mark.line + 1}: {name.value!r} appears twice")
        given[name.value] = [node.value for node in texts if node.tag != _NULL]
    return given


def _from_table(file: TableFile) -> LabelTexts:
    kinds: dict[str, Kind] = {LABEL: "name", DESCRIPTION: "string"}
    table = read_table(file, kinds, optional=(DESCRIPTION,))
    named = table[LABEL].fillna("").str.strip()
    if (named == "").any():
        raise InputError(f"{file}: row {int((named == '').argmax()) + 1}: {LABEL} is missing")
    given: LabelTexts = {name: [] for name in named}
    texts = table.get(DESCRIPTION, pd.Series(None, index=table.index, dtype="str"))
    for name, text in zip(named, texts, strict=True):
        if not pd.isna(text) and text.strip():
            given[name].append(text)
    return given
