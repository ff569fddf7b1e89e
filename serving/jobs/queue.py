"""Long jobs: accepted once their request is on disk, finished after any number of restarts.

Each has a folder: ``request.json`` until it is done, ``state.json``, and then ``result.jsonl``, one
item a line. Every file but the result appears whole, by renaming; of a result that a crash cut off
the whole lines count, and the job goes on behind them.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from pipelines import Settings
from retrieval import StoreError
from serving.handlers import forecasts, labels
from serving.jobs.store import JobFolder, KeptJob
from serving.observability.audit import audit_entries
from serving.problems import ApiError, Problem, as_api_error
from serving.runtime.runtime import FORECASTS, LABELS, Runtime
from serving.runtime.tenants import Tenant, tenant_folder
from serving.schemas.forecasts import Forecast, Plan, Sale
from serving.schemas.jobs import ClassifyJob, ForecastJob, JobState
from serving.schemas.labels import Classify

_log = structlog.stdlib.get_logger(__name__)
_ID = re.compile(r"[0-9a-f]{32}")
_CHUNK = 64
_PAUSE = 1.0  # seconds between attempts while Milvus is away


class Jobs:
    """The jobs of all tenants, done one after the other beside the calls.

    Args:
        runtime: What answers.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings: Settings = runtime.settings
        self._queue: asyncio.Queue[JobFolder] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Go on with what was accepted before."""
        for folder in sorted(self._folders(), key=_accepted):
            kept = folder.kept()
            if kept is not None and kept.state.status in ("queued", "running"):
                self._queue.put_nowait(folder)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop between two parts; the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def accept(
        self, job: ClassifyJob | ForecastJob, tenant: str | None, request_id: str
    ) -> JobState:
        """Take a job; from then on it will be done.

        Raises:
            ApiError: Too many wait.
        """
        if self._queue.qsize() >= self._settings.serve.jobs:
            raise ApiError(429, "busy", f"{self._queue.qsize()} jobs are waiting", retry_after=60)
        state = JobState(
            job_id=secrets.token_hex(16),
            task=job.task,
            status="queued",
            items=len(job.request.items),
            items_done=0,
            created=datetime.now(UTC),
        )
        folder = self._folder(tenant, state.job_id)
        folder.write("request.json", job.model_dump_json())
        folder.keep(KeptJob(state=state, tenant=tenant, request_id=request_id))
        return state

    def enqueue(self, tenant: str | None, job_id: str) -> None:
        """Let a job that was accepted have its turn."""
        self._queue.put_nowait(self._folder(tenant, job_id))

    def state(self, tenant: str | None, job_id: str) -> JobState:
        """How far a job is.

        Raises:
            ApiError: The tenant has no such job.
        """
        kept = self._folder(tenant, job_id).kept() if _ID.fullmatch(job_id) else None
        if kept is None:
            raise ApiError(404, "not-found", "no such job")
        return kept.state

    def result(self, tenant: str | None, job_id: str) -> Iterator[bytes]:
        """The results of a finished job as one JSON document, piece by piece.

        Raises:
            ApiError: There is no such job, or it has not finished, or failed.
        """
        state = self.state(tenant, job_id)
        if state.status != "done":
            raise ApiError(409, "not-finished", f"the job is {state.status}")
        return _document(self._folder(tenant, job_id).result)

    # --- doing them ------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            folder = await self._queue.get()
            kept = folder.kept()
            if kept is None:
                continue
            try:
                await self._do(folder, kept)
            except Exception as error:
                problem = _problem(error, kept)
                _log.error("job failed", job_id=kept.state.job_id, kind=problem.type)
                _change(folder, kept, status="failed", problem=problem)
            self._purge()

    async def _do(self, folder: JobFolder, kept: KeptJob) -> None:
        job = await asyncio.to_thread(folder.job)
        done = folder.whole_lines()
        for part in await asyncio.to_thread(_parts, job.request, done):
            answer = await self._answer(kept.tenant, job.task, part)
            await asyncio.to_thread(folder.append, answer["results"])
            if self._runtime.audit is not None:
                entries = audit_entries(job.task, answer, kept.request_id, kept.tenant)
                self._runtime.audit.write(entries)
            done += len(answer["results"])
            _change(folder, kept, status="running", items_done=done)
        _change(folder, kept, status="done", items_done=done)
        (folder.path / "request.json").unlink(missing_ok=True)
        _log.info("job done", job_id=kept.state.job_id, task=job.task, items=done)

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

    def _purge(self) -> None:
        """Remove what finished long ago."""
        oldest = time.time() - self._settings.serve.job_days * 86_400
        for folder in self._folders():
            kept = folder.kept()
            if kept and kept.state.status in ("done", "failed") and _accepted(folder) < oldest:
                shutil.rmtree(folder.path, ignore_errors=True)

    def _folder(self, tenant: str | None, job_id: str) -> JobFolder:
        return JobFolder(tenant_folder(self._settings, tenant) / "jobs" / job_id)

    def _folders(self) -> list[JobFolder]:
        found = self._settings.serve.data_dir.glob("*/jobs/*/state.json")
        return [JobFolder(path.parent) for path in found]


def checked_job(
    job: ClassifyJob | ForecastJob, tenant: Tenant, cap: int
) -> ClassifyJob | ForecastJob:
    """A job as it is to be accepted.

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
    """A request from an item on, in parts, each with the sales and plans of its own items."""
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


def _change(
    folder: JobFolder,
    kept: KeptJob,
    *,
    status: Literal["running", "done", "failed"],
    items_done: int | None = None,
    problem: Problem | None = None,
) -> None:
    done = kept.state.items_done if items_done is None else items_done
    update = {"status": status, "items_done": done, "problem": problem}
    kept.state = kept.state.model_copy(update=update)
    folder.keep(kept)


def _problem(error: Exception, kept: KeptJob) -> Problem:
    found = as_api_error(error)
    return Problem(
        type=f"/problems/{found.kind}",
        title="The job failed",
        status=found.status,
        detail=found.detail,
        instance=f"/v1/jobs/{kept.state.job_id}",
        request_id=kept.request_id,
    )


def _accepted(folder: JobFolder) -> float:
    return folder.path.stat().st_mtime


def _document(path: Path) -> Iterator[bytes]:
    yield b'{"results":['
    with path.open("rb") as file:
        for number, line in enumerate(file):
            yield (b"," if number else b"") + line.rstrip(b"\n")
    yield b"]}"
