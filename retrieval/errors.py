"""The errors likewise raises on purpose.

::

    LikewiseError                everything below; catch this one to catch all
    ├── InputError               the caller's mistake; also a ValueError
    │   ├── ArtifactError        a saved model is damaged, foreign or of another kind
    │   ├── TableError           rows or columns of a table; names the first offenders
    │   └── EncoderMismatchError a collection was built with another encoder
    └── StoreError               Milvus cannot do what was asked
        ├── IndexReplacedError   another collection has taken the place of the one opened
        ├── StoreLockedError     another process holds the Milvus Lite file
        └── StoreUnavailableError Milvus does not answer

A caller's mistake maps to exit code 2 on the command line and to a 4xx status over HTTP, anything
else to 1 and 5xx.
"""

import math
import numbers
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

_Value = TypeVar("_Value")


class LikewiseError(Exception):
    """Base of every error raised on purpose."""


class InputError(LikewiseError, ValueError):
    """The caller passed something that cannot work; the message says what and where."""


class ArtifactError(InputError):
    """A saved model cannot be trusted or read; the message names the file and what to do."""


@dataclass(frozen=True)
class Offense:
    """Rows of a table that break one rule.

    Attributes:
        table: What the table is called.
        rows: Their positions, from 0.
        column: The column, or columns, that break it.
        problem: What is wrong.
        values: What stands there, a value a row; empty where the rule is about several columns.
    """

    table: str
    rows: Sequence[int]
    column: str
    problem: str
    values: Sequence[object] = ()


class TableError(InputError):
    """A table breaks its contract; the message lists the first offending rows.

    Attributes:
        offenses: All offending rows of the rules that were checked; empty where what is wrong is
            not about rows, such as a missing column.
    """

    def __init__(self, message: str, offenses: Sequence[Offense] = ()) -> None:
        super().__init__(message)
        self.offenses = tuple(offenses)


def first_few(
    values: Sequence[_Value], say: Callable[[_Value], str] = str, *, most: int = 5
) -> list[str]:
    """Return for a message what is to say of the first values, and how many more there are."""
    shown = [say(value) for value in values[:most]]
    return [*shown, f"... and {len(values) - most:,} more"] if len(values) > most else shown


def require_count(value: object, name: str, *, least: int = 1, most: int | None = None) -> int:
    """Return a whole number that counts something.

    Raises:
        InputError: It is none, or none in this range.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise InputError(f"{name} must be an integer of at least {least}, got {value!r}")
    if value < least or (most is not None and value > most):
        wanted = f"an integer of at least {least}"
        if most is not None:
            wanted = f"between {least} and {most}"
        raise InputError(f"{name} must be {wanted}, got {value}")
    return int(value)


def require_choice(value: object, name: str, choices: Iterable[str]) -> None:
    """Refuse what is none of some names.

    Raises:
        InputError: It is none of them; the message lists them.
    """
    there = list(choices)
    if not isinstance(value, str) or value not in there:
        raise InputError(f"unknown {name} {value!r}; there are: {', '.join(there)}")


def require_kind(value: object, name: str, *kinds: type, or_none: bool = False) -> None:
    """Refuse what is of none of some kinds.

    Raises:
        InputError: It is of another kind, which the message names.
    """
    if isinstance(value, kinds) or (or_none and value is None):
        return
    wanted = " or ".join([*(kind.__name__ for kind in kinds), *(["None"] if or_none else [])])
    raise InputError(f"{name} must be of {wanted}, got {type(value).__name__}: {value!r:.80}")


def require_path(value: object, name: str = "path") -> Path:
    """Return the path of a file or folder.

    Raises:
        InputError: It is none.
    """
    if not isinstance(value, (str, os.PathLike)) or not str(value).strip():
        raise InputError(f"{name} must be the path of a file or folder, got {value!r}")
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise InputError(f"{name} holds half a character: {value!r}") from None
    return Path(value)


def require_number(
    value: object, name: str, above: float, *, below: float = math.inf, closed: bool = False
) -> float:
    """Return a number between two others; `closed`: or the upper one itself.

    Raises:
        InputError: It is no number, or none in this range.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    if is_number and (above < value < below or (closed and value == below)):  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    if math.isinf(below):
        raise InputError(f"{name} must be above {above:g}, got {value!r}")
    end = "]" if closed else ")"
    raise InputError(f"{name} must be in ({above:g}, {below:g}{end}, got {value!r}")


class EncoderMismatchError(InputError):
    """A collection holds vectors of another encoder than the one it is opened with."""


class StoreError(LikewiseError):
    """Milvus cannot do what was asked of it."""


class IndexReplacedError(StoreError):
    """The collection's name stands for another one since it was opened: open it anew."""


class StoreLockedError(StoreError):
    """Another process holds the Milvus Lite file."""


class StoreUnavailableError(StoreError):
    """Milvus does not answer, also after retries."""
