"""What does each part of tuning add? BANKING77, ten examples a label, one part off at a time.

    python -m benchmarks.adaptation.ablation DATA_DIR             # the map, three seeds
    python -m benchmarks.adaptation.ablation DATA_DIR --weights   # all weights, too, the first seed

DATA_DIR holds train.csv and test.csv (see `benchmarks/labels/banking77.py`). Judged is a fifth of
train.csv, by the votes of neighbors alone; test.csv is not read. "over" is paired by text and seed
with what stands above, with a 95 % bootstrap interval over texts. A part is switched off by putting
something in its place here, so that nothing of it lies in the packages.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from benchmarks.labels.adaptation import gained
from benchmarks.labels.banking77 import Setting, Task, few_shot_task
from benchmarks.labels.score_table import over_seeds
from benchmarks.measuring.circumstances import machine_and_versions
from retrieval import Encoder
from retrieval.encoding.adaptation import contrast, linear_map, training
from retrieval.encoding.adaptation.fine_tuning import fine_tune
from retrieval.encoding.adaptation.gate import Positions, Vectors, votes_of
from retrieval.encoding.adaptation.ladder.self_training import SURE, guess_labels
from retrieval.encoding.adaptation.linear_map import apply, fit_map

ENGINES = ("numpy", "torch", "openvino", "sentence-transformers")
SHOTS = 10
ROUNDS = 3
Right = npt.NDArray[np.bool_]
_LABEL_LOSS = linear_map.label_loss


@dataclass(frozen=True)
class Data:
    """Vectors of one draw of examples, as the encoder makes them.

    Attributes:
        task: The texts.
        known: (n, dim) of the examples.
        labels: (n,) their labels.
        words: (n_labels, dim) of the labels' names.
        asked: (m, dim) of the texts judged.
        truth: (m,) their labels.
        others: (u, dim) of texts without a label.
        seed: Drew the examples.
    """

    task: Task
    known: Vectors
    labels: Positions
    words: Vectors
    asked: Vectors
    truth: Positions
    others: Vectors
    seed: int

    def judged(self, known: Vectors, asked: Vectors) -> Right:
        """Tell which texts the votes of neighbors label rightly, (m,)."""
        found: Right = votes_of(asked, known, self.labels).argmax(axis=1) == self.truth
        return found

    def mapped(self, matrix: Vectors) -> Right:
        """Tell the same under a map."""
        return self.judged(apply(matrix, self.known), apply(matrix, self.asked))


def read(setting: Setting, seed: int) -> Data:
    """Draw the examples of a seed."""
    task = few_shot_task(setting, SHOTS, seed)
    encoder = Encoder()
    number = {name: place for place, name in enumerate(task.labels)}
    others = sorted(set(task.unlabeled) - set(task.train["text"]))
    return Data(
        task,
        encoder.encode(task.train["text"].tolist()),
        task.train["label"].map(number).to_numpy(np.int64),
        encoder.encode([name.replace("_", " ") for name in task.labels]),
        encoder.encode(task.test["text"].tolist()),
        task.test["label"].map(number).to_numpy(np.int64),
        encoder.encode(others),
        seed,
    )


def by_map(
    data: Data, off: AbstractContextManager[object] | None = None, *, words: bool = True
) -> Vectors:
    """Learn a map, with or without the labels' words."""
    start = data.words
    if not words:
        lot = np.random.default_rng(data.seed).normal(size=start.shape).astype(np.float32)
        start = lot / np.linalg.norm(lot, axis=1, keepdims=True)
    with off or nullcontext():
        groups = np.arange(len(data.labels))
        return fit_map(data.known, data.labels, start, groups, seed=data.seed).matrix


def taught(data: Data) -> Iterator[tuple[str, Right]]:
    """Let the map label texts without a label, and learn from them, again and again."""
    matrix = by_map(data)
    for number in range(1, ROUNDS + 1):
        known, words, others = (apply(matrix, one) for one in (data.known, data.words, data.others))
        guess, trust = guess_labels(others, known, data.labels, words)
        sure = np.flatnonzero(trust >= SURE)
        vectors = np.concatenate([data.known, data.others[sure]])
        labels = np.r_[data.labels, guess[sure]]
        asked = vectors, labels, data.words, np.arange(len(labels))
        matrix = fit_map(*asked, seed=data.seed, stops_early=False).matrix
        yield f"map, unlabeled, round {number}", data.mapped(matrix)


