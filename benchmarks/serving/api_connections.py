"""Clients that begin a request and never end it, and those who want an answer beside them."""

from __future__ import annotations

import resource
import socket
import time
from pathlib import Path

from benchmarks.measuring.findings import Finding
from benchmarks.serving.api_load import Load, process

_ROUTE = "/v1/classify"
_CLIENTS = 20
_PATIENCE = 60.0  # seconds in which a half-open connection has to be closed
_HALF_HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Ty"
_HALF_BODY = (
    b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 1000\r\n\r\n{"items'
)


def slow_clients(config: Path, number: int, seconds: float) -> list[Finding]:
    """Hold half-open connections, one half in the head and one in the body; load beside them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, number + 200)), hard))
    with process(config) as (_, port):
        log = config.with_suffix(".log")
        Load(port, _ROUTE, _CLIENTS).run(2, start=0)  # warm
        alone = Load(port, _ROUTE, _CLIENTS).run(seconds, start=10_000)
        lines = log.read_bytes().count(b"\n")
        held = [_half_open(port, one) for one in range(number)]
        opened = time.perf_counter()
        beside = Load(port, _ROUTE, _CLIENTS).run(seconds, start=2_000_000)
        closed = sum(_is_closed(one, opened + _PATIENCE) for one in held)
        lasted = time.perf_counter() - opened
        for one in held:
            one.close()
        requests = int(beside["calls"])
        more_lines = log.read_bytes().count(b"\n") - lines - requests
    ratio = beside["calls/s"] / alone["calls/s"]
    measured = (
        f"20 others: {beside['calls/s']:.0f} answers/s, p99 {beside['p99 ms']:.0f} ms, "
        f"{beside['errors']} errors (without them {alone['calls/s']:.0f}, p99 "
        f"{alone['p99 ms']:.0f} ms: {ratio:.2f} times); {closed} of {number} closed by the server "
        f"within {lasted:.0f} s; {max(0, more_lines)} more lines in the log"
    )
    promised = "others are answered as before; each is closed within a minute"
    holds = beside["errors"] == 0 and closed == number and ratio > 0.5
    return [Finding(f"{number} half-open connections", measured, promised, holds)]


def _half_open(port: int, number: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(_HALF_BODY if number % 2 else _HALF_HEAD)
    return connection


def _is_closed(connection: socket.socket, until: float) -> bool:
    connection.settimeout(max(0.01, until - time.perf_counter()))
    try:
        while connection.recv(4_096):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True
