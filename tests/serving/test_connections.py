"""Who begins a request and does not end it is let go; who sends slowly but sends is not."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn

from serving import connections
from serving.connections import Crowd, OnceAMinute, TimedLoop, TimedProtocol, most_connections

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40\r\n"


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", scope["type"] == "http"
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def _much(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(scope["type"] == "http" and 400):
        await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})


@contextmanager
def _serving(app: Any = _echo, crowd: Crowd | None = None) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        protocol = partial(TimedProtocol, crowd=crowd)
        config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None)  # type: ignore[arg-type]
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "_SECONDS", 1.0)
    monkeypatch.setattr(connections, "_BYTES_A_SECOND", 1)
    with _serving() as port:
        yield port


def _rest(caller: socket.socket) -> bytes:
    """What comes until the server closes, which it does or the test ends in a timeout."""
    return b"".join(iter(lambda: caller.recv(4_096), b""))


@pytest.mark.parametrize("sent", [b"", HEAD[:9], HEAD, HEAD + b"\r\n" + b"x" * 9])
def test_a_request_that_never_ends_is_closed(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        caller.sendall(sent)
        assert _rest(caller) == b""


def test_a_second_request_that_never_ends_is_closed_after_the_first_was_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        caller.sendall(HEAD + b"\r\n" + b"x" * 40)
        assert caller.recv(4_096).startswith(b"HTTP/1.1 200")
        caller.sendall(HEAD[:9])
        assert b"HTTP/1.1" not in _rest(caller)


def test_a_slow_body_that_keeps_coming_is_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        caller.sendall(HEAD + b"Connection: close\r\n\r\n12345")
        for _ in range(7):  # 2.1 s, longer than a body that does not come may take
            time.sleep(0.3)
            caller.sendall(b"12345")
        answer = _rest(caller)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"12345" * 8 in answer


def test_what_repeats_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 59.0, 61.0, 62.0])
    monkeypatch.setattr(connections.time, "monotonic", lambda: next(clock))
    once, told = OnceAMinute(), []
    for _ in range(5):
        record = logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, "too many", (), None)
        told += [record.getMessage()] if once.filter(record) else []
    assert told == ["too many", "too many (and 2 times before)"]


def _asks(port: int, address: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 30, source_address=(address, 0)) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return _rest(caller)


def test_whoever_holds_all_connections_lets_others_in() -> None:
    crowd = Crowd(most=8, own=100)
    with _serving(crowd=crowd) as port, ExitStack() as held:
        for number in range(30):
            caller = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            caller.sendall(HEAD[:9] if number % 2 else HEAD + b"\r\n" + b"x")
        for address in ("127.0.0.1", "127.0.0.2"):
            assert _asks(port, address).startswith(b"HTTP/1.1 200")


def test_an_address_has_no_more_than_its_share() -> None:
    crowd = Crowd(most=100, own=4, proxies=("127.0.0.2/32",))
    with _serving(crowd=crowd) as port, ExitStack() as held:
        callers = [
            held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            for _ in range(6)
        ]
        assert _rest(callers[0]) == _rest(callers[1]) == b""  # who waits longest makes room
        callers[2].settimeout(0.1)
        with pytest.raises(TimeoutError):
            callers[2].recv(1)
        assert _asks(port, "127.0.0.1").startswith(b"HTTP/1.1 200")
        assert _asks(port, "127.0.0.3").startswith(b"HTTP/1.1 200")


def test_an_address_all_of_whose_requests_are_under_way_is_told_so() -> None:
    crowd, goes_on = Crowd(most=100, own=2, proxies=("127.0.0.2/32",)), threading.Event()

    begun = threading.Semaphore(0)

    async def _waits(scope: Any, receive: Any, send: Any) -> None:
        begun.release()
        while not goes_on.is_set():
            await asyncio.sleep(0.05)
        await _echo(scope, receive, send)

    with _serving(_waits, crowd) as port, ExitStack() as held:
        for _ in range(2):
            caller = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert begun.acquire(timeout=30)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
            answer = caller.recv(4_096)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"your address has too many connections" in answer
        assert not _is_answered_at_once(port, "127.0.0.2")  # let in, and waits for its answer
        goes_on.set()
        assert _asks(port, "127.0.0.2").startswith(b"HTTP/1.1 200")


def _is_answered_at_once(port: int, address: str) -> bool:
    with socket.create_connection(("127.0.0.1", port), 0.5, source_address=(address, 0)) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            return bool(caller.recv(1))
        except TimeoutError:
            return False


def test_who_does_not_read_the_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_SECONDS", 0.5)
    with _serving(_much) as port, socket.create_connection(("127.0.0.1", port), 30) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(2)
        assert len(_rest(caller)) < 40_000_000


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1%eth0", "2001:db8::/64"),
        ("127.0.0.9", ""),
        ("::ffff:127.0.0.1", ""),
        ("/run/likewise.sock", ""),
        (None, ""),
    ],
)
def test_addresses_of_one_holder_count_as_one(address: str | None, name: str) -> None:
    crowd = Crowd(most=9, own=9, proxies=("127.0.0.0/8", "::1"))
    assert crowd._name_of(address) == name


def test_a_tls_handshake_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_SECONDS", 0.3)

    async def waits() -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=context)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                return await asyncio.wait_for(reader.read(), 20)
            except ConnectionError:
                return b""
            finally:
                writer.close()

    with asyncio.Runner(loop_factory=TimedLoop) as runner:
        assert runner.run(waits()) == b""


def test_there_are_more_files_than_connections() -> None:
    assert 16 <= most_connections() <= 1_000
