"""What whoever decides asks of labels: how many need no person, and what do mistakes cost?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from classifiers import Evaluation
from pipelines.reports.words import short

_TARGETS = (0.9, 0.95, 0.99)
_PAIRS, _EACH = 6, 2  # confusions shown with examples, and examples of each
_TEXT = 220  # letters


@dataclass(frozen=True)
class Share:
    """What could be labeled without a person at one precision.

    Attributes:
        wanted: The precision; None: every label is taken as it is.
        share: Of the items; 0 where no certainty reaches it.
        threshold: The least probability of the labels taken.
        items: How many items that are.
        wrong: How many of them got a wrong label.
    """

    wanted: float | None
    share: float
    threshold: float
    items: int
    wrong: int

    @property
    def wrong_per_thousand(self) -> float:
        """Wrong labels of a thousand that nobody looks at."""
        return 1_000 * self.wrong / self.items if self.items else 0.0


def shares(curve: pd.DataFrame, n: int, targets: Sequence[float] = _TARGETS) -> list[Share]:
    """Return what can be labeled without a person at each precision, and all of it.

    Args:
        curve: `classifiers.Evaluation.risk_coverage`.
        n: How many items it is about.
        targets: The precisions wanted.
    """
    found = []
    for target in targets:
        good = curve[curve["precision"] >= target]
        if good.empty:
            found.append(Share(target, 0.0, float("nan"), 0, 0))
        else:
            found.append(_share(good, n, target))
    return [*found, _share(curve, n, None)]


def _share(curve: pd.DataFrame, n: int, target: float | None) -> Share:
    row = curve.sort_values("coverage", kind="stable").iloc[-1]
    items = round(float(row["coverage"]) * n)
    wrong = round(items * (1 - float(row["precision"])))
    return Share(target, float(row["coverage"]), float(row["threshold"]), items, wrong)


@dataclass(frozen=True)
class Cost:
    """What labeling costs at the threshold that costs least, for the items scored.

    Attributes:
        threshold: Labels at least so probable are taken; infinite: a person labels all.
        share: Of the items, that no person looks at.
        least: Then mistakes and people cost so much together.
        all_taken: Where every label is taken.
        all_looked_at: Where a person looks at every item.
    """

    threshold: float
    share: float
    least: float
    all_taken: float
    all_looked_at: float

    @classmethod
    def of(cls, curve: pd.DataFrame, n: int, *, wrong: float, person: float) -> Cost:
        """Return the least cost.

        Args:
            curve: `classifiers.Evaluation.risk_coverage`.
            n: How many items it is about.
            wrong: What a wrong label costs that nobody saw.
            person: What it costs that a person labels an item, who makes no mistake.
        """
        taken = curve["coverage"].to_numpy(np.float64)
        mistaken = taken * (1 - curve["precision"].to_numpy(np.float64))
        cost = n * (wrong * mistaken + person * (1 - taken))
        best, everything = int(cost.argmin()), int(taken.argmax())
        by_hand = n * person
        if cost[best] >= by_hand:
            return cls(float("inf"), 0.0, by_hand, float(cost[everything]), by_hand)
        return cls(
            float(curve["threshold"].iloc[best]),
            float(taken[best]),
            float(cost[best]),
            float(cost[everything]),
            by_hand,
        )

    @property
    def in_words(self) -> str:
        """The same as a sentence or two."""
        both = (
            f"Taking every label would cost {self.all_taken:,.2f}, a person for every item "
            f"{self.all_looked_at:,.2f}."
        )
        if not self.share:
            return f"Nothing is cheaper than a person for every item. {both}"
        return (
            f"It costs least, {self.least:,.2f} for these items, where labels of at least "
            f"{self.threshold:.2f} are taken ({self.share:.0%} of them) and a person sees the "
            f"rest. {both}"
        )


def examples_of_mistakes(evaluation: Evaluation, texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the most frequent confusions, each with items that show it, the surest first.

    Args:
        evaluation: The scores.
        texts: Item id → its text.

    Returns:
        `label`, `predicted`, `n`, `share` (of the label's items), and `items`: `item_id`, `text`,
        `probability`.
    """
    answers = evaluation.answers
    wrong = answers[~answers["correct"].astype(bool)]
    wrong = wrong.sort_values(["probability", "item_id"], ascending=[False, True])
    found = []
    for pair in evaluation.confusions.head(_PAIRS).to_dict("records"):
        same = (wrong["label"] == pair["label"]) & (wrong["predicted"] == pair["predicted"])
        items = [
            {
                "item_id": row["item_id"],
                "text": short(texts.get(str(row["item_id"]), ""), _TEXT),
                "probability": row["probability"],
            }
            for row in wrong[same].head(_EACH).to_dict("records")
        ]
        found.append({**{str(key): value for key, value in pair.items()}, "items": items})
    return found
