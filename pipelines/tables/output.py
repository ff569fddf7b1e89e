"""A folder of results: all files of one run, or those of the run before."""

import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing_files(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into `folder` if the block succeeds.

    What else is in `folder` stays. Where the block fails, nothing has changed.
    """
    is_new = not folder.exists()
    temporary = folder / f".{secrets.token_hex(4)}.tmp"
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for made in sorted(temporary.iterdir()):
            made.replace(folder / made.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # it holds the files
                folder.rmdir()


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Removes what writers of results left unfinished when they were killed.

    Args:
        folder: Nobody else may be writing those results now.
        names: Files and folders in it.
    """
    for left in leftovers(folder, names):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def leftovers(folder: Path, names: Iterable[str]) -> list[Path]:
    """What `remove_leftovers` would remove."""
    return [
        left
        for name in names
        for left in [*folder.glob(f".{name}.*.tmp"), *(folder / name).rglob(".*.tmp")]
    ]
