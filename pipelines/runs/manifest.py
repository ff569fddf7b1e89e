"""What a step of a run was made from and what it made: one JSON file a step.

A manifest answers two questions: for a person, how a result came about; for the next run, whether
the step has to be done again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from pipelines.tables.output import write_json

FOLDER = "manifests"


@dataclass(frozen=True)
class Basis:
    """All that a step's result depends on; the same basis, the same result.

    Attributes:
        inputs: SHA-256 of each input by its name.
        settings: Those that matter to the step, without secrets and without where inputs lie.
        versions: Of likewise, its code, Python and the libraries that compute.
        encoder: The encoder's identity.
    """

    inputs: dict[str, str]
    settings: dict[str, Any]
    versions: dict[str, str]
    encoder: dict[str, Any]

    def same(self, other: Basis) -> bool:
        """Whether a result made from the other is still valid."""
        return _canonical(asdict(self)) == _canonical(asdict(other))


@dataclass(frozen=True)
class Manifest:
    """How a step's result came about.

    Attributes:
        step: The step's name.
        status: "done"; "failed", and then `error` says why.
        basis: What it was made from.
        outputs: SHA-256 of each output by its name.
        counts: Rows, and what else the step counts.
        started: UTC, ISO 8601.
        seconds: How long the work took.
        error: Why it failed.
    """

    step: str
    status: str
    basis: Basis
    outputs: dict[str, str] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    started: str = ""
    seconds: float = 0.0
    error: str | None = None

    @classmethod
    def read(cls, folder: Path, step: str) -> Self | None:
        """Return the manifest of a step; None where there is none that can be read."""
        try:
            made = json.loads(_path(folder, step).read_text(encoding="utf-8"))
            return cls(**{**made, "basis": Basis(**made["basis"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, folder: Path) -> None:
        """Write it, in place of the step's last one."""
        write_json(asdict(self), _path(folder, self.step))

    def holds(self, basis: Basis, outputs: dict[str, str]) -> bool:
        """Whether the step is done for this basis, and its outputs are as it left them."""
        return self.status == "done" and self.basis.same(basis) and self.outputs == outputs


def _path(folder: Path, step: str) -> Path:
    return folder / FOLDER / f"{step}.json"


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
