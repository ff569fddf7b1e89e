"""A queue in memory: which item is whose turn, and what an answer settles."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from classifiers import LikeItems, worth
from serving.review.scoring import Score
from serving.review.store import KeptDecision, KeptItem, KeptQueue

LEASE_SECONDS = 600.0
"""How long an item is kept for whoever has it on the screen."""
_ALIKE = 0.8  # cosine similarity from which on items are labeled as a group
_LIKE = 30


class LiveQueue:
    """One queue; whoever changes it holds `lock`.

    Args:
        kept: The queue.
        items: Its items, by position.
        decisions: What was decided.
        vectors: (n, d) of the items; NaN of those that are gone.
        version: Of the index that they are of.

    Attributes:
        lock: Of one thread at a time.
        scores: Position → what the machine says, of those that it has looked at.
        decisions: All, the first first.
        vectors: (n, d) of the items.
        like: Those most like each.
    """

    def __init__(
        self,
        kept: KeptQueue,
        items: Sequence[KeptItem],
        decisions: Sequence[KeptDecision],
        vectors: npt.NDArray[np.float32],
        version: str = "",
    ) -> None:
        self.kept = kept
        self.version = version
        self.items = list(items)
        self.lock = threading.RLock()
        self.decide(decisions)
        self.place = {one.item_id: row for row, one in enumerate(self.items)}
        self.scores: dict[int, Score] = {}
        self.shown: dict[tuple[int, str], Score] = {}
        self.vectors = np.nan_to_num(vectors)
        self.like = LikeItems.among(self.vectors, _LIKE)
        self.state = [one.state for one in self.items]
        self._leases = {
            row: (one.leased_by, one.leased_until)
            for row, one in enumerate(self.items)
            if one.leased_by is not None and one.leased_until is not None
        }
        n = len(self.items)
        self._unsure = np.ones(n)
        self._novelty = np.zeros(n)
        if kept.source == "issues":  # by position: the most suspicious first
            self._unsure = 1.0 - np.arange(n) / max(n, 1)
        self._is_random = np.array([one.is_random for one in self.items], dtype=bool)

    # --- whose turn ------------------------------------------------------------------------------

    def choose(self, reviewer: str, *, group: bool = False) -> list[int]:
        """Choose what a person is to decide now; what is on the screen already stays there.

        Returns:
            Positions: the item, and with `group` those that its answer would settle, too.
        """
        now = time.time()
        held = [
            row
            for row, (who, until) in self._leases.items()
            if who == reviewer and until > now and self._is_free(row, reviewer, now)
        ]
        row = held[0] if held else self._best(reviewer, now)
        if row is None:
            return []
        return [row, *(self._group(row, reviewer, now) if group else [])]

    def lease(self, rows: Iterable[int], reviewer: str) -> float:
        """Keep items for a person alone; return until when."""
        until = time.time() + LEASE_SECONDS
        self._leases = {row: one for row, one in self._leases.items() if one[0] != reviewer}
        self._leases |= dict.fromkeys(rows, (reviewer, until))
        return until

    def holder(self, row: int) -> str | None:
        """Return for whom an item is kept now."""
        who, until = self._leases.get(row, (None, 0.0))
        return who if until > time.time() else None

    def opinions(self, row: int) -> list[KeptDecision]:
        """Return what holds of the decisions on an item."""
        return self._opinions.get(row, [])

    def decide(self, decisions: Sequence[KeptDecision]) -> None:
        """Take all decisions there are, in place of those known so far."""
        self.decisions = list(decisions)
        self._opinions: dict[int, list[KeptDecision]] = {}
        for one in self.decisions:
            if not one.undone:
                self._opinions.setdefault(one.position, []).append(one)

    def _is_free(self, row: int, reviewer: str, now: float) -> bool:
        if self.state[row] == "open":
            free = True
        else:
            said = self.opinions(row) if self.items[row].is_double else []
            free = self.state[row] == "done" and len(said) == 1 and said[0].reviewer != reviewer
        who, until = self._leases.get(row, (None, 0.0))
        return free and (who in (None, reviewer) or until <= now)

    def _best(self, reviewer: str, now: float) -> int | None:
        free = [row for row in range(len(self.items)) if self._is_free(row, reviewer, now)]
        if not free:
            return None
        rows = np.array(free)
        again = rows[[self.state[row] == "done" for row in free]]
        first = rows[[self.state[row] == "open" for row in free]]
        at_random, by_order = first[self._is_random[first]], first[~self._is_random[first]]
        if len(again) and (not len(first) or self._due(1 / 3, second=True)):
            return int(again[0])
        if len(at_random) and (not len(by_order) or self._due(self.kept.random_share)):
            return int(at_random[0])
        return int(by_order[np.argmax(self._keys()[by_order])]) if len(by_order) else None

    def _due(self, share: float, *, second: bool = False) -> bool:
        """Whether the next item is to be one drawn at random, or a second opinion."""
        made = [one for one in self.decisions if not one.undone]
        so_far = sum(
            one.is_second if second else bool(self._is_random[one.position]) for one in made
        )
        return so_far < share * (len(made) + 1)

    def _keys(self) -> npt.NDArray[np.float64]:
        """Return what the order goes by, the highest first; what is not scored yet comes last."""
        n = len(self.items)
        if self.kept.ordering in ("random", "id") or self.kept.source == "issues":
            return -np.arange(n, dtype=np.float64)  # positions are drawn, or sorted, already
        if self.kept.ordering == "novel":
            return self._novelty
        unsure = np.where([one == "open" for one in self.state], self._unsure, 0.0)
        if self.kept.ordering == "unsure":
            return unsure
        taken = np.array([row for row in self._leases if self.holder(row)], dtype=np.intp)
        return worth(unsure, self.like, taken=taken)

    def _group(self, row: int, reviewer: str, now: float) -> list[int]:
        if row not in self.scores or self.state[row] != "open":
            return []
        label = self.scores[row].label
        near = zip(self.like.rows[row].tolist(), self.like.similarity[row].tolist(), strict=True)
        return [
            other
            for other, alike in near
            if alike >= _ALIKE
            and self.state[other] == "open"
            and not self._is_random[other]
            and self._is_free(other, reviewer, now)
            and other in self.scores
            and self.scores[other].label == label
        ]

    # --- what is known ---------------------------------------------------------------------------

    def unscored(self) -> list[int]:
        """Return the open items that the machine has not looked at."""
        return [
            row
            for row, state in enumerate(self.state)
            if state == "open" and row not in self.scores
        ]

    def near(self, rows: Iterable[int], most: int) -> list[int]:
        """Return the open items most like some, which their answers may have settled."""
        found: dict[int, float] = {}
        for row in rows:
            near = zip(self.like.rows[row].tolist(), self.like.similarity[row], strict=True)
            for other, alike in near:
                if self.state[other] == "open":
                    found[other] = max(found.get(other, -1.0), float(alike))
        return sorted(found, key=lambda one: -found[one])[:most]

    def learn(self, rows: Sequence[int], scores: Sequence[Score]) -> tuple[list[str], list[str]]:
        """Take what the machine says now; return which items it settles, and which no more."""
        settled: list[str] = []
        unsettled: list[str] = []
        for row, one in zip(rows, scores, strict=True):
            before = self.scores.get(row)
            if before is not None and before.sure != one.sure:
                (settled if one.sure else unsettled).append(self.items[row].item_id)
            self.scores[row] = one
            self._novelty[row] = one.novelty if one.novelty is not None else 1.0
            if self.kept.source != "issues":
                self._unsure[row] = one.unsure
        return settled, unsettled
