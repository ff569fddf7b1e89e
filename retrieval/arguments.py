"""Check what a caller passes: whole numbers, numbers, names, paths, text that can be written."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from retrieval.errors import InputError

HALF = "holds half a character (a lone surrogate); decode it anew"


def has_half_character(text: str) -> bool:
    """Tell whether a text holds a surrogate without its other half."""
    return not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text)


def require_characters(text: str, what: str) -> None:
    """Refuse a text that cannot be written.

    Args:
        text: Any text.
        what: How the message names it.

    Raises:
        InputError: It holds half a character.
    """
    if has_half_character(text):
        raise InputError(f"{what} {HALF}: {text!r}")


def require_count(value: object, name: str, *, least: int = 1, most: int | None = None) -> int:
    """Return a whole number that counts something.

    Raises:
        InputError: It is none, or none in this range.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise InputError(f"{name} must be an integer of at least {least}, got {value!r}")
    number = int(value)
    if number < least or (most is not None and number > most):
        wanted = f"an integer of at least {least}"
        if most is not None:
            wanted = f"between {least} and {most}"
        raise InputError(f"{name} must be {wanted}, got {value}")
    return number


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
