"""A process for one measurement: nothing is warm, and its peak memory is its own."""

import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def alone(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call in a new process, and hand back what it returns."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(call, *args, **kwargs).result()


def peak_memory() -> float:
    """Return the most memory this process has held at a time, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux `getrusage` would also count the parent, up to the fork
        lines = status.read_text(encoding="utf-8").splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 2**10
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
