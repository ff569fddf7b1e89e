"""A PostgreSQL server of our own, from Debian's package, for the tests that need one."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.serving.ports import free_port

_SYSTEM_USER = "postgres"


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Start a server on a free port of loopback, yield its URL, and stop it."""
    programs = _programs()
    data = folder / "data"
    data.mkdir(parents=True)
    become = _become(folder)
    password = folder / "password"
    password.write_text("s3cret")
    if become:
        shutil.chown(password, _SYSTEM_USER)
    how = ["-U", "likewise", "--pwfile", str(password), "-A", "scram-sha-256", "-N"]
    subprocess.run(
        [*become, programs / "initdb", "-D", data, *how], check=True, capture_output=True
    )
    port = free_port()
    only_here = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*become, programs / "postgres", "-D", data, "-p", str(port), *only_here],
            stdout=log,
            stderr=log,
        )
        try:
            _wait(port, server, folder / "log")
            yield f"postgresql://likewise:s3cret@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(30)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return found[-1].parent


def _become(folder: Path) -> list[str]:
    """How to run a program as another user: the server refuses to run as root."""
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        pytest.skip(f"PostgreSQL does not run as root, and there is no user {_SYSTEM_USER!r}")
    for inside in (folder, folder / "data"):
        os.chown(inside, user.pw_uid, user.pw_gid)
    for outside in folder.parents:  # pytest's own folders are closed to others
        if outside.stat().st_uid == 0 and "pytest" in str(outside):
            outside.chmod(outside.stat().st_mode | 0o111)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(150):
        if server.poll() is not None:
            raise RuntimeError(log.read_text())
        try:
            psycopg.connect(
                f"host=127.0.0.1 port={port} user=likewise password=s3cret dbname=postgres"
            ).close()
        except psycopg.OperationalError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(log.read_text())
