"""What a caller may pass as texts and labels, brought into one shape: labeled examples."""

import json
import unicodedata
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray
from scipy.sparse import issparse
from sklearn.exceptions import DataConversionWarning

from retrieval import (
    InputError,
    Layout,
    column_name,
    column_names,
    content_ids,
    first_few,
    item_texts,
    named_columns,
    read_pictures,
    require_characters,
    validate_items,
)

LABEL = "label"
TEXT = "text"

Texts = Sequence[str] | pd.Series | pd.DataFrame
LabelTexts = Mapping[str, str | Sequence[str]] | Sequence[str] | pd.Series
Labels = Sequence[Any] | pd.Series | pd.DataFrame | npt.NDArray[Any]

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
    X: Texts,
    y: Labels,
    *,
    text: str | Sequence[str] | None,
    item_id: str,
    some_have_labels: bool = True,
) -> Examples:
    """Pair texts with their labels.

    Args:
        X: n texts, or a table of items.
        y: n labels: all strings, all integers or all booleans; or n lists of strings, where an item
            can have any number of labels. Other forms of both are as in `told_labels`.
        text: Text columns of a table; None takes every column but the id.
        item_id: Id column of a table. Texts, and tables without it, get ids made from their
            content, so that the same examples have the same ids the next time.
        some_have_labels: Refuse lists that are all empty.

    Raises:
        InputError: Lengths differ, nothing is there, a label is missing, or labels are of several
            kinds.
    """
    item_id = column_name(item_id, "item_id")
    items, columns = _as_table(X, text, item_id)
    y = told_labels(y)
    exclusive = not _holds_lists(y)
    labels = _as_labels(y) if exclusive else _as_label_lists(y)
    if not exclusive and some_have_labels and not any(labels):
        raise InputError(f"y: all labels are missing: {len(labels)} empty lists")
    if len(items) != len(labels):
        raise InputError(f"X has {len(items)} rows and y has {len(labels)}; they must be equal")
    if len(items) == 0:
        raise InputError("there is nothing to fit: X is empty")
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
        # The text stands in the first column; the others are blank.
        X = pd.DataFrame({text[0]: _checked_texts(X)}, columns=text)
    return labeled_examples(X, y, text=text, item_id=layout.item_id, some_have_labels=False)


