"""Columns of Python values, from databases, JSON and workbooks, as Arrow has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from retrieval import as_text, is_number

_MIXED = {b"likewise": b"mixed"}


def to_table(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> pa.Table:
    """Return columns, each of one type; values of several types become the text they are."""
    arrays, fields = [], []
    for name, values in zip(names, columns, strict=True):
        column, mixed = _column(values)
        arrays.append(column)
        fields.append(pa.field(name, column.type, metadata=_MIXED if mixed else None))
    return pa.table(arrays, schema=pa.schema(fields))


def joined(parts: Sequence[pa.Table]) -> pa.Table:
    """Return parts of one table as a whole; a column whose type changes becomes text."""
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        places = range(parts[0].num_columns)
        columns = [[value for part in parts for value in part[n].to_pylist()] for n in places]
        return to_table(parts[0].column_names, columns)


def is_mixed(table: pa.Table, name: str) -> bool:
    """Whether a column of text held numbers, too: no type told them apart."""
    return bool(table.schema.field(name).metadata == _MIXED)


def _column(values: Sequence[Any]) -> tuple[pa.Array, bool]:
    try:
        return pa.array(values), False
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        told = [None if one is None else as_text(one) for one in values]
        return pa.array(told, pa.string()), any(map(is_number, values))
