"""A real Milvus server on this machine, without containers: for trying things and for tests.

    python deploy/milvus_server.py start      # until it is ready; then http://127.0.0.1:19530
    python deploy/milvus_server.py status
    python deploy/milvus_server.py stop       # --drop-data removes its data, too
    python deploy/milvus_server.py run -- pytest tests/retrieval --milvus-uri {uri}

The package `milvus` (a whole Milvus 2.3.5 for Linux) goes into an environment of its own. Its
server listens on every address; here it runs in a network namespace of its own, where there is
nobody else, and is reached through a socket file and a listener on 127.0.0.1. It asks for a
password: the first user is ``root:Milvus``, Milvus' own default; change it where others use this
machine.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent / ".milvus"
VERSION = "2.3.5"
INSIDE_PORT = 19530
START_SECONDS = 180
# Milvus looks for work now and then; for tests, more often than once a second.
OFTEN = {
    "PROXY_TIMETICKINTERVAL": "50",
    "QUERYCOORD_CHECKCHANNELINTERVAL": "100",
    "QUERYCOORD_CHECKSEGMENTINTERVAL": "100",
    "QUERYCOORD_DISTPULLINTERVAL": "50",
}
STOP_SECONDS = 15

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def main() -> int:
    """Parse, and do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["start", "stop", "status", "run", "_outside", "_inside"])
    parser.add_argument("--home", type=Path, default=HOME, help="folder of environment and data")
    parser.add_argument("--port", type=int, default=INSIDE_PORT, help="on 127.0.0.1")
    parser.add_argument("--no-auth", action="store_true", help="let anybody in")
    parser.add_argument("--drop-data", action="store_true", help="with stop: remove the data")
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    asked = parser.parse_args(words[:end])
    asked.command = words[end + 1 :]
    asked.home = asked.home.resolve()
    # What `run` starts has data of its own, which is removed with it.
    asked.state = asked.state or asked.home / ("run" if asked.verb == "run" else "server")
    verbs: dict[str, Callable[[argparse.Namespace], int]] = {
        "start": start,
        "stop": stop,
        "status": status,
        "run": run,
        "_outside": _outside,
        "_inside": _inside,
    }
    return verbs[asked.verb](asked)


def start(asked: argparse.Namespace) -> int:
    """Start the server and wait until it is ready."""
    if _pid(asked.state) is not None:
        return _say(f"it runs already; stop it with: {sys.argv[0]} stop", 1)
    if not _may_unshare():
        return _say(
            "network namespaces are not permitted here, and without one the server would listen on "
            "every address of this machine; use a container, or a Milvus elsewhere",
            1,
        )
    if not _is_free(asked.port):
        return _say(f"127.0.0.1:{asked.port} is taken; choose another --port", 1)
    _install(asked.home)
    asked.state.mkdir(parents=True, exist_ok=True)
    _socket_file(asked.state).unlink(missing_ok=True)
    log = (asked.state / "log.txt").open("ab")
    outside = subprocess.Popen(
        [*_self(asked), "_outside"], stdout=log, stderr=log, start_new_session=True
    )
    (asked.state / "pid").write_text(f"{outside.pid}\n")
    deadline = time.monotonic() + START_SECONDS
    while not _socket_file(asked.state).exists():
        if outside.poll() is not None or time.monotonic() > deadline:
            stop(asked)
            return _say(f"it did not start; {asked.home / 'server.log'} says more", 1)
        time.sleep(0.2)
    return _say(f"Milvus {VERSION} is ready at {_uri(asked)}", 0)


def stop(asked: argparse.Namespace) -> int:
    """Stop the server by its process id."""
    pid = _pid(asked.state)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        if _is_alive(pid):
            os.killpg(pid, signal.SIGKILL)
    (asked.state / "pid").unlink(missing_ok=True)
    _socket_file(asked.state).unlink(missing_ok=True)
    if asked.drop_data:
        shutil.rmtree(asked.state / "data", ignore_errors=True)
    return _say("stopped" if pid is not None else "it does not run", 0)


def status(asked: argparse.Namespace) -> int:
    """Say whether it runs; exit code 0 if so."""
    runs = _pid(asked.state) is not None
    return _say("it runs" if runs else "it does not run", 0 if runs else 1)


