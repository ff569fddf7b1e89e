"""What the server keeps is for its own user alone, also where it was made before, or otherwise.

The command line makes all files so (its umask). Those of earlier versions, and of a server that was
not started by it, are closed to others here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import structlog

_log = structlog.stdlib.get_logger(__name__)

_OTHERS = 0o077
_KEPT = ("audit", "jobs", "shared", "tenant-*")  # folders
_BESIDE = ("jobs.db*", "review.db*")


def close_to_others(data_dir: Path) -> None:
    """Make a folder for what is kept, and let nobody else read what is in it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        for path in (data_dir, *_kept(data_dir)):
            mode = path.stat().st_mode
            if mode & _OTHERS and not path.is_symlink():
                path.chmod(mode & ~_OTHERS & 0o7777)
    except OSError as error:  # a folder of somebody else's: what is made in it is closed anyway
        _log.warning("others may read what is kept", folder=str(data_dir), reason=str(error))


def _kept(data_dir: Path) -> Iterator[Path]:
    for name in _BESIDE:
        yield from data_dir.glob(name)
    for name in _KEPT:
        for folder in data_dir.glob(name):
            yield folder
            yield from folder.rglob("*")
