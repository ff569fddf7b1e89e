"""The tables of a job: DataFrames, or what `read_table` reads, brought into the columns it needs.

A table of items needs no ids of its own. Where the settings name no id column and there is none
called ``item_id``, items to be indexed get ids made from their text, so that the same rows are the
same items the next time; items asked about are called ``row 1``, ``row 2`` and so on.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import structlog

from pipelines.config.sections import ItemsSettings, PicturesSettings
from pipelines.inputs.profile import as_read
from pipelines.logs import timed
from pipelines.tables.formats import TableFile
from pipelines.tables.parquet import ParquetRows
from pipelines.tables.reader import Kind, Source, read_table
from pipelines.tables.sql import FetchedRows, SqlQuery
from retrieval import (
    DETECTED,
    InputError,
    ItemIndex,
    PictureSources,
    TableError,
    as_words,
    content_ids,
    item_texts,
    masked,
    record_languages,
)

_log = structlog.stdlib.get_logger(__name__)

TableInput = pd.DataFrame | Source
"""A table, or where it is."""

NO_SETTINGS = PicturesSettings()

_NAMED = (Path, str, TableFile, ParquetRows, SqlQuery, FetchedRows)


def read_input(
    table: TableInput,
    kinds: Mapping[str, Kind],
    id_col: str,
    *,
    optional: Collection[str] = (),
    skip: Collection[int] = (),
) -> pd.DataFrame:
    """Read some columns of a table; a DataFrame stays as it is.

    Args:
        table: The table.
        kinds: The columns and what they hold.
        id_col: The column that names a row in messages.
        optional: Those that the table may lack.
        skip: Positions of rows to leave out.
    """
    if isinstance(table, pd.DataFrame):
        return table.iloc[remaining(len(table), skip)] if skip else table
    with timed(_log, "table read", table=str(table)) as fields:
        frame = read_table(table, kinds, id_col=id_col, optional=optional, skip=skip)
        fields["rows"] = len(frame)
        fields["columns"] = as_read(frame)
    return frame


def remaining(total: int, skip: Collection[int]) -> npt.NDArray[np.intp]:
    """Return the positions that are left of `total` rows without some."""
    return np.setdiff1d(np.arange(total, dtype=np.intp), np.array(list(skip), dtype=np.intp))


def read_items(
    items: TableInput,
    columns: ItemsSettings,
    kinds: Mapping[str, Kind] | None = None,
    *,
    skip: Collection[int] = (),
    pictures: PicturesSettings = NO_SETTINGS,
) -> pd.DataFrame:
    """Read items to be indexed or learned from; ids are made if there are none.

    Args:
        items: The table.
        columns: The meaning of its columns.
        kinds: What they hold, in place of `item_kinds` of `columns`.
        skip: Positions of rows to leave out.
        pictures: Where pictures may come from.
    """
    # An id column that was named must be there; the default's may be missing.
    optional = () if "id" in columns.model_fields_set else (columns.id,)
    kinds = item_kinds(columns, {}) if kinds is None else kinds
    table = read_input(items, kinds, columns.id, optional=optional, skip=skip)
    table = with_pictures(table, columns.image, pictures.of(items), skip, name_of(items, "items"))
    table = with_languages(table, columns, skip, name_of(items, "items"))
    if columns.id in table or not optional or not set(columns.text) <= set(table.columns):
        return table
    _log.warning("no id column: ids are made from the texts", column=columns.id)
    ids = content_ids(item_texts(table, columns.text).tolist())
    return table.assign(**{columns.id: ids})


def read_queries(
    items: TableInput,
    index: ItemIndex,
    more: Mapping[str, Kind] | None = None,
    *,
    skip: Collection[int] = (),
) -> pd.DataFrame:
    """Read items to ask about, in the columns the collection was filled from.

    Args:
        items: The table.
        index: The collection.
        more: Further columns.
        skip: Positions of rows to leave out.
    """
    layout = index.layout
    kinds: dict[str, Kind] = dict.fromkeys(layout.text, "string")
    kinds |= dict.fromkeys(layout.image, "any")
    kinds |= {layout.item_id: "name", **(more or {})}
    try:
        table = read_input(items, kinds, layout.item_id, optional=(layout.item_id,), skip=skip)
    except TableError as error:
        if error.offenses or "no column" not in str(error) or index.uri == ":memory:":
            raise
        whose = f"the index {masked(index.uri)} / {index.collection}"
        raise TableError(f"{error}\nthe columns asked for are those of {whose}") from error
    told = index.pictures_from
    if told.folder is None:
        told = replace(told, folder=PicturesSettings().of(items).folder)
    table = with_pictures(table, layout.image, told, skip, name_of(items, "queries"))
    return named_by_row(table, layout.item_id, skip)


def with_pictures(
    table: pd.DataFrame,
    image: Collection[str],
    sources: PictureSources,
    skipped: Collection[int],
    name: str,
) -> pd.DataFrame:
    """Return a table whose pictures are read.

    Args:
        table: As it was read.
        image: Its columns of pictures.
        sources: Where they may come from.
        skipped: Positions of rows that were left out of the table.
        name: What it is called.

    Raises:
        TableError: With the rows as they lie in the whole table.
    """
    for column in image:
        try:
            table = table.assign(**{column: as_words(table[column], sources, source=name)})
        except TableError as error:
            rows = remaining(len(table) + len(skipped), skipped)
            placed = [replace(one, rows=rows[list(one.rows)].tolist()) for one in error.offenses]
            raise TableError(str(error), placed) from None
    return table


def with_languages(
    table: pd.DataFrame, columns: ItemsSettings, skipped: Collection[int], name: str
) -> pd.DataFrame:
    """Return a table with the language of each item, if the settings ask for it.

    Args:
        table: As it was read.
        columns: The meaning of its columns.
        skipped: Positions of rows that were left out of the table.
        name: What it is called.

    Raises:
        TableError: With the rows as they lie in the whole table.
    """
    try:
        return record_languages(table, columns.language, columns.text, name)
    except TableError as error:
        rows = remaining(len(table) + len(skipped), skipped)
        placed = [replace(one, rows=rows[list(one.rows)].tolist()) for one in error.offenses]
        raise TableError(str(error), placed) from None


def named_by_row(table: pd.DataFrame, item_id: str, skipped: Collection[int] = ()) -> pd.DataFrame:
    """Call items without ids ``row 1``, ``row 2`` and so on, as messages do.

    Args:
        table: The items.
        item_id: The column of their ids, if there is one.
        skipped: Positions of rows that were left out.
    """
    if item_id in table:
        return table
    _log.warning("no id column: items are named by their row", column=item_id)
    rows = remaining(len(table) + len(skipped), skipped) + 1
    names = pd.Series([f"row {row}" for row in rows], index=table.index, dtype="str")
    return table.assign(**{item_id: names})


def item_kinds(columns: ItemsSettings, known: Mapping[str, Kind]) -> dict[str, Kind]:
    """Return what the columns hold.

    Attributes are what they are `known` to be: those of a few new rows may all be missing, or look
    like numbers by chance. A column that is also text, label or date is read as that.
    """
    kinds: dict[str, Kind] = {name: known.get(name, "any") for name in columns.attributes}
    # A category is not to be taken for numbers later, by whoever sees a few of its rows.
    categories = [name for name, kind in kinds.items() if kind == "string"]
    kinds |= dict.fromkeys([*columns.categories, *categories], "category")
    kinds |= {columns.id: "name", **dict.fromkeys(columns.text, "string")}
    if columns.language is not None and columns.language != DETECTED:
        kinds[columns.language] = "string"
    kinds |= dict.fromkeys(columns.image, "any")  # bytes, too
    if columns.label is not None:
        kinds[columns.label] = "label"
    if columns.launch_date is not None:
        kinds[columns.launch_date] = "date"
    return kinds


def column_arguments(columns: ItemsSettings) -> dict[str, Any]:
    """Return the columns of items as the arguments of `ItemIndex.upsert` and `validate_items`."""
    return {
        "text": columns.text,
        "image": columns.image,
        "item_id": columns.id,
        "label": columns.label,
        "launch_date": columns.launch_date,
        "attributes": columns.recorded,
    }


def in_blocks(table: pd.DataFrame, size: int) -> list[pd.DataFrame]:
    """Cuts a table into blocks of at most `size` rows, in order; no row is no block."""
    starts = range(0, len(table), size)
    return [table.iloc[start : start + size].reset_index(drop=True) for start in starts]


def source_of(source: TableInput | None, section: str) -> TableInput:
    """Return the table that is given, or named by a section of the settings; else InputError."""
    if source is None:
        raise InputError(f"no {section} table: name one, or set {section}.path in the config")
    return source


def require_text(columns: ItemsSettings) -> None:
    """Refuses settings that name no text column."""
    if not columns.text:
        raise InputError("no text column: set items.text in the config, or give --text-cols")


def name_of(table: object, default: str) -> str:
    """Return what a table is called in messages: its file, or, for a DataFrame, its role."""
    return str(table) if isinstance(table, _NAMED) else default


@contextmanager
def naming(role: str, table: object) -> Iterator[None]:
    """Put a table's file into messages of those who know only its role."""
    try:
        yield
    except TableError as error:
        message = str(error)
        if not message.startswith(f"{role}:"):
            raise
        begin = re.compile(rf"^{re.escape(role)}(?=:)", re.MULTILINE)  # of each rule's lines
        named = begin.sub(lambda _: name_of(table, role), message)
        raise TableError(named, error.offenses) from error


@contextmanager
def naming_tables(**tables: object) -> Iterator[None]:
    """Provide the same for several, by their roles."""
    with ExitStack() as stack:
        for role, table in tables.items():
            stack.enter_context(naming(role, table))
        yield
