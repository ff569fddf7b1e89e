"""Long jobs: accepted once their request is on disk, finished after any number of restarts.

A job is answered in parts, each kept before the next is begun; after a restart it goes on behind
the last one. While Milvus is away it waits, and while it cannot be kept, as on a full disk, others
have their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from pipelines import Settings
from retrieval import StoreError
from serving.handlers import forecasts, labels
from serving.jobs.store import JobsAwayError, JobStore, KeptJob
from serving.keys import Caller
from serving.observability.audit import audit_entries
from serving.problems import ApiError, Problem, as_api_error
from serving.runtime.runtime import FORECASTS, LABELS, Runtime, share_of
from serving.runtime.tenants import Tenant
from serving.schemas.forecasts import Forecast, Plan, Sale
from serving.schemas.jobs import ClassifyJob, ForecastJob, JobState
from serving.schemas.labels import Classify

_log = structlog.stdlib.get_logger(__name__)
_CHUNK = 64
_LOOK_AGAIN = 600.0  # seconds after which, without a new job, old ones are looked for
_PAUSE = 1.0  # seconds between attempts while Milvus is away or the disk is full


class Jobs:
    """The jobs of all tenants, which have turns, done one after the other beside the calls.

    Args:
        runtime: What answers.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings: Settings = runtime.settings
        self._store = JobStore(self._settings.serve.data_dir / "jobs.db")
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Go on with what was accepted before."""
        if former := list(self._settings.serve.data_dir.glob("*/jobs/*/state.json")):
            where = sorted({str(one.parent.parent) for one in former})
            _log.warning("jobs of version 0.1 are left alone", jobs=len(former), folders=where)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop between two parts; the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._store.close)

    async def accept(
        self, job: ClassifyJob | ForecastJob, caller: Caller, request_id: str
    ) -> JobState:
        """Take a job; from then on it will be done.

        Raises:
            ApiError: Too many wait, or it cannot be kept.
        """
        loop = asyncio.get_running_loop()

        def add() -> JobState:
            most = self._settings.serve.jobs
            own = share_of(self._runtime.keys, most)
            state = self._store.add(job, caller, request_id, most=most, own=own)
            loop.call_soon_threadsafe(self._arrived.set)  # whether the caller still waits or not
            return state

        state: JobState = await self._runtime.in_thread(add)
        return state

    def state(self, tenant: str | None, job_id: str) -> JobState:
        """How far a job is.

        Raises:
            ApiError: The tenant has no such job.
        """
        state = self._store.state(tenant, job_id)
        if state is None:
            raise ApiError(404, "not-found", "no such job")
        return state

    def result(self, tenant: str | None, job_id: str) -> Iterator[bytes]:
        """Yield the results of a finished job as one JSON document, piece by piece.

        Raises:
            ApiError: There is no such job, or it has not finished, or failed.
        """
        state = self.state(tenant, job_id)
        if state.status != "done":
            raise ApiError(409, "not-finished", f"the job is {state.status}")
        return _document(self._store.answers(job_id, state.items))

    # --- doing them ------------------------------------------------------------------------------

    async def _run(self) -> None:
        behind = 0
        while True:
            self._arrived.clear()
            try:
                job = await asyncio.to_thread(self._store.next, behind)
                if job is None:
                    await self._remove_old()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._arrived.wait(), _LOOK_AGAIN)
                    continue
                behind = job.number  # one that finds no room lets others have their turn
                await self._do(job)
                behind = 0
                await self._remove_old()
            except JobsAwayError:  # which the store has logged
                await asyncio.sleep(_PAUSE)

    async def _remove_old(self) -> None:
        oldest = datetime.now(UTC) - timedelta(days=self._settings.serve.job_days)
        await asyncio.to_thread(self._store.remove_ended, oldest)

    async def _do(self, job: KeptJob) -> None:
        problem = None
        try:
            asked = await asyncio.to_thread(self._store.request, job.number)
            first = job.items_done
            for part in await asyncio.to_thread(_parts, asked.request, first):
                answer = await self._answer(job.tenant, job.task, part)
                await asyncio.to_thread(self._keep, job, first, answer)
                first += len(answer["results"])
            _log.info("job done", job_id=job.job_id, task=job.task, items=first)
        except JobsAwayError:
            raise
        except Exception as error:
            problem = _problem(error, job)
            _log.error("job failed", job_id=job.job_id, kind=problem.type)
        await asyncio.to_thread(self._store.finish, job.number, problem)

    def _keep(self, job: KeptJob, first: int, answer: dict[str, Any]) -> None:
        """Keep a part; what fails in between is audited twice rather than not at all."""
        if self._runtime.audit is not None:
            entries = audit_entries(job.task, answer, job.request_id, job.tenant)
            try:
                self._runtime.audit.write(entries)
            except OSError as error:
                _log.error("the audit log cannot be written", reason=str(error))
                raise JobsAwayError from error
        self._store.append(job.number, first, answer["results"])

    async def _answer(self, tenant: str | None, task: str, part: Any) -> dict[str, Any]:
        """Answer a part, however long Milvus is away."""
        while True:
            try:
                async with self._runtime.tenant(tenant) as found:
                    lane, call, answer = _call(found, task, part)
                    result: dict[str, Any] = await self._runtime.ask(
                        lane, call, answer, patient=True
                    )
                    return result
            except (StoreError, TimeoutError):
                pass
            except ApiError as error:
                if error.status != 503:
                    raise
            await asyncio.sleep(_PAUSE)


def checked_job(
    job: ClassifyJob | ForecastJob, tenant: Tenant, cap: int
) -> ClassifyJob | ForecastJob:
    """Return a job as it is to be accepted.

    Raises:
        ApiError: It has too many items, or one that does not fit.
        TableError: Its sales or plans do not fit.
    """
    if len(job.request.items) > cap:
        raise ApiError(413, "too-large", f"a job may have {cap} items")
    if isinstance(job, ClassifyJob):
        labels.check(tenant, job.request)
        return job
    forecasts.check_launches(job.request, tenant)
    return job.model_copy(update={"request": forecasts.settled(job.request, tenant)})


def _parts(request: Classify | Forecast, start: int) -> Iterator[Any]:
    """Yield a request from an item on, in parts, each with the sales and plans of its items."""
    by_item = {
        name: _by_item(rows)
        for name in ("observed", "future")
        if (rows := getattr(request, name, None)) is not None
    }

    def part(first: int) -> Any:
        items = request.items[first : first + _CHUNK]
        own = {
            name: [row for one in items for row in rows.get(str(one.item_id), ())]
            for name, rows in by_item.items()
        }
        return request.model_copy(update={"items": items, **own})

    return map(part, range(start, len(request.items), _CHUNK))


def _by_item(rows: Sequence[Sale | Plan]) -> dict[str, list[Sale | Plan]]:
    of_item: dict[str, list[Sale | Plan]] = {}
    for row in rows:
        of_item.setdefault(row.item_id, []).append(row)
    return of_item


def _call(tenant: Tenant, task: str, part: Any) -> tuple[str, Any, Any]:
    if task == "forecast":
        return FORECASTS, forecasts.ForecastCall(tenant, part), forecasts.forecast
    return LABELS, labels.ClassifyCall(tenant, part), labels.classify


def _problem(error: Exception, job: KeptJob) -> Problem:
    found = as_api_error(error)
    return Problem(
        type=f"/problems/{found.kind}",
        title="The job failed",
        status=found.status,
        detail=found.detail,
        instance=f"/v1/jobs/{job.job_id}",
        request_id=job.request_id,
    )


def _document(parts: Iterable[bytes]) -> Iterator[bytes]:
    yield b'{"results":['
    for number, part in enumerate(parts):
        yield (b"," if number else b"") + part
    yield b"]}"
