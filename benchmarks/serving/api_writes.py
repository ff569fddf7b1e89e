"""A server whose disk fills at each of its writes in turn, while a client works for two tenants.

It labels, corrects and brings jobs, and goes from one tenant to the other, which is loaded anew
each time. What was acknowledged must be there afterwards, and ``/readyz`` must know.

`full_disk.c` is loaded into the server before the C library (Linux, a C compiler), and lets as many
writes have room as this process says.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.measuring.findings import Finding
from benchmarks.serving.api_disk import Caller, Tally, look, write_each
from benchmarks.serving.api_load import process

_PROMISE = "nothing acknowledged lost, no defect, readyz tells, ready again by itself, every start"
_TENANTS = ("a", "b")
_PATIENCE = 20.0  # seconds in which /readyz has to know
_ALL = -1  # writes that have room


def compiler() -> str | None:
    """Return the C compiler, if there is one, and its library could be loaded before others."""
    return shutil.which("cc") if sys.platform == "linux" else None


def made_library(folder: Path) -> Path:
    """Compile what lets a disk fill."""
    source, library = Path(__file__).with_name("full_disk.c"), folder / "full_disk.so"
    options = ["-shared", "-fPIC", "-O1", "-o", str(library), "-ldl"]
    command = [compiler() or "cc", str(source), *options]
    subprocess.run(command, check=True, timeout=60)
    return library


def each_write(folder: Path, turns: int, restarts: int) -> list[Finding]:
    """Let a server's disk fill at so many of its writes, from the first to the last.

    Args:
        folder: Where all of it is.
        turns: How many of the writes of a round are the first to find no room.
        restarts: How often to kill the server meanwhile, and start it anew.
    """
    name = f"a server whose disk fills at {turns} of its writes in turn, of two tenants"
    if compiler() is None:
        return [Finding(name, "skipped: needs Linux and a C compiler", _PROMISE)]
    place = _Place(folder)
    tallies = {tenant: Tally() for tenant in _TENANTS}
    told = _Told()
    try:
        with ExitStack() as stack:
            caller = place.started(stack)
            place.let(_ALL)
            _round(caller, "first", tallies)
            total = place.asked
            for turn in range(turns):
                _turn(place, caller, turn, turn * total // turns, tallies, told)
                if (turn + 1) * restarts // turns > turn * restarts // turns:
                    stack.close()
                    caller = place.started(stack)
                    _look(caller, tallies)
            stack.close()
            _look(place.started(stack), tallies)
    except RuntimeError:
        tallies["a"].failed_starts += 1
    measured = f"{total} writes a round; {told.words()}; " + "; ".join(
        f"tenant {tenant}: {tally.words()}" for tenant, tally in tallies.items()
    )
    return [
        Finding(name, measured, _PROMISE, told.holds and all(t.holds for t in tallies.values()))
    ]


@dataclass
class _Told:
    """What /readyz said: of the rounds in which something was refused, and after them."""

    refused: int = 0
    known: int = 0
    ready_again: int = 0

    @property
    def holds(self) -> bool:
        return self.refused == self.known == self.ready_again > 0

    def words(self) -> str:
        return (
            f"{self.refused} rounds with refusals, of which readyz knew {self.known} "
            f"and was ready again after {self.ready_again}"
        )


@dataclass
class _Place:
    """Where the server keeps everything, and how many of its writes have room."""

    folder: Path
    _numbers: mmap.mmap = field(init=False)

    def __post_init__(self) -> None:
        self.disk = self.folder / "filling"
        self.disk.mkdir()
        control = self.folder / "control"
        control.write_bytes(struct.pack("ll", _ALL, 0))
        with control.open("r+b") as file:
            self._numbers = mmap.mmap(file.fileno(), 0)
        self._variables = {
            "LD_PRELOAD": str(made_library(self.folder)),
            "FULL_DISK_FOLDER": str(self.disk),
            "FULL_DISK_CONTROL": str(control),
            "LIKEWISE_CACHE_DIR": os.environ.get("LIKEWISE_CACHE_DIR", str(self.folder / "cache")),
        }
        self._config = self.folder / "filling.yaml"
        self._config.write_text(yaml.safe_dump(_settings(self.disk)), encoding="utf-8")

    def started(self, stack: ExitStack) -> Callable[[str], Caller]:
        """Start a server with room; return who asks it for a tenant."""
        self.let(_ALL)
        _, port = stack.enter_context(process(self._config, self._variables))
        return lambda tenant: Caller(port, _key(tenant))

    def let(self, writes: int) -> None:
        """Let so many more writes have room."""
        self._numbers[:] = struct.pack("ll", writes, 0)

    @property
    def asked(self) -> int:
        """How many writes there were since."""
        return int(struct.unpack("ll", self._numbers[:])[1])


def _turn(
    place: _Place,
    caller: Callable[[str], Caller],
    turn: int,
    room: int,
    tallies: dict[str, Tally],
    told: _Told,
) -> None:
    """Fill the disk after so many writes, make room again, and look."""
    refused = _refused(tallies)
    place.let(room)
    _round(caller, f"turn {turn}", tallies)
    if _refused(tallies) > refused:
        told.refused += 1
        told.known += _comes(caller, 503)
    place.let(_ALL)
    told.ready_again += _comes(caller, 200) and _refused(tallies) > refused
    _look(caller, tallies)


def _round(caller: Callable[[str], Caller], name: str, tallies: dict[str, Tally]) -> None:
    for tenant in _TENANTS:
        write_each(caller(tenant), name, tallies[tenant])


def _look(caller: Callable[[str], Caller], tallies: dict[str, Tally]) -> None:
    for tenant in _TENANTS:
        look(caller(tenant), tallies[tenant])


def _refused(tallies: dict[str, Tally]) -> int:
    return sum(tally.refused.total() for tally in tallies.values())


def _comes(caller: Callable[[str], Caller], status: int) -> bool:
    until = time.perf_counter() + _PATIENCE
    while caller("a").call("GET", "/readyz")[0] != status:
        if time.perf_counter() > until:
            return False
        time.sleep(0.1)
    return True


def _key(tenant: str) -> str:
    return f"lw_{tenant * 40}"


def _settings(disk: Path) -> dict[str, object]:
    keys = [
        {
            "name": tenant,
            "tenant": tenant,
            "sha256": hashlib.sha256(_key(tenant).encode()).hexdigest(),
            "scopes": ["read", "write"],
        }
        for tenant in _TENANTS
    ]
    return {
        "items": {"text": ["text"], "label": "label"},
        "index": {"uri": str(disk / "items.db")},
        "classify": {"head": "none", "prototypes": True, "labels": {"tea": "tea bags"}},
        # one tenant at a time is loaded: to go to the other one is to load it anew
        "serve": {"data_dir": str(disk / "data"), "rate": 1e9, "keys": keys, "tenants": 1},
    }
