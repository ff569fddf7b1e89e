from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.jobs.locks import CollectionLockedError, FolderLockedError, locked, locked_collection
from retrieval import LikewiseError

HOLDER = """
import sys, time
from pathlib import Path
from pipelines.jobs.locks import locked, locked_collection
with locked(Path(sys.argv[1])), locked_collection(sys.argv[2], "items", "reindex"):
    print("held", flush=True)
    time.sleep(600)
"""
URI = "http://127.0.0.1:19530"


def test_a_second_run_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with locked(folder), pytest.raises(FolderLockedError, match=f"process {os.getpid()}, since 20"):
        _enter(folder)
    with locked(folder):
        pass


def test_another_folder_is_free(tmp_path: Path) -> None:
    with locked(tmp_path / "one"), locked(tmp_path / "two"):
        held = [(tmp_path / name / ".lock").read_text() for name in ("one", "two")]
    assert all(f"process {os.getpid()}," in text for text in held)


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), URI], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FolderLockedError, match=f"process {holder.pid}, since"):
            _enter(tmp_path)
        told = (
            rf"'items' in {URI}: another job is writing it \(reindex, process {holder.pid}, since"
        )
        with pytest.raises(CollectionLockedError, match=told):
            _write(URI, "items")
        holder.kill()
        holder.wait()
    with locked(tmp_path), locked_collection(URI, "items", "index"):
        assert f"process {os.getpid()}," in (tmp_path / ".lock").read_text()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (URI, "http://localhost:19530/"),
        (URI, "http://root:Milvus@LOCALHOST/default"),
        ("https://milvus.example", "https://milvus.example:443"),
        ("http://milvus.example:443/shop", "https://milvus.example/shop/"),
    ],
)
def test_an_address_is_the_same_however_it_is_written(one: str, other: str) -> None:
    with locked_collection(one, "items", "index"), pytest.raises(CollectionLockedError):
        _write(other, "items")


def test_a_file_is_the_same_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    with locked_collection("items.db", "items", "index"):
        for other in (tmp_path / "items.db", tmp_path / "link" / "items.db"):
            with pytest.raises(CollectionLockedError, match=f"process {os.getpid()}, since 20"):
                _write(str(other), "items")
        _write(str(tmp_path / "other.db"), "items")


def test_what_is_another_collection_is_free() -> None:
    with locked_collection(URI, "items", "index"):
        for uri, collection in (
            (URI, "others"),
            ("http://127.0.0.1:19531", "items"),
            (f"{URI}/shop", "items"),
            ("http://localhost.example:19530", "items"),
        ):
            with (
                locked_collection(uri, collection, "index"),
                pytest.raises(CollectionLockedError),  # and each is a lock of its own
            ):
                _write(uri, collection)


def test_without_a_cache_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIKEWISE_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(LikewiseError, match=r"cannot be had .* set LIKEWISE_CACHE_DIR to a folder"):
        _write(URI, "items")


def _write(uri: str, collection: str) -> None:
    with locked_collection(uri, collection, "index"):
        pass


def _enter(folder: Path) -> None:
    with locked(folder):
        pass