def told_labels(y: Labels, *, stacklevel: int = 2) -> Labels:
    """Bring the forms that labels come in to two: n labels, or n lists of labels.

    Args:
        y: n labels or lists; a column of them, as an array (n, 1) or a table, which is flattened
            with scikit-learn's `DataConversionWarning`; or an indicator matrix of zeros and ones
            (n, C), the names of whose columns are the labels, or, of an array, their numbers.
        stacklevel: Whose line the warning shows: 2 is the caller's, 3 that of its caller.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(y, pd.DataFrame) or (isinstance(y, np.ndarray) and y.ndim > 1) or issparse(y):
        return _from_matrix(y, stacklevel)
    is_one = isinstance(y, (str, bytes)) or (isinstance(y, np.ndarray) and not y.ndim)
    if is_one or not isinstance(y, (Sequence, pd.Series, pd.Index, np.ndarray, ExtensionArray)):
        raise InputError(
            f"y must be one label for each row of X, got {type(y).__name__}; pass a list, a Series "
            "or an array"
        )
    return y


def share_right(
    truth: Labels, predicted: npt.NDArray[Any], weights: Any, *, exclusive: bool
) -> float:
    """Return the share of items whose label, or list of labels, is the true one.

    Args:
        truth: n labels or lists of labels, as `told_labels` returns them.
        predicted: (n,) labels or lists of labels.
        weights: (n,) how much each item counts; None: alike.
        exclusive: Whether an item has one label.

    Raises:
        InputError: They do not go together.
    """
    if len(truth) != len(predicted):
        raise InputError(f"X has {len(predicted)} rows and y has {len(truth)}; they must be equal")
    if not len(predicted):
        raise InputError("there is nothing to score: X is empty")
    if exclusive == _holds_lists(truth):
        raise InputError("y: one label an item, or lists of labels, as fit was given")
    if exclusive:
        hits = [one == found for one, found in zip(_as_labels(truth), predicted, strict=True)]
    else:
        lists = zip(_as_label_lists(truth), predicted, strict=True)
        hits = [names == sorted(found) for names, found in lists]
    try:
        score = float(np.average(np.asarray(hits, dtype=np.float64), weights=weights))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"sample_weight must be a number for each item: {error}") from None
    if not 0 <= score <= 1:
        raise InputError("sample_weight must be a number for each item, not negative nor missing")
    return score


def label_texts(labels: LabelTexts) -> dict[str, list[str]]:
    """Return the texts that describe each label.

    Args:
        labels: Label → one description or several, also as a Series whose index are the labels; or
            names alone, which then describe themselves (``_`` read as a blank).

    Raises:
        InputError: No label, one that appears twice, or something that is not a string.
    """
    given = _names_and_texts(labels)
    if not given:
        raise InputError("labels is empty; pass at least one name")
    described: dict[str, list[str]] = {}
    for name, texts in given:
        is_several = isinstance(texts, (*_LISTS, pd.Series, pd.Index)) and _is_flat(texts)
        several = [] if texts is None else list(texts) if is_several else [texts]
        for text in [name, *several]:
            if not isinstance(text, str):
                raise InputError(f"labels: not two strings: {name!r}: {texts!r}")
            if is_blank(text):
                raise InputError(f"labels: a blank name or description: {name!r}: {texts!r}")
            require_characters(text, f"labels: {name!r}")
        if not several:
            raise InputError(f"labels: {name!r} has no description")
        if name.strip() in described:
            raise InputError(f"labels: {name.strip()!r} appears twice")
        described[name.strip()] = several
    return described


def is_blank(text: str) -> bool:
    """Tell whether nothing can be seen of a text: white space and characters of no width."""
    return not text.strip() or all(
        one.isspace() or unicodedata.category(one) in ("Cf", "Cc") for one in text
    )


def stored_label(names: Sequence[str]) -> str:
    """Return several labels as the one string that an index stores."""
    return json.dumps(sorted(names), ensure_ascii=False)


def stored_names(stored: str) -> list[str]:
    """Return the labels behind a string of `stored_label`."""
    names: list[str] = json.loads(stored)
    return names


def as_queries(
    X: Texts, *, text: Sequence[str], item_id: str, image: Sequence[str] = ()
) -> pd.DataFrame | list[str]:
    """Check the items to label, and bring them into a form that an index can search for.

    Args:
        X: n texts, or a table of items.
        text: Text columns of the index, wanted in a table.
        item_id: Id column of the index; a table without it is searched by its texts alone.
        image: Those of the text columns that hold pictures.

    Raises:
        InputError: X is not made of texts, or a text column is missing.
    """
    if not isinstance(X, pd.DataFrame):
        return _checked_texts(X)
    X = named_columns(X, "X")
    if item_id in X.columns:
        return X
    if image:
        X = X.assign(**{name: read_pictures(X[name], source="X") for name in image if name in X})
    texts: list[str] = item_texts(_checked_table(X, list(text), item_id), text).tolist()
    return texts


def query_ids(X: Texts, known: npt.NDArray[np.object_]) -> list[str]:
    """Name each query: by its item id, else its label in a pandas index, else its position."""
    fallback = X.index if isinstance(X, (pd.Series, pd.DataFrame)) else range(len(X))
    named = zip(known, fallback, strict=True)
    return [str(other if name is None else name) for name, other in named]


def _names_and_texts(labels: Any) -> list[tuple[Any, Any]]:
    if isinstance(labels, pd.Series) and not isinstance(labels.index, pd.RangeIndex):
        return list(zip(labels.index.tolist(), labels.tolist(), strict=True))
    if isinstance(labels, Mapping):
        return list(labels.items())
    is_table = isinstance(labels, (pd.DataFrame, np.ndarray)) and np.ndim(labels) != 1
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Iterable) or is_table:
        given = f"the string {labels!r}" if isinstance(labels, str) else type(labels).__name__
        raise InputError(f"labels must be several names or a mapping, got {given}")
    if isinstance(labels, (set, frozenset)):
        labels = sorted(labels, key=str)
    return [(one, one.replace("_", " ") if isinstance(one, str) else one) for one in labels]


def _as_table(
    X: Texts, text: str | Sequence[str] | None, item_id: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return a table that is in order, and its text columns."""
    if not isinstance(X, pd.DataFrame):
        if text is not None:
            raise InputError("text= names the columns of a table, but X is not a DataFrame")
        return pd.DataFrame({TEXT: _checked_texts(X)}), [TEXT]
    X = named_columns(X, "X")
    every = [column for column in X.columns if column != item_id]
    columns = every if text is None else column_names(text, "text")
    if LABEL in (item_id, *columns):
        raise InputError(f"X must not have a column {LABEL!r}: the labels are y")
    return _checked_table(X, columns, item_id), columns


def _checked_table(X: pd.DataFrame, columns: list[str], item_id: str) -> pd.DataFrame:
    """Return the text columns of a table, and its ids if it has any.

    Raises:
        InputError: There is no such column; TableError: a row is not in order.
    """
    missing = [column for column in columns if column not in X.columns]
    if missing or not columns:
        there = ", ".join(map(str, X.columns)) or "none"
        raise InputError(f"X: no text column {', '.join(missing)}; there are: {there}")
    if item_id in X.columns:
        return validate_items(X, item_id=item_id, text=columns, source="X")
    numbered = X[columns].assign(**{item_id: range(len(X))})
    return validate_items(numbered, item_id=item_id, text=columns, source="X")[columns]


