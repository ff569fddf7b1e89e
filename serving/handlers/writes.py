"""What the write lane does: items come, change and go. Runs in its thread.

A write is done when Milvus has it and the classifier has learned from it; only then it is
acknowledged. Repeating one changes nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers import spelled_like
from retrieval import item_texts
from serving.handlers.tables import Columns, known_table, plain, require_text_column
from serving.problems import ApiError, unfit
from serving.runtime.shared_index import Held
from serving.runtime.tenants import Tenant, Tenants
from serving.schemas.items import KnownItem
from serving.schemas.labels import Correction, NewLabel


@dataclass(frozen=True)
class WriteCall:
    """Items to write or to remove, for the tenant that is loaded under the name by then.

    Attributes:
        tenants: Those loaded.
        tenant: Name of the tenant.
        kind: What is to be done.
        items: The items, or their ids.
    """

    tenants: Tenants
    tenant: str | None
    kind: str
    items: Sequence[Any]

    @property
    def owner(self) -> Hashable:
        """The tenant's name."""
        return self.tenant

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the items."""
        return frozenset(one if isinstance(one, str) else one.item_id for one in self.items)

    @property
    def rows(self) -> int:
        """How many items."""
        return len(self.items)

    @property
    def group(self) -> Hashable:
        """Tenant and kind."""
        return self.tenant, self.kind


def upsert(calls: Sequence[WriteCall]) -> list[dict[str, int]]:
    """Write the items of several calls."""
    tenant = calls[0].tenants.loaded(calls[0].tenant)
    items: list[KnownItem] = [one for call in calls for one in call.items]
    columns = Columns.of(tenant.index, tenant.settings.items)
    require_text_column(tenant.settings.items, tenant.index)
    before, after = _write(tenant, known_table(items, columns), columns)
    return [_counts(call, before, after) for call in calls]


def correct(calls: Sequence[WriteCall]) -> list[dict[str, int]]:
    """Write corrected labels; of an item that exists, all else stays."""
    tenant = calls[0].tenants.loaded(calls[0].tenant)
    told: list[Correction] = [one for call in calls for one in call.items]
    columns = Columns.of(tenant.index, tenant.settings.items)
    if columns.label is None:
        raise ApiError(409, "read-only", "the collection keeps no labels")
    require_text_column(tenant.settings.items, tenant.index)
    _check_labels(tenant, told)
    held = contents(tenant, [one.item_id for one in told])
    for row, one in enumerate(told):
        if one.text is None:
            _require_content(held.get(one.item_id), row)
    said = [_corrected(one, held.get(one.item_id), columns) for one in told if one.text is not None]
    as_kept = [{**held[one.item_id], "label": one.label} for one in told if one.text is None]
    tables, vectors = [known_table(said, columns), _table_of(as_kept, columns)], None
    if not said:  # what was kept, pictures and all, was encoded before
        vectors = tenant.index.vectors([row["item_id"] for row in as_kept])
    table = pd.concat([one for one in tables if len(one)], ignore_index=True)
    before, after = _write(tenant, table, columns, vectors)
    return [_counts(call, before, after) for call in calls]


@dataclass(frozen=True)
class Relabel:
    """The label that an item is to have; all else of it stays.

    Attributes:
        item_id: Which item.
        label: None takes the label away.
        is_new: Whether the label may be one that does not exist yet.
        only_from: Leave items alone that have another label than this by now; None: do it anyway.
    """

    item_id: str
    label: str | None
    is_new: bool = False
    only_from: str | None = None


def relabel(calls: Sequence[WriteCall]) -> list[list[str | None]]:
    """Give items that exist a label, or take it away; return each one's label as spelled."""
    tenant = calls[0].tenants.loaded(calls[0].tenant)
    told: list[Relabel] = [one for call in calls for one in call.items]
    columns = Columns.of(tenant.index, tenant.settings.items)
    if columns.label is None:
        raise ApiError(409, "read-only", "the collection keeps no labels")
    _require_known(
        tenant, [(one.label, "/label") for one in told if one.label is not None and not one.is_new]
    )
    held = contents(tenant, [one.item_id for one in told])
    some = [
        one
        for one in told
        if one.item_id in held
        and (one.only_from is None or held[one.item_id]["label"] == one.only_from)
    ]
    if some:
        rows = [{**held[one.item_id], "label": one.label} for one in some]
        vectors = tenant.index.vectors([one.item_id for one in some])
        _write(tenant, _table_of(rows, columns), columns, vectors)
    spelled = tenant.labeler.spelled([one.label for one in told])
    answers, start = [], 0
    for call in calls:
        answers.append(spelled[start : start + call.rows])
        start += call.rows
    return answers


