"""A port for a server that is a process of its own."""

import itertools
import os
import socket

# Below what systems hand out by themselves (from 32,768 on Linux): Milvus Lite listens on such a
# port, and would now and then take the very one that was just found free, before the server has it.
_FIRST, _LAST = 20_000, 32_000
_STRIDE = 101  # processes that run side by side begin apart
_COUNT = itertools.count()


def free_port() -> int:
    """Return a port of loopback that nobody listens on and no system hands out."""
    size = _LAST - _FIRST
    for _ in range(size):
        port = _FIRST + (os.getpid() * _STRIDE + next(_COUNT)) % size
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port from {_FIRST} to {_LAST} is free")
