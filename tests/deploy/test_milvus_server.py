"""The real Milvus server that `make milvus` starts: what its four verbs do.

Its environment is made once, by `make milvus`; nothing is downloaded here.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymilvus import MilvusClient

from benchmarks.serving.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "milvus_server.py"
ENVIRONMENT = ROOT / ".milvus" / "venv"
TOKEN = "root:Milvus"

needs_namespaces = pytest.mark.skipif(
    subprocess.run(["sh", "-c", "unshare -rn true"], capture_output=True, check=False).returncode
    != 0,
    reason="network namespaces are not permitted here",
)
needs_milvus = pytest.mark.skipif(
    not (ENVIRONMENT / ".installed").exists(),
    reason="the package milvus is not installed in .milvus/venv; `make milvus` does that",
)


def call(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # From any interpreter's point of view: it needs nothing of this project.
    command = [sys.executable, "-I", str(SCRIPT), *arguments, "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder of its own, with the environment that is there already."""
    # Short: the path of a socket file has at most 107 bytes.
    (tmp_path / "venv").symlink_to(ENVIRONMENT, target_is_directory=True)
    yield tmp_path
    call(tmp_path, "stop", "--drop-data")


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and that nobody has asked about yet has no command."""
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and command.read_bytes() != b""


@needs_namespaces
@needs_milvus
@pytest.mark.server_only("it takes a quarter of a minute")
@pytest.mark.timeout(280)
def test_it_starts_asks_for_a_password_and_stops(home: Path) -> None:
    port = str(free_port())
    assert call(home, "status").returncode == 1
    started = call(home, "start", "--port", port)
    assert started.returncode == 0, started.stderr
    assert f"ready at http://127.0.0.1:{port}" in started.stdout
    assert call(home, "status").returncode == 0
    again = call(home, "start", "--port", port)
    assert (again.returncode, "it runs already" in again.stderr) == (1, True)

    client = MilvusClient(f"http://127.0.0.1:{port}", token=TOKEN)
    client.create_collection("kept", dimension=4)
    client.close()
    assert _listens_only_here(int(port))

    pid = int((home / "server" / "pid").read_text())
    assert call(home, "stop").returncode == 0
    assert not is_alive(pid)
    assert not list((home / "server").glob("milvus.sock"))
    assert (home / "server" / "data").is_dir()
    assert call(home, "status").returncode == 1

    # Its data is there when it is started again, and gone when that is asked for.
    seen = call(home, "start", "--port", port)
    assert seen.returncode == 0, seen.stderr
    client = MilvusClient(f"http://127.0.0.1:{port}", token=TOKEN)
    assert client.list_collections() == ["kept"]
    client.close()
    assert call(home, "stop", "--drop-data").returncode == 0
    assert not (home / "server" / "data").exists()


@needs_namespaces
@needs_milvus
@pytest.mark.server_only("it takes a quarter of a minute")
@pytest.mark.timeout(280)
def test_run_ends_what_it_started(home: Path) -> None:
    code = (
        "import sys; from pymilvus import MilvusClient; "
        f"client = MilvusClient(sys.argv[1], token={TOKEN!r}); "
        "print(client.list_collections()); sys.exit(7)"
    )
    port = str(free_port())
    done = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), "run", "--home", str(home), "--port", port),
            *("--", sys.executable, "-c", code, "{uri}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 7, done.stderr
    assert "[]" in done.stdout
    assert "stopped" in done.stdout
    assert not (home / "run" / "data").exists()
    assert not (home / "run" / "pid").exists()


@needs_namespaces
def test_a_taken_port_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = call(tmp_path, "start", "--port", str(taken.getsockname()[1]))
    assert refused.returncode == 1
    assert "is taken; choose another --port" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_to_stop_what_does_not_run_is_no_failure(tmp_path: Path) -> None:
    stopped = call(tmp_path, "stop")
    assert (stopped.returncode, stopped.stdout) == (0, "it does not run\n")
    assert call(tmp_path, "status").returncode == 1


def test_a_process_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """After a restart of the machine the id in the file may be somebody else's."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (tmp_path / "server").mkdir()
        (tmp_path / "server" / "pid").write_text(f"{other.pid}\n")
        assert call(tmp_path, "status").returncode == 1
        assert call(tmp_path, "stop").returncode == 0
        assert other.poll() is None
        other.communicate(b"\n")


def test_run_without_a_command_is_bad_usage(tmp_path: Path) -> None:
    assert call(tmp_path, "run").returncode == 2


def _listens_only_here(port: int) -> bool:
    """Whether the port is bound to 127.0.0.1 alone; the others of Milvus are nowhere."""
    addresses = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            host, _, hexadecimal = address.partition(":")
            if state == "0A" and int(hexadecimal, 16) == port:
                addresses.add(host)
    return addresses == {"0100007F"}
