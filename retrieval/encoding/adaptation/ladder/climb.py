"""Climb a ladder of ways to tune, within a budget: try each on held-out texts, keep the best."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retrieval.encoding.adaptation.gate import Fold, Positions, Scores, compare, nearest, scores
from retrieval.encoding.adaptation.ladder.report import Method, Rung
from retrieval.encoding.adaptation.ladder.rungs import AsItIs, Costs, Embed, Examples, Way
from retrieval.errors import InputError

_log = logging.getLogger(__name__)

_FEWEST = 20  # texts to judge by


class Clock:
    """What was spent of a budget, in seconds."""

    def __init__(self, budget: float | None) -> None:
        self._start, self.budget = time.monotonic(), budget

    @property
    def spent(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float | None:
        """Of the budget; None where there is none."""
        return None if self.budget is None else self.budget - self.spent

    def has(self, seconds: float) -> bool:
        """Whether so many are left."""
        return self.left is None or seconds <= self.left


@dataclass
class _Best:
    """The rung that stands."""

    scores: Scores
    way: Way | None = None
    seconds: float = 0.0  # of its training on all texts


class Climb:
    """A way up the ladder: `rungs` tells what was tried."""

    def __init__(
        self, examples: Examples, deals: list[list[Fold]], clock: Clock, seed: int
    ) -> None:
        self._examples, self._deals, self._clock, self._seed = examples, deals, clock, seed
        self.rungs: list[Rung] = []

    def through(self, ways: list[Way], *, is_auto: bool) -> Way | None:
        """Climb; return the best way, None where that is the encoder as it is."""
        folds = [fold for deal in self._deals for fold in deal]
        judged = len({item for fold in folds for item in fold.judged.tolist()})
        if judged < _FEWEST:
            note = f"{judged} texts can be held out, of labels that have others; {_FEWEST} are due"
            self.rungs.append(Rung("frozen", "start", judged=judged, note=note))
            _log.warning("the encoder stays as it is: %s", note)
            return None
        best = _Best(self._scored(AsItIs().tuned, folds))
        self.rungs.append(Rung("frozen", "start", best.scores.accuracy, best.scores.loss, judged))
        for way in ways:
            costs = self._costs(way, is_only=not is_auto)
            if costs is not None:
                self._try(way, costs, best)
        return best.way

    def _costs(self, way: Way, *, is_only: bool) -> Costs | None:
        """Measure what a rung takes; None where it cannot be had here and another may."""
        try:
            return way.costs()
        except InputError as error:  # a package that is missing, an encoder without weights here
            if is_only:
                raise
            self.rungs.append(Rung(way.method, "not tried", note=str(error)))
            _log.warning("tuning by %s is left out: %s", way.method, error)
            return None

    def _try(self, way: Way, costs: Costs, best: _Best) -> None:
        """Try a rung, if the budget allows; let it be the best if it is."""
        folds = way.folds(self._deals)
        # If it is refused, the best one so far is still to be trained on all.
        expected = costs.seconds * len(folds) + max(costs.seconds, best.seconds)
        if not self._affords(way.method, expected, costs.memory):
            return
        start = time.monotonic()
        made = self._scored(way.tuned, folds)
        gain = compare(made, best.scores, self._examples.groups, self._seed)
        rung = Rung(
            way.method,
            "better" if gain.is_better else "not better",
            made.accuracy,
            made.loss,
            len(made.items),
            gain,
            time.monotonic() - start,
            expected,
            costs.memory,
        )
        self.rungs.append(rung)
        _log.info(
            "%s: %.2f %% of %d held-out texts right, %+.2f points [%+.2f, %+.2f]: %s",
            way.method,
            100 * made.accuracy,
            rung.judged,
            *(100 * one for one in (gain.accuracy, *gain.interval)),
            rung.verdict,
        )
        if gain.is_better:
            best.scores, best.way, best.seconds = made, way, costs.seconds

    def _affords(self, method: Method, seconds: float, memory: int) -> bool:
        """Tell what a rung takes, and whether that is left."""
        left = self._clock.left
        of = "" if left is None else f" of the {left:,.0f} s left"
        told = f"about {seconds:,.0f} s{of}, {memory / 2**30:.1f} GiB"
        _log.info("tuning by %s: %s", method, told)
        free = memory_free()
        has_memory = free is None or memory <= free
        if self._clock.has(seconds) and has_memory:
            return True
        if not has_memory:
            told += f" of {(free or 0) / 2**30:.1f} GiB that are free"
        elif not any(rung.gain for rung in self.rungs):
            raise InputError(
                f"budget={self._clock.budget:g} s is too small: {method}, the first way to tune, "
                f"takes about {seconds + self._clock.spent:,.0f} s in all"
            )
        rung = Rung(method, "not tried", expected_seconds=seconds, memory=memory)
        self.rungs.append(replace(rung, note=f"takes {told}"))
        return False

    def _scored(self, tuned: Callable[[Positions], Embed], folds: Sequence[Fold]) -> Scores:
        held = self._examples
        found = []
        for fold in folds:
            embed = tuned(fold.learned)
            judged, learned = embed(held.of(fold.judged)), embed(held.of(fold.learned))
            found.append(nearest(fold, judged, learned, held.labels))
        return scores(found, held.labels)


def memory_free() -> int | None:
    """Return the bytes of memory that may still be taken here; None where no one says."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    sizes = {name: size.split()[0] for name, size in (line.split(":") for line in lines)}
    return int(sizes["MemAvailable"]) * 1024 if "MemAvailable" in sizes else None
