"""Review over the API: what the pages under /review do, a program can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from serving.client.connection import Connection
from serving.client.rows import options_of

_QUEUES = "/v1/review/queues"


class Review:
    """Queues of items that people decide; `Client.review` is one.

    Args:
        server: That keeps them.
    """

    def __init__(self, server: Connection) -> None:
        self._server = server

    def start(
        self,
        *,
        name: str = "",
        source: str = "unlabeled",
        order: str = "worth",
        where: Mapping[str, Any] | None = None,
        random_share: float = 0.1,
        second_share: float = 0.0,
        precision: float = 0.95,
        most: int = 5_000,
        seed: int = 0,
    ) -> dict[str, Any]:
        """Make a queue; return it, with its `queue_id`, as `progress` does.

        Args:
            name: What to call it.
            source: `unlabeled`, or `issues`: labeled items whose label those like them contradict.
            order: `worth` (what settles most first), `unsure`, `novel`, `random` or `id`.
            where: Attribute → a value, several, or a range, of the items.
            random_share: Share drawn at random, from which accuracy is estimated.
            second_share: Share that a second person labels, too.
            precision: Wanted of labels that no person looks at.
            most: Items at most.
            seed: Of what is drawn at random.

        Raises:
            ProblemError: There is nothing to review.
        """
        body = {
            "name": name,
            "source": source,
            "order": order,
            "random_share": random_share,
            "second_share": second_share,
            "precision": precision,
            "most": most,
            "seed": seed,
        }
        found: dict[str, Any] = self._call("POST", "", {**body, **options_of(where=where)})
        return found

    def queues(self) -> pd.DataFrame:
        """Return the queues, the newest first: a row each, as `progress` has it."""
        found = self._call("GET", "")["queues"]
        return pd.DataFrame(found, columns=None if found else ["queue_id", "name", "items"])

    def progress(self, queue_id: str) -> dict[str, Any]:
        """Tell how far a queue is: numbers, estimate of accuracy, automatic share, agreement."""
        found: dict[str, Any] = self._call("GET", f"/{queue_id}")
        return found

    def next(
        self, queue_id: str, *, reviewer: str | None = None, group: bool = False
    ) -> dict[str, Any] | None:
        """Return the item to decide now, with its evidence, leased; None: there is none.

        Args:
            queue_id: Of the queue.
            reviewer: Who decides; with a key, it is its owner.
            group: With the items like it that would get its label.
        """
        body = {"reviewer": reviewer, "group": group}
        item: dict[str, Any] | None = self._call("POST", f"/{queue_id}/next", body)["item"]
        return item

    def decide(
        self,
        queue_id: str,
        item_ids: Sequence[str],
        label: str | None = None,
        *,
        skip: bool = False,
        new_label: bool = False,
        reason: str = "",
        reviewer: str | None = None,
    ) -> dict[str, Any]:
        """Say what items are; return the label as spelled, and what other items it settled.

        Args:
            queue_id: Of the queue.
            item_ids: Of the items.
            label: What they are; None: none of these.
            skip: Decide nothing; they are not asked for again.
            new_label: Whether the label may be one that does not exist yet.
            reason: In words.
            reviewer: As in `next`.

        Raises:
            ProblemError: Somebody else has decided, or there is no such label.
        """
        verdict = "skip" if skip else "none" if label is None else "label"
        body = {"item_ids": list(item_ids), "verdict": verdict, "label": label, "reason": reason}
        whole = {**body, "new_label": new_label, "reviewer": reviewer}
        done: dict[str, Any] = self._call("POST", f"/{queue_id}/decisions", whole)
        return done

    def undo(self, queue_id: str, *, reviewer: str | None = None) -> list[str]:
        """Take back one's last decision; return the ids of its items."""
        found = self._call("POST", f"/{queue_id}/undo", {"reviewer": reviewer})
        return list(found["item_ids"])

    def decisions(self, queue_id: str) -> pd.DataFrame:
        """Return all that was decided: who, when, before, after; what was taken back, too."""
        return pd.DataFrame(self._call("GET", f"/{queue_id}/decisions")["decisions"])

    def remove(self, queue_id: str) -> None:
        """Remove a queue; the labels given stay."""
        self._call("DELETE", f"/{queue_id}")

    def _call(self, method: str, end: str, body: Any = None) -> Any:
        return self._server.call(method, f"{_QUEUES}{end}", body)
