"""Lay items out in Milvus: fields, metadata, and whether a collection fits what is asked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from pandas.api import types as dtypes
from pymilvus import DataType

from retrieval.encoding.encoder import Encoder
from retrieval.encoding.weights import EncoderIdentity
from retrieval.errors import EncoderMismatchError, InputError, Offense, StoreError, TableError
from retrieval.filters import MISSING_NUMBER, MISSING_STRING
from retrieval.pictures.content import cut
from retrieval.values.attributes import Kind
from retrieval.values.dates import parse_date

FORMAT = 1
# Days since 1970-01-01. Items without a launch date have always been there: launched before any
# date.
ALWAYS = -(2**31)
_DAY = pd.Timedelta(days=1)
EPOCH = pd.Timestamp("1970-01-01")

# Milvus counts the bytes of a string, not its characters.
_ID_BYTES = 512
_STRING_BYTES = 4_096
_TEXT_BYTES = 60_000

# Of two tenants each may have an item of the same id: inside, ids begin with the tenant's name.
TENANT_END = "\x1f"
_TENANT_BYTES = 64
_TENANT = re.compile(rf"\A[A-Za-z0-9_.-]{{1,{_TENANT_BYTES}}}\Z")


@dataclass(frozen=True)
class Layout:
    """What a collection holds and where it came from; stored with it as one line of JSON.

    Attributes:
        encoder: The encoder its vectors were made with.
        item_id: Name of the id column in the tables it is filled from; likewise `text`, `label`,
            `launch_date`.
        text: Text columns, in the order in which they are joined.
        label: Label column, or None.
        launch_date: Launch date column, or None.
        attributes: Attribute column → what it holds.
        index: Kind of vector index.
        store_text: Whether the joined text is kept beside the vector.
        tenants: Whether it is shared by tenants, none of whom sees another's items.
        index_params: Parameters of the vector index.
        image: Those of the text columns that hold pictures.
    """

    encoder: EncoderIdentity
    item_id: str
    text: tuple[str, ...]
    label: str | None
    launch_date: str | None
    attributes: dict[str, Kind]
    index: str
    store_text: bool
    tenants: bool = False
    index_params: Mapping[str, Any] | None = None
    image: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, str]:
        """Attribute column → its Milvus field, named by letters, digits and underscores only."""
        return {
            column: f"attr{position}_" + re.sub(r"\W", "_", column, flags=re.ASCII)[:64]
            for position, column in enumerate(self.attributes)
        }

    def to_json(self) -> str:
        """Write it as one line."""
        values = {"format": FORMAT, **asdict(self), "encoder": self.encoder.as_dict()}
        if not self.image:  # an earlier version reads it then
            del values["image"]
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str | None, collection: str) -> Layout:
        """Read what `to_json` wrote.

        Raises:
            StoreError: The collection was not made by likewise, or by a version that stores another
                format.
        """
        values = json.loads(line) if line else {}
        if values.pop("format", None) != FORMAT:
            raise StoreError(
                f"collection {collection!r} was not written by this version of likewise; "
                "choose another name"
            )
        encoder = EncoderIdentity(**values.pop("encoder"))
        text, image = tuple(values.pop("text")), tuple(values.pop("image", ()))
        return cls(encoder=encoder, text=text, image=image, **values)


def milvus_fields(layout: Layout) -> list[dict[str, Any]]:
    """List the fields of the collection, as `pymilvus` takes them."""
    fields: list[dict[str, Any]] = [
        {
            "field_name": "item_id",
            "datatype": DataType.VARCHAR,
            "is_primary": True,
            "max_length": _ID_BYTES + len(TENANT_END) + _TENANT_BYTES,
        },
        {"field_name": "vector", "datatype": DataType.FLOAT_VECTOR, "dim": layout.encoder.dim},
        {"field_name": "label", "datatype": DataType.VARCHAR, "max_length": _STRING_BYTES},
        {"field_name": "launch_day", "datatype": DataType.INT64},
        {"field_name": "text", "datatype": DataType.VARCHAR, "max_length": 65_535},
        {"field_name": "content_hash", "datatype": DataType.VARCHAR, "max_length": 32},
    ]
    if layout.tenants:
        fields.append(
            {
                "field_name": "tenant",
                "datatype": DataType.VARCHAR,
                "is_partition_key": True,
                "max_length": _TENANT_BYTES,
            }
        )
    for column, field in layout.fields.items():
        if layout.attributes[column] == "number":
            fields.append({"field_name": field, "datatype": DataType.DOUBLE})
        else:
            fields.append(
                {"field_name": field, "datatype": DataType.VARCHAR, "max_length": _STRING_BYTES}
            )
    return fields


def check_tenant(name: str | None) -> None:
    """Refuse what cannot be a tenant's name.

    Raises:
        InputError: It has other characters than letters, digits, ``_``, ``.`` and ``-``, or none,
            or more than 64.
    """
    if name is not None and not (isinstance(name, str) and _TENANT.fullmatch(name)):
        raise InputError(
            f"tenant {name!r}: a name has 1 to {_TENANT_BYTES} letters, digits, _, . or -"
        )


def attribute_kinds(items: pd.DataFrame, attributes: Sequence[str]) -> dict[str, Kind]:
    """Tell for each attribute column whether it holds numbers or strings."""
    return {
        column: "number" if dtypes.is_float_dtype(items[column]) else "string"
        for column in attributes
    }


def to_rows(
    items: pd.DataFrame, texts: pd.Series, layout: Layout, source: str, *, is_limited: bool = True
) -> list[dict[str, Any]]:
    """Turn validated items into rows, all but the vector; `is_limited`: those of Milvus.

    Raises:
        TableError: An id, label or attribute is longer than Milvus can hold.
    """
    columns: dict[str, list[Any]] = {"item_id": items[layout.item_id].tolist()}
    columns["label"] = _strings(items, layout.label)
    columns["launch_day"] = _launch_days(items, layout.launch_date)
    for column, field in layout.fields.items():
        if layout.attributes[column] == "number":
            columns[field] = items[column].fillna(MISSING_NUMBER).tolist()
        else:
            columns[field] = _strings(items, column)
    names = {field: column for column, field in layout.fields.items()}
    names |= {"item_id": layout.item_id, "label": layout.label or "label"}
    if is_limited:
        _check_lengths(columns, names, source)
    # The vector is made from the whole content before.
    columns["text"] = [cut(text, _TEXT_BYTES) if layout.store_text else "" for text in texts]
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    for row, text in zip(rows, texts, strict=True):
        row["content_hash"] = _content_hash({**row, "text": text})
    return rows


def day_number(date: Any) -> int:
    """Days from 1970-01-01 to a date.

    Raises:
        InputError: It cannot be read as a date.
    """
    return int((parse_date(date, "as_of").normalize() - EPOCH) // _DAY)


def to_date(day: int) -> pd.Timestamp | None:
    """Turn a stored launch day back into a date; None where there was none."""
    return None if day == ALWAYS else EPOCH + day * _DAY


def _strings(items: pd.DataFrame, column: str | None) -> list[str]:
    if column is None:
        return [MISSING_STRING] * len(items)
    return [value if isinstance(value, str) else MISSING_STRING for value in items[column]]


def _launch_days(items: pd.DataFrame, column: str | None) -> list[int]:
    if column is None:
        return [ALWAYS] * len(items)
    days = (items[column] - EPOCH) // _DAY
    return [int(day) for day in days.fillna(ALWAYS)]


def _check_lengths(columns: Mapping[str, list[Any]], names: Mapping[str, str], source: str) -> None:
    for field, values in columns.items():
        limit = _ID_BYTES if field == "item_id" else _STRING_BYTES
        long = [
            row
            for row, value in enumerate(values)
            if isinstance(value, str) and len(value) * 4 > limit and len(value.encode()) > limit
        ]
        if long:
            row, column, problem = long[0], names.get(field, field), f"is longer than {limit} bytes"
            raise TableError(
                f"{source}: row {row + 1}, column {column} {problem}: {values[row][:40]!r}...",
                [Offense(source, long, column, problem, [values[one] for one in long])],
            )


def _content_hash(row: Mapping[str, Any]) -> str:
    line = json.dumps(row, ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(line.encode(), digest_size=16).hexdigest()


def check_layout(
    layout: Layout, encoder: Encoder, tenant: str | None, collection: str, uri: str
) -> None:
    """Refuse a collection of another encoder, or one that is shared where it should not be.

    Args:
        layout: What the collection holds.
        encoder: To ask it with.
        tenant: Whose items are asked for.
        collection: Its name, for messages; so the next.
        uri: Where it is.
    """
    if not layout.encoder.same_space(encoder.identity):
        raise EncoderMismatchError(
            f"collection {collection!r} in {uri} was filled with encoder "
            f"{layout.encoder.describe()}, not with {encoder.identity.describe()}. "
            "Open it with that encoder, or index the items anew under another collection name"
        )
    if layout.tenants != (tenant is not None):
        hint = "name one" if layout.tenants else "it cannot be opened for one"
        raise InputError(
            f"collection {collection!r} in {uri} is "
            f"{'' if layout.tenants else 'not '}shared by tenants; {hint}"
        )


def agreed(layout: Layout, wanted: Layout) -> Layout:
    """Refuse a table whose columns differ from those the collection holds."""
    for name in ("item_id", "text", "image", "label", "launch_date", "attributes"):
        there, given = getattr(layout, name), getattr(wanted, name)
        if there != given:
            raise InputError(
                f"the collection was created with {name}={there!r}, not {given!r}; "
                "pass the same columns, or use another collection name"
            )
    return layout