def contents(tenant: Tenant, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what is kept of items, by id: as `ItemIndex.get`, and `content`, pictures and all."""
    if not ids:
        return {}
    held = _held(tenant, ids)
    for row in tenant.index.store.get(list(held), ["item_id", "text"]):
        held[row["item_id"]]["content"] = row["text"]
    return {one: {**row, "label": plain(row["label"])} for one, row in held.items()}


def _table_of(rows: Sequence[Mapping[str, Any]], columns: Columns) -> pd.DataFrame:
    """Return items as they are kept, as a table to write; their content is in the first column."""
    table = pd.DataFrame({columns.item_id: [row["item_id"] for row in rows]}, dtype=object)
    for place, name in enumerate(columns.text):
        table[name] = pd.Series([None if place else row["content"] for row in rows], dtype=object)
    table[columns.label] = pd.Series([row["label"] for row in rows], dtype=object)
    if columns.launch_date is not None:
        days = [row["launch_date"] for row in rows]
        table[columns.launch_date] = pd.Series(days, dtype="datetime64[ns]")
    for name in columns.attributes:
        table[name] = pd.Series([plain(row[name]) for row in rows], dtype=object)
    return table


def delete(calls: Sequence[WriteCall]) -> list[dict[str, int]]:
    """Remove the items of several calls."""
    tenant = calls[0].tenants.loaded(calls[0].tenant)
    index = tenant.index
    ids = [one for call in calls for one in call.items]
    there = set(tenant.shared.held(ids))
    if there:
        gone = sorted(there)
        nothing = np.zeros((len(gone), index.encoder.dim), dtype=np.float32)
        tenant.labeler.write(gone, [None] * len(gone), nothing, lambda: index.delete(gone))
    return [{"deleted": len(there & set(call.items))} for call in calls]


def add_label(calls: Sequence[WriteCall]) -> list[bool]:
    """Add a label in words; one call at a time."""
    tenant = calls[0].tenants.loaded(calls[0].tenant)
    (asked,) = calls[0].items
    told: NewLabel = asked.request
    return [tenant.labeler.add_label(told.label.strip(), told.descriptions)]


@dataclass(frozen=True)
class NamedLabel:
    """A label to add, under an id of its own, so that each has a turn of its own."""

    request: NewLabel
    item_id: str = "label"


def stored_items(tenant: Tenant, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Items as they are kept, in the order asked for."""
    columns = Columns.of(tenant.index, tenant.settings.items)
    held = _held(tenant, ids)
    return [
        {
            "item_id": one,
            "text": held[one]["text"] or None,
            "label": plain(held[one]["label"]),
            "launch_date": _day(held[one]["launch_date"]),
            "attributes": {name: plain(held[one][name]) for name in columns.attributes},
        }
        for one in dict.fromkeys(ids)
        if one in held
    ]


def _write(
    tenant: Tenant,
    table: pd.DataFrame,
    columns: Columns,
    vectors: npt.NDArray[np.float32] | None = None,
) -> tuple[dict[str, Held], dict[str, Held]]:
    index = tenant.index
    images = list(index.layout.image if index.exists else tenant.settings.items.image)
    if vectors is None:
        vectors = index.encoder.encode(item_texts(table, columns.text).tolist())
    labels: list[str | None] = [None] * len(table)
    if columns.label is not None:
        told = [None if one is None else one.strip() for one in table[columns.label]]
        labels = tenant.labeler.spelled(told)
        table = table.assign(**{columns.label: pd.Series(labels, index=table.index, dtype=object)})
    return tenant.labeler.write(
        table[columns.item_id].tolist(),
        labels,
        vectors,
        lambda: index.upsert(
            table,
            text=[one for one in columns.text if one not in images],
            image=images,
            item_id=columns.item_id,
            label=columns.label,
            launch_date=columns.launch_date,
            attributes=list(columns.attributes),
            vectors=vectors,
            progress=False,
        ),
    )


def _check_labels(tenant: Tenant, told: Sequence[Correction]) -> None:
    """Refuse a label that does not exist, unless it is said to be new."""
    named = [(one.label, f"/corrections/{row}/label") for row, one in enumerate(told)]
    _require_known(tenant, [named[row] for row, one in enumerate(told) if not one.new_label])


def _require_known(tenant: Tenant, named: Sequence[tuple[str, str]]) -> None:
    """Refuse labels, each with the place it stands at, that do not exist."""
    known = tenant.labeler.labels()
    spellings = tenant.labeler.spelled([label.strip() for label, _ in named])
    for (label, pointer), spelled in zip(named, spellings, strict=True):
        if spelled in known:
            continue
        alike = [spelling for spelling in [spelled_like(label, known)] if spelling]
        near = alike or difflib.get_close_matches(label, known, n=3, cutoff=0.5)
        hint = f"; the nearest are {', '.join(map(repr, near))}" if near else ""
        raise unfit(pointer, f"there is no label {label!r}{hint}; new_label: true makes it one")


def _require_content(held: Mapping[str, Any] | None, row: int) -> None:
    if held is None or not held["content"]:
        why = "the item is not there" if held is None else "texts are not kept here"
        raise unfit(f"/corrections/{row}/text", f"is needed: {why}")


def _corrected(told: Correction, held: Mapping[str, Any] | None, columns: Columns) -> KnownItem:
    """Return the item with its label corrected, and with another text."""
    kept: dict[str, Any] = {}
    if held is not None:
        day = held["launch_date"]
        kept["launch_date"] = None if pd.isna(day) else day.date()
        kept["attributes"] = {name: plain(held[name]) for name in columns.attributes}
    return KnownItem(item_id=told.item_id, text=told.text, label=told.label, **kept)


def _held(tenant: Tenant, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    if not tenant.index.exists:
        return {}
    table = tenant.index.get(list(ids))
    return {row["item_id"]: dict(row) for _, row in table.iterrows()}


def _counts(
    call: WriteCall, before: Mapping[str, Held], after: Mapping[str, Held]
) -> dict[str, int]:
    ids = [one.item_id for one in call.items]
    new = sum(one not in before for one in ids)
    unchanged = sum(one in before and before[one] == after.get(one) for one in ids)
    return {"new": new, "unchanged": unchanged, "changed": len(ids) - new - unchanged}


def _day(value: Any) -> Any:
    return None if pd.isna(value) else value.date()
