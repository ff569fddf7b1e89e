"""Writing a table of items to a collection, by this process or by Ray's workers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import structlog

from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.inputs.items import TableInput, column_arguments
from pipelines.logs import timed
from pipelines.tables.parquet import ParquetRows, count_rows, is_parquet, parquet_schema
from pipelines.tables.reader import Kind
from retrieval import InputError, ItemIndex

_log = structlog.stdlib.get_logger(__name__)

_MOST = 0.2
_SHOWN = 5


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
    if settings.items.id not in parquet_schema(path).names:  # ids are made of all rows
        return None
    rows = ParquetRows(path, 0, count_rows(path))
    if not len(rows):
        return None
    from pipelines.distributed.jobs import upsert_parts_on_ray

    with timed(_log, "items indexed", rows=len(rows), uri=index.uri) as fields:
        counts = upsert_parts_on_ray(settings, index, rows, kinds)
        fields |= {} if counts is None else asdict(counts)
    return None if counts is None else asdict(counts)


def fill_collection(
    settings: Settings, index: ItemIndex, table: pd.DataFrame, source: str
) -> dict[str, int]:
    """Writes items to the collection; returns what that did, in rows.

    Args:
        settings: `engine` says who does it, `items` maps the columns.
        index: The collection.
        table: The items.
        source: What to call them in messages.
    """
    with timed(_log, "items indexed", rows=len(table), uri=index.uri) as fields:
        if settings.engine.kind == "ray":
            from pipelines.distributed.jobs import upsert_on_ray

            counts = upsert_on_ray(settings, index, table, source)
        else:
            counts = index.upsert(table, source=source, **column_arguments(settings.items))
        fields |= asdict(counts)
    return asdict(counts)


def ids_to_prune(
    index: ItemIndex, kept: Collection[str], *, source: str, confirmed: bool = False
) -> list[str]:
    """The items of a collection that are not to be kept; nothing is removed yet.

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
        more = ", ..." if len(gone) > _SHOWN else ""
        raise InputError(
            f"{source}: --prune would remove {len(gone):,} of {len(there):,} items of the "
            f"collection {index.collection!r}, more than {_MOST:.0%}: "
            f"{', '.join(gone[:_SHOWN])}{more}; give --yes if the table is whole"
        )
    return gone
