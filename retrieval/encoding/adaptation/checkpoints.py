"""Where a training stands, on disk: numbers as safetensors, all else as JSON."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from retrieval.files import former_folder, replacing_folder

_NUMBERS, _STATE = "training.safetensors", "training.json"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stood.

    Attributes:
        state: What JSON can hold.
        numbers: Weights, moments of the optimizer, anchors and memory, by name.
    """

    state: dict[str, Any]
    numbers: dict[str, Tensor]

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all, in the place of the one before."""
        with replacing_folder(folder) as temporary:
            save_file(
                {name: one.contiguous() for name, one in self.numbers.items()},
                temporary / _NUMBERS,
            )
            (temporary / _STATE).write_text(json.dumps(self.state), encoding="utf-8")


def read_checkpoint(folder: Path, task: str) -> Checkpoint | None:
    """Return where a training of this very task stood.

    Args:
        folder: Where it was written.
        task: As `state["task"]` has it.

    Returns:
        None where there is none, none that can be read, or that of another task.
    """
    for place in (folder, former_folder(folder)):  # the latter, killed while it was replaced
        try:
            state = json.loads((place / _STATE).read_text(encoding="utf-8"))
            if isinstance(state, dict) and state.get("task") == task:
                return Checkpoint(state, load_file(place / _NUMBERS))
        except (OSError, ValueError, SafetensorError):
            continue
    return None


def remove_checkpoint(folder: Path) -> None:
    """Remove it, and what was left of writing it where that was killed."""
    for left in (folder, *folder.parent.glob(f".{folder.name}.*")):
        shutil.rmtree(left, ignore_errors=True)


def moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return what an optimizer remembers, by name."""
    kept = optimizer.state_dict()["state"]
    return {
        f"moment.{place}.{name}": torch.as_tensor(one)
        for place, of_one in kept.items()
        for name, one in of_one.items()
    }


def set_moments(optimizer: torch.optim.Optimizer, numbers: dict[str, Tensor]) -> None:
    """Let an optimizer remember what `moments` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, one in numbers.items():
        if key.startswith("moment."):
            _, place, name = key.split(".", 2)
            state.setdefault(int(place), {})[name] = one
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