def maps(data: Data) -> Iterator[tuple[str, Right]]:
    """Try the map, and what it is without a part."""
    yield "as it is", data.judged(data.known, data.asked)
    yield "map", data.mapped(by_map(data))
    yield "map, anchors begin anywhere", data.mapped(by_map(data, words=False))
    yield "map, no anchors", data.mapped(by_map(data, _loss_of(_no_anchors)))
    yield "map, anchors alone", data.mapped(by_map(data, _loss_of(_anchors_alone)))
    yield "map, no blur", data.mapped(by_map(data, patch.object(linear_map, "_BLUR", 0.0)))
    yield from taught(data)


def weights(data: Data) -> Iterator[tuple[str, Right]]:
    """Try all weights, and what they are without a part."""
    yield "full", _full(data, nullcontext())
    yield "full, no anchors", _full(data, patch.object(training, "contrast", _by_texts))
    yield "full, negatives by lot", _full(data, patch.object(contrast, "_by_neighbors", _by_lot))


def _full(data: Data, off: AbstractContextManager[object]) -> Right:
    texts, labels = data.task.train["text"].tolist(), data.task.train["label"].tolist()
    torch.manual_seed(data.seed)
    with tempfile.TemporaryDirectory() as folder, off:
        out = Path(folder) / "encoder"
        fine_tune(Encoder(), texts, labels, method="full", out=out, seed=data.seed, epochs=12)
        tuned = Encoder(str(out), cache_dir=False)
        return data.judged(tuned.encode(texts), tuned.encode(data.task.test["text"].tolist()))


def _loss_of(other: Callable[[Tensor, Tensor, Tensor], Tensor]) -> AbstractContextManager[object]:
    return patch.object(linear_map, "label_loss", other)


def _anchors_alone(vectors: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
    near = vectors @ normalize(proxies, dim=1).T / contrast.TEMPERATURE
    return cross_entropy(near, labels)


def _no_anchors(vectors: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
    return _LABEL_LOSS(vectors, labels, proxies) - _anchors_alone(vectors, labels, proxies)


def _by_texts(vectors: Tensor, rows: Tensor, memory: contrast.Memory, anchors: Tensor) -> Tensor:
    whole = contrast.contrast(vectors, rows, memory, anchors)
    return whole - _anchors_alone(vectors, memory.labels[rows], anchors)


def _by_lot(similarity: Tensor, positive: Tensor, alike: Tensor) -> Tensor:
    """Contrast as `_by_neighbors` does, with as many negatives, drawn instead of the nearest."""
    has = positive.any(dim=1)
    similarity, positive, alike = similarity[has], positive[has], alike[has]
    least = torch.finfo(similarity.dtype).min
    near = similarity.masked_fill(~positive, least).logsumexp(dim=1)
    drawn = torch.rand(similarity.shape).masked_fill(alike, -1.0)
    chosen = drawn.topk(min(contrast._NEGATIVES, drawn.shape[1]), dim=1).indices
    others = similarity.masked_fill(alike, least).gather(1, chosen)
    every = torch.cat([near[:, None], others], dim=1).logsumexp(dim=1)
    return (every - near).sum() / len(similarity)


def main() -> None:
    """Print a row a variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_DIR", help="train.csv and test.csv")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--weights", action="store_true", help="all weights, too")
    given = parser.parse_args()
    print(machine_and_versions(ENGINES), flush=True)
    setting = Setting(given.data, "train", tuple(given.seeds), False, None, 0, Path())
    right: dict[str, list[Right]] = {}
    for seed in given.seeds:
        data = read(setting, seed)
        ways = [maps] + ([weights] if given.weights and seed == given.seeds[0] else [])
        for way in ways:
            start = time.perf_counter()
            for name, found in way(data):
                right.setdefault(name, []).append(found)
                seconds, start = time.perf_counter() - start, time.perf_counter()
                print(f"seed {seed}, {name}: {100 * found.mean():.2f}, {seconds:.0f} s", flush=True)
    pd.set_option("display.width", 200)
    print(pd.DataFrame(_rows(right)).to_string(index=False))


def _rows(right: dict[str, list[Right]]) -> Iterator[dict[str, str]]:
    for name, found in right.items():
        over = _compared(name)
        row = {"": name, "accuracy, %": over_seeds([100 * float(one.mean()) for one in found], 2)}
        row["over"] = over
        row["points"] = gained(found, right[over][: len(found)]) if over else ""
        yield row


def _compared(name: str) -> str:
    if name in ("map", "full"):
        return "as it is"
    return name.split(",")[0] if "," in name else ""


if __name__ == "__main__":
    main()
