"""Connections that send nothing, too slowly, or read nothing are closed; no address has them all.

uvicorn has a time limit for what is idle between requests only: whoever begins a request and never
ends it, or never reads the answer, would keep a connection for good.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import Hashable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_log = logging.getLogger("uvicorn.error")  # which lets what repeats pass once a minute

_SECONDS = 15.0  # for the head of a request, and as long again before a body has to come
_BYTES_A_SECOND = 50_000  # of a body
_READ_A_SECOND = 1_000  # of an answer, once it waits for its reader
_MOST = 1_000
_FILES = 200  # of the process that are no connections
_REFUSED_SECONDS = 1.0  # in which a refused caller may read why
_IPV6_BITS = 64  # of an address: the rest its holder chooses
_MINUTE = 60.0
_REMEMBERED = 1_000  # of what repeats


def most_connections() -> int:
    """Return how many connections to answer: so few that no file lacks a handle."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, min(_MOST, files - _FILES))


class Crowd:
    """The connections that are open, by the addresses they come from.

    A new one that finds no room takes the place of one that has been waiting for its request
    longest: of its own address where that has its share, else of the address with most of them.

    Args:
        most: In all.
        own: Of one address.
        proxies: Addresses, and networks, on behalf of many, which have no share.
    """

    def __init__(self, most: int, own: int, proxies: Sequence[str] = ()) -> None:
        self._most = most
        self._own = own
        self._proxies = [ip_network(one, strict=False) for one in proxies]
        self._held: dict[str, dict[TimedProtocol, None]] = {}
        self._number = 0

    def enter(self, connection: TimedProtocol, address: str | None) -> bool:
        """Let a connection in, and another one go if need be; False: its address has too many."""
        name = self._name_of(address)
        own = self._held.get(name, {})
        if name and len(own) >= self._own and not self._let_go(own, "of one address"):
            _log.warning("more connections of one address than it may have")
            return False
        if self._number >= self._most:
            crowds = sorted(self._held.values(), key=len, reverse=True)
            any(self._let_go(one, "in all") for one in crowds)
        self._held.setdefault(name, {})[connection] = None
        self._number += 1
        connection.crowd_name = name
        return True

    def leave(self, connection: TimedProtocol) -> None:
        """Count a connection no more."""
        name = connection.crowd_name
        if name is None:
            return
        connection.crowd_name = None
        del self._held[name][connection]
        self._number -= 1
        if not self._held[name]:
            del self._held[name]

    def _let_go(self, connections: dict[TimedProtocol, None], whose: str) -> bool:
        """Close the one whose request is due first; False where none is waited for."""
        due = min((one.due for one in connections if one.due is not None), default=None)
        if due is None:
            return False
        _log.warning(f"too many connections {whose}: those that wait longest are closed")
        next(one for one in connections if one.due == due).abort()
        return True

    def _name_of(self, address: str | None) -> str:
        """Return what to count an address as; empty: it is not counted."""
        try:
            told = ip_address((address or "").partition("%")[0])
        except ValueError:
            return ""  # a local socket
        if told.version == 6 and told.ipv4_mapped is not None:
            told = told.ipv4_mapped
        if any(told in one for one in self._proxies):
            return ""
        if told.version == 6:
            return str(ip_network((int(told), _IPV6_BITS), strict=False))
        return str(told)


class TimedProtocol(H11Protocol):
    """HTTP/1.1 in which a caller has a time limit for each part of a request, and of its answer.

    Args:
        crowd: Of which it is one; None: as many as come.
        options: Of uvicorn's own.

    Attributes:
        due: When a request, or a part of it, has to have come, by the loop's clock; None: it has.
        crowd_name: What the crowd counts it as; None: it does not.
    """

    def __init__(self, *, crowd: Crowd | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.crowd_name: str | None = None
        self._crowd = crowd
        self._awaited: object = None
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._received = 0
        self._unread = 0
        self._is_refused = False

    @property
    def due(self) -> float | None:  # noqa: D102
        if self._timer is not None:
            return self._since + _SECONDS + self._received / _BYTES_A_SECOND
        # Who is idle between two requests goes after those who hold half of one.
        idle = self.timeout_keep_alive_task
        return None if idle is None else idle.when() + _SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the head of a request, if there is room for it."""
        super().connection_made(transport)
        self._watch = self.loop.call_later(_SECONDS, self._close_if_unread)
        self._limit()
        address = self.client[0] if self.client else None
        if self._crowd is not None and not self._crowd.enter(self, address):
            self._refuse()

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait for what comes next."""
        if self._is_refused:
            return
        super().data_received(data)
        if self._awaited is h11.SEND_BODY:
            self._received += len(data)
        self._limit()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._leave()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Note that what was written is being read."""
        self._unread = 0
        super().resume_writing()

    def abort(self) -> None:
        """Close at once, and be counted no more."""
        self._leave()
        self.connections.discard(self)
        self.transport.abort()

    def _leave(self) -> None:
        self._stop()
        self._watch.cancel()
        if self._crowd is not None:
            self._crowd.leave(self)

    def _refuse(self) -> None:
        self._is_refused = True
        self._stop()
        self.connections.discard(self)
        self.transport.write(_TOO_MANY)
        self.loop.call_later(_REFUSED_SECONDS, self.transport.abort)

    def _limit(self) -> None:
        awaited = self.conn.their_state
        if awaited is self._awaited:
            return
        self._stop()
        self._awaited, self._since, self._received = awaited, self.loop.time(), 0
        if awaited in (h11.IDLE, h11.SEND_BODY):
            self._timer = self.loop.call_later(_SECONDS, self._close_if_late)

    def _close_if_late(self) -> None:
        left = (self.due or 0.0) - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._close_if_late)
        else:
            self.transport.close()

    def _close_if_unread(self) -> None:
        """Close where little of what was written has been read since the last look."""
        unread = self.transport.get_write_buffer_size()
        if self._unread and unread > self._unread - _SECONDS * _READ_A_SECOND:
            self.abort()
        else:
            self._unread = unread
            self._watch = self.loop.call_later(_SECONDS, self._close_if_unread)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class TimedLoop(asyncio.SelectorEventLoop):
    """An event loop whose servers wait no longer for a TLS handshake than for a request."""

    async def create_server(self, *args: Any, **options: Any) -> asyncio.Server:
        """Listen."""
        if options.get("ssl"):
            options.setdefault("ssl_handshake_timeout", _SECONDS)
        return await super().create_server(*args, **options)


class Repeats:
    """Counts what is held back, by what it is."""

    def __init__(self) -> None:
        self._last: dict[Hashable, tuple[float, int]] = {}

    def held_back(self, what: Hashable) -> int | None:
        """Return how often it was held back since it was last told; None: hold it back again."""
        now = time.monotonic()
        then, number = self._last.get(what, (-_MINUTE, 0))
        if now - then < _MINUTE:
            self._last[what] = then, number + 1
            return None
        if len(self._last) >= _REMEMBERED:
            self._last.clear()
        self._last[what] = now, 0
        return number


class OnceAMinute(logging.Filter):
    """Lets a message pass once a minute, with how often it was held back since."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it."""
        text = str(record.msg)
        held_back = self._repeats.held_back(text)
        if held_back:
            record.msg = f"{text} (and {held_back:,} times before)"
        return held_back is not None


_WHY = (
    b'{"type":"/problems/busy","title":"Too many calls are waiting","status":503,'
    b'"detail":"your address has too many connections here"}'
)
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
    b"Retry-After: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_WHY), _WHY)
)
