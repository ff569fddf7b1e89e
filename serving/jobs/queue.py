"""Long jobs: accepted once their request is on disk, finished after any number of restarts.

A job is answered in parts, each kept before the next is begun; after a restart it goes on behind
the last one. While Milvus is away it waits, and while it cannot be kept, as on a full disk, others
have their turn.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from starlette.requests import ClientDisconnect

from pipelines import Settings
from retrieval import StoreError
from serving.connections import Repeats
from serving.handlers import forecasts, labels
from serving.jobs.requests import JobRequest, Part, write_request
from serving.jobs.store import JobsAwayError, JobStore, KeptJob
from serving.keys import Caller
from serving.observability.audit import audit_entries
from serving.problems import ApiError, Problem, Violation, as_api_error
from serving.runtime.runtime import FORECASTS, LABELS, Runtime, share_of
from serving.runtime.tenants import Tenant
from serving.schemas.jobs import ForecastJob, JobState

_log = structlog.stdlib.get_logger(__name__)
_CHUNK = 64
_CHECKED = 250  # items that are checked at once before a job is accepted
_UPLOADS, _OWN_UPLOADS = 8, 2  # that may be under way, in all and of a tenant
_PLACE = re.compile(r"/(items|observed|future)/(\d+)(.*)")
_LOOK_AGAIN = 600.0  # seconds, at most, after which old jobs are looked for without a new one
_PAUSE = 1.0  # seconds between attempts while Milvus is away or the disk is full


class Jobs:
    """The jobs of all tenants, which have turns, done one after the other beside the calls.

    Args:
        runtime: What answers.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings: Settings = runtime.settings
        most_bytes = int(self._settings.serve.jobs_mb * 1e6)
        self._store = JobStore(
            self._settings.serve.data_dir / "jobs.db",
            most_bytes=most_bytes,
            own_bytes=share_of(runtime.keys, most_bytes),
        )
        self._repeats = Repeats()
        self._uploads = Counter[str | None]()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="likewise-uploads")
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Go on with what was accepted before."""
        if former := list(self._settings.serve.data_dir.glob("*/jobs/*/state.json")):
            where = sorted({str(one.parent.parent) for one in former})
            _log.warning("jobs of version 0.1 are left alone", jobs=len(former), folders=where)
        with suppress(JobsAwayError):  # of which more will be heard
            self._store.remove_leftovers()
        self._tasks = [asyncio.create_task(one) for one in (self._run(), self._look())]

    @property
    def reasons(self) -> list[str]:
        """Why jobs are not kept or done now; empty where they are."""
        if any(one.done() for one in self._tasks):
            return ["jobs are done no more; the log says why"]
        return ["jobs cannot be kept; the log says why"] if self._store.is_away else []

    async def close(self) -> None:
        """Stop between two parts; the next start goes on."""
        for one in self._tasks:
            one.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self._store.close)

    @asynccontextmanager
    async def uploaded(
        self, pieces: AsyncIterator[bytes], tenant: str | None
    ) -> AsyncIterator[JobRequest]:
        """Give what is sent as a file, for as long as it is not accepted.

        Raises:
            ApiError: Too many are sent at once, it cannot be kept, or it does not fit.
            RequestValidationError: It does not fit.
        """
        if self._uploads.total() >= _UPLOADS or self._uploads[tenant] >= _OWN_UPLOADS:
            raise ApiError(429, "busy", "too many jobs are being sent", retry_after=10)
        self._uploads[tenant] += 1
        cap, loop = self._settings.serve.job_cap, asyncio.get_running_loop()
        try:
            with self._store.upload() as sent, self._store.upload() as path:
                with self._store.told_away(), sent.open("wb") as file:
                    async for piece in pieces:
                        file.write(piece)
                with self._store.told_away():
                    made = loop.run_in_executor(self._pool, write_request, sent, path, cap)
                    request = await made
                yield request
        except ClientDisconnect:
            raise ApiError(400, "malformed", "the body ends too early") from None
        finally:
            self._uploads[tenant] -= 1

    async def checked(self, request: JobRequest, tenant: Tenant) -> JobRequest:
        """Return a request as it is to be accepted.

        Raises:
            ApiError: An item, a sale or a plan does not fit.
            TableError: Sales or plans do not fit.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, _checked, request, tenant)

    async def accept(self, request: JobRequest, caller: Caller, request_id: str) -> JobState:
        """Take a job; from then on it will be done.

        Raises:
            ApiError: Too many wait, or it cannot be kept.
        """
        loop = asyncio.get_running_loop()

        def add() -> JobState:
            most = self._settings.serve.jobs
            own = share_of(self._runtime.keys, most)
            state = self._store.add(request, caller, request_id, most=most, own=own)
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
                        await asyncio.wait_for(self._arrived.wait(), self._rest)
                    continue
                behind = job.number  # one that finds no room lets others have their turn
                await self._do(job)
                behind = 0
                await self._remove_old()
            except JobsAwayError:  # which the store has logged
                self._runtime.room.doubt()
                await asyncio.sleep(_PAUSE)
            except Exception as error:  # whatever it is, it is not the end of all jobs
                _log.error("jobs cannot be done", exc_info=error)
                await asyncio.sleep(_PAUSE)

    async def _look(self) -> None:
        """Find out when jobs can be kept again, though none is brought."""
        while True:
            await asyncio.sleep(_PAUSE)
            if self._store.is_away:
                with suppress(JobsAwayError):
                    await asyncio.to_thread(self._store.look)

    @property
    def _rest(self) -> float:
        """Seconds without a new job after which old ones are looked for."""
        kept = timedelta(days=self._settings.serve.job_days).total_seconds()
        return min(_LOOK_AGAIN, max(_PAUSE, kept))

    async def _remove_old(self) -> None:
        oldest = datetime.now(UTC) - timedelta(days=self._settings.serve.job_days)
        await asyncio.to_thread(self._store.remove_ended, oldest)

    async def _do(self, job: KeptJob) -> None:
        problem = None
        try:
            asked = await asyncio.to_thread(self._store.request, job.job_id)
            first = job.items_done
            while first < asked.items:
                part = await asyncio.to_thread(self._store.part, asked, first, _CHUNK)
                answer = await self._answer(job.tenant, job.task, part.job.request)
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
                if self._repeats.held_back("audit") is not None:  # it is tried once a second
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


def _checked(request: JobRequest, tenant: Tenant) -> JobRequest:
    """Check a request part by part; errors name rows as the whole counts them."""
    last = None
    first = 0
    while first < request.items:
        part = request.part(first, _CHECKED)
        first += len(part.rows["items"])
        try:
            if isinstance(part.job, ForecastJob):
                forecasts.check_launches(part.job.request, tenant)
                until = forecasts.settled(part.job.request, tenant).observed_until
                last = until if last is None else max(last, until or last)
            else:
                labels.check(tenant, part.job.request)
        except ApiError as error:
            error.errors = [_moved(one, part) for one in error.errors or ()] or None
            raise
    return request if last is None else request.observed_until(last.isoformat())


def _moved(told: Violation, part: Part) -> Violation:
    found = _PLACE.fullmatch(told.pointer)
    if found is None:
        return told
    name, row, rest = found.groups()
    return Violation(pointer=f"/{name}/{part.rows[name][int(row)]}{rest}", detail=told.detail)


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
