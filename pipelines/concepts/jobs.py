"""Concepts beside the items: the jobs behind ``concepts load``, ``link``, ``correct``, ``show``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import structlog

from pipelines.components import open_index
from pipelines.config.settings import Settings
from pipelines.inputs.items import TableInput
from pipelines.jobs.locks import locked_collection
from pipelines.logs import timed
from pipelines.overwriting import Write, refuse_overwriting
from pipelines.tables.reader import Kind, read_table
from retrieval import CONCEPT_FILES, ConceptGraph, InputError, StoredItems

_log = structlog.stdlib.get_logger(__name__)


def load_concepts_job(
    settings: Settings,
    source: Path,
    *,
    relations: Path | None = None,
    path: Sequence[str] = (),
    ids: str | None = None,
    kind: str = "concept",
    language: str | None = None,
    separator: str = " > ",
    replace: bool = False,
) -> dict[str, int]:
    """Load concepts and relations beside the settings' collection, as `ConceptGraph.load` does.

    Args:
        settings: `index` names the collection.
        source: A file of concepts, of relations, or of items with a path.
        relations: A table of relations besides.
        path: Columns of the path; one, or one a level.
        ids: Column of the ids of the lowest level of the path.
        kind: Of concepts of which the file tells none.
        language: Of SKOS: whose preferred label is the name.
        separator: Between the levels of a path.
        replace: Remove what the file does not have.

    Returns:
        How many concepts and relations there are, and how many were new, changed and removed.

    Raises:
        InputError: There is no such collection, or the file cannot be right.
        CollectionLockedError: Another job writes the collection.
        StoreError: Milvus does not answer.
    """
    columns: str | Sequence[str] | None = path[0] if len(path) == 1 else (list(path) or None)
    with _writing(settings, "concepts load") as graph, timed(_log, "concepts loaded") as fields:
        graph.load(
            _readable(source),
            relations=None if relations is None else _readable(relations),
            path=columns,
            ids=ids,
            kind=kind,
            language=language,
            separator=separator,
            replace=replace,
        )
        fields |= graph.loaded
        return graph.loaded


def link_job(
    settings: Settings,
    items: TableInput | None = None,
    *,
    path: Sequence[str] = (),
    separator: str = " > ",
    since: str | None = None,
    false_alarm_rate: float | None = None,
) -> pd.DataFrame:
    """Link the items of the settings' collection, or those of a table, to their concepts.

    Args:
        settings: `index` names the collection.
        items: With `path`, the table that has it; without, the items to link; None: all.
        path: Columns of the path that says the concept.
        separator: Between the levels of a path.
        since: With `path`: column of the day since which that is known.
        false_alarm_rate: As of `ConceptGraph.link`; None: its own.

    Returns:
        The links, as `ConceptGraph.link` returns them.

    Raises:
        InputError: There are no concepts, or the table cannot be right.
        CollectionLockedError: Another job writes the collection.
        StoreError: Milvus does not answer.
    """
    if since is not None and not path:
        raise InputError("concepts link: --since-col goes with --path-cols")
    rate = {} if false_alarm_rate is None else {"false_alarm_rate": false_alarm_rate}
    with _writing(settings, "concepts link") as graph, timed(_log, "items linked") as fields:
        layout = graph.index.layout
        table = items
        if items is not None and not isinstance(items, pd.DataFrame):
            kinds: dict[str, Kind] = {layout.item_id: "name"}
            kinds |= dict.fromkeys([*(path or layout.text), *([since] if since else [])], "string")
            table = read_table(items, kinds, id_col=layout.item_id)
        if path:
            if table is None:
                raise InputError("concepts link: --path-cols are columns of a table of items")
            column: str | Sequence[str] = path[0] if len(path) == 1 else list(path)
            links = graph.link(table, path=column, separator=separator, since=since)  # type: ignore[arg-type]
        else:
            links = graph.link(table, **rate)  # type: ignore[arg-type]
        fields |= {"items": len(links), "linked": int(links["concept_id"].notna().sum())}
        return links


def correct_job(
    settings: Settings, corrections: TableInput, *, since: str | None = None
) -> pd.DataFrame:
    """Take a person's word for which concept items are of.

    Args:
        settings: `index` names the collection.
        corrections: Columns item_id and concept_id, which may be a name or a path; blank: none.
        since: First day that was known; None: today.

    Raises:
        InputError: There is no such item or concept, or the day is none.
        CollectionLockedError: Another job writes the collection.
        StoreError: Milvus does not answer.
    """
    with _writing(settings, "concepts correct") as graph:
        item_id = graph.index.layout.item_id
        table = corrections
        if not isinstance(table, pd.DataFrame):
            table = read_table(table, {item_id: "name", "concept_id": "name"}, id_col=item_id)
        told = {
            str(item): None if pd.isna(one) or not str(one).strip() else str(one).strip()
            for item, one in zip(table[item_id], table["concept_id"], strict=True)
        }
        return graph.correct(told, since=since)


def show_concept_job(settings: Settings, concept: str) -> dict[str, Any]:
    """Return what is known of a concept, as `ConceptGraph.show`, with its items' texts.

    Raises:
        InputError: There is no such concept, or several are called so.
        StoreError: Milvus does not answer.
    """
    with reading_graph(settings) as graph:
        shown = graph.show(concept)
        found = graph.index.get(shown["items"])
        return {**shown, "items": found[["item_id", "text"]].to_dict("records")}


def propose_job(
    settings: Settings, *, columns: Sequence[str] = (), least: int | None = None
) -> pd.DataFrame:
    """Propose concepts out of the settings' collection, for a person to accept.

    Args:
        settings: `index` names the collection.
        columns: Attributes whose values are proposed; none: all that hold words.
        least: Items that a concept has at least; None: as of `retrieval.propose_concepts`.

    Returns:
        A table of concepts that ``concepts load`` takes, and why each is proposed.

    Raises:
        InputError: There is no such collection or attribute.
        StoreError: Milvus does not answer.
    """
    from retrieval import propose_concepts

    with open_index(settings, to_read=True) as index, timed(_log, "concepts proposed") as fields:
        stored: StoredItems = index.read()
        found = propose_concepts(index, stored, columns=columns, least=least)
        fields["concepts"] = len(found)
        return found


@contextmanager
def reading_graph(settings: Settings) -> Iterator[ConceptGraph]:
    """Provide the graph of the settings' collection.

    Raises:
        InputError: There is no such collection, or it has no concepts.
    """
    with open_index(settings, to_read=True) as index:
        graph = ConceptGraph(index)
        if not graph.concepts:
            raise InputError(
                f"collection {index.collection!r} has none; `likewise concepts load` loads some"
            )
        yield graph


@contextmanager
def _writing(settings: Settings, job: str) -> Iterator[ConceptGraph]:
    """Provide the graph while no other job writes beside the collection."""
    refuse_overwriting(settings, Write.index(settings))
    chosen = settings.index
    with (
        locked_collection(chosen.uri, chosen.collection, job),
        open_index(settings, to_read=True) as index,
    ):
        if not index.exists:
            raise InputError(f"collection {chosen.collection!r} is empty; index items first")
        yield ConceptGraph(index)


def _readable(path: Path) -> Path | pd.DataFrame:
    """Return the file, or its rows where it is of a kind that only jobs read."""
    return path if path.suffix.lower() in CONCEPT_FILES else read_table(path)
