"""The training of an encoder: passes over the texts until nothing is gained, or time is up."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retrieval.encoding.adaptation.checkpoints import (
    Checkpoint,
    moments,
    read_checkpoint,
    set_moments,
)
from retrieval.encoding.adaptation.contrast import Memory, contrast, held_out_loss
from retrieval.encoding.adaptation.schedule import BATCH, Rows, batches, passes, rate_at
from retrieval.encoding.adaptation.trainable import Method, TrainableModel
from retrieval.encoding.encoder import progress_bar
from retrieval.errors import InputError

_log = logging.getLogger(__name__)

_RATES = {"full": 1e-4, "lora": 1e-3}
_ANCHOR_RATE = 1e-2
_DECAY = 0.01
_PATIENCE = 3
_KEEP_EVERY = 60.0  # seconds between checkpoints


@dataclass(frozen=True)
class Plan:
    """How a training goes.

    Attributes:
        task: Stands for all that it depends on: a checkpoint of another one is not resumed.
        method: Which weights move.
        epochs: The most passes over the texts.
        seed: Draws the batches.
        budget_s: Seconds that it may take; None: as many as it needs.
        checkpoint: Folder of the checkpoint; None: none is kept.
    """

    task: str
    method: Method
    epochs: int
    seed: int
    budget_s: float | None
    checkpoint: Path | None


@dataclass(frozen=True)
class Texts:
    """What is learned from, and what tells when to stop.

    Attributes:
        learned: n texts.
        held: m texts, none of the learned ones; may be none.
        held_labels: (m,) the numbers of their labels.
    """

    learned: list[str]
    held: list[str]
    held_labels: Tensor


@dataclass
class _Standing:
    """Where the training is: what a checkpoint holds beside weights."""

    epoch: int = 0
    place: int = 0
    steps: int = 0
    seconds: float = 0.0
    best: int = 0
    losses: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Trained:
    """How a training went.

    Attributes:
        epochs: Passes over the texts that went into the weights.
        losses: Of the held-out texts: before the first pass, and after each; empty without any.
        seconds: It took, all runs together.
        resumed: Whether it went on from a checkpoint.
        ended: ``"early"``: nothing was gained any longer; ``"budget"``; ``"all"`` passes made.
    """

    epochs: float
    losses: tuple[float, ...]
    seconds: float
    resumed: bool
    ended: str


class Training:
    """A training under way.

    Args:
        model: Its moving weights are changed.
        texts: What to learn from.
        memory: The vectors of the learned texts.
        anchors: (n_labels, dim) where the labels' anchors begin.
        plan: How.

    Raises:
        InputError: The budget is not enough for a single pass.
    """

    def __init__(
        self, model: TrainableModel, texts: Texts, memory: Memory, anchors: Tensor, plan: Plan
    ) -> None:
        self._model, self._texts, self._memory, self._plan = model, texts, memory, plan
        self._anchors = anchors.clone().requires_grad_()
        weights = list(model.moving.values())
        self._optimizer = torch.optim.AdamW(
            [
                {"params": weights, "lr": 0.0, "highest": _RATES[plan.method]},
                {"params": [self._anchors], "lr": 0.0, "highest": _ANCHOR_RATE},
            ],
            weight_decay=_DECAY,
        )
        self._lengths = model.lengths(texts.learned)
        self._per_epoch = -(-len(texts.learned) // BATCH)
        self._total = self._per_epoch * plan.epochs
        self._at = _Standing()
        self._best: dict[str, Tensor] = {}
        self._kept_at = time.monotonic()

    def run(self, progress: bool | None = None) -> Trained:
        """Train; afterwards the model's weights are the best that were seen."""
        resumed = self._resume()
        at, ended = self._at, "all"
        if not at.losses and self._texts.held:
            at.losses.append(self._held_out_loss())
        with progress_bar(
            self._total, f"tune ({self._plan.method})", "step", progress, long=20
        ) as bar:
            bar.update(at.steps)
            while at.epoch < self._plan.epochs:
                if not self._epoch(bar):
                    ended = "budget"
                    break
                if self._texts.held and at.epoch - at.best >= _PATIENCE:
                    ended = "early"
                    break
        epochs = self._settle(ended)
        return Trained(epochs, tuple(at.losses), at.seconds, resumed, ended)

    def _epoch(self, bar: Any) -> bool:
        """Pass over all texts that are left in this pass; False: time was up before the end."""
        at = self._at
        order = batches(self._lengths, self._plan.seed, at.epoch)
        while at.place < len(order):
            self._require_time()
            if self._done() >= 1:
                return False
            began = time.monotonic()
            self._step(order[at.place])
            at.place, at.steps = at.place + 1, at.steps + 1
            at.seconds += time.monotonic() - began
            bar.update()
            if time.monotonic() - self._kept_at > _KEEP_EVERY:
                self._keep()
        at.epoch, at.place = at.epoch + 1, 0
        self._judge()
        self._keep()
        return True

    def _step(self, batch: Rows) -> None:
        rate = rate_at(self._done((self._at.steps + 1) / (self._total + 1)))
        for group in self._optimizer.param_groups:
            group["lr"] = group["highest"] * rate
        self._optimizer.zero_grad()
        for rows in passes(batch, self._lengths):
            vectors = self._model([self._texts.learned[row] for row in rows.tolist()])
            loss = contrast(vectors, torch.from_numpy(rows), self._memory, self._anchors)
            (loss * (len(rows) / len(batch))).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def _done(self, steps: float | None = None) -> float:
        """Return how much of the way is behind: of the steps, or of the time."""
        share = self._at.steps / self._total if steps is None else steps
        budget = self._plan.budget_s
        return min(1.0, share if budget is None else max(share, self._at.seconds / budget))

    def _require_time(self) -> None:
        """Refuse, after the first steps, what the budget is not enough for."""
        at, budget, first = self._at, self._plan.budget_s, min(3, self._per_epoch)
        if budget is None or at.steps > first:
            return
        needed = at.seconds / max(1, at.steps) * self._per_epoch
        if (needed if at.steps == first else at.seconds) > budget:
            raise InputError(
                f"a budget of {budget:,.3g} s is too small for method {self._plan.method!r}: a "
                f"single pass over the {len(self._texts.learned):,} texts takes {needed:,.3g} s or "
                "more"
            )

    def _judge(self) -> None:
        """Look at the held-out texts; remember the weights where they are the best so far."""
        at = self._at
        if not self._texts.held:
            return
        at.losses.append(self._held_out_loss())
        _log.info(
            "pass %d of at most %d: loss of %d held-out texts %.4f",
            at.epoch,
            self._plan.epochs,
            len(self._texts.held),
            at.losses[-1],
        )
        if at.best == 0 or at.losses[-1] < at.losses[at.best]:
            at.best = at.epoch
            self._best = {name: one.detach().clone() for name, one in self._model.moving.items()}

    def _held_out_loss(self) -> float:
        began = time.monotonic()
        vectors = embed(self._model, self._texts.held)
        with torch.no_grad():
            loss = held_out_loss(vectors, self._texts.held_labels, self._memory, self._anchors)
        self._at.seconds += time.monotonic() - began
        return loss

    def _settle(self, ended: str) -> float:
        """Take the best weights; return how many passes they have seen."""
        if not self._best:
            return self._at.steps / self._per_epoch
        with torch.no_grad():
            for name, one in self._best.items():
                self._model.moving[name].copy_(one)
        return float(self._at.best)

    def _keep(self) -> None:
        folder, self._kept_at = self._plan.checkpoint, time.monotonic()
        if folder is None:
            return
        numbers = {f"weight.{name}": one.detach() for name, one in self._model.moving.items()}
        numbers |= {f"best.{name}": one for name, one in self._best.items()}
        numbers |= {"anchors": self._anchors.detach(), "memory": self._memory.vectors}
        state = {"task": self._plan.task, **vars(self._at)}
        Checkpoint(state, numbers | moments(self._optimizer)).write(folder)

    def _resume(self) -> bool:
        """Take up the last checkpoint, if it is one of this very training."""
        folder = self._plan.checkpoint
        kept = None if folder is None else read_checkpoint(folder, self._plan.task)
        if kept is None:
            return False
        state = {name: one for name, one in kept.state.items() if name != "task"}
        with torch.no_grad():
            for name, one in self._model.moving.items():
                one.copy_(kept.numbers[f"weight.{name}"])
            self._anchors.copy_(kept.numbers["anchors"])
            self._memory.vectors.copy_(kept.numbers["memory"])
        set_moments(self._optimizer, kept.numbers)
        start = "best."
        self._best = {
            name.removeprefix(start): one
            for name, one in kept.numbers.items()
            if name.startswith(start)
        }
        self._at = _Standing(**state)
        _log.info("the training goes on after step %d of at most %d", self._at.steps, self._total)
        return True


def embed(model: TrainableModel, texts: list[str]) -> Tensor:
    """Return the vectors of texts as the model makes them now, (n, dim), without gradients."""
    lengths = model.lengths(texts)
    order = np.argsort(lengths, kind="stable")
    found: npt.NDArray[np.float32] | None = None
    with torch.no_grad():
        for rows in passes(order, lengths):
            made = model([texts[row] for row in rows.tolist()]).numpy()
            if found is None:
                found = np.empty((len(texts), made.shape[1]), np.float32)
            found[rows] = made
    assert found is not None  # nobody asks for no texts
    return torch.from_numpy(found)
