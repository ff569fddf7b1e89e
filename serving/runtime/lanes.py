"""Micro-batches: calls that arrive while an engine is busy are answered together by the next run.

One `Lane` stands before each engine, with one thread: an engine never runs twice at once, and the
event loop never waits for it. Callers have turns, one batch each. A lone call starts at once. After
a batch of several, whose callers are likely to be back in a moment, the lane waits a few
milliseconds for as many.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from retrieval import StoreError
from serving.problems import RETRY_AFTER, ApiError, not_ready


class Call(Protocol):
    """What one request asks an engine.

    Attributes:
        owner: Who asks: a tenant; one that asks much does not hold up the others.
        group: Calls of one group, which are of one owner, can be answered together.
        ids: Two calls that share one of these are not.
        rows: How many items.
    """

    @property
    def owner(self) -> Hashable: ...  # noqa: D102

    @property
    def group(self) -> Hashable: ...  # noqa: D102

    @property
    def ids(self) -> frozenset[str]: ...  # noqa: D102

    @property
    def rows(self) -> int: ...  # noqa: D102


C = TypeVar("C", bound=Call)
Answer = Callable[[Sequence[Any]], Sequence[Any]]
"""Calls of one group in, an answer to each out; runs in the lane's thread."""


@dataclass(frozen=True)
class Limits:
    """How a lane batches.

    Attributes:
        rows: Items in a batch at most; a call with more makes one of its own.
        calls: How many may wait.
        own_calls: How many of one owner; None for as many.
        linger: Seconds to wait for as many calls as the batch before had.
        batching: False: every call by itself.
    """

    rows: int = 64
    calls: int = 256
    own_calls: int | None = None
    linger: float = 0.005
    batching: bool = True


@dataclass(eq=False)
class _Waiting:
    call: Any
    answer: Answer
    result: asyncio.Future[Any] = field(default_factory=asyncio.Future)


class Lane:
    """A queue, and the thread that answers it.

    Args:
        name: For logs and metrics.
        limits: How calls are batched.
        on_batch: Told the number of items of each batch.
    """

    def __init__(
        self, name: str, limits: Limits, on_batch: Callable[[int], None] = lambda rows: None
    ) -> None:
        self.name = name
        self._limits = limits
        self._on_batch = on_batch
        self._waiting: deque[_Waiting] = deque()
        self._turns = itertools.count()
        self._last_turn: dict[Hashable, int] = {}
        self._arrived = asyncio.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"likewise-{name}")
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Answer what was accepted, then stop."""
        self._is_closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._pool.shutdown()

    async def ask(self, call: Call, answer: Answer, timeout: float | None = None) -> Any:
        """Wait for the answer to a call.

        Args:
            call: What is asked.
            answer: Answers it and others of its group, in the lane's thread.
            timeout: Seconds; None to wait for as long as it takes, whatever the queue.

        Raises:
            ApiError: The queue is full, or the lane closes.
            TimeoutError: It took too long; a call that had not begun never will.
        """
        if self._is_closing:
            raise not_ready("this server is shutting down")
        if timeout is not None:
            self._refuse_too_many(call)
        waiting = _Waiting(call, answer)
        self._waiting.append(waiting)
        self._arrived.set()
        async with asyncio.timeout(timeout):
            return await waiting.result

    def _refuse_too_many(self, call: Call) -> None:
        number, whose = len(self._waiting), "calls"
        is_too_many = number >= self._limits.calls
        if not is_too_many and self._limits.own_calls is not None:
            number, whose = sum(one.call.owner == call.owner for one in self._waiting), "own calls"
            is_too_many = number >= self._limits.own_calls
        if is_too_many:
            raise ApiError(429, "busy", f"{number} {whose} are waiting", retry_after=RETRY_AFTER)

    async def _run(self) -> None:
        loop, last = asyncio.get_running_loop(), 1
        while True:
            while not self._waiting:
                if self._is_closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            await self._linger(last)
            batch = self._take()
            last = len(batch)
            if not batch:
                continue
            self._on_batch(sum(one.call.rows for one in batch))
            calls, answer = [one.call for one in batch], batch[0].answer
            results = await loop.run_in_executor(self._pool, _answered, calls, answer)
            for one, result in zip(batch, results, strict=True):
                if not one.result.done():
                    _set(one.result, result)

    async def _linger(self, last: int) -> None:
        expected = min(last, self._limits.rows)
        if not self._limits.batching or last < 2 or self._is_closing:
            return
        deadline = asyncio.get_running_loop().time() + self._limits.linger
        while len(self._waiting) < expected:
            self._arrived.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._arrived.wait()
            except TimeoutError:
                return

    def _take(self) -> list[_Waiting]:
        """Take the first call of the owner whose turn it is, and those behind that go with it.

        Once a call that shares an id stays behind, so do later ones that share an id with it: what
        was written to an item later must not be overtaken.
        """
        batch: list[_Waiting] = []
        behind: deque[_Waiting] = deque()
        rows, ids, kept_ids = 0, set[str](), set[str]()
        waiting = [one for one in self._waiting if not one.result.done()]  # somebody waits for it
        owner = self._whose_turn(waiting)
        for one in waiting:
            if one.call.owner != owner:
                fits = False
            elif not batch:
                fits = True
            else:
                together = self._limits.batching and one.call.group == batch[0].call.group
                room = rows + one.call.rows <= self._limits.rows
                fits = together and room and not one.call.ids & (ids | kept_ids)
            if fits:
                batch.append(one)
                rows += one.call.rows
                ids |= one.call.ids
            else:
                behind.append(one)
                kept_ids |= one.call.ids
        self._waiting = behind
        return batch

    def _whose_turn(self, waiting: Sequence[_Waiting]) -> Hashable:
        """Return the owner who had a turn longest ago; of several, who waits longest."""
        owners = dict.fromkeys(one.call.owner for one in waiting)
        owner = min(owners, key=lambda one: self._last_turn.get(one, -1), default=None)
        self._last_turn[owner] = next(self._turns)
        return owner


def _answered(calls: list[Any], answer: Answer) -> list[Any]:
    """Answer each call, with the exception where one fails. One bad call spoils no other."""
    try:
        return list(answer(calls))
    except Exception as error:
        if len(calls) == 1 or isinstance(error, StoreError):
            return [error] * len(calls)
        return [result for one in calls for result in _answered([one], answer)]


def _set(future: asyncio.Future[Any], result: Any) -> None:
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
