"""People decide what items are: queues are started, items handed out, decisions kept and written.

A decision is kept first, then the item is labeled through the write lane, as feedback is; the items
most like it are looked at again, so that a person sees what the answer settled.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import structlog

from classifiers import indexed_issues
from retrieval import LikewiseError
from serving.handlers import writes
from serving.handlers.tables import where_of
from serving.problems import ApiError
from serving.review.live_queue import LiveQueue
from serving.review.progress import progress
from serving.review.scoring import NOTHING, Score, ScoreCall, score
from serving.review.showing import shown_item
from serving.review.store import KeptDecision, KeptItem, ReviewStore
from serving.runtime.runtime import LABELS, WRITES, Runtime
from serving.runtime.tenants import Tenant
from serving.schemas.review import Decide, Decision, StartQueue

_log = structlog.stdlib.get_logger(__name__)

_SLICE = 64  # items scored in one turn of the lane
_AGAIN = 24  # items looked at again after a decision
_FIRST_SECONDS = 5.0  # to wait for scores before a new queue is answered
_MOST_LIVE = 16
_OF_DECISION = tuple(name for name in Decision.model_fields if name not in ("random", "second"))


class Reviews:
    """The queues of all tenants.

    Args:
        runtime: What answers.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._store = ReviewStore(runtime.settings.serve.data_dir / "review.db")
        self._live: OrderedDict[str, LiveQueue] = OrderedDict()
        self._loading: dict[str, asyncio.Lock] = {}
        self._scoring: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Stop looking at items, and close what is kept."""
        for task in self._scoring.values():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._store.close()

    # --- queues ----------------------------------------------------------------------------------

    async def start(self, tenant: Tenant, asked: StartQueue, creator: str) -> dict[str, Any]:
        """Make a queue of the items that fit.

        Raises:
            ApiError: There are none, or their texts are not kept here.
        """
        items = await asyncio.to_thread(_chosen, tenant, asked)
        if not items:
            what = {"unlabeled": "item without a label", "issues": "label in doubt"}[asked.source]
            raise ApiError(409, "nothing-to-review", f"there is no {what}")
        kept = await asyncio.to_thread(
            self._store.add,
            tenant.name,
            items,
            name=asked.name
            or {"unlabeled": "Unlabeled items", "issues": "Labels in doubt"}[asked.source],
            source=asked.source,
            ordering=asked.order,
            precision=asked.precision,
            random_share=asked.random_share,
            creator=creator,
        )
        live = await self._queue(tenant, kept.queue_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_SECONDS):
                await asyncio.shield(self._scoring[kept.queue_id])
        return progress(live)

    async def queues(self, tenant: Tenant) -> list[dict[str, Any]]:
        """Tell of all queues, the newest first."""
        kept = await asyncio.to_thread(self._store.queues, tenant.name)
        return [progress(await self._queue(tenant, one.queue_id)) for one in kept]

    async def queue(self, tenant: Tenant, queue_id: str) -> dict[str, Any]:
        """Tell how far a queue is."""
        return progress(await self._queue(tenant, queue_id))

    async def remove(self, tenant: Tenant, queue_id: str) -> None:
        """Remove a queue; the labels given stay."""
        await self._queue(tenant, queue_id)
        if (task := self._scoring.pop(queue_id, None)) is not None:
            task.cancel()
        self._live.pop(queue_id, None)
        await asyncio.to_thread(self._store.remove, tenant.name, queue_id)

    async def decisions(self, tenant: Tenant, queue_id: str) -> list[dict[str, Any]]:
        """Return all that was decided."""
        live = await self._queue(tenant, queue_id)
        return [
            {name: getattr(one, name) for name in _OF_DECISION}
            | {"random": live.items[one.position].is_random, "second": one.is_second}
            for one in live.decisions
        ]

    # --- items -----------------------------------------------------------------------------------

    async def next(
        self, tenant: Tenant, queue_id: str, reviewer: str, *, group: bool = False
    ) -> dict[str, Any]:
        """Hand out the item that is worth most, to one person alone."""
        live = await self._queue(tenant, queue_id)
        item = None
        while item is None:
            with live.lock:
                rows = live.choose(reviewer, group=group)
                until = live.lease(rows, reviewer)
            await asyncio.to_thread(self._store.lease, live.kept.number, rows, reviewer, until)
            if not rows:
                break
            item = await self._shown(tenant, live, rows, reviewer)
        return {"item": item, "queue": progress(live)}

    async def decide(
        self, tenant: Tenant, queue_id: str, reviewer: str, told: Decide
    ) -> dict[str, Any]:
        """Keep what a person says of items, and label them.

        Raises:
            ApiError: Somebody else has decided, or has it on the screen; there is no such label.
        """
        live = await self._queue(tenant, queue_id)
        with live.lock:
            rows, is_second = _to_decide(live, reviewer, told)
            if _is_repeated(live, rows, reviewer, told):
                return {"items": len(rows), "label": told.label, "settled": [], "unsettled": []}
            batch = secrets.token_hex(8)
            made = [
                _decision(live, row, reviewer, told, batch=batch, is_second=is_second)
                for row in rows
            ]
            state = "skipped" if told.verdict == "skip" else "done"
            former = [live.state[row] for row in rows]
            live.lease([], reviewer)
            for row in rows:
                live.state[row] = state
        try:
            await asyncio.to_thread(self._store.decide, live.kept.number, made, state)
            label = await self._written(tenant, live, made)
        except BaseException as error:
            with live.lock:
                for row, before in zip(rows, former, strict=True):
                    live.state[row] = before
            if isinstance(error, ApiError) and error.status < 500:  # refused: nothing was done
                await asyncio.to_thread(self._store.forget, live.kept.number, batch, rows)
            raise
        with live.lock:
            live.decide(_with(live.decisions, made, label))
        settled, unsettled = await self._look_again(tenant, live, rows)
        return {"items": len(rows), "label": label, "settled": settled, "unsettled": unsettled}

    async def undo(self, tenant: Tenant, queue_id: str, reviewer: str) -> dict[str, Any]:
        """Take back the last decision of a person, all items of it.

        Raises:
            ApiError: There is none.
        """
        live = await self._queue(tenant, queue_id)
        with live.lock:
            own = [one for one in live.decisions if one.reviewer == reviewer and not one.undone]
            if not own:
                raise ApiError(409, "nothing-to-undo", "you have decided nothing here")
            batch = own[-1].batch
            taken = [one for one in own if one.batch == batch]
        rows = [one.position for one in taken]
        await asyncio.to_thread(self._store.undo, live.kept.number, batch, rows)
        await self._taken_back(tenant, live, taken)
        with live.lock:
            live.decide(
                [replace(one, undone=one.undone or one.batch == batch) for one in live.decisions]
            )
            for one in taken:
                live.state[one.position] = "done" if live.opinions(one.position) else "open"
            until = live.lease(rows[:1], reviewer)
        await asyncio.to_thread(self._store.lease, live.kept.number, rows[:1], reviewer, until)
        await self._look_again(tenant, live, rows)
        return {"item_ids": [one.item_id for one in taken]}

    # --- inside ----------------------------------------------------------------------------------

    async def _queue(self, tenant: Tenant, queue_id: str) -> LiveQueue:
        """Return a queue in memory, read if need be; what a kill left undone is done first."""
        async with self._loading.setdefault(queue_id, asyncio.Lock()):
            kept = await asyncio.to_thread(self._store.queue, tenant.name, queue_id)
            if kept is None:
                self._loading.pop(queue_id, None)
                raise ApiError(404, "not-found", f"there is no queue {queue_id!r}")
            live = self._live.get(queue_id)
            if live is None or live.version != tenant.index.version:
                live = await asyncio.to_thread(self._read, tenant, queue_id)
                await self._finish(tenant, live)
                self._live[queue_id] = live
                while len(self._live) > _MOST_LIVE:
                    self._live.popitem(last=False)
            self._live.move_to_end(queue_id)
        task = self._scoring.get(queue_id)
        if live.unscored() and (task is None or task.done()):
            self._scoring[queue_id] = asyncio.create_task(self._score_all(tenant.name, live))
        return live

    def _read(self, tenant: Tenant, queue_id: str) -> LiveQueue:
        kept = self._store.queue(tenant.name, queue_id)
        assert kept is not None
        items = self._store.items(kept.number)
        version = tenant.index.version  # another one has vectors of its own
        vectors = tenant.index.vectors([one.item_id for one in items])
        return LiveQueue(kept, items, self._store.decisions(kept.number), vectors, version)

    async def _finish(self, tenant: Tenant, live: LiveQueue) -> None:
        """Write decisions that were kept when the process ended, and not yet written."""
        batches = dict.fromkeys(one.batch for one in live.decisions if not one.written)
        for batch in batches:
            left = [one for one in live.decisions if one.batch == batch]
            _log.warning("a decision that was kept is written now", items=len(left))
            try:
                if left[0].undone:
                    await self._taken_back(tenant, live, left)
                else:
                    await self._written(tenant, live, left)
            except ApiError as error:
                if error.status >= 500:
                    raise
                # Its label is gone by now, say: the items are open again, and so is the queue.
                _log.warning("a decision that was kept is refused", reason=str(error))
                rows = [one.position for one in left]
                await asyncio.to_thread(self._store.forget, live.kept.number, batch, rows)
                live.decide([one for one in live.decisions if one.batch != batch])
                for row in rows:
                    live.state[row] = "open"

    async def _written(
        self, tenant: Tenant, live: LiveQueue, made: Sequence[KeptDecision]
    ) -> str | None:
        """Label the items of a decision; return the label as it is spelled."""
        first = made[0]
        label = first.label
        if first.label is not None and not first.is_second:
            told = [writes.Relabel(one.item_id, one.label, one.is_new) for one in made]
            spelled = await self._relabel(tenant.name, told)
            label = spelled[0]
        await asyncio.to_thread(self._store.written, live.kept.number, first.batch, label)
        return label

    async def _taken_back(
        self, tenant: Tenant, live: LiveQueue, taken: Sequence[KeptDecision]
    ) -> None:
        """Give items the label back that they had."""
        told = [
            writes.Relabel(one.item_id, one.label_before, is_new=True, only_from=one.label)
            for one in taken
            if one.label is not None and not one.is_second
        ]
        if told:
            await self._relabel(tenant.name, told)
        await asyncio.to_thread(self._store.written, live.kept.number, taken[0].batch)

    async def _relabel(
        self, tenant: str | None, told: Sequence[writes.Relabel]
    ) -> list[str | None]:
        runtime = self._runtime
        call = writes.WriteCall(runtime.tenants, tenant, "relabel", told)
        found: list[str | None] = await runtime.ask(WRITES, call, writes.relabel)
        return found

    async def _shown(
        self, tenant: Tenant, live: LiveQueue, rows: Sequence[int], reviewer: str
    ) -> dict[str, Any] | None:
        """Return an item as it is shown; None where it is not to be decided here any more."""
        ids = [live.items[row].item_id for row in rows]
        held = await asyncio.to_thread(writes.contents, tenant, ids)
        row, own = rows[0], held.get(ids[0])
        label = live.items[row].label_before
        if own is None or (live.state[row] == "open" and own["label"] != label):
            live.state[row] = "gone"
            await asyncio.to_thread(self._store.gone, live.kept.number, row)
            return None
        (one,) = await self._ask(tenant, live, [row])
        with live.lock:
            live.learn([row], [one])
            live.shown[row, reviewer] = one
        return await asyncio.to_thread(
            shown_item, tenant, live, rows, one, held, is_second=live.state[row] == "done"
        )

    async def _look_again(
        self, tenant: Tenant, live: LiveQueue, rows: Sequence[int]
    ) -> tuple[list[str], list[str]]:
        """Ask anew what the items most like some are."""
        near = live.near(rows, _AGAIN)
        try:
            return await self._score(tenant, live, near)
        except (LikewiseError, ApiError, TimeoutError) as error:  # what was decided is kept
            _log.warning("items are not looked at again", reason=str(error))
            return [], []

    async def _score_all(self, name: str | None, live: LiveQueue) -> None:
        """Look at all items that were not yet, a few at a time."""
        try:
            while rows := live.unscored()[:_SLICE]:
                async with self._runtime.tenant(name) as tenant:
                    if tenant.index.version != live.version:
                        return
                    await self._score(tenant, live, rows)
        except Exception as error:  # begun again when the queue is asked for
            _log.warning("a queue is not all looked at", reason=str(error))

    async def _score(
        self, tenant: Tenant, live: LiveQueue, rows: Sequence[int]
    ) -> tuple[list[str], list[str]]:
        if not rows:
            return [], []
        scores = await self._ask(tenant, live, rows)
        with live.lock:
            return live.learn(rows, scores)

    async def _ask(self, tenant: Tenant, live: LiveQueue, rows: Sequence[int]) -> list[Score]:
        ids = [live.items[row].item_id for row in rows]
        call = ScoreCall(tenant, ids, live.vectors[list(rows)], live.kept.precision)
        found: list[Score] = await self._runtime.ask(LABELS, call, score, patient=True)
        return found


def _with(
    decisions: Sequence[KeptDecision], made: Sequence[KeptDecision], label: str | None
) -> list[KeptDecision]:
    """Return all decisions, with those just made, which replace what the same person said."""
    again = {(one.position, one.reviewer) for one in made}
    former = [
        replace(one, undone=True) if (one.position, one.reviewer) in again else one
        for one in decisions
    ]
    return [*former, *(replace(one, label=label, written=True) for one in made)]


def _chosen(tenant: Tenant, asked: StartQueue) -> list[KeptItem]:
    """Return the items of a new queue."""
    index = tenant.index
    if not index.exists or not index.count():
        return []
    if not index.keeps_text:
        raise ApiError(409, "read-only", "texts are not kept here, so there is nothing to show")
    where, rng = where_of(asked.where), np.random.default_rng(asked.seed)
    if asked.source == "issues":
        table = indexed_issues(index, where=where).head(asked.most)
        ids, labels = table["item_id"].tolist(), table["label"].tolist()
    else:
        ids = sorted(index.read(labeled=False, where=where).ids.tolist())
        if len(ids) > asked.most:
            ids = sorted(rng.choice(np.array(ids, dtype=object), asked.most, replace=False))
        if asked.order == "random":
            ids = rng.permutation(np.array(ids, dtype=object)).tolist()
        labels = [None] * len(ids)
    n = len(ids)
    at_random, second = rng.random(n) < asked.random_share, rng.random(n) < asked.second_share
    return [
        KeptItem(position, item_id, label, bool(drawn), bool(twice))
        for position, (item_id, label, drawn, twice) in enumerate(
            zip(ids, labels, at_random, second, strict=True)
        )
    ]


def _to_decide(live: LiveQueue, reviewer: str, told: Decide) -> tuple[list[int], bool]:
    """Return the items of a decision, and whether it is a second opinion."""
    strangers = [one for one in told.item_ids if one not in live.place]
    if strangers:
        raise ApiError(404, "not-found", f"item {strangers[0]!r} is not in this queue")
    rows = [live.place[one] for one in told.item_ids]
    second = []
    for row in rows:
        item_id, others = live.items[row].item_id, []
        if live.state[row] == "gone":
            raise ApiError(409, "conflict", f"item {item_id!r} is no longer to be decided")
        if (holder := live.holder(row)) not in (None, reviewer):
            raise ApiError(409, "conflict", f"{holder} has item {item_id!r} on the screen")
        others = [one for one in live.opinions(row) if one.reviewer != reviewer]
        if others and not live.items[row].is_double:
            raise ApiError(409, "conflict", f"{others[0].reviewer} has decided item {item_id!r}")
        second.append(bool(others) and not others[0].is_second)
    if len(set(second)) > 1:
        raise ApiError(409, "conflict", "some of these items have been decided")
    return rows, second[0]


def _is_repeated(live: LiveQueue, rows: Sequence[int], reviewer: str, told: Decide) -> bool:
    """Whether all that is just what the person said before."""
    return all(
        any(
            one.reviewer == reviewer and (one.verdict, one.label) == (told.verdict, told.label)
            for one in live.opinions(row)
        )
        for row in rows
    )


def _decision(
    live: LiveQueue, row: int, reviewer: str, told: Decide, *, batch: str, is_second: bool
) -> KeptDecision:
    item = live.items[row]
    seen = live.shown.pop((row, reviewer), None) or live.scores.get(row, NOTHING)
    return KeptDecision(
        batch=batch,
        position=row,
        item_id=item.item_id,
        reviewer=reviewer,
        verdict=told.verdict,
        label=None if told.label is None else told.label.strip(),
        is_new=told.new_label,
        label_before=item.label_before,
        reason=told.reason,
        shown_label=seen.label,
        shown_probability=seen.probability,
        shown_sure=seen.sure,
        is_second=is_second,
        made=datetime.now(UTC).isoformat(),
    )
