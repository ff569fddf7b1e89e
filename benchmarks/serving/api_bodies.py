"""One huge request: how long others wait for ``/livez`` meanwhile, and what memory it takes."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.findings import Finding
from benchmarks.serving.api_load import memory_of, process

_GAP = 0.5  # seconds without an answer to /livez that no request may cause
_GROWTH = 300.0  # MiB
_CALL, _JOB = 8_000_000, 128_000_000  # bytes: the most that `serve.body_mb` allows by default


def huge_bodies(config: Path) -> list[Finding]:
    """Send each kind of huge body to a server of its own."""
    return [_finding(config, name, path, make()) for name, path, make in _kinds()]


def _kinds() -> list[tuple[str, str, Callable[[], bytes]]]:
    return [
        ("a call of 8 MB: unknown keys", "/v1/classify", lambda: _keys(_CALL)),
        ("a call of 8 MB: conditions", "/v1/classify", lambda: _conditions(_CALL)),
        ("a call of 8 MB: brackets only", "/v1/classify", lambda: b"[" * _CALL),
        ("a call of 8 MB: one text", "/v1/classify", lambda: _text(_CALL)),
        ("a job of 128 MB: unknown keys", "/v1/jobs", lambda: _job(_keys(_JOB - 100))),
        ("a job of 128 MB: 100,000 items", "/v1/jobs", lambda: _job(_items(_JOB - 100))),
    ]


def _keys(size: int) -> bytes:
    number = size // len(f'"{size // 10:x}":0,')
    keys = ",".join(f'"{one:x}":0' for one in range(number))
    return f'{{"items":[{{"text":"t"}}],{keys}}}'.encode()


def _conditions(size: int) -> bytes:
    number = size // len(f'"{size // 11:x}":[],')
    keys = ",".join(f'"{one:x}":[]' for one in range(number))
    return f'{{"items":[{{"text":"t"}}],"where":{{{keys}}}}}'.encode()


def _text(size: int) -> bytes:
    return b'{"items":[{"text":"' + b"tea " * (size // 4 - 10) + b'"}]}'


def _items(size: int) -> bytes:
    text = "green tea " * (size // 100_000 // 10 - 3)
    items = ",".join(f'{{"text":"{number} {text}"}}' for number in range(100_000))
    return f'{{"items":[{items}]}}'.encode()


def _job(request: bytes) -> bytes:
    return b'{"task":"classify","request":' + request + b"}"


def _finding(config: Path, name: str, path: str, body: bytes) -> Finding:
    with process(config) as (pid, port):
        before = memory_of(pid)
        with _Watch(pid, port) as watch:
            start = time.perf_counter()
            answer = _send(port, path, body)
            seconds = time.perf_counter() - start
            time.sleep(2)  # a job goes on behind its acceptance
        growth = watch.most - before
    measured = (
        f"{len(body) / 1e6:.1f} MB: {answer} after {seconds:.1f} s; "
        f"longest wait for /livez {watch.longest * 1000:.0f} ms, memory +{growth:.0f} MiB"
    )
    promised = f"no wait above {_GAP * 1000:.0f} ms, no more than +{_GROWTH:.0f} MiB"
    return Finding(name, measured, promised, watch.longest <= _GAP and growth <= _GROWTH)


def _send(port: int, path: str, body: bytes) -> str:
    connection = http.client.HTTPConnection("localhost", port, timeout=300)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return str(connection.getresponse().status)
    except OSError as error:  # refused and closed while it was still being sent
        return type(error).__name__
    finally:
        connection.close()


@dataclass
class _Watch:
    """Asks ``/livez`` again and again, and looks at a process' memory."""

    pid: int
    port: int
    longest: float = 0.0
    most: float = 0.0

    def __enter__(self) -> _Watch:
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=one) for one in (self._ask, self._look)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._ended.wait(0.05):
            start = time.perf_counter()
            connection = http.client.HTTPConnection("localhost", self.port, timeout=300)
            try:
                connection.request("GET", "/livez")
                connection.getresponse().read()
            finally:
                connection.close()
                self.longest = max(self.longest, time.perf_counter() - start)

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            self.most = max(self.most, memory_of(self.pid))
