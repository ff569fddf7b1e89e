"""Clients that cost little themselves: bare HTTP over asyncio; and the server they call."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.serving.ports import free_port

_WORDS = ["organic", "frozen", "chocolate", "salted", "family", "light", "green", "crunchy"]
_KINDS = ["pizza", "chips", "tea", "soup", "yogurt", "cookies", "shampoo", "bread", "coffee"]


def text_of(number: int) -> str:
    """Return a text that no other number has."""
    word, kind = _WORDS[number % len(_WORDS)], _KINDS[number % len(_KINDS)]
    return f"{word} {kind} {number} oz"


def body_of(route: str, number: int) -> bytes:
    """One question."""
    item: dict[str, object] = {"item_id": f"new {number}", "text": text_of(number)}
    if route.endswith("forecast"):
        item |= {"launch_date": "2017-10-23"}
    else:
        del item["item_id"]
    return json.dumps({"items": [item]}).encode()


class Load:
    """Clients that each ask again as soon as they are answered."""

    def __init__(self, port: int, route: str, clients: int) -> None:
        self._port, self._route, self._clients = port, route, clients
        self._number, self._errors = 0, 0
        self._taken: list[float] = []

    def run(self, seconds: float, start: int) -> dict[str, float]:
        """For some seconds; return errors, calls a second and percentiles in milliseconds."""
        until = time.perf_counter() + seconds
        return self._play(lambda: time.perf_counter() < until, start)

    def count(self, calls: int, start: int) -> dict[str, float]:
        """For so many calls."""
        return self._play(lambda: self._number - start < calls, start)

    def _play(self, goes_on: Callable[[], bool], start: int) -> dict[str, float]:
        self._number = start
        begun = time.perf_counter()
        asyncio.run(self._all(goes_on))
        seconds = time.perf_counter() - begun
        p50, p99 = 1000 * np.percentile(self._taken, [50, 99])
        rate = len(self._taken) / seconds
        return {
            "calls": len(self._taken),
            "errors": self._errors,
            "calls/s": rate,
            "p50 ms": float(p50),
            "p99 ms": float(p99),
        }

    async def _all(self, goes_on: Callable[[], bool]) -> None:
        await asyncio.gather(*(self._client(goes_on) for _ in range(self._clients)))

    async def _client(self, goes_on: Callable[[], bool]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while goes_on():
            self._number += 1
            body = body_of(self._route, self._number)
            head = (
                f"POST {self._route} HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            start = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            self._taken.append(time.perf_counter() - start)
            self._errors += b" 200 " not in answer[:16]
        writer.close()


def call_once(port: int, route: str, calls: int) -> float:
    """Median seconds of a call, one after the other."""
    load = Load(port, route, 1)
    load.count(20, start=9_000_000)
    return load.count(calls, start=9_100_000)["p50 ms"] / 1000


@contextmanager
def process(
    config: Path, environment: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
) -> Iterator[tuple[int, int]]:
    """Provide a server as a process of its own: its id, and its port.

    Args:
        config: Its settings; its log goes beside them.
        environment: Variables that it has besides those of this process.
        prefix: What starts it, and then is it: ``prlimit`` with its options.
    """
    port = free_port()
    likewise = Path(sys.executable).with_name("likewise")
    command = [*prefix, likewise, "serve", "--config", config, "--port", str(port)]
    log, variables = config.with_suffix(".log"), {**os.environ, **(environment or {})}
    with log.open("ab") as file, subprocess.Popen(command, stderr=file, env=variables) as server:
        try:
            wait_until_ready(port, server)
            yield server.pid, port
        finally:
            server.kill()


def wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait for a server that has begun to load."""
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server ended; its log is beside its settings")


def memory_of(pid: int) -> float:
    """Resident memory of a process, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 2**10
