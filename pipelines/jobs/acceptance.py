"""What a new version of a collection must be like before it is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line reads the defaults, and starts without numpy
    from retrieval import Examination


@dataclass(frozen=True)
class Acceptance:
    """What a new version must be like before it is read.

    Attributes:
        recall: The least share of the ten nearest items that a search must find.
        loss: The most by which the share of neighbors with an item's own label may fall.
    """

    recall: float = 0.95
    loss: float = 0.02

    def unmet(self, items: int, before: Examination, after: Examination) -> list[str]:
        """Return what a version falls short of.

        Args:
            items: How many it should hold.
            before: What the live version is like; it may be written to all the time.
            after: What the new version is like.
        """
        problems = []
        if after.items != items:
            problems.append(f"it holds {after.items:,} items, not {items:,}")
        if after.recall < self.recall:
            problems.append(f"recall@10 is {after.recall:.3f}, below {self.recall}")
        loss = before.agreement - after.agreement
        if not math.isnan(loss) and loss > self.loss:
            problems.append(
                f"{after.agreement:.1%} of the neighbors have the item's own label, not "
                f"{before.agreement:.1%}: more than {self.loss:.1%} fewer"
            )
        return problems
