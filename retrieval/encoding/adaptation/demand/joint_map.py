"""Learn one linear map for two tasks: neighbors that share a label, and neighbors that sell alike.

The labels pull as in `linear_map`. Demand pulls by a kernel regression whose metric is learned: a
text's neighbors in the batch, weighted by similarity, are to tell what it sold (Weinberger and
Tesauro, "Metric Learning for Kernel Regression", AISTATS 2007).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from retrieval.encoding.adaptation.demand.demand_scores import SHAPE, demand_scores, told
from retrieval.encoding.adaptation.gate import (
    FloatArray,
    Fold,
    Positions,
    Vectors,
    make_folds,
    nearest,
    scores,
)
from retrieval.encoding.adaptation.linear_map import apply, label_loss, repeatable
from retrieval.encoding.encoder import progress_bar

# Chosen on launches of Complete Journey up to 2017-08-21, on a third of the texts held out.
_TEMPERATURE = 0.05
_BLUR = 0.3
_BATCH = 256
_STEPS = 100
_RATE, _WIDTH = 1e-3, 384
_PROXY_RATE = 3
_DEMAND = 0.3  # how much demand pulls beside labels
_CHECKS = 5
_HELD = 5
_FAR = -1e4
BINS = 5  # of the level, so that folds hold high and low ones alike


@dataclass(frozen=True)
class Tasks:
    """What a map is to learn.

    Attributes:
        vectors: (n, dim) unit vectors of texts.
        demand: (n, d) of each, level first, standardized; NaN where it is not known.
        labels: (n,) number of each one's label; all -1: there are none.
        anchors: (n_labels, dim) unit vectors of the labels in words.
        groups: (n,) number of each one's group.
    """

    vectors: Vectors
    demand: FloatArray
    labels: Positions
    anchors: Vectors
    groups: Positions

    @property
    def has_labels(self) -> bool:
        """Whether labels are learned, too."""
        return len(self.anchors) > 0

    @property
    def dealt(self) -> Positions:
        """(n,) kinds that folds hold alike: labels, or else bins of the level."""
        if self.has_labels:
            return self.labels
        level = self.demand[:, 0]
        edges = np.nanquantile(level, np.linspace(0, 1, BINS + 1)[1:-1])
        return np.searchsorted(edges, np.nan_to_num(level)).astype(np.int64)

    def part(self, rows: Positions) -> Tasks:
        """Return some of the texts."""
        return Tasks(
            self.vectors[rows],
            self.demand[rows],
            self.labels[rows],
            self.anchors,
            self.groups[rows],
        )


def fit_joint_map(tasks: Tasks, *, seed: int = 0, progress: bool | None = None) -> Vectors:
    """Learn a map, (dim, dim).

    Args:
        tasks: What it is to learn.
        seed: Of what is held out, of batches and noise.
        progress: Show a progress bar; None shows it for long work only.
    """
    every = max(1, _STEPS // _CHECKS)
    with (
        progress_bar(2 * _STEPS, "map", "step", progress, long=2 * _STEPS + 1) as bar,
        repeatable(),
    ):
        best = _STEPS
        folds = make_folds(tasks.dealt, tasks.groups, _HELD, seed)
        if folds:
            fold = max(folds, key=lambda one: len(one.judged))
            losses = []
            for step, matrix in enumerate(_walk(tasks.part(fold.learned), seed)):
                bar.update()
                if step % every == 0:
                    losses.append(_losses(matrix, fold, tasks))
            # Each task in units of what it was before: neither is bought with the other.
            relative = np.array(losses) / np.maximum(losses[0], 1e-12)
            best = int(relative.sum(axis=1).argmin()) * every
        matrix = np.eye(tasks.vectors.shape[1], dtype=np.float32)
        for step, made in enumerate(_walk(tasks, seed)):
            bar.update()
            matrix = made
            if step == best:
                break
    return matrix


def _losses(matrix: Vectors, fold: Fold, tasks: Tasks) -> list[float]:
    judged, learned = (apply(matrix, tasks.vectors[one]) for one in (fold.judged, fold.learned))
    found = [demand_scores([told(fold, judged, learned, tasks.demand)], tasks.demand).mean]
    if tasks.has_labels:
        votes = nearest(fold, judged, learned, tasks.labels)
        found.append(scores([votes], tasks.labels).loss)
    return found


def _walk(tasks: Tasks, seed: int) -> Iterator[Vectors]:
    """Yield the map before the first step, and after each."""
    lot = torch.Generator().manual_seed(seed)
    texts, kinds = torch.from_numpy(tasks.vectors), torch.from_numpy(tasks.labels)
    known = torch.from_numpy(np.isfinite(tasks.demand[:, 0]))
    sold = torch.from_numpy(np.nan_to_num(tasks.demand).astype(np.float32))
    n, dim = tasks.vectors.shape
    matrix = torch.eye(dim, requires_grad=True)
    proxies = torch.from_numpy(tasks.anchors.copy()).requires_grad_()
    rate = _RATE * (_WIDTH / dim) ** 0.5
    moved = [{"params": [matrix], "lr": rate}]
    if tasks.has_labels:
        moved.append({"params": [proxies], "lr": _PROXY_RATE * rate})
    steer = torch.optim.Adam(moved)
    slow = torch.optim.lr_scheduler.LinearLR(steer, 1.0, 0.02, _STEPS)
    yield np.eye(dim, dtype=np.float32)
    for _ in range(_STEPS):
        rows = torch.randperm(n, generator=lot)[:_BATCH]
        noise = torch.randn((len(rows), dim), generator=lot) * (_BLUR / dim**0.5)
        mapped = normalize(normalize(texts[rows] + noise, dim=1) @ matrix.T, dim=1)
        told_rows = known[rows]
        loss = _missed(mapped[told_rows], sold[rows][told_rows])
        if tasks.has_labels:
            loss = _DEMAND * loss + label_loss(mapped, kinds[rows], proxies @ matrix.T)
        steer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        steer.step()
        slow.step()
        yield matrix.detach().numpy().copy()


def _missed(vectors: Tensor, sold: Tensor) -> Tensor:
    """Return how far off neighbors tell demand, the mean square; 0 of fewer than two."""
    if len(vectors) < 2:
        return vectors.sum() * 0.0
    itself = torch.eye(len(vectors), dtype=torch.bool)
    weight = (vectors @ vectors.T / _TEMPERATURE).masked_fill(itself, _FAR).softmax(dim=1)
    missed = (weight @ sold - sold) ** 2
    return missed[:, 0].mean() + SHAPE * missed[:, 1:].sum(dim=1).mean()
