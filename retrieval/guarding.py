"""Let whoever shares an object with threads lock, or time, each of its calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

Guard = Callable[[str], AbstractContextManager[object]]
"""Told a method's name; what it returns is entered while the method runs."""


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
