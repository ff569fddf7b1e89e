"""Fill the collection with a table of items, here or by Ray's workers, and prune it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import structlog

from classifiers import normalize_labels, warn_of_similar_spellings
from pipelines.components import open_index
from pipelines.config.sections import ItemsSettings
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine, held
from pipelines.inputs.items import (
    TableInput,
    column_arguments,
    item_kinds,
    name_of,
    read_items,
    require_text,
    source_of,
)
from pipelines.jobs.locks import locked_collection
from pipelines.logs import timed
from pipelines.overwriting import Write, refuse_overwriting
from pipelines.tables.parquet import ParquetRows, count_rows, is_parquet, parquet_schema
from pipelines.tables.reader import Kind, read_table
from retrieval import InputError, ItemIndex, TableError, as_attribute, first_few

_log = structlog.stdlib.get_logger(__name__)

_MOST = 0.2


def fill_by_parts(
    settings: Settings,
    index: ItemIndex,
    items: TableInput,
    kinds: Mapping[str, Kind],
    quarantine: Quarantine,
) -> dict[str, int] | None:
    """Lets Ray's workers read a Parquet table themselves.

    Args:
        settings: `engine` says whether, `items` maps the columns.
        index: The collection.
        items: The table.
        kinds: What its columns hold.
        quarantine: What becomes of bad rows.

    Returns:
        Rows ``new``, ``changed``, ``unchanged``; None where the table is to be read as a whole, as
        it is where something is wrong with it: then the row can be named.
    """
    path = Path(items) if isinstance(items, str | Path) else None
    if settings.engine.kind != "ray" or quarantine.is_on or path is None or not is_parquet(path):
        return None
    if settings.classify.normalize_labels and settings.items.label is not None:
        return None  # which spelling is the most frequent is known of the whole
    if settings.items.language is not None:
        return None  # the language of a short text is told by the others
    if settings.items.id not in parquet_schema(path).names:  # ids are made of all rows
        return None
    rows = ParquetRows(path, 0, count_rows(path))
    if not len(rows):
        return None
    try:
        kinds = _kinds_of_text(path, kinds)
    except TableError:  # whoever reads the table as a whole can say more
        return None
    from pipelines.distributed.jobs import upsert_parts_on_ray

    with timed(_log, "items indexed", rows=len(rows), uri=index.uri) as fields:
        counts = upsert_parts_on_ray(settings, index, rows, kinds)
        fields |= {} if counts is None else counts.rows()
    return None if counts is None else counts.rows()


def _kinds_of_text(path: Path, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """Return the kinds with those of text columns decided, for which all rows have to be seen."""
    schema = parquet_schema(path)
    decided = dict(kinds)
    for name, kind in kinds.items():
        if kind == "any" and name in schema.names and _is_text(schema.field(name).type):
            read = as_attribute(read_table(path, {name: "any"})[name])
            decided[name] = "number" if read.values.dtype == "float64" else "category"
    return decided


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def fill_collection(
    settings: Settings, index: ItemIndex, table: pd.DataFrame, source: str
) -> dict[str, int]:
    """Write items to the collection; return what that did, in rows.

    Args:
        settings: `engine` says who does it, `items` maps the columns.
        index: The collection.
        table: The items.
        source: What to call them in messages.
    """
    table = _spelled(settings, index, table)
    with timed(_log, "items indexed", rows=len(table), uri=index.uri) as fields:
        if settings.engine.kind == "ray":
            from pipelines.distributed.jobs import upsert_on_ray

            counts = upsert_on_ray(settings, index, table, source)
        else:
            counts = index.upsert(table, source=source, **column_arguments(settings.items))
        fields |= counts.rows()
    return counts.rows()


def _spelled(settings: Settings, index: ItemIndex, table: pd.DataFrame) -> pd.DataFrame:
    """Return items whose labels have one spelling each, if the settings say so."""
    label = settings.items.label
    if label is None or label not in table or not settings.classify.normalize_labels:
        return table
    spelled = normalize_labels(table[label], index.labels())
    return table.assign(**{label: pd.Series(spelled, index=table.index, dtype=object)})


def ids_to_prune(
    index: ItemIndex, kept: Collection[str], *, source: str, confirmed: bool = False
) -> list[str]:
    """Return the items of a collection that are not to be kept; nothing is removed yet.

    Args:
        index: The collection; of a tenant, its own items.
        kept: Ids of the items table.
        source: What the table is called.
        confirmed: Remove more than a fifth of the collection as well.

    Returns:
        Their ids, sorted.

    Raises:
        InputError: It is more than a fifth and not confirmed, or the table is empty.
    """
    there = index.ids()
    gone = sorted(set(there) - set(kept))
    if there and not kept:
        raise InputError(
            f"{source}: the table has no items; --prune would remove all {len(there):,} items of "
            f"the collection {index.collection!r}, which it never does"
        )
    if len(gone) > _MOST * len(there) and not confirmed:
        raise InputError(
            f"{source}: --prune would remove {len(gone):,} of {len(there):,} items of the "
            f"collection {index.collection!r}, more than {_MOST:.0%}: "
            f"{', '.join(first_few(gone))}; give --yes if the table is whole"
        )
    return gone


def index_job(
    settings: Settings,
    items: TableInput | None = None,
    *,
    confirmed: bool = False,
    quarantine: Quarantine | None = None,
) -> dict[str, int]:
    """Encode an items table into the collection; running it again changes only what changed.

    Ends when a server has indexed what was written.

    Args:
        settings: `items` maps the columns, `index` names the collection, and says whether items
            that the table no longer has are removed from it.
        items: The table; None: the one the settings name.
        confirmed: Remove them also if they are more than a fifth of the collection.
        quarantine: What becomes of bad rows; None: as the settings say. An item in quarantine is
            not removed.

    Returns:
        Rows ``new``, ``changed``, ``unchanged``, the collection's ``total``; ``pruned`` where items
        are removed, ``quarantined`` where bad rows are not refused; ``unread`` and ``cut`` where
        the encoder cannot read some of the texts it was given, or not to their end.

    Raises:
        InputError: No text column or no table is named, the table breaks the contract, the
            collection was made with another encoder or other columns, or too many items would be
            removed.
        CollectionLockedError: Another job writes the collection.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    columns, prune = settings.items, settings.index.prune
    quarantine = quarantine or Quarantine.of(settings, "index")
    require_text(columns)
    refuse_overwriting(settings, Write.index(settings), quarantine.written, items=items)
    items = held(items if items is not None else source_of(columns.source, "items"))
    with _opened_to_fill(settings) as index:
        kinds = item_kinds(columns, index.layout.attributes if index.count() else {})
        # Refused, if it is, before anything is written.
        gone = _to_prune(index, items, columns, confirmed=confirmed) if prune else []

        def read(source: TableInput, skip: Collection[int]) -> pd.DataFrame:
            return read_items(source, columns, kinds, skip=skip, pictures=settings.pictures)

        def fill(table: pd.DataFrame) -> dict[str, int]:
            return fill_collection(settings, index, table, name_of(items, "items"))

        done = fill_by_parts(settings, index, items, kinds, quarantine)
        if done is None:
            done = quarantine.screen("items", items, read, fill, id_col=columns.id).result
        if prune:
            done["pruned"] = index.delete(gone)
            _log.info("items removed", rows=done["pruned"], uri=index.uri)
        if done["new"] or done["changed"]:
            index.wait_until_built()
            warn_of_similar_spellings(index.labels())
        return {**done, "total": index.count(), **quarantine.counted()}


@contextmanager
def _opened_to_fill(settings: Settings) -> Iterator[ItemIndex]:
    """Provide the collection, which no other job writes meanwhile.

    Where the first table is refused, no empty Lite file stays behind.
    """
    uri = settings.index.uri
    is_empty = False
    with locked_collection(uri, settings.index.collection, "index"):
        is_new = "://" not in uri and not Path(uri).exists()
        try:
            with open_index(settings) as index:
                try:
                    yield index
                except InputError:
                    is_empty = index.digest() == ""
                    raise
        finally:
            if is_new and is_empty:
                shutil.rmtree(uri, ignore_errors=True)


def _to_prune(
    index: ItemIndex, items: TableInput, columns: ItemsSettings, *, confirmed: bool
) -> list[str]:
    """Return the items of the collection that the table no longer has, not even in a bad row."""
    nothing = {"label": None, "launch_date": None, "attributes": (), "image": ()}
    narrowed = columns.model_copy(update=nothing)
    ids = read_items(items, narrowed)[columns.id].dropna().astype(str)
    return ids_to_prune(index, set(ids), source=name_of(items, "items"), confirmed=confirmed)
