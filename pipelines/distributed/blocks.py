"""A table in blocks of rows, mapped by Ray Data over workers that each hold an engine.

A block is rows of a Parquet table, which its worker reads itself, or rows that the driver has read.
Blocks are numbered; whatever order they are done in, and however often one has to be done again
because its worker died, their results come back once each.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd
import structlog

import retrieval
from pipelines.config.sections import EngineSettings
from pipelines.tables.parquet import ParquetRows
from retrieval import LikewiseError

_log = structlog.stdlib.get_logger(__name__)

_GB = 10**9

Rows = pd.DataFrame | ParquetRows


@dataclass(frozen=True)
class Failure:
    """An error that a worker has met.

    Attributes:
        kind: Name of a class of `retrieval.errors`.
        message: What it says.
        trace: Where an unexpected one came from.
    """

    kind: str
    message: str
    trace: str = ""

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Return what travels of an error."""
        if isinstance(error, LikewiseError):
            return cls(type(error).__name__, str(error))
        message = f"a worker failed: {type(error).__name__}: {error}"
        return cls("LikewiseError", message, traceback.format_exc())

    def error(self) -> LikewiseError:
        """Return the error itself."""
        if self.trace:
            _log.error("a worker failed", trace=self.trace)
        known = getattr(retrieval, self.kind, LikewiseError)
        made: LikewiseError = known(self.message)
        return made


class Worker:
    """Does something with blocks, in a process of its own.

    Args:
        prepare: Makes what the worker needs, once, and returns what it does with a block's rows.
        arguments: Of `prepare`.
    """

    def __init__(self, prepare: Callable[..., Callable[[Rows], Any]], *arguments: Any) -> None:
        self._failed: Failure | None = None
        try:
            self._work = prepare(*arguments)
        except Exception as error:  # Ray would make the worker anew
            self._failed = Failure.of(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do one block."""
        number, rows = batch["number"][0], batch["rows"][0]
        return {"number": [number], "made": [self._failed or self._done(rows)]}

    def _done(self, rows: Rows) -> Any:
        try:
            return self._work(rows)
        except Exception as error:
            return Failure.of(error)


def parts_of(rows: ParquetRows, size: int) -> list[ParquetRows]:
    """Cuts rows that have not been read into parts of at most `size`, in order."""
    starts = range(rows.start, rows.stop, size)
    return [ParquetRows(rows.path, start, min(start + size, rows.stop)) for start in starts]


def map_blocks(
    blocks: Sequence[Rows],
    engine: EngineSettings,
    prepare: Callable[..., Callable[[Rows], Any]],
    *arguments: Any,
) -> Iterator[tuple[int, Any]]:
    """Yield what workers make of blocks, each with its number, in the order they are done.

    Args:
        blocks: Of a table, in order.
        engine: How many workers, and what each is given.
        prepare: As of `Worker`; a function of a module.
        arguments: Of `prepare`.

    Raises:
        LikewiseError: What a worker has met, of the class it was; or Ray fails.
    """
    import ray.data
    from ray.exceptions import RayError

    if not blocks:
        return
    rows = [{"number": number, "rows": one} for number, one in enumerate(blocks)]
    given: dict[str, Any] = {}
    if engine.memory is not None:
        given["memory"] = int(engine.memory * _GB)
    made = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Worker,
        fn_constructor_args=(prepare, *arguments),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(engine.workers, len(rows))),
        num_cpus=engine.cpus,
        **given,
    )
    answers: Any = made.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pandas")
    try:
        # Unless closed, one that is not read to its end would keep the workers.
        with closing(iter(answers)) as batches:
            for batch in batches:
                for number, one in zip(batch["number"], batch["made"], strict=True):
                    if isinstance(one, Failure):
                        raise one.error()
                    yield int(number), one
    except RayError as error:
        problem = str(error).strip().splitlines() or [type(error).__name__]
        raise LikewiseError(f"Ray: {problem[0]}") from error
