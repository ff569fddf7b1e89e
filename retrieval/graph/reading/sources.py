"""Read concepts and relations from whatever holds them: a file or a table, of any kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from retrieval.arguments import require_kind
from retrieval.graph.concepts import Concept
from retrieval.graph.reading.skos import FORMATS, is_skos, read_skos
from retrieval.graph.reading.tables import (
    concepts_of_paths,
    concepts_of_table,
    is_relations,
    read_rows,
    relations_of_table,
)
from retrieval.graph.relations import Relation

CONCEPT_FILES = (".csv", ".tsv", ".parquet", ".txt", *FORMATS)
"""Suffixes of what `ConceptGraph.load` reads itself."""


def read_source(
    source: str | Path | pd.DataFrame,
    path: str | Sequence[str] | None,
    ids: str | None,
    kind: str,
    language: str | None,
    separator: str,
    columns: Mapping[str, str],
) -> tuple[list[Concept], list[Relation]]:
    """Read what `retrieval.ConceptGraph.load` is given, and tells the meaning of."""
    if not isinstance(source, pd.DataFrame) and is_skos(Path(source)):
        return read_skos(Path(source), kind=kind, language=language)
    table, name = table_of(source, "concepts")
    if path is None and list(table.columns) == ["concept_id", "path"]:
        path, ids = "path", "concept_id"
    if path is not None:
        found = concepts_of_paths(table, path, name, kind=kind, separator=separator, ids=ids)
        return found, []
    if is_relations(table):
        return [], relations_of_table(table, name)
    return concepts_of_table(table, name, kind=kind, columns=columns), []


def table_of(source: str | Path | pd.DataFrame, what: str) -> tuple[pd.DataFrame, str]:
    """Return a table, and what messages call it."""
    if isinstance(source, pd.DataFrame):
        return source.reset_index(drop=True), what
    require_kind(source, what, str, Path)
    return read_rows(Path(source)), str(source)
