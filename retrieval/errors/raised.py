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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from retrieval.errors.masking import masked

_Value = TypeVar("_Value")


class LikewiseError(Exception):
    """Base of every error raised on purpose; no message holds a password."""

    def __init__(self, *words: object) -> None:
        super().__init__(*(masked(word) if isinstance(word, str) else word for word in words))


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
