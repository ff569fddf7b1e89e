"""Does the ranker of answers find the right attribute, and does it know when there is none?

Run: ``python -m benchmarks.answers.ask --data FOLDER`` with the files of semiPQA's attribute
ranking, ``attribute_ranking_dev.csv`` and, where they are there, ``..._testseen.csv`` and
``..._testunseen.csv``. On dev, every question is ranked by a ranker that saw no question of the
same kind of attribute (five folds, several seeds); on test rows, by the ranker that ships, or, with
``--refit``, by one learned on dev in this run. ``--write FILE`` writes that one.

Beside it: BM25, the dense encoder, their mix (sum of standardized scores), each on the same texts.
Intervals: paired bootstrap of whole kinds of attributes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.answers.semipqa import Split, read_split
from benchmarks.measuring.circumstances import machine_and_versions
from pipelines.answers.features import FEATURES, Floats
from pipelines.answers.ranker import (
    Ranker,
    choose_threshold,
    held_out,
    tabulate,
)
from retrieval import Encoder

OURS, SEEDS, DRAWS = "ranker", (0, 1, 2, 3, 4), 2_000
MEASURES = ("MAP", "NDCG@5", "hit@1")
_DENSE, _BM25 = FEATURES.index("dense"), FEATURES.index("bm25")


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--refit", action="store_true")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    print(machine_and_versions(["bm25s", "scikit-learn", "torch", "openvino"]))
    encoder = Encoder() if given.encoder is None else Encoder(given.encoder)
    dev = read_split(given.data / "attribute_ranking_dev.csv")
    tables = tabulate(dev.examples, encoder)
    _on_dev(dev, tables)
    is_new = given.refit or given.write is not None
    ranker = Ranker.fit(dev.examples, encoder, dev.kinds) if is_new else Ranker.load()
    if given.write is not None:
        ranker.save(given.write)
        print(f"written to {given.write}")
    for name in ("testseen", "testunseen"):
        path = given.data / f"attribute_ranking_{name}.csv"
        if path.exists():
            _on_test(name, read_split(path), ranker, encoder)


def _on_dev(dev: Split, tables: Sequence[Floats]) -> None:
    scores = [held_out(tables, dev.examples, dev.kinds, seed=seed) for seed in SEEDS]
    rows = baselines(tables)
    show("dev, kinds of attributes held out", dev, {**rows, OURS: scores})
    seen = [
        held_out(tables, dev.examples, [one.question for one in dev.examples], seed=seed)
        for seed in SEEDS
    ]
    show("dev, questions held out, kinds of attributes seen", dev, {OURS: seen})
    gap = _over_seeds(dev, scores) - _over_seeds(dev, seen)
    gap = gap[dev.answerable]
    kinds = np.array(dev.kinds)[dev.answerable]
    for at, measure in enumerate(MEASURES):
        low, high = interval(gap[:, at], kinds)
        print(f"unseen - seen kinds, {measure}: {gap[:, at].mean():+.4f} [{low:+.4f}, {high:+.4f}]")
    _abstention(dev, scores)


def _on_test(name: str, split: Split, ranker: Ranker, encoder: Encoder) -> None:
    tables = tabulate(split.examples, encoder)
    scores = [ranker.probabilities(one) for one in tables]
    show(name, split, {**baselines(tables), OURS: [scores]})
    precision, coverage = answered(split, scores, ranker.threshold)
    print(
        f"{name}: threshold {ranker.threshold:.3f}: {precision:.3f} right "
        f"of {coverage:.3f} answered"
    )


def _abstention(dev: Split, seeds: Sequence[Sequence[Floats]]) -> None:
    """Choose the threshold on half of the kinds of attributes, and look at the other half."""
    found = []
    for seed, scores in zip(SEEDS, seeds, strict=True):
        kinds = sorted(set(dev.kinds))
        half = np.random.default_rng(100 + seed).permutation(len(kinds)) < len(kinds) // 2
        first = {kind for kind, chosen in zip(kinds, half.tolist(), strict=True) if chosen}
        for side in (True, False):
            rows = [row for row, kind in enumerate(dev.kinds) if (kind in first) == side]
            rest = [row for row, kind in enumerate(dev.kinds) if (kind in first) != side]
            threshold, _, _ = choose_threshold(
                [dev.examples[row] for row in rows], [scores[row] for row in rows]
            )
            other = Split([dev.examples[row] for row in rest], [dev.kinds[row] for row in rest])
            found.append(answered(other, [scores[row] for row in rest], threshold))
    precision, coverage = np.mean(found, axis=0)
    spread = np.std(found, axis=0)
    print(
        f"abstention at 90 %, threshold from the other half of the kinds: {precision:.3f} "
        f"(sd {spread[0]:.3f}) right of {coverage:.3f} (sd {spread[1]:.3f}) answered; "
        f"{1 - dev.answerable.mean():.3f} of the questions have no answer"
    )


def answered(split: Split, scores: Sequence[Floats], threshold: float) -> tuple[float, float]:
    """Return the share of right answers among those given, and the share of questions answered."""
    right = [
        one.is_answer[int(score.argmax())]
        for one, score in zip(split.examples, scores, strict=True)
        if score.max() >= threshold
    ]
    return float(np.mean(right)) if right else float("nan"), len(right) / len(split.examples)


def baselines(tables: Sequence[Floats]) -> dict[str, list[list[Floats]]]:
    """Return the scores of the methods beside ours, one seed each: nothing is drawn."""

    def by(score: Callable[[Floats], Floats]) -> list[list[Floats]]:
        return [[score(one) for one in tables]]

    return {
        "BM25": by(lambda one: one[:, _BM25]),
        "dense": by(lambda one: one[:, _DENSE]),
        "dense + BM25": by(lambda one: _standard(one[:, _DENSE]) + _standard(one[:, _BM25])),
    }


def _standard(values: Floats) -> Floats:
    return (values - values.mean()) / (values.std() + 1e-9)


def ranking(split: Split, scores: Sequence[Floats]) -> Floats:
    """Return (questions, 3): average precision, NDCG@5 and hit@1; NaN where nothing answers."""
    rows = np.full((len(split.examples), 3), np.nan)
    for row, (one, score) in enumerate(zip(split.examples, scores, strict=True)):
        right = np.array(one.is_answer, dtype=float)[np.argsort(-score, kind="stable")]
        if not right.any():
            continue
        ranks = np.arange(1, len(right) + 1)
        gains = 1 / np.log2(ranks + 1)
        ideal = gains[: min(5, int(right.sum()))].sum()
        average = (np.cumsum(right) / ranks * right).sum() / right.sum()
        rows[row] = average, (right * gains)[:5].sum() / ideal, right[0]
    return rows


def _over_seeds(split: Split, seeds: Sequence[Sequence[Floats]]) -> Floats:
    return np.mean([ranking(split, scores) for scores in seeds], axis=0)


def show(title: str, split: Split, methods: dict[str, list[list[Floats]]]) -> None:
    """Print one table: the methods, and what ours has over each."""
    is_asked = split.answerable
    kinds = np.array(split.kinds)[is_asked]
    scores = {name: _over_seeds(split, seeds)[is_asked] for name, seeds in methods.items()}
    rows = {}
    for name, measured in scores.items():
        gain = scores[OURS] - measured
        row = dict(zip(MEASURES, measured.mean(0).round(4).tolist(), strict=True))
        for at, measure in enumerate(MEASURES):
            if name != OURS:
                low, high = interval(gain[:, at], kinds)
                row[f"ours, {measure}"] = f"{gain[:, at].mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        rows[name] = row
    seeds = {name: len(one) for name, one in methods.items()}[OURS]
    print(
        f"\n{title}: {is_asked.sum()} questions with an answer, {len(set(kinds))} kinds, "
        f"{seeds} seeds"
    )
    print(pd.DataFrame(rows).T.fillna("").to_string())


def interval(values: Floats, groups: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a mean; whole groups are drawn."""
    _, codes = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(codes, values), np.bincount(codes)
    drawn = np.random.default_rng(0).integers(len(sums), size=(DRAWS, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
