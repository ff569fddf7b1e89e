"""Learn a linear map of an encoder's vectors under which texts of one label are neighbors.

Nothing is encoded: the map is fitted to vectors that are there. Two losses pull at it. Each label
has a proxy that starts at its name or description, and a text shall be nearer to its own than to
others' (Movshovitz-Attias et al., "No Fuss Distance Metric Learning using Proxies", ICCV 2017); and
of a text's neighbors those of its label shall have the vote (Goldberger et al., "Neighbourhood
Components Analysis", NIPS 2004; the contrast of Khosla et al., "Supervised Contrastive Learning",
NeurIPS 2020, with the sum inside the logarithm). Vectors are blurred anew at each step, and texts
held out tell when to stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from retrieval.encoding.adaptation.gate import (
    Fold,
    Positions,
    Vectors,
    make_folds,
    nearest,
    scores,
)
from retrieval.encoding.encoder import progress_bar

# Chosen on four fifths of BANKING77's train.csv, judged on the other.
_TEMPERATURE = 0.05
_BLUR = 0.5  # length of the noise, of vectors of length 1
_BATCH = 512
_TYPICAL = 800  # texts that take the steps and the rate below; more take more of both
_STEPS, _FEWEST, _MOST = 60, 30, 300
_RATE, _FASTEST, _WIDTH = 1e-3, 2e-3, 384  # numbers of a vector at which these are right
_PROXY_RATE = 3  # of the proxies, times that of the map
_CHECKS = 6
_HELD = 5  # one in so many is held out
_MOST_HELD = 1_000
_FAR = -1e4
_LONG = 2_000  # steps times hundreds of texts: worth a progress bar


@dataclass(frozen=True)
class FittedMap:
    """A map that was learned.

    Attributes:
        matrix: (dim, dim) float32.
        steps: How many went into it; 0: what was held out was labeled best without any.
        losses: Log loss of what was held out: before, and at each check; empty where nothing was.
        seconds: It took.
    """

    matrix: Vectors
    steps: int
    losses: tuple[float, ...]
    seconds: float


def apply(matrix: Vectors, vectors: Vectors) -> Vectors:
    """Map unit vectors (n, dim) to unit vectors."""
    mapped = vectors @ matrix.T
    unit: Vectors = mapped / np.maximum(np.linalg.norm(mapped, axis=1, keepdims=True), 1e-12)
    return unit


def fit_map(
    vectors: Vectors,
    labels: Positions,
    anchors: Vectors,
    groups: Positions,
    *,
    seed: int = 0,
    stops_early: bool = True,
    progress: bool | None = None,
) -> FittedMap:
    """Learn a map.

    Args:
        vectors: (n, dim) unit vectors of texts.
        labels: (n,) number of each one's label.
        anchors: (n_labels, dim) unit vectors of the labels' names or descriptions.
        groups: (n,) number of each one's group: what belongs together is held out together.
        seed: Of what is held out, of batches and noise.
        stops_early: Whether a fifth is held out first, to see after how many steps to stop. Not
            where labels were guessed by an earlier map: they tell when that map is found again.
        progress: Show a progress bar; None shows it for long work only.
    """
    start = time.monotonic()
    total = _steps(len(vectors))
    every = max(1, total // _CHECKS)
    long = _LONG * 100 // max(1, len(vectors))
    steps = 2 * total if stops_early else total
    with progress_bar(steps, "map", "step", progress, long=long) as bar, repeatable():
        best, losses = total, tuple[float, ...]()
        if stops_early and (fold := _inner_fold(labels, groups, seed)) is not None:
            rows = fold.learned
            walk = _walk(vectors[rows], labels[rows], anchors, total, seed, bar.update)
            losses = tuple(
                _loss(matrix, fold, vectors, labels)
                for step, matrix in enumerate(walk)
                if step % every == 0
            )
            best = int(np.argmin(losses)) * every
        matrix = np.eye(vectors.shape[1], dtype=np.float32)
        for step, made in enumerate(_walk(vectors, labels, anchors, total, seed, bar.update)):
            matrix = made
            if step == best:
                break
    return FittedMap(matrix, best, losses, time.monotonic() - start)


def map_work(n: int) -> float:
    """Return in how many units of work a map of so many texts is learned; see `unit_of_work`."""
    return 2 * _steps(n) * min(n, _BATCH) / _BATCH


def unit_of_work(dim: int, n_labels: int) -> float:
    """Return the seconds that a step of a whole batch takes here, measured."""
    lot = np.random.default_rng(0)
    vectors = lot.normal(size=(_BATCH, dim)).astype(np.float32) / dim**0.5
    labels = lot.integers(n_labels, size=_BATCH)
    anchors = lot.normal(size=(n_labels, dim)).astype(np.float32)
    with repeatable():
        moments = [time.monotonic() for _ in _walk(vectors, labels, anchors, 4, 0, lambda _: None)]
    return float(np.diff(moments)[1:].mean())  # not the first, which loads what it needs


def _steps(n: int) -> int:
    return int(np.clip(round(_STEPS * (n / _TYPICAL) ** 0.7), _FEWEST, _MOST))


def _inner_fold(labels: Positions, groups: Positions, seed: int) -> Fold | None:
    """Hold out a part; None where no label has two groups."""
    folds = make_folds(labels, groups, _HELD, seed)
    if not folds:
        return None
    largest = max(folds, key=lambda one: len(one.judged))
    return Fold(largest.learned, largest.judged[:: -(-len(largest.judged) // _MOST_HELD)])


def _loss(matrix: Vectors, fold: Fold, vectors: Vectors, labels: Positions) -> float:
    judged, learned = (apply(matrix, vectors[rows]) for rows in (fold.judged, fold.learned))
    return scores([nearest(fold, judged, learned, labels)], labels).loss


def _walk(
    vectors: Vectors,
    labels: Positions,
    anchors: Vectors,
    total: int,
    seed: int,
    tell: Callable[[int], object],
) -> Iterator[Vectors]:
    """Yield the map before the first step, and after each."""
    lot = torch.Generator().manual_seed(seed)
    texts, kinds = torch.from_numpy(vectors), torch.from_numpy(labels)
    n, dim = vectors.shape
    matrix = torch.eye(dim, requires_grad=True)
    proxies = torch.from_numpy(anchors.copy()).requires_grad_()
    fast = float(np.clip(_RATE * (n / _TYPICAL) ** 0.3, _RATE, _FASTEST)) * (_WIDTH / dim) ** 0.5
    steer = torch.optim.Adam(
        [{"params": [matrix], "lr": fast}, {"params": [proxies], "lr": _PROXY_RATE * fast}]
    )
    slow = torch.optim.lr_scheduler.LinearLR(steer, 1.0, 0.02, total)
    yield np.eye(dim, dtype=np.float32)
    for _ in range(total):
        rows = torch.randperm(n, generator=lot)[:_BATCH]
        noise = torch.randn((len(rows), dim), generator=lot) * (_BLUR / dim**0.5)
        blurred = normalize(texts[rows] + noise, dim=1)
        loss = label_loss(normalize(blurred @ matrix.T, dim=1), kinds[rows], proxies @ matrix.T)
        steer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        steer.step()
        slow.step()
        tell(1)
        yield matrix.detach().numpy().copy()


def label_loss(vectors: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
    """Return the log loss of labels by proxies, and of labels by the votes of the batch.

    Args:
        vectors: (n, dim) unit vectors of a batch.
        labels: (n,) number of each one's label.
        proxies: (n_labels, dim).
    """
    by_proxy = cross_entropy(vectors @ normalize(proxies, dim=1).T / _TEMPERATURE, labels)
    itself = torch.eye(len(labels), dtype=torch.bool)
    similarity = (vectors @ vectors.T / _TEMPERATURE).masked_fill(itself, _FAR)
    alike = (labels[:, None] == labels[None, :]) & ~itself
    has = alike.any(dim=1)
    if not bool(has.any()):
        return by_proxy
    own = similarity.masked_fill(~alike, _FAR).logsumexp(dim=1)
    return by_proxy + (similarity.logsumexp(dim=1) - own)[has].mean()


@contextmanager
def repeatable() -> Iterator[None]:
    """Compute on one thread: the same digits however many there are; small products gain little."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
