from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.locking import FolderLockedError, locked

HOLDER = """
import sys, time
from pathlib import Path
from pipelines.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


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
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FolderLockedError, match=f"process {holder.pid}, since"):
            _enter(tmp_path)
        holder.kill()
        holder.wait()
    with locked(tmp_path):
        assert f"process {os.getpid()}," in (tmp_path / ".lock").read_text()


def _enter(folder: Path) -> None:
    with locked(folder):
        pass
