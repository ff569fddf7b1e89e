"""What the API promises of its reliability, tried: one table, and an exit code.

    python -m benchmarks.serving.reliability            # some 20 minutes on two cores
    python -m benchmarks.serving.reliability --quick    # 4 minutes: does it run?
    python -m benchmarks.serving.reliability --only disk --only bodies

Everything listens on 127.0.0.1, is started here and ended by its process id. Clients and server
share the machine. Exit code 1: something promised did not hold. A disk that is full needs to mount
a small one (root); where that is not allowed it says so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.findings import Finding, table, told
from benchmarks.serving.api_bodies import huge_bodies
from benchmarks.serving.api_connections import slow_clients
from benchmarks.serving.api_disk import full_disk
from benchmarks.serving.api_fuzz import made_up_requests
from benchmarks.serving.api_kill import kill_rounds
from benchmarks.serving.api_load import Load, memory_of, process
from benchmarks.serving.api_world import World, make_world
from benchmarks.serving.api_writes import each_write

_ENGINES = ["fastapi", "uvicorn", "pydantic", "openvino", "milvus-lite", "lightgbm", "schemathesis"]
_CLIENTS = 20
_ROUTES = ("/v1/classify", "/v1/forecast")
_GROWTH = 50.0  # MiB that 9,000 more calls may take
_WITHOUT_WORLD = ("kill", "disk", "writes")  # they make an index of their own


def main() -> int:
    """Try what is asked for; say it as it comes, and as a table at the end."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=list(_PARTS), action="append", help="repeat for more")
    parser.add_argument("--items", type=int, help="products that are indexed (20,000)")
    parser.add_argument("--seed", type=int, default=1, help="of schemathesis: it and the next two")
    asked = parser.parse_args()
    parts = asked.only or list(_PARTS)
    print(machine_and_versions(_ENGINES), flush=True)
    found: list[Finding] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = World(folder, 0)
        if set(parts) - set(_WITHOUT_WORLD):
            world = make_world(folder, asked.items or (2_000 if asked.quick else 20_000))
        for part in parts:
            start = time.perf_counter()
            for finding in _PARTS[part](world, asked.quick, asked.seed):
                found.append(finding)
                print(told(finding), flush=True)
            print(f"({part}: {time.perf_counter() - start:.0f} s)", flush=True)
    print(f"\n{table(found)}")
    return int(any(finding.holds is False for finding in found))


def _load(world: World, quick: bool, _: int) -> list[Finding]:
    seconds = 5 if quick else 60
    found = []
    with process(world.config()) as (_, port):
        for route in _ROUTES:
            Load(port, route, _CLIENTS).run(3, start=0)  # warm
            done = Load(port, route, _CLIENTS).run(seconds, start=1_000)
            measured = (
                f"{done['calls/s']:.0f} answers/s, p50 {done['p50 ms']:.0f} ms, "
                f"p99 {done['p99 ms']:.0f} ms, {done['errors']} errors of {done['calls']:,}"
            )
            name = f"{_CLIENTS} clients for {seconds} s, {route}, {world.items:,} items indexed"
            found.append(Finding(name, measured, "no errors", done["errors"] == 0))
    return found


def _memory(world: World, quick: bool, _: int) -> list[Finding]:
    calls = 1_000 if quick else 10_000
    with process(world.config()) as (pid, port):
        sizes = [memory_of(pid)]
        for step in range(10):
            for route in _ROUTES:
                Load(port, route, _CLIENTS).count(calls // 20, start=1_000_000 * (step + 1))
            sizes.append(memory_of(pid))
    growth = sizes[-1] - sizes[1]
    measured = (
        f"{sizes[0]:.0f} MiB before, {sizes[1]:.0f} after {calls // 10:,} calls, "
        f"{sizes[-1]:.0f} after {calls:,}"
    )
    promised = f"no more than +{_GROWTH:.0f} MiB after the first tenth"
    return [Finding(f"memory over {calls:,} calls", measured, promised, growth <= _GROWTH)]


def _kill(world: World, quick: bool, _: int) -> list[Finding]:
    rows = kill_rounds(world.folder, 2 if quick else 10)
    last = rows[-1]
    wrong = {name: int(sum(row[name] for row in rows)) for name in ("lost", "doubled")}
    strange = int(sum(row["never sent"] for row in rows))
    measured = (
        f"{int(last['acknowledged']):,} items acknowledged, {wrong['lost']} lost, "
        f"{wrong['doubled']} doubled, {strange} that nobody sent"
    )
    promised = "nothing acknowledged lost, nothing doubled"
    name = f"kill -9 at random moments under 8 writers, {len(rows)} rounds (seed 0)"
    return [Finding(name, measured, promised, not any((*wrong.values(), strange)))]


def _disk(world: World, quick: bool, _: int) -> list[Finding]:
    return full_disk(world.folder, 3 if quick else 24)


def _writes(world: World, quick: bool, _: int) -> list[Finding]:
    return each_write(world.folder, 6 if quick else 40, 1 if quick else 4)


def _connections(world: World, quick: bool, _: int) -> list[Finding]:
    return slow_clients(world.config(), 100 if quick else 500, 3 if quick else 10)


def _fuzz(world: World, quick: bool, seed: int) -> list[Finding]:
    seeds = range(seed, seed + (1 if quick else 3))
    return made_up_requests(world.config(), seeds, 5 if quick else 50)


def _bodies(world: World, *_: object) -> list[Finding]:
    return huge_bodies(world.config())


_PARTS: dict[str, Callable[[World, bool, int], list[Finding]]] = {
    "load": _load,
    "memory": _memory,
    "kill": _kill,
    "disk": _disk,
    "writes": _writes,
    "connections": _connections,
    "fuzz": _fuzz,
    "bodies": _bodies,
}


if __name__ == "__main__":
    sys.exit(main())
