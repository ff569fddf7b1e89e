"""What a stranger's server is told: it writes down each call, and answers none."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc


class Listener(grpc.GenericRpcHandler):
    """The server.

    Attributes:
        port: On loopback.
        calls: The token that came with each call; None where none did.
    """

    def __init__(self) -> None:
        self.port = 0
        self.calls: list[str | None] = []

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def service(self, call: Any) -> None:
        told = dict(call.invocation_metadata).get("authorization")
        self.calls.append(None if told is None else base64.b64decode(told).decode())


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[listener])
    listener.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield listener
    server.stop(None).wait()
