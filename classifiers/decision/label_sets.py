"""Label sets that hold the true label as often as wanted: conformal prediction.

The least ambiguous sets (Sadinle, Lei and Wasserman, JASA 2019) of MAPIE, on out-of-fold answers:
every label whose probability is at least a threshold is in the set, and the threshold is where the
wanted share of true labels passed. The guarantee holds for items drawn like the examples. A set can
be empty where less certainty is wanted than the classifier mostly has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mapie.conformity_scores import LACConformityScore

from classifiers.arrays import FloatArray
from retrieval import InputError

# Fewer answers make a label's own threshold a matter of chance.
_FEWEST_OWN = 20


@dataclass(frozen=True)
class LabelSets:
    """Out-of-fold answers that later answers are compared with.

    Attributes:
        scores: (m,) one minus the probability that the true label got.
        labels: (m,) name of that label.
    """

    scores: FloatArray
    labels: npt.NDArray[np.object_]

    def can_cover(self, coverage: float) -> bool:
        """Tell whether there are answers enough for a coverage.

        Raises:
            InputError: The coverage is not between 0 and 1.
        """
        if not 0 < coverage < 1:
            raise InputError(f"coverage must be between 0 and 1, got {coverage}")
        return len(self.scores) >= _needed(coverage)

    def members(
        self,
        proba: FloatArray,
        names: npt.NDArray[np.object_],
        coverage: float,
        *,
        per_label: bool = False,
    ) -> npt.NDArray[np.bool_]:
        """Tell which labels are in each item's set, (n, C).

        Args:
            proba: (n, C) calibrated probabilities.
            names: (C,) the labels.
            coverage: Share of sets that hold the true label.
            per_label: Give each label with answers enough a threshold of its own, so that coverage
                holds within it; the other ones share theirs.

        """
        most = np.full(len(names), _quantile(self.scores, coverage))
        if per_label:
            fewest = max(_needed(coverage), _FEWEST_OWN)
            own, where, counts = np.unique(
                self.labels.astype(str), return_inverse=True, return_counts=True
            )
            for number in np.flatnonzero(counts >= fewest):
                most[names.astype(str) == own[number]] = _quantile(
                    self.scores[where == number], coverage
                )
        inside: npt.NDArray[np.bool_] = 1 - proba <= most + np.finfo(np.float64).eps
        return inside


def _needed(coverage: float) -> int:
    # Rounded, or 9 answers would be 10 for a coverage of 0.9.
    return int(np.ceil(round(coverage / (1 - coverage), 9)))


def _quantile(scores: FloatArray, coverage: float) -> float:
    conformity = LACConformityScore()
    quantiles = conformity.get_conformity_score_quantiles(
        scores[:, None], np.array([1 - coverage]), cv="prefit"
    )
    return float(np.ravel(quantiles)[0])
