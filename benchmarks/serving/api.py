"""The API on loopback: load, latency against its engines, memory, and kill -9 under load.

    python -m benchmarks.serving.api            # some 12 minutes on two cores
    python -m benchmarks.serving.api --quick    # 2 minutes: does it run?

Clients, server and engines share the machine. Every question is a new text, nothing is cached.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.serving.api_kill import kill_rounds
from benchmarks.serving.api_load import Load, call_once, memory_of, process
from benchmarks.serving.api_world import World, make_world

ENGINES = ["fastapi", "uvicorn", "openvino", "milvus-lite", "faiss-cpu", "lightgbm"]
CLIENTS = 20
ROUTES = ("/v1/classify", "/v1/forecast")


def main() -> None:
    """Measure everything, and say it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["load", "single", "memory", "kill"], action="append")
    asked = parser.parse_args()
    parts = asked.only or ["load", "single", "memory", "kill"]
    print(machine_and_versions(ENGINES), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder), items=2_000 if asked.quick else 20_000)
        if "load" in parts:
            load(world, seconds=5 if asked.quick else 60)
        if "single" in parts:
            single(world, calls=50 if asked.quick else 300)
        if "memory" in parts:
            memory(world, calls=1_000 if asked.quick else 10_000)
        if "kill" in parts:
            rounds = 2 if asked.quick else 10
            print(f"\nkill -9 under load, {rounds} times at random moments", flush=True)
            print(pd.DataFrame(kill_rounds(Path(folder), rounds)).to_string(index=False))


def load(world: World, seconds: float) -> None:
    """20 clients, each with the next question as soon as it has its answer."""
    rows = {}
    for batching in (True, False):
        with process(world.config(batching=batching)) as (_, port):
            for route in ROUTES:
                Load(port, route, CLIENTS).run(3, start=0)  # warm
                done = Load(port, route, CLIENTS).run(seconds, start=1_000)
                rows[route, "micro-batches" if batching else "one by one"] = done
    table = pd.DataFrame.from_dict(rows, orient="index")
    print(f"\n{CLIENTS} clients for {seconds} s, {world.items:,} items indexed (goal: 3 times)")
    print(table.round(1).to_string())
    for route in ROUTES:
        many = rows[route, "micro-batches"]["calls/s"] / rows[route, "one by one"]["calls/s"]
        print(f"{route}: {many:.2f} times the throughput", flush=True)


def single(world: World, calls: int) -> None:
    """One client, one item a call, beside the bare engines in the same run."""
    with process(world.config()) as (_, port):
        taken = {route: call_once(port, route, calls) for route in ROUTES}
    print(f"\na warm single call, median of {calls}, milliseconds (goal: 1.3 times the engines)")
    print(world.beside_engines(taken, calls).round(2).to_string(), flush=True)


def memory(world: World, calls: int) -> None:
    """Resident memory while calls go on."""
    with process(world.config()) as (pid, port):
        rows = [{"calls": 0, "MiB": memory_of(pid)}]
        for step in range(10):
            for route in ROUTES:
                Load(port, route, CLIENTS).count(calls // 20, start=1_000_000 * (step + 1))
            rows.append({"calls": (step + 1) * (calls // 10), "MiB": memory_of(pid)})
    print("\nmemory of the server")
    print(pd.DataFrame(rows).round(0).T.to_string(header=False), flush=True)


if __name__ == "__main__":
    main()
