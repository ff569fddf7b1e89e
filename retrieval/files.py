"""Write files and folders that a reader sees as they were or whole, and that a crash cannot undo.

What is being written lies beside its place, under a name that begins with a dot, until it is
complete and on the disk.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import platformdirs


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` that takes its place, whole, if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def leave_on_disk(made: Path, path: Path) -> None:
    """Let a file that is complete have a name, on the disk when this returns."""
    _sync(made)
    made.replace(path)
    _sync(path.parent)


@contextmanager
def replacing_files(folder: Path, names: Collection[str] = (), *, mark: str = "") -> Iterator[Path]:
    """Give a temporary folder whose files move into `folder` if the block succeeds.

    What else is in `folder` stays. Where the block fails, nothing has changed.

    Args:
        folder: Where to.
        names: Files that may be made. Those that an earlier time left and this one does not make
            are removed: they would be read as belonging to the new ones.
        mark: The file that shows that there was an earlier time; without it a file of one of the
            names is somebody else's, and stays.
    """
    is_new = not folder.exists()
    is_again = bool(mark) and (folder / mark).is_file()
    temporary = folder / f".{secrets.token_hex(4)}.tmp"
    temporary.mkdir(parents=True)
    try:
        yield temporary
        made = sorted(temporary.iterdir())
        for path in made:
            path.replace(folder / path.name)
        for name in set(names) - {path.name for path in made} if is_again else ():
            (folder / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # it holds the files
                folder.rmdir()


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of `folder`, whole, if the block succeeds.

    Whatever goes wrong, what was there is there still, or where `former_folder` says.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir()
        yield temporary
        for path in temporary.iterdir():  # before the former one goes, should the power fail
            _sync(path)
        _exchange(folder, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def former_folder(folder: Path) -> Path:
    """Return where a folder lies for the moment in which another takes its place."""
    return folder.with_name(f".{folder.name}.former")


def append_json_lines(path: Path, values: Iterable[object]) -> None:
    """Add a line of JSON for each value; they are on the disk when this returns.

    Where they cannot all be written, as on a full disk, the file is as it was.
    """
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(value, default=str, ensure_ascii=False) for value in values]
    with path.open("ab", buffering=0) as file:
        append_whole(file, "".join(f"{line}\n" for line in lines).encode())
        os.fsync(file.fileno())
    if is_new:
        _sync(path.parent)


def append_whole(file: FileIO, content: bytes) -> None:
    """Write all of it at the end, or nothing: half a line would spoil the next one."""
    start, rest = file.seek(0, os.SEEK_END), memoryview(content)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        file.truncate(start)
        raise


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file, and remove the end of one that a crash cut off."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    return whole.splitlines()


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove what writers of files left unfinished when they were killed.

    Args:
        folder: Nobody else may be writing those files now.
        names: Files and folders in it.
    """
    for left in leftovers(folder, names):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def leftovers(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return what `remove_leftovers` would remove."""
    return [
        left
        for name in names
        for left in [*folder.glob(f".{name}.*.tmp"), *(folder / name).rglob(".*.tmp")]
    ]


def _exchange(folder: Path, new: Path) -> None:
    former = former_folder(folder)
    if folder.exists():
        shutil.rmtree(former, ignore_errors=True)  # left by a writer that was killed
        folder.rename(former)
    try:
        new.rename(folder)
    except BaseException:
        if not folder.exists() and former.exists():
            former.rename(folder)
        raise
    shutil.rmtree(former, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def default_cache_dir() -> Path:
    """``$LIKEWISE_CACHE_DIR``, else the user's cache directory."""
    return Path(os.environ.get("LIKEWISE_CACHE_DIR") or platformdirs.user_cache_dir("likewise"))
