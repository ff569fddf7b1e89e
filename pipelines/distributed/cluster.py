"""Ray's processes for the time of a job: a cluster there is, or workers on this machine.

What is started here listens on 127.0.0.1 only, has no dashboard, reports nothing to anybody, keeps
its logs in a temporary folder and ends with the job. What Ray has to say of workers that died goes
to stderr, not between the lines of a result.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.config.sections import EngineSettings
from retrieval import InputError, LikewiseError

_GB = 10**9
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray of one machine: its servers listen on loopback, on Linux as they do elsewhere.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
# Ray puts sockets there, and their names may have 107 characters.
_LONGEST_FOLDER = 40


@contextlib.contextmanager
def ray_running(engine: EngineSettings) -> Iterator[None]:
    """Connect to Ray, or start it; use a Ray that the caller has connected to as it is.

    Raises:
        InputError: Ray is not installed, or the cluster is too small for the workers.
        LikewiseError: There is no Ray at the address, or none can be started.
    """
    ray = _imported(engine)
    if ray.is_initialized():
        _refuse_too_small(ray, engine)
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    logs = _short_folder() if engine.address is None else None
    try:
        _connect(ray, engine, logs)
        with contextlib.redirect_stdout(sys.stderr):
            _refuse_too_small(ray, engine)
            yield
    finally:
        ray.shutdown()
        if logs is not None:
            shutil.rmtree(logs, ignore_errors=True)


def _imported(engine: EngineSettings) -> Any:
    for name, value in _QUIET.items():
        if engine.address is None or name == "RAY_USAGE_STATS_ENABLED":
            os.environ.setdefault(name, value)
    # Ray deprecates its own internals; nothing a caller could act on.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray(\.|$)")
    try:
        import ray
        import ray.data
    except ImportError:
        raise InputError("--engine ray is not installed: pip install 'likewise[ray]'") from None

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


def _connect(ray: Any, engine: EngineSettings, logs: Path | None) -> None:
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if engine.address is not None:
        options["address"] = engine.address
    else:
        options |= {
            "num_cpus": math.ceil(engine.workers * engine.cpus),
            "include_dashboard": False,
            "object_store_memory": int(engine.object_store * _GB),
            "_temp_dir": str(logs),
            **_memory_of(engine),
        }
        if _free_shared_memory() < engine.object_store * _GB:
            options["_plasma_directory"] = tempfile.gettempdir()
    try:
        with _silent():
            ray.init(**options)
    except Exception as error:  # Ray's own, and those of what it is made of
        where = f"Ray at {engine.address}" if engine.address else "a local Ray"
        problem = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LikewiseError(f"cannot connect to {where}: {problem}") from error


def _memory_of(engine: EngineSettings) -> dict[str, int]:
    if engine.memory is None:
        return {}
    return {"_memory": int(engine.workers * engine.memory * _GB)}


def _refuse_too_small(ray: Any, engine: EngineSettings) -> None:
    """Ray would wait for ever for what it does not have."""
    there = ray.cluster_resources()
    for resource, each in (("CPU", engine.cpus), ("memory", (engine.memory or 0) * _GB)):
        needed = engine.workers * each
        if needed > there.get(resource, 0) + 1e-9:
            unit, size = ("GB of memory", _GB) if resource == "memory" else ("CPUs", 1)
            raise InputError(
                f"engine: {engine.workers} workers need {needed / size:g} {unit}, and Ray has "
                f"{there.get(resource, 0) / size:g}; set engine.workers"
            )


def _short_folder() -> Path:
    base = tempfile.gettempdir()
    return Path(
        tempfile.mkdtemp(prefix="likewise-", dir=base if len(base) < _LONGEST_FOLDER else "/tmp")
    )


def _free_shared_memory() -> int:
    try:
        return shutil.disk_usage("/dev/shm").free
    except OSError:
        return 0


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Nothing on stderr: Ray's C++ says there that it will say nothing."""
    there = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(there, 2)
        os.close(there)
