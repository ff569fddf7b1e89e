"""What a measurement depends on: the machine and the versions."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version


def machine_and_versions(engines: Sequence[str]) -> str:
    """Two lines: the machine, and the versions of Python, likewise and its engines."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    installed = ", ".join(f"{name} {_version(name)}" for name in engines)
    return "\n".join(
        [
            f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
            f"OMP_NUM_THREADS {threads}, load {os.getloadavg()[0]:.1f} at the start",
            f"Python {platform.python_version()}, likewise {version('likewise')}, {installed}",
        ]
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
