"""What a caller may pass as texts and labels, brought into one shape: labeled examples."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval import InputError
from retrieval.tables import item_texts

LABEL = "label"
TEXT = "text"

Texts = Sequence[str] | pd.Series | pd.DataFrame
Labels = Sequence[Any] | pd.Series | npt.NDArray[Any]

_SHOWN = 5


@dataclass(frozen=True)
class Examples:
    """Labeled items, ready to be indexed.

    Attributes:
        table: One row an example: `item_id`, the text columns, and `label` as a string.
        item_id: Name of the id column.
        text: Names of the text columns.
        classes: The distinct labels, sorted, as the caller wrote them (strings, integers or
            booleans).
    """

    table: pd.DataFrame
    item_id: str
    text: list[str]
    classes: npt.NDArray[Any]


def labeled_examples(
    X: Texts, y: Labels, *, text: str | Sequence[str] | None, item_id: str
) -> Examples:
    """Pair texts with their labels.

    Args:
        X: n texts, or a table of items.
        y: n labels: all strings, all integers or all booleans.
        text: Text columns of a table; None takes every column but the id.
        item_id: Id column of a table. Texts, and tables without it, get ids made from their
            content, so that the same examples have the same ids the next time.

    Raises:
        InputError: Lengths differ, nothing is there, a label is missing, or labels are of several
            kinds.
    """
    items, columns = _as_table(X, text, item_id)
    labels = _as_labels(y)
    if len(items) != len(labels):
        raise InputError(f"X has {len(items)} rows and y has {len(labels)}; they must be equal")
    if len(items) == 0:
        raise InputError("there is nothing to fit: X is empty")
    if LABEL in (item_id, *columns):
        raise InputError(f"X must not have a column {LABEL!r}: the labels are y")
    table = items[columns].reset_index(drop=True)
    table[LABEL] = [str(value) for value in labels]
    ids = items[item_id].to_numpy() if item_id in items else _content_ids(table, columns)
    table.insert(0, item_id, ids)
    return Examples(table, item_id, columns, np.unique(labels))


def described_labels(labels: Mapping[str, str] | Sequence[str]) -> Examples:
    """Turn label names or descriptions into one example each.

    Args:
        labels: Label → description, or names alone, which then describe themselves (``_`` read as a
            blank).

    Raises:
        InputError: No label, or something that is not a string.
    """
    if isinstance(labels, str):
        raise InputError(f"labels must be several names or a mapping, got the string {labels!r}")
    described = (
        dict(labels)
        if isinstance(labels, Mapping)
        else {name: name.replace("_", " ") if isinstance(name, str) else name for name in labels}
    )
    for name, description in described.items():
        if not isinstance(name, str) or not isinstance(description, str):
            raise InputError(f"labels: not two strings: {name!r}: {description!r}")
        if not name.strip() or not description.strip():
            raise InputError(f"labels: a blank name or description: {name!r}: {description!r}")
    if not described:
        raise InputError("labels is empty; pass at least one name")
    names = [name.strip() for name in described]
    table = pd.DataFrame({"item_id": names, TEXT: list(described.values()), LABEL: names})
    return Examples(table, "item_id", [TEXT], np.unique(np.array(names, dtype=object)))


def as_queries(X: Texts, *, text: Sequence[str], item_id: str) -> pd.DataFrame | list[str]:
    """Check the items to label, and bring them into a form that an index can search for.

    Args:
        X: n texts, or a table of items.
        text: Text columns of the index, wanted in a table.
        item_id: Id column of the index; a table without it is searched by its texts alone.

    Raises:
        InputError: X is not made of texts, or a text column is missing.
    """
    if not isinstance(X, pd.DataFrame):
        return _checked_texts(X)
    if item_id in X.columns:
        return X
    _require_columns(X, text)
    return _checked_texts(item_texts(X, text))


def query_ids(X: Texts, known: npt.NDArray[np.object_]) -> list[str]:
    """Name each query: by its item id, else its label in a pandas index, else its position."""
    fallback = X.index if isinstance(X, (pd.Series, pd.DataFrame)) else range(len(X))
    named = zip(known, fallback, strict=True)
    return [str(other if name is None else name) for name, other in named]


def _as_table(
    X: Texts, text: str | Sequence[str] | None, item_id: str
) -> tuple[pd.DataFrame, list[str]]:
    if isinstance(X, pd.DataFrame):
        every = [str(column) for column in X.columns if column != item_id]
        columns = every if text is None else [text] if isinstance(text, str) else list(text)
        _require_columns(X, columns)
        return X, columns
    if text is not None:
        raise InputError("text= names the columns of a table, but X is not a DataFrame")
    return pd.DataFrame({TEXT: _checked_texts(X)}), [TEXT]


def _require_columns(X: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in X.columns]
    if missing or not columns:
        there = ", ".join(map(str, X.columns)) or "none"
        raise InputError(f"X: no text column {', '.join(missing)}; there are: {there}")


def _checked_texts(X: Sequence[str] | pd.Series) -> list[str]:
    if isinstance(X, (str, bytes)) or np.ndim(X) != 1:
        kind = type(X).__name__
        raise InputError(f"X must be a list or Series of texts, or a DataFrame; got {kind}")
    texts = list(X)
    for row, value in enumerate(texts, start=1):
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"X: row {row} is not a text: {value!r}")
    return texts


def _as_labels(y: Labels) -> npt.NDArray[Any]:
    if isinstance(y, (str, bytes)) or np.ndim(y) != 1:
        raise InputError(f"y must be one label for each row of X, got {type(y).__name__}")
    values = [value.strip() if isinstance(value, str) else value for value in y]
    missing = [row for row, value in enumerate(values, 1) if value == "" or pd.isna(value)]
    if missing:
        rows = ", ".join(map(str, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
        what = "all labels are" if len(missing) == len(values) else "a label is"
        raise InputError(f"y: {what} missing ({len(missing)} of {len(values)}: row {rows})")
    kinds = {_kind(value) for value in values}
    if len(kinds) > 1 or None in kinds:
        raise InputError(
            "y: labels must be all strings, all integers or all booleans, one kind only"
        )
    return np.array(values, dtype=object if kinds == {"string"} else None)


def _kind(value: object) -> str | None:
    if isinstance(value, str):
        return "string"
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    return "integer" if isinstance(value, (int, np.integer)) else None


def _content_ids(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Make ids from text and label; repeats are told apart by a running number."""
    seen: Counter[str] = Counter()
    ids = []
    for text, label in zip(item_texts(table, columns), table[LABEL], strict=True):
        content = hashlib.sha256(f"{label}\0{text}".encode()).hexdigest()[:16]
        ids.append(f"{content}-{seen[content]}")
        seen[content] += 1
    return ids
