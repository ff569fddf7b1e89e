"""Let whoever shares an object with threads lock, or time, each of its calls.

What an object needs to be whole in spite of threads is a `Lock` of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

Guard = Callable[[str], AbstractContextManager[object]]
"""Told a method's name; what it returns is entered while the method runs."""


class Lock:
    """A lock that whoever holds it may take again; copies and pickles have one of their own."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        """Wait for it, and take it."""
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        """Let it go."""
        self._lock.release()

    def __reduce__(self) -> tuple[type[Lock], tuple[()]]:
        """Be a new one, free, in a copy or in another process."""
        return Lock, ()


class Guarded(Protocol):
    """What has a guard."""

    guard: Guard


S = TypeVar("S", bound=Guarded)
P = ParamSpec("P")
R = TypeVar("R")


def unguarded(_: str) -> AbstractContextManager[object]:
    """Return the guard of whoever is alone."""
    return nullcontext()


def guarded(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let a method run inside its object's guard."""

    @wraps(method)
    def inside(self: S, /, *args: P.args, **options: P.kwargs) -> R:
        with self.guard(method.__name__):
            return method(self, *args, **options)

    return inside