def run(asked: argparse.Namespace) -> int:
    """Start a server, run a command, stop the server; its data goes with it."""
    if not asked.command:
        return _say("run what? Write the command after --", 2)
    os.environ.update({name: value for name, value in OFTEN.items() if name not in os.environ})
    failed = start(asked)
    if failed:
        return failed
    try:
        command = [part.replace("{uri}", _uri(asked)) for part in asked.command]
        return subprocess.run(command, check=False).returncode
    finally:
        asked.drop_data = True
        stop(asked)


# --- the two processes that stay -----------------------------------------------------------------


def _outside(asked: argparse.Namespace) -> int:
    """Listen on loopback, and keep the namespace with the server in it."""
    python = str(asked.home / "venv" / "bin" / "python")
    inside = subprocess.Popen(
        ["unshare", "-rn", "--", python, *_self(asked)[1:], "_inside"]  # it becomes python
    )
    path = str(_socket_file(asked.state))

    async def serve() -> int:
        server = await asyncio.start_server(
            _forwarder(lambda: asyncio.open_unix_connection(path)), "127.0.0.1", asked.port
        )
        ended = asyncio.create_task(asyncio.to_thread(inside.wait))
        stopped = _on_signal()
        async with server:
            either: list[asyncio.Future[Any]] = [ended, stopped]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        inside.terminate()
        return await ended

    return asyncio.run(serve())


def _inside(asked: argparse.Namespace) -> int:
    """Run the server in the namespace, and let it be reached through a socket file."""
    from milvus import MilvusServer, MilvusServerConfig

    _end_with_parent()
    _raise_loopback()
    config = MilvusServerConfig()
    config.set("authorization_enabled", not asked.no_auth)
    data = asked.state / "data"
    data.mkdir(parents=True, exist_ok=True)
    server = MilvusServer(config)
    server.set_base_dir(str(data))
    server.listen_port = INSIDE_PORT
    server.start()

    async def serve() -> None:
        path = _socket_file(asked.state)
        connect = _forwarder(lambda: asyncio.open_connection("127.0.0.1", INSIDE_PORT))
        partial = path.with_suffix(".new")
        partial.unlink(missing_ok=True)
        listener = await asyncio.start_unix_server(connect, str(partial))
        partial.rename(path)  # it is there when Milvus is
        async with listener:
            await _on_signal()

    try:
        asyncio.run(serve())
    finally:
        server.stop()
    return 0


def _on_signal() -> asyncio.Future[None]:
    """Done when the process is told to stop."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not told.done():
            told.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell)
    return told


def _forwarder(
    connect: Connect,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Pass a connection on to another one, in both directions."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await connect()
        except OSError:  # not ready yet
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))

    return forward


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # one side has gone; the other one follows
    finally:
        writer.close()


def _end_with_parent() -> None:
    """Be told to stop, too, when the process outside is killed."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def _raise_loopback() -> None:
    """In a new namespace even loopback is down."""
    set_flags, up_and_running = 0x8914, 0x41
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh22x", b"lo", up_and_running))


# --- around --------------------------------------------------------------------------------------


def _install(home: Path) -> None:
    """Make the environment, once."""
    python = home / "venv" / "bin" / "python"
    if (home / "venv" / ".installed").exists():
        return
    print(f"installing Milvus {VERSION} into {home / 'venv'} (once)", file=sys.stderr)
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", str(home / "venv")], check=True)
    # 2.3.5 asks for pkg_resources, which later releases of setuptools no longer bring.
    wanted = [f"milvus=={VERSION}", "setuptools<81"]
    subprocess.run([str(python), "-m", "pip", "install", "-qq", *wanted], check=True)
    (home / "venv" / ".installed").touch()


def _self(asked: argparse.Namespace) -> list[str]:
    return [
        *(sys.executable, str(Path(__file__).resolve())),
        *("--home", str(asked.home), "--state", str(asked.state), "--port", str(asked.port)),
        *(["--no-auth"] if asked.no_auth else []),
    ]


def _socket_file(state: Path) -> Path:
    return state / "milvus.sock"


def _uri(asked: argparse.Namespace) -> str:
    return f"http://127.0.0.1:{asked.port}"


def _may_unshare() -> bool:
    try:
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _pid(state: Path) -> int | None:
    """Return the process that keeps the server, if it is alive."""
    try:
        pid = int((state / "pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if _is_alive(pid) else None


def _is_alive(pid: int) -> bool:
    """Whether a process is there, is this program, and has not ended yet."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return Path(__file__).name.encode() in command


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr if code else sys.stdout, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
