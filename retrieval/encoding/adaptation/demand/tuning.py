"""Tune a map by demand, beside labels or alone; kept where it helps one task and neither loses."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from retrieval.encoding.adaptation.demand.demand_scores import (
    DemandScores,
    compare_demand,
    demand_scores,
    told,
)
from retrieval.encoding.adaptation.demand.joint_map import Tasks, fit_joint_map
from retrieval.encoding.adaptation.folder import write_mapped
from retrieval.encoding.adaptation.gate import (
    FloatArray,
    Fold,
    Positions,
    Scores,
    Vectors,
    compare,
    make_folds,
    nearest,
    scores,
)
from retrieval.encoding.adaptation.ladder.report import Rung, TuneReport
from retrieval.encoding.adaptation.ladder.rungs import Examples
from retrieval.encoding.adaptation.linear_map import apply
from retrieval.encoding.encoder import Encoder
from retrieval.errors import InputError

_log = logging.getLogger(__name__)

_LOST = 0.005  # of accuracy, up to which it may be lower and nothing is called lost
_STEP_COST = 250.0  # units of one multiplication of the texts by a map, of one training


class Clock(Protocol):
    """What was spent of a budget, in seconds."""

    budget: float | None

    @property
    def spent(self) -> float:
        """Since the beginning."""
        ...

    def has(self, seconds: float) -> bool:
        """Whether so many are left."""
        ...


@dataclass(frozen=True)
class Judged:
    """How an encoder did on held-out texts.

    Attributes:
        demand: How well neighbors told what was sold.
        labels: How well they told labels; None where there are none.
    """

    demand: DemandScores
    labels: Scores | None


def tune_by_demand(
    encoder: Encoder,
    examples: Examples,
    demand: FloatArray,
    *,
    has_labels: bool,
    folds: int,
    out: Path,
    clock: Clock,
    seed: int,
    progress: bool | None,
) -> TuneReport:
    """Learn a map of two tasks, try it on held-out groups, and write it where it helps.

    Args:
        encoder: The one to tune.
        examples: Texts, and their labels.
        demand: (n, d) of each, standardized; NaN where it is not known.
        has_labels: Whether the labels are to be learned, too.
        folds: Parts that are held out in turn.
        out: Folder of the tuned encoder.
        clock: What is left of the budget.
        seed: Of folds and trainings.
        progress: Show progress bars.

    Raises:
        InputError: The budget is too small.
    """
    tasks = Tasks(
        examples.vectors,
        demand,
        examples.labels,
        examples.anchors if has_labels else examples.anchors[:0],
        examples.groups,
    )
    parts = [
        one
        for one in make_folds(tasks.dealt, tasks.groups, folds, seed)
        if np.isfinite(demand[one.judged, 0]).any() and np.isfinite(demand[one.learned, 0]).any()
    ]
    expected = (len(parts) + 1) * _seconds(tasks)
    _log.info("tuning a map by demand: about %.0f s", expected)
    if not clock.has(expected):
        raise InputError(
            f"budget={clock.budget:g} s is too small: a map takes about "
            f"{expected + clock.spent:,.0f} s in all"
        )
    before = _judged(tasks, parts, [tasks.vectors] * len(parts))
    rungs = [_rung("frozen", "start", before)]
    start = time.monotonic()
    mapped = [
        apply(fit_joint_map(tasks.part(one.learned), seed=seed, progress=progress), tasks.vectors)
        for one in parts
    ]
    after = _judged(tasks, parts, mapped)
    rung, is_better = _compared(before, after, tasks.groups, seed)
    rungs.append(
        Rung(**{**vars(rung), "seconds": time.monotonic() - start, "expected_seconds": expected})
    )
    _log.info("map by demand: %s (%s)", rung.verdict, rung.note)
    report = TuneReport(
        rungs=tuple(rungs),
        chosen="map" if is_better else "frozen",
        out=out if is_better else None,
        base=encoder.identity,
        texts=len(examples.texts),
        labels=len(examples.names) if has_labels else 0,
        folds=len(parts),
        seed=seed,
        seconds=clock.spent,
        demand=int(np.isfinite(demand[:, 0]).sum()),
    )
    if is_better:
        write_mapped(
            out, encoder, fit_joint_map(tasks, seed=seed, progress=progress), report.card()
        )
        _log.info("tuned encoder written to %s", out)
    return report


def _judged(tasks: Tasks, folds: Sequence[Fold], vectors: Sequence[Vectors]) -> Judged:
    """Score the vectors that each fold has, of all texts."""
    found = [
        told(fold, own[fold.judged], own[fold.learned], tasks.demand)
        for fold, own in zip(folds, vectors, strict=True)
    ]
    labels = None
    if tasks.has_labels:
        votes = [
            nearest(fold, own[fold.judged], own[fold.learned], tasks.labels)
            for fold, own in zip(folds, vectors, strict=True)
        ]
        labels = scores(votes, tasks.labels)
    return Judged(demand_scores(found, tasks.demand), labels)


def _compared(before: Judged, after: Judged, groups: Positions, seed: int) -> tuple[Rung, bool]:
    """Return the rung of what was tuned, and whether one task gains and neither loses."""
    sold = compare_demand(after.demand, before.demand, groups, seed)
    gains, lost = sold.is_better, ["demand"] if sold.is_lost else []
    gain = None
    if after.labels is not None and before.labels is not None:
        gain = compare(after.labels, before.labels, groups, seed)
        gains = gains or gain.is_better
        if gain.accuracy < 0 and gain.interval[0] < -_LOST:
            lost.append("labels")
    is_better = gains and not lost
    verdict = "better" if is_better else "not better"
    note = f"lost: {' and '.join(lost)}" if gains and lost else ""
    rung = _rung("map", verdict, after)
    return Rung(**{**vars(rung), "gain": gain, "demand_gain": sold, "note": note}), is_better


def _rung(method: str, verdict: str, judged: Judged) -> Rung:
    labels = judged.labels
    return Rung(
        method,  # type: ignore[arg-type]
        verdict,  # type: ignore[arg-type]
        accuracy=None if labels is None else labels.accuracy,
        log_loss=None if labels is None else labels.loss,
        judged=len(judged.demand.items if labels is None else labels.items),
        demand_error=judged.demand.mean,
    )


def _seconds(tasks: Tasks) -> float:
    """Return about how long one training takes here."""
    sample = tasks.vectors[:256]
    start = time.monotonic()
    for _ in range(3):
        sample @ tasks.vectors[: sample.shape[1]].T
    one = (time.monotonic() - start) / 3
    return max(0.1, _STEP_COST * one + 2e-5 * len(tasks.vectors))
