"""Label sets that hold the true label as often as wanted: conformal prediction.

The least ambiguous sets (Sadinle, Lei and Wasserman, JASA 2019) of MAPIE, on out-of-fold answers:
every label whose probability is at least its threshold is in the set, and the threshold is where
the wanted share of true labels of like size passed. The guarantee holds for items drawn like the
examples, over the labels of like size together. A set can be empty where less certainty is wanted
than the classifier mostly has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import BoolArray, FloatArray
from classifiers.decision.like_sized import (
    Limits,
    conformal_quantile,
    limits_by_size,
    needed,
)
from retrieval import InputError

# Fewer answers make a label's own threshold a matter of chance.
_FEWEST_OWN = 20


@dataclass(frozen=True)
class LabelSets:
    """Held-out answers that later answers are compared with.

    Attributes:
        scores: (m,) one minus the probability that the true label got.
        labels: (m,) name of that label; None where it had been cut to a few examples for the sake
            of labels so small.
        sizes: (m,) how many examples the label has, or was cut to; see `Decision.sizes`.
        widest: Class of size → how far from sure a label of it may be at most to be in a set.
    """

    scores: FloatArray
    labels: npt.NDArray[np.object_]
    sizes: npt.NDArray[np.int64]
    widest: Mapping[int, float] = field(default_factory=dict)

    @property
    def out_of_fold(self) -> FloatArray:
        """The scores of labels as they are."""
        return self.scores[~pd.isna(self.labels)]

    def can_cover(self, coverage: float) -> bool:
        """Tell whether there are answers enough for a coverage.

        Raises:
            InputError: The coverage is not between 0 and 1.
        """
        if not 0 < coverage < 1:
            raise InputError(f"coverage must be between 0 and 1, got {coverage}")
        return len(self.out_of_fold) >= needed(coverage)

    def limits(self, coverage: float) -> Limits:
        """Return how far from sure a label of each size may be to be in a set."""
        shared = conformal_quantile(self.out_of_fold, coverage)
        return limits_by_size(self.scores, self.sizes, coverage, shared, self.widest)

    def members(
        self,
        proba: FloatArray,
        names: npt.NDArray[np.object_],
        sizes: npt.NDArray[np.integer],
        coverage: float,
        *,
        per_label: bool = False,
    ) -> tuple[BoolArray, BoolArray]:
        """Tell which labels are in each item's set, (n, C), and of which coverage holds, (C,).

        Args:
            proba: (n, C) calibrated probabilities.
            names: (C,) the labels.
            sizes: (C,) how many examples they had.
            coverage: Share of sets that hold the true label.
            per_label: Give each label with answers enough a threshold of its own, so that coverage
                holds within it; the other ones share theirs with labels of like size.

        """
        most, assured = self.limits(coverage).of(sizes)
        if per_label:
            own = pd.Series(self.scores).groupby(self.labels)
            enough = own.transform("size") >= max(needed(coverage), _FEWEST_OWN)
            for name, scores in own:
                if enough[scores.index[0]]:
                    most[names == name] = conformal_quantile(scores.to_numpy(np.float64), coverage)
        inside: BoolArray = 1 - proba <= most + np.finfo(np.float64).eps
        return inside, assured
