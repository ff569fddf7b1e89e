"""What a caller may pass as texts and labels, brought into one shape: labeled examples."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval import InputError, Layout, content_ids, first_few, item_texts

LABEL = "label"
TEXT = "text"

Texts = Sequence[str] | pd.Series | pd.DataFrame
LabelTexts = Mapping[str, str | Sequence[str]] | Sequence[str]
Labels = Sequence[Any] | pd.Series | npt.NDArray[Any]

_LISTS = (list, tuple, set, frozenset, np.ndarray)


@dataclass(frozen=True)
class Examples:
    """Labeled items, ready to be indexed.

    Attributes:
        table: One row an example: `item_id`, the text columns, and `label` as a string; several
            labels as `stored_label` writes them.
        item_id: Name of the id column.
        text: Names of the text columns.
        classes: The distinct labels, sorted, as the caller wrote them (strings, integers or
            booleans).
        exclusive: Whether each has one label, or a list of any number.
    """

    table: pd.DataFrame
    item_id: str
    text: list[str]
    classes: npt.NDArray[Any]
    exclusive: bool = True


def labeled_examples(
    X: Texts, y: Labels, *, text: str | Sequence[str] | None, item_id: str
) -> Examples:
    """Pair texts with their labels.

    Args:
        X: n texts, or a table of items.
        y: n labels: all strings, all integers or all booleans; or n lists of strings, where an item
            can have any number of labels.
        text: Text columns of a table; None takes every column but the id.
        item_id: Id column of a table. Texts, and tables without it, get ids made from their
            content, so that the same examples have the same ids the next time.

    Raises:
        InputError: Lengths differ, nothing is there, a label is missing, or labels are of several
            kinds.
    """
    items, columns = _as_table(X, text, item_id)
    exclusive = not _holds_lists(y)
    labels = _as_labels(y) if exclusive else _as_label_lists(y)
    if len(items) != len(labels):
        raise InputError(f"X has {len(items)} rows and y has {len(labels)}; they must be equal")
    if len(items) == 0:
        raise InputError("there is nothing to fit: X is empty")
    if LABEL in (item_id, *columns):
        raise InputError(f"X must not have a column {LABEL!r}: the labels are y")
    table = items[columns].reset_index(drop=True)
    table[LABEL] = [str(one) if exclusive else stored_label(one) for one in labels]
    if item_id in items:
        ids = items[item_id].tolist()
    else:
        both = zip(table[LABEL], item_texts(table, columns), strict=True)
        ids = content_ids(f"{label}\0{text}" for label, text in both)
    table.insert(0, item_id, ids)
    each = labels if exclusive else [name for names in labels for name in names]
    classes = np.unique(np.array(each, dtype=None if exclusive else object))
    return Examples(table, item_id, columns, classes, exclusive)


def more_examples(X: Texts, y: Labels, layout: Layout) -> Examples:
    """Pair texts with their labels, for an index that exists.

    Args:
        X: n texts, which the first text column takes; or a table with the columns of the index.
        y: n labels, as in `labeled_examples`.
        layout: Of the index.
    """
    text = list(layout.text)
    if not isinstance(X, pd.DataFrame):
        X = pd.DataFrame({text[0]: _checked_texts(X)}, columns=text)
    return labeled_examples(X, y, text=text, item_id=layout.item_id)


def label_texts(labels: LabelTexts) -> dict[str, list[str]]:
    """Return the texts that describe each label.

    Args:
        labels: Label → one description or several; or names alone, which then describe themselves
            (``_`` read as a blank).

    Raises:
        InputError: No label, one that appears twice, or something that is not a string.
    """
    if isinstance(labels, str):
        raise InputError(f"labels must be several names or a mapping, got the string {labels!r}")
    given = (
        list(labels.items())
        if isinstance(labels, Mapping)
        else [(name, str(name).replace("_", " ") if name else name) for name in labels]
    )
    if not given:
        raise InputError("labels is empty; pass at least one name")
    described: dict[str, list[str]] = {}
    for name, texts in given:
        several = [texts] if isinstance(texts, str) else list(texts or [])
        for text in [name, *several]:
            if not isinstance(text, str):
                raise InputError(f"labels: not two strings: {name!r}: {texts!r}")
            if not text.strip():
                raise InputError(f"labels: a blank name or description: {name!r}: {texts!r}")
        if not several:
            raise InputError(f"labels: {name!r} has no description")
        if name.strip() in described:
            raise InputError(f"labels: {name.strip()!r} appears twice")
        described[name.strip()] = several
    return described


def stored_label(names: Sequence[str]) -> str:
    """Return several labels as the one string that an index stores."""
    return json.dumps(sorted(names), ensure_ascii=False)


def stored_names(stored: str) -> list[str]:
    """Return the labels behind a string of `stored_label`."""
    names: list[str] = json.loads(stored)
    return names


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
    missing = [row for row, value in enumerate(values, 1) if pd.isna(value) or value == ""]
    if missing:
        rows = ", ".join(first_few(missing))
        what = "all labels are" if len(missing) == len(values) else "a label is"
        raise InputError(f"y: {what} missing ({len(missing)} of {len(values)}: row {rows})")
    kinds = {_kind(value) for value in values}
    if len(kinds) > 1 or None in kinds:
        raise InputError(
            "y: labels must be all strings, all integers or all booleans, one kind only"
        )
    return np.array(values, dtype=object if kinds == {"string"} else None)


def _holds_lists(y: Labels) -> bool:
    return not isinstance(y, (str, bytes)) and any(isinstance(one, _LISTS) for one in y)


def _as_label_lists(y: Labels) -> list[list[str]]:
    lists = []
    for row, one in enumerate(y, start=1):
        if not isinstance(one, _LISTS) or not all(isinstance(name, str) for name in one):
            raise InputError(f"y: row {row} is not a list of strings, as other rows are: {one!r}")
        names = sorted({name.strip() for name in one})
        if "" in names:
            raise InputError(f"y: row {row} holds a blank label: {one!r}")
        lists.append(names)
    if not any(lists):
        raise InputError(f"y: all labels are missing: {len(lists)} empty lists")
    return lists


def _kind(value: object) -> str | None:
    if isinstance(value, str):
        return "string"
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    return "integer" if isinstance(value, (int, np.integer)) else None
