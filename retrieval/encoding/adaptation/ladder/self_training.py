"""A way to tune that learns from texts without a label, too, as it labels them itself.

Self-training (Scudder 1965; for encoders of texts Du et al., "Self-training Improves Pre-training
for Natural Language Understanding", 2021): what was tuned on the labeled texts labels the others by
the votes of their neighbors; those it is sure of are learned from like examples, by the encoder as
it is, from the beginning.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retrieval.encoding.adaptation.gate import Positions, votes_of
from retrieval.encoding.adaptation.ladder.report import Method
from retrieval.encoding.adaptation.ladder.rungs import (
    ByMap,
    ByWeights,
    Costs,
    Embed,
    Examples,
    Guessed,
)

_SURE = 0.5  # of the votes
FEWEST = 100  # unlabeled texts that are worth a training


class SelfTrained:
    """A way to tune, taught by itself.

    Args:
        way: Which.
        examples: Labeled texts, and others.
    """

    def __init__(self, way: ByMap | ByWeights, examples: Examples) -> None:
        self.method: Method = _NAMES[way.method]
        self._way, self._examples = way, examples

    def turns(self) -> int | None:
        """Return as many as of the way itself."""
        return self._way.turns()

    def costs(self) -> Costs:
        """Time a few steps: of one training on the labeled texts, and of one on all."""
        first = self._way.costs()
        second = self._way.costs(len(self._examples.unlabeled.texts))
        return Costs(first.seconds + second.seconds, second.memory)

    def tuned(self, rows: Positions) -> Embed:
        """Train on some of the examples, label the unlabeled, train on both."""
        return self._way.tuned(rows, self._guessed(rows))

    def write(self, out: Path, card: str, budget_s: float | None) -> None:
        """Train on all, twice."""
        self._way.write(out, card, budget_s, self._guessed(self._examples.all_rows))

    def _guessed(self, rows: Positions) -> Guessed:
        held, embed = self._examples, self._way.tuned(rows)
        votes = votes_of(embed(held.unlabeled), embed(held.of(rows)), held.labels[rows])
        sure = np.flatnonzero(votes.max(axis=1) >= _SURE)
        return Guessed(held.unlabeled.of(sure), votes[sure].argmax(axis=1).astype(np.int64))


_NAMES: dict[Method, Method] = {
    "map": "map, unlabeled",
    "lora": "lora, unlabeled",
    "full": "full, unlabeled",
}
