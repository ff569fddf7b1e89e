"""A way to tune that learns from texts without a label, too, as it labels them itself.

Self-training (Scudder 1965; for encoders of texts Du et al., "Self-training Improves Pre-training
for Natural Language Understanding", 2021): what was tuned on the labeled texts labels the others,
by the votes of their neighbors and by an anchor of each label; those it is sure of are learned from
like examples, by the encoder as it is, from the beginning.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retrieval.encoding.adaptation.gate import FloatArray, Fold, Positions, Vectors, votes_of
from retrieval.encoding.adaptation.ladder.report import Method
from retrieval.encoding.adaptation.ladder.rungs import (
    ByMap,
    ByWeights,
    Costs,
    Embed,
    Examples,
    Guessed,
)

SURE = 0.5  # of what votes and anchor give it
_AT_ONCE = 20_000_000  # texts times labels, for memory
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

    def folds(self, deals: list[list[Fold]]) -> list[Fold]:
        """Return those of the way itself."""
        return self._way.folds(deals)

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
        """Label the unlabeled as an encoder does that was tuned on some of the examples."""
        held, embed = self._examples, self._way.tuned(rows)
        known, words, asked = (embed(one) for one in (held.of(rows), held.words, held.unlabeled))
        guess, trust = guess_labels(asked, known, held.labels[rows], words)
        sure = np.flatnonzero(trust >= SURE)
        return Guessed(held.unlabeled.of(sure), guess[sure])


def guess_labels(
    asked: Vectors, known: Vectors, labels: Positions, words: Vectors
) -> tuple[Positions, FloatArray]:
    """Label texts by the votes of their neighbors and by an anchor of each label.

    Args:
        asked: (n, dim) unit vectors of the texts.
        known: (m, dim) unit vectors of labeled ones.
        labels: (m,) number of the label of each of these.
        words: (n_labels, dim) unit vectors of the labels in words: there the anchors begin.

    Returns:
        The label of each text, (n,), and how much it is given, of 1.
    """
    import torch
    from torch.nn.functional import normalize

    from retrieval.encoding.adaptation.contrast import Memory, first_anchors

    memory = Memory(torch.from_numpy(np.array(known)), torch.from_numpy(np.array(labels)))
    anchors = normalize(first_anchors(words, memory), dim=1).numpy()
    size = max(1, _AT_ONCE // len(anchors))
    parts = [asked[start : start + size] for start in range(0, max(1, len(asked)), size)]
    best = [_best(one, known, labels, anchors) for one in parts]
    return np.concatenate([one for one, _ in best]), np.concatenate([one for _, one in best])


def _best(
    asked: Vectors, known: Vectors, labels: Positions, anchors: Vectors
) -> tuple[Positions, FloatArray]:
    from scipy.special import softmax

    from retrieval.encoding.adaptation.contrast import TEMPERATURE

    given = softmax((asked @ anchors.T).astype(np.float64) / TEMPERATURE, axis=1)
    votes = votes_of(asked, known, labels)
    given[:, : votes.shape[1]] += votes
    return given.argmax(axis=1).astype(np.int64), given.max(axis=1) / 2


_NAMES: dict[Method, Method] = {
    "map": "map, unlabeled",
    "lora": "lora, unlabeled",
    "full": "full, unlabeled",
}
