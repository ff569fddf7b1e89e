"""One run at a time on a folder: a lock that ends with the process that holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from retrieval import LikewiseError

_LOCK = ".lock"


class FolderLockedError(LikewiseError):
    """Another run works on the same folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder, which is made if there is none.

    The kernel frees the lock when the holder ends, however it ends; the file stays, because
    removing it would let two runs hold locks on two files of one name.

    Raises:
        FolderLockedError: Another process holds it; the message says which, and since when.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise FolderLockedError(
                f"{folder}: another run is at work here ({holder or 'just started'}); "
                "wait until it ends, or choose another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        os.pwrite(descriptor, f"process {os.getpid()}, since {now}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
