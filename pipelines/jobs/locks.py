"""One job at a time on a folder or a collection: locks that end with the process holding them."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from os import getpid
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from retrieval import LikewiseError, default_cache_dir

LOCK = ".lock"


class FolderLockedError(LikewiseError):
    """Another run works on the same folder."""


class CollectionLockedError(LikewiseError):
    """Another job writes the same collection."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is made if there is none.

    Raises:
        FolderLockedError: Another process holds it; the message says which, and since when.
    """

    def refused(holder: str) -> LikewiseError:
        return FolderLockedError(
            f"{folder}: another run is at work here ({holder}); "
            "wait until it ends, or choose another folder"
        )

    with _hold(folder / LOCK, "", refused):
        yield


@contextmanager
def locked_collection(uri: str, collection: str, job: str) -> Iterator[None]:
    """Hold the lock of a collection among the jobs that write it.

    It is a file in the user's cache folder: one user's jobs on one machine see it, others do not.
    Milvus itself has no lock that would end with its holder.

    Args:
        uri: Where the collection is, as of `retrieval.ItemIndex`.
        collection: Its name.
        job: What is at work, for whoever is refused.

    Raises:
        CollectionLockedError: Another job holds it; the message says which, and since when.
        LikewiseError: The cache folder cannot be written to.
    """
    path = collection_file(uri, collection)

    def refused(holder: str) -> LikewiseError:
        return CollectionLockedError(
            f"collection {collection!r} in {uri}: another job is writing it ({holder}); "
            "wait until it ends"
        )

    try:
        held = _hold(path, f"{job}, ", refused)
    except OSError as error:
        raise LikewiseError(
            f"the lock {path} cannot be had ({error}); set LIKEWISE_CACHE_DIR to a folder of yours"
        ) from error
    with held:
        yield


def collection_file(uri: str, collection: str, suffix: str = "") -> Path:
    """Return a collection's lock file; with a suffix, one beside it for its holder to write."""
    name = hashlib.sha256(f"{_place(uri)} {collection}".encode()).hexdigest()[:32]
    return default_cache_dir() / "locks" / f"{name}{suffix}"


def _hold(path: Path, job: str, refused: Callable[[str], LikewiseError]) -> ExitStack:
    """Lock a file until what is returned is closed.

    The kernel frees the lock when the holder ends, however it ends; the file stays, because
    removing it would let two hold locks on two files of one name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            # Without flock, the file itself would be the lock, and outlive a holder that is killed.
            held.enter_context(FileLock(path, blocking=False, fallback_to_soft=False))
        except Timeout:
            holder = path.read_text(encoding="utf-8")
            raise refused(holder[:200].strip() or "just started") from None
        now = datetime.now(UTC).isoformat(timespec="seconds")
        path.write_text(f"{job}process {getpid()}, since {now}\n", encoding="utf-8")
        return held.pop_all()


def _place(uri: str) -> str:
    """Where a Milvus is, in one of the ways of writing it."""
    if "://" not in uri:
        return str(Path(uri).resolve())
    address = urlsplit(re.sub(r"(?s)://.*@", "://", uri))  # a password may hold slashes
    host = address.netloc.lower()
    host = re.sub(r"^localhost(?=:|$)", "127.0.0.1", host)
    if not re.search(r":\d+$", host):
        host += ":443" if address.scheme == "https" else ":19530"
    return f"{host}/{address.path.strip('/') or 'default'}"
