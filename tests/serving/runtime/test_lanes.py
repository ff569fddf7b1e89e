"""Lanes: what goes together, what waits, what is refused, and what happens at the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from retrieval import InputError, StoreUnavailableError
from serving.problems import ApiError
from serving.runtime.lanes import Lane, Limits


@dataclass(frozen=True)
class Asked:
    value: int
    group: str = "g"
    ids: frozenset[str] = frozenset()
    rows: int = 1
    owner: str = "o"


@dataclass
class Engine:
    """Doubles numbers, one batch at a time, when it is let."""

    batches: list[list[int]] = field(default_factory=list)
    may_go: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def __call__(self, calls: Sequence[Asked]) -> list[int]:
        assert self.may_go.wait(10)
        self.batches.append([one.value for one in calls])
        if any(one.value < 0 for one in calls):
            raise self.error or InputError("negative")
        return [2 * one.value for one in calls]


def _with_lane(limits: Limits, scene: Callable[[Lane, Engine], Awaitable[Any]]) -> Engine:
    engine = Engine()

    async def play() -> None:
        lane = Lane("test", limits)
        lane.start()
        try:
            await scene(lane, engine)
        finally:
            engine.may_go.set()
            await lane.close()

    asyncio.run(play())
    return engine


async def _asked(lane: Lane, engine: Engine, *calls: Asked) -> list[Any]:
    """Ask the first call, and the others once the engine is at work on it."""
    first = asyncio.create_task(lane.ask(calls[0], engine, 10))
    while len(lane):
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    rest = [asyncio.create_task(lane.ask(one, engine, 10)) for one in calls[1:]]
    await asyncio.sleep(0.01)
    engine.may_go.set()
    return list(await asyncio.gather(first, *rest, return_exceptions=True))


def test_owners_have_turns() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        greedy = [Asked(number, "g", frozenset("x"), owner="g") for number in range(4)]
        late = [Asked(number, "l", owner="l") for number in (7, 8)]
        await _asked(lane, engine, *greedy, *late)

    assert _with_lane(Limits(), scene).batches == [[0], [7, 8], [1], [2], [3]]


def test_an_owner_has_a_share_of_what_may_wait() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        greedy = [Asked(number, "g", owner="g") for number in range(4)]
        told = await _asked(lane, engine, *greedy, Asked(7, "l", owner="l"))
        assert isinstance(told[3], ApiError)
        assert str(told[3]) == "2 own calls are waiting"
        assert told[4] == 14

    _with_lane(Limits(own_calls=2), scene)


def test_what_arrives_while_the_engine_is_busy_is_answered_together() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        assert await _asked(lane, engine, *map(Asked, range(6))) == [0, 2, 4, 6, 8, 10]

    assert _with_lane(Limits(), scene).batches == [[0], [1, 2, 3, 4, 5]]


def test_a_batch_holds_no_more_items_than_it_may() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        calls = [Asked(0), Asked(1, rows=3), Asked(2, rows=2), Asked(3), Asked(4, rows=9)]
        await _asked(lane, engine, *calls)

    assert _with_lane(Limits(rows=4), scene).batches == [[0], [1, 3], [2], [4]]


def test_other_options_and_the_same_item_go_apart_and_in_order() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        a, b = frozenset("a"), frozenset("b")
        calls = [
            Asked(0),
            Asked(1, ids=a),
            Asked(2, ids=a | b),
            Asked(3, ids=b),  # must not overtake 2
            Asked(4, group="other"),
            Asked(5, ids=frozenset("c")),
        ]
        await _asked(lane, engine, *calls)

    assert _with_lane(Limits(), scene).batches == [[0], [1, 5], [2], [3], [4]]


def test_without_batching_every_call_goes_alone() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        await _asked(lane, engine, *map(Asked, range(4)))

    assert _with_lane(Limits(batching=False), scene).batches == [[0], [1], [2], [3]]


def test_one_bad_call_spoils_no_other() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        zero, one, bad, three = await _asked(lane, engine, *map(Asked, (0, 1, -1, 3)))
        assert (zero, one, three) == (0, 2, 6)
        assert isinstance(bad, InputError)

    assert _with_lane(Limits(), scene).batches[1:] == [[1, -1, 3], [1], [-1], [3]]


def test_where_milvus_is_away_nobody_is_asked_again() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        engine.error = StoreUnavailableError("away")
        answers = await _asked(lane, engine, *map(Asked, (0, 1, -1)))
        assert all(isinstance(one, StoreUnavailableError) for one in answers[1:])

    assert _with_lane(Limits(), scene).batches == [[0], [1, -1]]


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        *_, last = await _asked(lane, engine, *map(Asked, range(5)))
        assert isinstance(last, ApiError)
        assert (last.status, last.headers["Retry-After"]) == (429, "2")

    assert _with_lane(Limits(calls=3), scene).batches == [[0], [1, 2, 3]]


def test_who_waits_too_long_is_told_and_not_answered_later() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        first = asyncio.create_task(lane.ask(Asked(0), engine, 10))
        await asyncio.sleep(0.02)
        with pytest.raises(TimeoutError):
            await lane.ask(Asked(1), engine, 0.02)
        engine.may_go.set()
        assert await first == 0

    assert _with_lane(Limits(), scene).batches == [[0]]


def test_what_was_accepted_is_answered_before_the_end_and_nothing_after() -> None:
    async def scene(lane: Lane, engine: Engine) -> None:
        tasks = [asyncio.create_task(lane.ask(Asked(one), engine, 10)) for one in range(5)]
        await asyncio.sleep(0.02)
        engine.may_go.set()
        await lane.close()
        assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8]
        with pytest.raises(ApiError, match="shutting down"):
            await lane.ask(Asked(9), engine, 10)

    _with_lane(Limits(), scene)
