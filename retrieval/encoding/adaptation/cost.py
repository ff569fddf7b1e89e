"""What a training is going to take, measured by a few of its steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from retrieval.arguments import require_choice
from retrieval.encoding.adaptation.contrast import Memory, contrast
from retrieval.encoding.adaptation.schedule import BATCH, Rows, most_epochs, passes
from retrieval.encoding.adaptation.trainable import Method, TrainableModel
from retrieval.encoding.encoder import Encoder
from retrieval.errors import InputError

_TYPICAL_STEPS = 3


@dataclass(frozen=True)
class Cost:
    """What a training is going to take.

    Attributes:
        seconds: If all passes are made, on this machine as busy as it is.
        memory_bytes: At the peak, above what the process holds already.
    """

    seconds: float
    memory_bytes: int


def probe(
    encoder: Encoder, texts: Sequence[str], method: Method, *, epochs: int | None = None
) -> Cost:
    """Measure what a training would take, by a few of its steps.

    Args:
        encoder: The one to begin with.
        texts: What it would learn from.
        method: As of `fine_tune`.
        epochs: Passes; None: the most that `fine_tune` makes.

    Raises:
        InputError: As of `fine_tune`.
    """
    require_choice(method, "method", ("lora", "full"))
    if not len(texts):
        raise InputError("there are no texts to tune on")
    model = TrainableModel(encoder, method, 0)
    some = list(texts[:: max(1, len(texts) // 5_000)])
    lengths = model.lengths(some)
    order = np.argsort(lengths, kind="stable")
    longest = next(passes(order[::-1][:BATCH], lengths))
    held = _saved_bytes(model, [some[row] for row in longest.tolist()])
    # Of the lengths that there are, evenly, so that their mean stands for all.
    typical = order[np.linspace(0, len(order) - 1, _TYPICAL_STEPS * 2 + 1).astype(int)[1::2]]
    seconds = [_step_seconds(model, some, lengths, row) for row in typical.tolist()]
    steps = -(-len(texts) // BATCH) * (epochs or most_epochs(len(texts)))
    moving = sum(one.numel() * one.element_size() for one in model.moving.values())
    whole = sum(one.numel() * one.element_size() for one in model.model.parameters())
    vectors = len(texts) * encoder.dim * 4
    # Gradient, two moments, the best weights; vectors, and their similarities to a batch.
    memory = whole + 4 * moving + held + 3 * vectors + 4 * BATCH * len(texts) * 4
    return Cost(float(np.mean(seconds)) * steps, int(memory))


def _step_seconds(model: TrainableModel, texts: list[str], lengths: Rows, like: int) -> float:
    """Return the seconds of a step of texts as long as one of them."""
    batch = np.full(min(BATCH, len(texts)), like)
    began = time.monotonic()
    for rows in passes(batch, lengths):
        _pass(model, [texts[row] for row in rows.tolist()])
    for one in model.moving.values():
        one.grad = None
    return time.monotonic() - began


def _pass(model: TrainableModel, texts: list[str]) -> None:
    vectors = model(texts)
    n = len(texts)
    memory = Memory(vectors.detach().clone(), torch.zeros(n, dtype=torch.int64))
    loss = contrast(vectors, torch.arange(n), memory, vectors.detach()[:1])
    (loss + vectors.sum()).backward()  # type: ignore[no-untyped-call]


def _saved_bytes(model: TrainableModel, texts: list[str]) -> int:
    """Return the bytes that a pass keeps for its way back."""
    kept: dict[int, int] = {}

    def count(one: torch.Tensor) -> torch.Tensor:
        storage = one.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return one

    with torch.autograd.graph.saved_tensors_hooks(count, lambda one: one):
        _pass(model, texts)
    return sum(kept.values())
