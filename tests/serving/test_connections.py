"""Who begins a request and does not end it is let go; who sends slowly but sends is not."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from serving import connections
from serving.connections import OnceAMinute, TimedProtocol, most_connections

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40\r\n"


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", scope["type"] == "http"
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "_SECONDS", 1.0)
    monkeypatch.setattr(connections, "_BYTES_A_SECOND", 1)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_echo, http=TimedProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(30)
    listening.close()


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


def test_there_are_more_files_than_connections() -> None:
    assert 16 <= most_connections() <= 1_000
