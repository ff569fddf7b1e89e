"""Concepts and relations out of tables: a row each, a taxonomy with ids, or a column of paths."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retrieval.errors import InputError, TableError
from retrieval.graph.concepts import CONCEPT_COLUMNS, SEPARATOR, Concept
from retrieval.graph.relations import Relation, made_relation

# What the columns of a table of concepts are called elsewhere.
_ALIASES = {
    "concept_id": ("category_id", "id", "code", "notation"),
    "name": ("label", "title", "category", "prefLabel"),
    "synonyms": ("aliases", "altLabel", "synonym"),
    "language": ("lang",),
    "parents": ("parent", "parent_id", "parent_ids", "broader"),
    "description": ("definition", "note"),
    "kind": ("type",),
}
_YES = ("yes", "y", "true", "1", "x", "accepted")
_SEVERAL = re.compile(r"\s*[|;]\s*")
_LINE = re.compile(r"\s*(\S+)\s+-\s+(.+?)\s*$")


def read_rows(path: Path) -> pd.DataFrame:
    """Read a CSV, TSV or Parquet file as texts, or the lines ``id - A > B`` of a taxonomy.

    Raises:
        InputError: There is no such file, or it is of another kind.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            return pd.read_parquet(path)
        if kind in (".csv", ".tsv"):
            mark = "\t" if kind == ".tsv" else ","
            return pd.read_csv(path, dtype="str", keep_default_na=False, sep=mark)
        if kind == ".txt":
            return _taxonomy_lines(path)
    except (UnicodeDecodeError, ValueError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as a table: {error}") from None
    raise InputError(f"{path}: a table is .csv, .tsv, .parquet or .txt (lines: id - A > B)")


def concepts_of_table(
    table: pd.DataFrame, source: str, *, kind: str = "concept", columns: Mapping[str, str] = {}
) -> list[Concept]:
    """Read a table with a row for each concept, or for each of its names in a language.

    Args:
        table: Columns as in `CONCEPT_COLUMNS`, of which the name must be there; or called as in
            taxonomies: category_id, parent_id. Without ids the names are the ids.
        source: What to call it in messages.
        kind: Of concepts whose row says nothing else.
        columns: What the table calls a column, by the name it has here.

    Raises:
        TableError: There is no column of names, an id is there twice, or a name is blank.
    """
    if "accepted" in table.columns:  # proposals: what a person has said yes to
        said = table["accepted"].astype("str").str.strip().str.casefold()
        table = table[said.isin(_YES).to_numpy()].reset_index(drop=True)
    found = _columns(table, source, columns)
    texts = {name: _texts(table[column]) for name, column in found.items()}
    names = texts["name"]
    ids = texts.get("concept_id", names)
    blank = [""] * len(table)
    made: dict[str, Concept] = {}
    for row, (concept_id, name) in enumerate(zip(ids, names, strict=True)):
        place = f"{source}: row {row + 1}"
        if not concept_id or not name:
            raise TableError(
                f"{place}, column {found['name' if concept_id else 'concept_id']} is blank"
            )
        one = Concept(
            concept_id,
            name,
            texts.get("kind", blank)[row] or kind,
            _listed(texts.get("synonyms", blank)[row]),
            texts.get("language", blank)[row],
            _listed(texts.get("parents", blank)[row]),
            texts.get("description", blank)[row],
            place,
        )
        made[concept_id] = _joined(made.get(concept_id), one)
    return list(made.values())


def concepts_of_paths(
    table: pd.DataFrame,
    path: str | Sequence[str],
    source: str,
    *,
    kind: str = "concept",
    separator: str = SEPARATOR,
    ids: str | None = None,
) -> list[Concept]:
    """Read the concepts of a column of paths, such as ``Grocery > Snacks > Chips``.

    Args:
        table: One row an item or a concept; a missing path says nothing.
        path: The column; or several, which are the levels from the top down.
        source: What to call it in messages.
        kind: Of the concepts.
        separator: Stands between the levels of a single column.
        ids: Column of ids of the lowest level; without it, and above it, a path is the id.

    Raises:
        TableError: A column is missing, or a level is blank.
    """
    made: dict[str, Concept] = {}
    named: dict[str, str] = {}
    rows = path_levels(table, path, source, separator)
    own = [""] * len(rows) if ids is None else _texts(table[_known(table, ids, source)])
    # Paths with an id of their own first: a deeper one names them as its parents.
    for row, levels in sorted(enumerate(rows), key=lambda one: (not own[one[0]], len(one[1]))):
        parents: tuple[str, ...] = ()
        for depth in range(1, len(levels) + 1):
            key = SEPARATOR.join(levels[:depth])
            if depth == len(levels) and own[row]:
                named.setdefault(key, own[row])
            concept_id = named.get(key, key)
            place = f"{source}: row {row + 1}"
            made.setdefault(
                concept_id,
                Concept(concept_id, levels[depth - 1], kind, parents=parents, place=place),
            )
            parents = (concept_id,)
    return list(made.values())


def path_levels(
    table: pd.DataFrame, path: str | Sequence[str], source: str, separator: str = SEPARATOR
) -> list[tuple[str, ...]]:
    """Return the levels of each row's path; none where it has no path.

    Raises:
        TableError: A column is missing, or a level between two others is blank.
    """
    if not isinstance(path, str):
        columns = [_texts(table[_known(table, one, source)]) for one in path]
        levels = [tuple(row) for row in zip(*columns, strict=True)]
    else:
        mark = separator.strip()
        cells = _texts(table[_known(table, path, source)])
        levels = [
            tuple(part.strip() for part in cell.split(mark)) if cell else () for cell in cells
        ]
    for row, one in enumerate(levels):
        told = one
        while told and not told[-1]:
            told = told[:-1]
        if not all(told):
            raise TableError(f"{source}: row {row + 1}: a level of the path is blank: {one!r}")
        levels[row] = told
    return levels


def relations_of_table(table: pd.DataFrame, source: str) -> list[Relation]:
    """Read a table of relations: source, relation, target and, where told, from and until.

    Raises:
        TableError: A column is missing.
        InputError: A relation cannot be; the message names the row.
    """
    columns = [_known(table, name, source) for name in ("source", "relation", "target")]
    days = [name for name in ("from", "until") if name in table.columns]
    made = []
    for row, values in enumerate(table[[*columns, *days]].itertuples(index=False)):
        told = dict(zip([*columns, *days], values, strict=True))
        place = f"{source}: row {row + 1}"
        one, word, other = (None if _is_missing(told[name]) else told[name] for name in columns)
        made.append(made_relation(one, word, other, told.get("from"), told.get("until"), place))
    return made


def is_relations(table: pd.DataFrame) -> bool:
    """Whether a table is one of relations."""
    return {"source", "relation", "target"} <= set(table.columns)


def _columns(table: pd.DataFrame, source: str, told: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(told) - set(CONCEPT_COLUMNS))
    if unknown:
        there = ", ".join(CONCEPT_COLUMNS)
        raise InputError(f"columns: there is no {unknown[0]!r} of a concept (there are: {there})")
    found = {name: _known(table, column, source) for name, column in told.items()}
    for name in CONCEPT_COLUMNS:
        spelled = [one for one in (name, *_ALIASES[name]) if one in table.columns]
        if spelled:
            found.setdefault(name, spelled[0])
    if "name" not in found:
        there = ", ".join(map(str, table.columns)) or "none"
        raise TableError(f"{source}: missing column name; there are: {there}")
    return found


def _known(table: pd.DataFrame, column: str, source: str) -> str:
    if column not in table.columns:
        there = ", ".join(map(str, table.columns)) or "none"
        raise TableError(f"{source}: missing column {column}; there are: {there}")
    return column


def _joined(there: Concept | None, one: Concept) -> Concept:
    """Take a second row of an id as its name in another language."""
    if there is None:
        return one
    if there.language == one.language:
        raise TableError(
            f"{one.place}: concept {one.concept_id!r} is there twice (first in {there.place})"
        )
    more = (*there.synonyms, one.name, *one.synonyms)
    return replace(
        there,
        synonyms=tuple(dict.fromkeys(name for name in more if name != there.name)),
        parents=tuple(dict.fromkeys((*there.parents, *one.parents))),
        description=there.description or one.description,
    )


def _taxonomy_lines(path: Path) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.match(line)
        if found is None:
            raise InputError(f"{path}: line {number} is not 'id - A > B': {line[:60]!r}")
        rows.append((found[1], found[2]))
    return pd.DataFrame(rows, columns=["concept_id", "path"], dtype="str")


def _texts(values: pd.Series) -> list[str]:
    return ["" if _is_missing(one) else _text(one) for one in values]


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray | list | tuple):
        return json.dumps([str(one) for one in value], ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _is_missing(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, float) and value != value)
        or value is pd.NaT
        or value is pd.NA
    )


def _listed(cell: str) -> tuple[str, ...]:
    """Read several values of one cell: a list in JSON, or parts between | or ;."""
    parts: Iterable[Any] = _SEVERAL.split(cell)
    if cell.startswith("["):
        try:
            parts = json.loads(cell)
        except ValueError:
            parts = _SEVERAL.split(cell)
    return tuple(dict.fromkeys(str(one).strip() for one in parts if str(one).strip()))
