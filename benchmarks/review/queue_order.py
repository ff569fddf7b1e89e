"""How many labels does a queue need to be as good as 1,000 labels given at random?

    python -m benchmarks.review.queue_order DATA_DIR
    python -m benchmarks.review.queue_order DATA_DIR --seeds 0 --temperatures 0.05 0.1 0.2

DATA_DIR holds BANKING77 (see `benchmarks/labels/banking77.py`). A labeler who is always right (the
truth answers) labels items of four fifths of train.csv in the order of a strategy; a classifier of
what is labeled so far is judged on the other fifth, which no strategy sees. test.csv is not read.
Every strategy has the same classifier, neighbors with prototypes, and starts from no label at all.

- worth: what the review pages do, `classifiers.worth`; it needs no random start.
- margin, entropy: the least sure first, from 20 random items on.
- random: its accuracy at 1,000 labels is the mark that the others are to reach.

The seed draws the 4,000 items that are to be labeled, the random start, and the random order.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.labels.banking77 import Setting, Task, full_task
from benchmarks.measuring.circumstances import machine_and_versions
from classifiers import LikeItems, NeighborClassifier, uncertainty, worth
from retrieval import Encoder

POOL, START, MARK = 4_000, 20, 1_000
SIZES = (20, 50, 100, 200, 300, 350, 400, 450, 500, 550, 600, 700)
_AT_RANDOM = (100, 200, 400, 600, 1_000)

Positions = npt.NDArray[np.intp]
Choose = Callable[[Positions, NeighborClassifier | None, int], Positions]
"""Positions labeled, what was learned of them, how many more: the positions to label next."""


def main() -> None:
    """Run all strategies, and print what each needs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.1])
    parser.add_argument("--strategies", nargs="+", default=["worth", "margin", "entropy"])
    told = parser.parse_args()
    print(machine_and_versions(["scikit-learn", "faiss-cpu"]))
    setting = Setting(told.data, "train", (0,), False, None, 0, Path("build"))
    task = replace(full_task(setting), encoder=Encoder())
    rows = []
    for seed in told.seeds:
        for name, size, accuracy, seconds in run(task, seed, told.temperatures, told.strategies):
            rows.append((seed, name, size, accuracy))
            print(f"seed {seed}  {name:12} {size:5}  {accuracy:.4f}  {seconds:5.1f} s", flush=True)
    _report(pd.DataFrame(rows, columns=["seed", "strategy", "labels", "accuracy"]))


def run(
    task: Task, seed: int, temperatures: Sequence[float], wanted: Sequence[str]
) -> Iterator[tuple[str, int, float, float]]:
    """Yield strategy, number of labels, accuracy, and seconds, of one seed."""
    rng = np.random.default_rng(seed)
    pool = task.train.iloc[rng.permutation(len(task.train))[:POOL]].reset_index(drop=True)
    order, vectors = rng.permutation(len(pool)), task.vectors(pool)
    start = order[:START]
    like = LikeItems.among(vectors, 30)
    strategies: dict[str, Choose] = {
        "random": lambda done, _, more: order[len(done) : len(done) + more],
        **{f"worth {one:g}": _by_worth(pool, like, one) for one in temperatures},
        "margin": _least_sure(pool, start, _margin),
        "entropy": _least_sure(pool, start, _entropy),
    }
    for name, choose in strategies.items():
        if name.split()[0] not in ("random", *wanted):
            continue
        done, classifier = np.empty(0, dtype=np.intp), None
        for size in _AT_RANDOM if name == "random" else SIZES:
            begin = time.perf_counter()
            done = np.concatenate([done, choose(done, classifier, size - len(done))])
            classifier = _learned(task, pool, done)
            accuracy = _accuracy(classifier, task)
            yield name, size, accuracy, time.perf_counter() - begin


def _by_worth(pool: pd.DataFrame, like: LikeItems, temperature: float) -> Choose:
    def choose(done: Positions, classifier: NeighborClassifier | None, more: int) -> Positions:
        unsure = np.ones(len(pool))
        if classifier is not None:
            table, proba = classifier.classify_with_proba(pool["text"].tolist(), neighbors=0)
            unsure = uncertainty(proba, table["known"].to_numpy(dtype=bool))
        unsure[done] = 0.0
        chosen: list[int] = []
        for _ in range(more):  # each is on its way when the next one is chosen
            taken = np.array(chosen, dtype=np.intp)
            gain = worth(unsure, like, taken=taken, temperature=temperature)
            gain[[*chosen, *done.tolist()]] = -1.0
            chosen.append(int(gain.argmax()))
        return np.array(chosen, dtype=np.intp)

    return choose


def _least_sure(
    pool: pd.DataFrame, start: Positions, doubt: Callable[[npt.NDArray[np.float64]], npt.NDArray]
) -> Choose:
    def choose(done: Positions, classifier: NeighborClassifier | None, more: int) -> Positions:
        if classifier is None:
            return start[:more]
        doubts = doubt(classifier.predict_proba(pool["text"].tolist()))
        doubts[done] = -1.0
        return np.argsort(-doubts, kind="stable")[:more]

    return choose


def _margin(proba: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    top = np.sort(proba, axis=1)[:, -2:]
    return 1.0 - (top[:, 1] - top[:, 0])


def _entropy(proba: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(-(proba * np.log(np.maximum(proba, 1e-12))).sum(axis=1))


def _learned(task: Task, pool: pd.DataFrame, done: Positions) -> NeighborClassifier:
    some = pool.iloc[done]
    classifier = NeighborClassifier(encoder=task.encoder, head=None, prototypes=True)
    return classifier.fit(some["text"].tolist(), some["label"].tolist())


def _accuracy(classifier: NeighborClassifier, task: Task) -> float:
    said = classifier.predict(task.test["text"].tolist())
    return float((said == task.test["label"].to_numpy()).mean())


def _report(table: pd.DataFrame) -> None:
    """Print the accuracy at each size, and how many labels reach the mark."""
    print(table.pivot_table(index="labels", columns="strategy", values="accuracy").round(4))
    marks = table[(table["strategy"] == "random") & (table["labels"] == MARK)]
    mark = marks.set_index("seed")["accuracy"]
    print(f"\nrandom at {MARK:,} labels: {mark.round(4).to_dict()}")
    for name, own in table[table["strategy"] != "random"].groupby("strategy"):
        needed = {}
        for seed, curve in own.groupby("seed"):
            reached = curve.loc[curve["accuracy"] >= mark[seed], "labels"]
            needed[seed] = int(reached.min()) if len(reached) else None
        found = [np.inf if one is None else one for one in needed.values()]
        median = float(np.median(found))
        told = f"{median:,.0f}" if np.isfinite(median) else f"more than {own['labels'].max():,}"
        print(f"{name}: {needed}, median {told}")


if __name__ == "__main__":
    main()
