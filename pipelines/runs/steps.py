"""A step of a run: done once, and again only when what it depends on has changed.

A step that was killed has no manifest, or one that no longer fits what is there; its work is
idempotent, so that doing it again ends in the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog

from pipelines.runs.manifest import Basis, Manifest
from retrieval import masked

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Step:
    """A piece of work with a name, what goes in and what comes out.

    Attributes:
        name: What it and its manifest are called.
        settings: Those that matter to it.
        inputs: SHA-256 of each input by name, computed when the step's turn comes: what an earlier
            step makes is an input.
        outputs: SHA-256 of each output by name as it is now; "" for one that is missing.
        work: Does it, and returns its counts. Doing it twice must end as doing it once.
        missing: Why there is nothing to do, where the settings do not ask for the step.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Callable[[], dict[str, str]] = dict
    outputs: Callable[[], dict[str, str]] = dict
    work: Callable[[], dict[str, Any]] = dict
    missing: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes:
        step: Its name.
        status: "done", "unchanged" or "not asked for".
        counts: Of the work, also if it was done by an earlier run.
        seconds: Of this run.
        reason: Why it is not asked for.
    """

    step: str
    status: str
    counts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str | None = None


def run_step(
    step: Step,
    folder: Path,
    *,
    versions: dict[str, str],
    encoder: dict[str, Any],
    force: bool = False,
) -> Outcome:
    """Do a step and write its manifest, unless an earlier run has done it.

    Args:
        step: The step.
        folder: Where its manifest is.
        versions: Of what computes.
        encoder: The encoder's identity.
        force: Do it in any case.
    """
    if step.missing is not None:
        _log.info("step not asked for", step=step.name, reason=step.missing)
        return Outcome(step.name, "not asked for", reason=step.missing)
    basis = Basis(step.inputs(), dict(step.settings), versions, encoder)
    last = Manifest.read(folder, step.name)
    if last is not None and not force and last.holds(basis, step.outputs()):
        _log.info("step unchanged", step=step.name)
        return Outcome(step.name, "unchanged", last.counts)
    return _do(step, folder, basis)


def _do(step: Step, folder: Path, basis: Basis) -> Outcome:
    _log.info("step begins", step=step.name)
    begun, started = perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    try:
        counts = step.work()
    except Exception as error:
        failure = masked(f"{type(error).__name__}: {error}")
        seconds = round(perf_counter() - begun, 2)
        Manifest(step.name, "failed", basis, started=started, seconds=seconds, error=failure).write(
            folder
        )
        raise
    seconds = round(perf_counter() - begun, 2)
    Manifest(step.name, "done", basis, step.outputs(), counts, started, seconds).write(folder)
    _log.info("step done", step=step.name, seconds=seconds)
    return Outcome(step.name, "done", counts, seconds)
