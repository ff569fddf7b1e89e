"""How long calls take, and how much of it is spent in the engines below."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch


def timed(call: Callable[[], object]) -> float:
    """Seconds one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@contextmanager
def watching(calls: Mapping[tuple[Any, str], str]) -> Iterator[dict[str, float]]:
    """Add up the seconds spent in some functions, as long as the context lasts.

    What one of them spends in another counts for the other alone: a search for texts encodes them,
    and that time is the encoder's.

    Args:
        calls: Owner (class or module) and name of each function → what to add its time to.
    """
    seconds = dict.fromkeys(calls.values(), 0.0)

    def timing(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed_function(*args: Any, **kwargs: Any) -> Any:
            start, inner = time.perf_counter(), sum(seconds.values())
            try:
                return function(*args, **kwargs)
            finally:
                within = sum(seconds.values()) - inner
                seconds[name] += time.perf_counter() - start - within

        return timed_function

    with ExitStack() as stack:
        for (owner, function), name in calls.items():
            wrapped = timing(name, getattr(owner, function))
            stack.enter_context(patch.object(owner, function, wrapped))
        yield seconds
