"""What a body may be, seen before it is parsed: how large, of how many values, in what letters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from starlette.types import Message, Receive

from serving.problems import ApiError, unfit

_MOST_VALUES = 50_000
"""Of a call: several times what its most items have; to say of each what is wrong takes 0.2 s."""

_PIECE = 1 << 18
_PAIR_OR_HALF = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


class CutOffError(ApiError):
    """The caller has gone, or was let go, before the whole of a body had come."""

    def __init__(self) -> None:
        super().__init__(400, "malformed", "the body ends too early")


async def read_body(
    receive: Receive, most_bytes: int, take: Callable[[int], None] = lambda size: None
) -> bytes:
    """Return a body as it arrives.

    Args:
        receive: Gives it.
        most_bytes: It may have.
        take: Told how many more have come; it may refuse them.

    Raises:
        ApiError: It is larger than that, whatever it said of itself, or ends too early.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the caller has gone
            raise CutOffError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most_bytes:
            raise too_large(most_bytes)
        take(len(parts[-1]))
        if not message.get("more_body", False):
            return b"".join(parts)


def too_large(most_bytes: int) -> ApiError:
    """Return the answer to a body of more bytes than a route takes."""
    return ApiError(413, "too-large", f"a body may have {most_bytes / 1e6:g} MB")


def check_values(body: bytes) -> None:
    """Refuse a body of more values than any call has, before they are made and judged.

    Raises:
        ApiError: It has more.
    """
    if _separators(body) > _MOST_VALUES and _separators_outside_texts(body) > _MOST_VALUES:
        raise ApiError(413, "too-large", f"a call may have {_MOST_VALUES:,} values")


def check_letters(body: bytes) -> None:
    """Refuse half characters (lone surrogates), which JSON can write and no engine can read.

    Raises:
        ApiError: There is one.
    """
    if b"\\ud" not in body and b"\\uD" not in body:
        return
    if any(found[1] for found in _PAIR_OR_HALF.finditer(body)):
        with suppress(ValueError, RecursionError):  # what is no JSON is told where it is parsed
            where = next(_halves(json.loads(body), ""), "")
            raise unfit(where, "half a character (a lone surrogate)")


def refuse_halves(value: object, text: str, pointer: str) -> None:
    """Refuse half characters in a value, whose text is at hand.

    Raises:
        ApiError: There is one; it tells where.
    """
    if "\\ud" in text or "\\uD" in text:
        for where in _halves(value, pointer):
            raise unfit(where, "half a character (a lone surrogate)")


def limited(receive: Receive, most_bytes: int) -> Receive:
    """Return what gives a body as it arrives, and refuses one of more bytes, or that is cut off."""
    size = 0

    more = True

    async def give() -> Message:
        nonlocal size, more
        message = await receive()
        if more and message["type"] != "http.request":
            raise CutOffError
        more = message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > most_bytes:
            raise too_large(most_bytes)
        return message

    return give


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read, and then whatever comes."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _halves(value: object, where: str) -> Iterator[str]:
    """Yield a JSON pointer to each text, or key, that holds half a character."""
    if isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            yield where
        return
    pairs = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else pairs:
        yield from _halves(key, where)
        yield from _halves(inner, f"{where}/{str(key).replace('~', '~0').replace('/', '~1')}")


def _separators(body: bytes) -> int:
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def _separators_outside_texts(body: bytes) -> int:
    """Count no more than it takes; in pieces, between which other threads have their turn."""
    quoted = body.replace(rb"\\", b"").replace(rb"\"", b"")
    is_text, found = False, 0
    for first in range(0, len(quoted), _PIECE):
        parts = quoted[first : first + _PIECE].split(b'"')
        found += sum(map(_separators, parts[is_text::2]))
        is_text ^= len(parts) % 2 == 0
        if found > _MOST_VALUES:
            break
    return found
