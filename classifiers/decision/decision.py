"""From what the parts say to an answer: a calibrated probability, a novelty, a label set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import BoolArray, FloatArray
from classifiers.decision.label_sets import LabelSets
from classifiers.decision.novelty import Novelty, novelty_features
from classifiers.scorers.ensemble import (
    ANY,
    HEAD,
    NEIGHBORS,
    PROTOTYPES,
    SAME,
    Blend,
    Parts,
    completed,
)
from classifiers.scorers.temperature import Scaling

_DIGITS = 12

# How often the same item is right where the parts say otherwise, before any such case is seen.
SAME_LABEL = 0.9


@dataclass(frozen=True)
class Decision:
    """What was learned from out-of-fold answers.

    Attributes:
        exclusive: Whether an item has one label, or any number.
        blend: Shares of the parts.
        scaling: Calibrates what they say together.
        novelty: Tells items of none of the labels.
        closeness: Label → how similar its examples are to their own neighbors.
        sizes: Label → how many examples it had, or `plenty` if it had more.
        label_sets: For sets that hold the true label; None where there are no answers.
        thresholds: Label → probability from which an item has it, where items have several.
        tilt: Label → factor of its probability (prior correction); None for none.
        same_label: How often an item has the label of one that the encoder cannot tell from it,
            where the parts say otherwise.
    """

    exclusive: bool
    blend: Blend
    scaling: Scaling
    novelty: Novelty
    closeness: Mapping[str, float]
    sizes: Mapping[str, int] = field(default_factory=dict)
    label_sets: LabelSets | None = None
    thresholds: Mapping[str, float] | None = None
    tilt: Mapping[str, float] | None = None
    same_label: float = SAME_LABEL

    def contributions(
        self, parts: Parts, head_knows: BoolArray, votes_know: BoolArray | None = None
    ) -> dict[str, FloatArray]:
        """Return what each part adds to each label's probability before calibration, (n, C).

        Args:
            parts: What `Sources.parts` said.
            head_knows: (C,) which labels the head knows; one it does not know it adds nothing to.
            votes_know: (C,) which labels have examples that can vote; None for all. Of a label that
                has none, no vote is no evidence against it: the prototypes speak for the neighbors.
        """
        added = self.by_parts(parts, head_knows, votes_know)
        if SAME not in parts:
            return added
        same = parts[SAME]
        weight = self.same_label * self.overruled(same, added)[:, None]
        added = {part: one * (1 - weight) for part, one in added.items()}
        added[NEIGHBORS] = added[NEIGHBORS] + weight * same
        return added

    def overruled(self, same: FloatArray, added: Mapping[str, FloatArray]) -> BoolArray:
        """Tell where the same items say otherwise than the parts together, (n,).

        Where items have lists of labels: where there is a same item.

        Args:
            same: (n, C) their votes, zeros where there is none.
            added: What the parts add, each (n, C).
        """
        if not self.exclusive:
            return np.asarray(same.any(axis=1))
        best = np.asarray(sum(added.values())).argmax(axis=1)
        other: BoolArray = same[np.arange(len(same)), best] < same.max(axis=1)
        return other

    def by_parts(
        self, parts: Parts, head_knows: BoolArray, votes_know: BoolArray | None = None
    ) -> dict[str, FloatArray]:
        """Return what the parts add, the same items left aside; as `contributions`."""
        if votes_know is None or votes_know.all() or not votes_know.any():
            return self._mixed(parts, head_knows)
        if PROTOTYPES not in self.blend.shares:
            return self._mixed(parts, head_knows)
        votes = parts[NEIGHBORS][:, votes_know]
        if self.exclusive:
            total = votes.sum(axis=1, keepdims=True)
            alike = np.full_like(votes, 1 / votes.shape[1])
            votes = np.divide(votes, total, out=alike, where=total > 0)
        filled = completed(votes, votes_know, parts[PROTOTYPES], exclusive=self.exclusive)
        added = self._mixed({**parts, NEIGHBORS: filled}, head_knows)
        lent = added[NEIGHBORS] * ~votes_know
        added[NEIGHBORS] = added[NEIGHBORS] - lent
        added[PROTOTYPES] = added[PROTOTYPES] + lent
        return added

    def _mixed(self, parts: Parts, head_knows: BoolArray) -> dict[str, FloatArray]:
        floor = 1 / len(head_knows) if self.exclusive else 0.0
        counted = {part: proba for part, proba in parts.items() if part in self.blend.shares}
        said = {part: proba for part, proba in counted.items() if part != HEAD}
        without_head = self.blend.among(said)
        if HEAD not in counted:
            return without_head.contributions(said, floor)
        weight = 1 - without_head.shares[ANY]
        share_of = {
            part: without_head.shares[part] / weight * proba for part, proba in said.items()
        }
        others = np.asarray(sum(share_of.values()))
        full = completed(parts[HEAD], head_knows, others, exclusive=self.exclusive)
        added = self.blend.contributions({**said, HEAD: full}, floor)
        if not head_knows.all():
            # What the head left to the others is theirs.
            left = added[HEAD] * ~head_knows
            added[HEAD] = added[HEAD] * head_knows
            for part, share in share_of.items():
                ratio = np.divide(share, others, out=np.zeros_like(share), where=others > 0)
                added[part] = added[part] + left * ratio
        return added

    def probabilities(
        self, contributions: Mapping[str, FloatArray], names: npt.NDArray[np.object_]
    ) -> FloatArray:
        """Return calibrated probabilities (n, C) of the labels of these names, (C,)."""
        proba = self.scaling.apply(np.asarray(sum(contributions.values())))
        if self.tilt is not None:
            # Bayes' rule for another prior (Saerens et al., Neural Computation 2002).
            proba = proba * np.array([self.tilt.get(name, 1.0) for name in names])
            proba /= np.maximum(proba.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        # Without the noise of the order of addition: equal votes are equal, and unanimity is 1.
        return proba.round(_DIGITS)

    def features(
        self,
        similarity: npt.NDArray[np.floating],
        proba: FloatArray,
        names: npt.NDArray[np.object_],
    ) -> FloatArray:
        """Describe how items lie among their neighbors, as `novelty` wants it, (n, 6).

        Args:
            similarity: (n, k) of the neighbors, NaN where there is none.
            proba: (n, C) what `probabilities` returned.
            names: (C,) the labels.
        """
        usual = float(np.median(list(self.closeness.values()))) if self.closeness else 0.0
        closeness = np.array([self.closeness.get(name, usual) for name in names])
        return novelty_features(similarity, proba, closeness)

    def sizes_of(
        self, names: npt.NDArray[np.object_], counts: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.int64]:
        """Return how many examples labels had when this was learned; of later ones how many now."""
        pairs = zip(names.tolist(), counts.tolist(), strict=True)
        return np.array([self.sizes.get(name, now) for name, now in pairs], dtype=np.int64)

    def chosen(self, proba: FloatArray, names: npt.NDArray[np.object_]) -> BoolArray:
        """Tell which labels each item has, (n, C), where it can have any number."""
        cuts = pd.Series(self.thresholds or {}, dtype=float).reindex(names)
        cuts = cuts.fillna(cuts.median() if cuts.notna().any() else 0.5)
        has: BoolArray = proba >= cuts.to_numpy()
        return has


def without_floor(contributions: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return the contributions of what has a say."""
    return {part: added for part, added in contributions.items() if part != ANY}
