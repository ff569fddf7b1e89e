"""Connecting to Milvus, the lock of a Lite file, and what Milvus' errors mean.

After a crash of Milvus Lite, index files that were cut off go, and are built anew on loading.
Rows are safe in Lite's log and segments. The file with a segment's index is written in place,
though, and half of one would keep the whole collection from being loaded.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import numpy as np
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from retrieval.errors import InputError, StoreError, StoreLockedError, StoreUnavailableError

# How a Milvus that does not answer words it, in contrast to one that refuses.
_AWAY = (
    "unavailable",
    "fail connecting",
    "failed to connect",
    "connection refused",
    "deadline",
    "timeout",
    "timed out",
    "not healthy",
    "not ready",
    "closed channel",
)

_log = logging.getLogger(__name__)

_MAGIC = b"\x93NUMPY"

# Every failure is raised again with its message; pymilvus and Milvus Lite would print it with a
# traceback as well.
for _name in ("pymilvus", "milvus_lite"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)
# Lite lacks calls that pymilvus tries and does without; its server logs each with a traceback.
logging.getLogger("grpc._server").addFilter(
    lambda record: "Method not implemented" not in record.getMessage()
)

# pymilvus pings every 10 s, which Lite's server takes for an attack while nobody calls it.
_QUIET_CHANNEL = {"grpc.keepalive_time_ms": 3_600_000}

_users: dict[Path, int] = {}
_users_lock = threading.Lock()


def lite_path(uri: str) -> Path:
    """Return the file of a Lite.

    Raises:
        InputError: It is neither that nor a server.
    """
    if not uri.endswith(".db"):
        raise InputError(
            f"{uri!r} is neither a Milvus Lite file (the path must end in .db) nor a server (http://host:19530)"
        )
    return Path(uri).absolute()


def connect(path: Path | None, uri: str, token: str | None, timeout: float) -> MilvusClient:
    """Connect to a server, or open a Lite file.

    Raises:
        StoreError: It does not answer, refuses, or the file is held by another process.
    """
    if path is None:
        try:
            return MilvusClient(uri, token=token or "", timeout=timeout)
        except (MilvusException, grpc.RpcError) as error:
            if _somebody_listens(uri):  # pymilvus words it as if nobody did
                raise StoreError(
                    f"Milvus at {uri} refuses the connection: a wrong index.token, or TLS "
                    "(https://) is wanted, or it is still starting"
                ) from error
            raise translated(error, uri) from error
    with _users_lock, _true_cause() as cause:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            client = MilvusClient(str(path), grpc_options=_QUIET_CHANNEL)
        except (MilvusException, OSError) as error:
            raise _lite_error(path, cause[0] if cause else error) from error
        if path not in _users:
            remove_torn_indexes(path)
        _users[path] = _users.get(path, 0) + 1
        return client


def _somebody_listens(uri: str) -> bool:
    address = urlsplit(uri)
    try:
        port = address.port or (443 if address.scheme == "https" else 19530)
        with socket.create_connection((address.hostname or "", port), timeout=2):
            return True
    except (OSError, ValueError):
        return False


def _lite_error(path: Path, cause: BaseException) -> StoreError:
    if type(cause).__name__ == "DataDirLockedError":
        return StoreLockedError(
            f"{path} is open in another process{_holder(path)}; Milvus Lite serves one at a time. "
            "Close it there, or use a Milvus server"
        )
    return StoreError(f"cannot open {path}: {_first_line(cause)}")


def _holder(path: Path) -> str:
    """Return who holds a Lite's lock, where the system tells (Linux does)."""
    try:
        inode = (path / "LOCK").stat().st_ino
        locks = Path("/proc/locks").read_text().splitlines()
        holder = next(line.split()[-4] for line in locks if line.split()[-3].endswith(f":{inode}"))
        command = Path(f"/proc/{holder}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (OSError, StopIteration, IndexError, UnicodeDecodeError):
        return ""
    return f" ({holder}: {command.strip()[:80]})"


@contextmanager
def _true_cause() -> Iterator[list[BaseException]]:
    """Collect the exceptions Milvus Lite logs; the one it raises does not tell the reason."""
    caught: list[BaseException] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                caught.append(record.exc_info[1])

    logger = logging.getLogger("milvus_lite")
    handler, level = Collect(), logger.level
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    try:
        yield caught
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def release(path: Path) -> None:
    """Free a Lite file's lock once nobody in this process uses it: closing a client does not."""
    from milvus_lite.server_manager import server_manager_instance

    with _users_lock:
        _users[path] -= 1
        if _users[path] == 0:
            del _users[path]
            server_manager_instance.release_server(str(path))


def translated(error: Exception, uri: str) -> StoreError:
    """Tell a Milvus that does not answer from one that refuses."""
    text = str(error).lower()
    if any(sign in text for sign in _AWAY):
        return StoreUnavailableError(f"Milvus at {uri} does not answer: {_first_line(error)}")
    return StoreError(f"Milvus at {uri} refused: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    if isinstance(error, grpc.Call):
        return str(error.details())
    return str(getattr(error, "message", "") or error or type(error).__name__).splitlines()[0]


def remove_torn_indexes(path: Path) -> int:
    """Remove the index files below a Lite path that a crash cut off; return how many.

    Nobody else may have the path open.
    """
    torn = [file for file in path.rglob("*.idx") if _is_torn(file)]
    for file in torn:
        file.unlink(missing_ok=True)
    if torn:
        _log.warning("%s: %d index files were cut off; they are built anew", path, len(torn))
    return len(torn)


def _is_torn(file: Path) -> bool:
    """Whether a file is empty, or an array that is shorter than its head says."""
    try:
        with file.open("rb") as content:
            start = content.read(len(_MAGIC))
        if start != _MAGIC:
            return _MAGIC.startswith(start)  # else it is an index of another kind
        np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return False
    except (ValueError, EOFError):
        return True
    return False