def _checked_texts(X: Any) -> list[str]:
    is_column = isinstance(X, (list, tuple, pd.Series, pd.Index, np.ndarray, ExtensionArray))
    if not is_column or not _is_flat(X):
        kind = type(X).__name__
        shape = f" of shape {X.shape}" if isinstance(X, np.ndarray) else ""
        raise InputError(f"X must be a list or Series of texts, or a DataFrame; got {kind}{shape}")
    texts = list(X)
    for row, value in enumerate(texts, start=1):
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"X: row {row} is not a text: {value!r}")
        require_characters(value, f"X: row {row}")
    return texts


def _from_matrix(y: Any, stacklevel: int) -> Labels:
    """Return the labels of a column, or those that an indicator matrix names."""
    names = list(map(str, y.columns)) if isinstance(y, pd.DataFrame) else None
    cells = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
    if cells.ndim == 2 and cells.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected; it is flattened. Pass y "
            "of shape (n,), for example y.ravel() or the Series of the column.",
            DataConversionWarning,
            stacklevel=stacklevel + 1,
        )
        return y.iloc[:, 0] if isinstance(y, pd.DataFrame) else cells[:, 0]
    if names is None and cells.ndim == 2 and all(isinstance(one, str) for one in cells.ravel()):
        several: list[list[str]] = cells.tolist()
        return several
    flags = np.array([_is_flag(one) for one in cells.ravel()], dtype=bool).reshape(cells.shape)
    if cells.ndim != 2 or not flags.all():
        raise InputError(
            f"y has shape {cells.shape}: pass one label an item, lists of labels, or an indicator "
            "matrix (n, C) of zeros and ones, whose columns are the labels"
        )
    labels = names if names is not None else [str(one) for one in range(cells.shape[1])]
    return [[labels[one] for one in np.flatnonzero(row)] for row in cells.astype(bool)]


def _is_flat(values: Any) -> bool:
    return not isinstance(values, np.ndarray) or values.ndim == 1


def _is_flag(cell: Any) -> bool:
    return isinstance(cell, (bool, int, float, np.bool_, np.number)) and cell in (0, 1)


def _as_labels(y: Labels) -> npt.NDArray[Any]:
    values = [value.strip() if isinstance(value, str) else value for value in y]
    missing = [row for row, value in enumerate(values, 1) if _is_missing(value)]
    if missing:
        rows = ", ".join(first_few(missing))
        what = "all labels are" if len(missing) == len(values) else "a label is"
        raise InputError(f"y: {what} missing ({len(missing)} of {len(values)}: row {rows})")
    kinds = {_kind(value) for value in values}
    if len(kinds) > 1 or None in kinds:
        first = _kind(values[0]) or ""
        row, other = next(
            (row, one)
            for row, one in enumerate(values, 1)
            if _kind(one) in (None, *kinds - {first})
        )
        raise InputError(
            "y: labels must be all strings, all integers or all booleans, one kind only; "
            f"row {row} is {other!r}, of type {type(other).__name__}"
        )
    if kinds == {"string"}:
        for row, value in enumerate(values, 1):
            require_characters(str(value), f"y: row {row}")
    return np.array(values, dtype=object if kinds == {"string"} else None)


def _is_missing(label: Any) -> bool:
    return (
        is_blank(label) if isinstance(label, str) else np.ndim(label) == 0 and bool(pd.isna(label))
    )


def _holds_lists(y: Labels) -> bool:
    return any(isinstance(one, _LISTS) for one in y)


def _as_label_lists(y: Labels) -> list[list[str]]:
    lists = []
    for row, one in enumerate(y, start=1):
        if not isinstance(one, _LISTS) or not _is_flat(one):
            raise InputError(
                f"y: row {row} is not a list of strings, as other rows are: {one!r}; "
                "an item of no label has an empty list"
            )
        wrong = [name for name in one if not isinstance(name, str)]
        if wrong:
            raise InputError(
                f"y: row {row} is not a list of strings: {one!r} holds {wrong[0]!r}; "
                "in lists, labels are strings"
            )
        names = sorted({name.strip() for name in one})
        if any(map(is_blank, names)):
            raise InputError(f"y: row {row} holds a blank label: {one!r}")
        for name in names:
            require_characters(name, f"y: row {row}: label")
        lists.append(names)
    return lists


def _kind(value: object) -> str | None:
    if isinstance(value, str):
        return "string"
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    return "integer" if isinstance(value, (int, np.integer)) else None
