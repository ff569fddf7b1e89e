"""Connections that send nothing, or too slowly, are closed; what repeats is logged once a minute.

uvicorn has a time limit for what is idle between requests only: whoever begins a request and never
ends it would keep a connection for good.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_SECONDS = 15.0  # for the head of a request, and as long again before a body has to come
_BYTES_A_SECOND = 50_000  # of a body
_MOST = 1_000
_FILES = 200  # of the process that are no connections
_MINUTE = 60.0


def most_connections() -> int:
    """Return how many connections to answer: so few that no file lacks a handle."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, min(_MOST, files - _FILES))


class TimedProtocol(H11Protocol):
    """HTTP/1.1 in which a caller has a time limit for each part of a request."""

    _awaited: object = None
    _timer: asyncio.TimerHandle | None = None
    _since = 0.0
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the head of a request."""
        super().connection_made(transport)
        self._limit()

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait for what comes next."""
        super().data_received(data)
        if self._awaited is h11.SEND_BODY:
            self._received += len(data)
        self._limit()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _limit(self) -> None:
        awaited = self.conn.their_state
        if awaited is self._awaited:
            return
        self._stop()
        self._awaited, self._since, self._received = awaited, self.loop.time(), 0
        if awaited in (h11.IDLE, h11.SEND_BODY):
            self._timer = self.loop.call_later(_SECONDS, self._close_if_late)

    def _close_if_late(self) -> None:
        due = self._since + _SECONDS + self._received / _BYTES_A_SECOND
        left = due - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._close_if_late)
        else:
            self.transport.close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class OnceAMinute(logging.Filter):
    """Lets a message pass once a minute, with how often it was held back since."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it."""
        now, text = time.monotonic(), str(record.msg)
        then, held_back = self._last.get(text, (-_MINUTE, 0))
        if now - then < _MINUTE:
            self._last[text] = then, held_back + 1
            return False
        self._last[text] = now, 0
        if held_back:
            record.msg = f"{text} (and {held_back:,} times before)"
        return True
