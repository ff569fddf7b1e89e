"""Everything behind the routes: encoder, tenants, lanes, and the watch over Milvus.

`start` returns at once; loading goes on in a thread, again and again while Milvus is away. From
then on a watch asks every second whether Milvus answers, and whether a tenant's collection is still
the one in use.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from pipelines import Settings
from retrieval import (
    IndexReplacedError,
    InputError,
    LikewiseError,
    StoreError,
    StoreLockedError,
    StoreUnavailableError,
)
from serving.keys import KeyRing
from serving.observability.audit import AuditLog
from serving.observability.metrics import Metrics
from serving.problems import ApiError, not_ready
from serving.runtime.lanes import Answer, Call, Lane, Limits
from serving.runtime.private_files import close_to_others
from serving.runtime.room import Room
from serving.runtime.shared_index import SharedEncoders
from serving.runtime.tenants import Tenant, Tenants, load_tenant

_log = structlog.stdlib.get_logger(__name__)

LABELS, WRITES, FORECASTS, ANSWERS = "labels", "writes", "forecasts", "answers"

_STEADY = 3  # tasks that last as long as the server
_REST = 10  # times as long as it took to look for what others wrote, to wait before the next time


class Runtime:
    """What answers requests.

    Args:
        settings: Of the server.
        on_failure: Told once, where the settings cannot work, so that the process can end.

    Attributes:
        failure: Why nothing will ever be loaded; None while there is hope.
        bodies: Parses and validates what is too large for the event loop, one after the other.
    """

    def __init__(self, settings: Settings, on_failure: Callable[[], None] = lambda: None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        serve = settings.serve
        self.keys = KeyRing(serve.keys, serve.rate, serve.item_rate)
        self.failure: LikewiseError | None = None
        self._on_failure = on_failure
        self._encoders = SharedEncoders(settings, self.metrics)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="likewise-load")
        self.bodies = ThreadPoolExecutor(1, thread_name_prefix="likewise-bodies")
        self._watch_pool = ThreadPoolExecutor(1, thread_name_prefix="likewise-watch")
        self.tenants = Tenants(self._load_tenant, self._pool, settings.serve.tenants)
        self._is_loaded, self._is_away, self._is_closing = False, False, False
        self._is_refused = False
        self._tasks: list[asyncio.Task[None]] = []
        self._reloading: set[str | None] = set()
        options = settings.serve
        lite = [] if "://" in settings.index.uri else [Path(settings.index.uri).parent]
        self.room = Room([options.data_dir, *lite])
        self.audit: AuditLog | None = None
        if options.audit:
            folder = options.data_dir / "audit"
            self.audit = AuditLog(
                folder,
                megabytes=options.audit_mb,
                total_megabytes=options.audit_total_mb,
                days=options.audit_days,
            )

    # --- from start to end -----------------------------------------------------------------------

    def start(self) -> None:
        """Begin to load, and to watch."""
        options = self.settings.serve
        close_to_others(options.data_dir)
        limits = Limits(
            rows=options.max_batch,
            calls=options.queue,
            own_calls=share_of(self.keys, options.queue),
            linger=options.linger_ms / 1000,
            batching=options.batching,
        )
        self._lanes = {
            name: Lane(name, limits, partial(self.metrics.batch, name))
            for name in (LABELS, WRITES, FORECASTS, ANSWERS)
        }
        for name, lane in self._lanes.items():
            self.metrics.watch_queue(name, lane)
            lane.start()
        self._tasks = [
            asyncio.create_task(one()) for one in (self._load, self._watch, self._follow)
        ]

    async def close(self) -> None:
        """Finish what was accepted, then disconnect; what is being loaded is not waited for."""
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        for lane in self._lanes.values():
            await lane.close()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._shut_down)

    def _shut_down(self) -> None:
        self.tenants.load_no_more()
        self.tenants.close()  # so that what still reads ends
        self._pool.shutdown(wait=not self.is_loading)
        self.bodies.shutdown()
        self._watch_pool.shutdown()
        if self.audit is not None:
            self.audit.close()

    # --- readiness -------------------------------------------------------------------------------

    @property
    def reasons(self) -> list[str]:
        """Why not all questions can be answered now; empty where they can."""
        if self.failure is not None:
            return [str(self.failure)]
        if not self._is_loaded:
            away = ["Milvus does not answer"] if self._is_away else []
            if self._is_refused:  # in what words is for the log: this anybody may read
                away = ["Milvus refuses; the log says why"]
            return [*away, "encoder, items and models are being loaded"]
        away = ["Milvus does not answer"] if self._is_away else []
        return [*away, *(["the disk is full"] if self.room.is_full else [])]

    @property
    def is_starting(self) -> bool:
        """Whether all is well but for what is still being loaded."""
        return not self._is_loaded and not self._is_away

    @property
    def is_loading(self) -> bool:
        """Whether a tenant is being loaded, in a thread that nothing can interrupt."""
        return self.tenants.is_loading

    def require_loaded(self) -> None:
        """Refuse questions before anything is loaded."""
        if not self._is_loaded:
            raise not_ready("; ".join(self.reasons))

    def require_milvus(self) -> None:
        """Refuse at once what would wait for a Milvus that is away."""
        if self._is_away:
            raise ApiError(503, "milvus-away", "Milvus does not answer", retry_after=2)

    # --- answering -------------------------------------------------------------------------------

    @asynccontextmanager
    async def tenant(self, name: str | None) -> AsyncIterator[Tenant]:
        """Use a tenant's items and models, which are loaded first if need be."""
        self.require_loaded()
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(self.settings.serve.timeout):
                tenant = await stack.enter_async_context(self.tenants.lease(name))
            yield tenant

    async def ask(self, lane: str, call: Call, answer: Answer, *, patient: bool = False) -> Any:
        """Wait for the answer of a lane.

        Args:
            lane: Which one.
            call: What is asked.
            answer: Answers it.
            patient: Wait for as long as it takes.
        """
        if lane != FORECASTS:
            self.require_milvus()
        timeout = None if patient else self.settings.serve.timeout
        try:
            return await self._lanes[lane].ask(call, answer, timeout)
        except StoreUnavailableError:
            self._note(is_away=True)
            raise

    async def in_thread(self, action: Callable[..., Any], *args: Any) -> Any:
        """Run something short that reads Milvus or a file."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self.settings.serve.timeout):
            return await loop.run_in_executor(self._pool, action, *args)

    # --- loading and watching --------------------------------------------------------------------

    def _load_tenant(self, name: str | None) -> Tenant:
        return load_tenant(self.settings, self._encoders, self.metrics, name)

    async def _load(self) -> None:
        names = self.keys.tenants[: self.settings.serve.tenants]
        while not self._is_loaded:
            try:
                for name in names:
                    if name not in {one.name for one in self.tenants.all()}:
                        await self.tenants.load(name)
                self._is_loaded = True
                self._note(is_away=False)
                self.metrics.ready.set(1)
                _log.info("ready", tenants=len(names))
            except StoreLockedError as error:  # whoever holds it does so for as long as it runs
                self._fail(error)
                return
            except StoreError as error:
                self._is_refused = not isinstance(error, StoreUnavailableError)
                self._note(is_away=not self._is_refused)
                _log.warning("Milvus cannot be used yet", reason=str(error))
                await asyncio.sleep(self.settings.serve.watch_seconds)
            except Exception as error:
                self._fail(error)
                return

    def _fail(self, error: Exception) -> None:
        """End: nothing that could still happen would help."""
        known = isinstance(error, LikewiseError | OSError)
        self.failure = (
            error
            if isinstance(error, LikewiseError)
            else InputError(str(error) if known else type(error).__name__)
        )
        _log.error("loading failed", reason=str(error), exc_info=None if known else error)
        self._on_failure()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.settings.serve.watch_seconds)
            await loop.run_in_executor(self._watch_pool, self.room.look)
            tenants = self.tenants.all()
            if not self._is_loaded or not tenants:
                continue
            try:
                await loop.run_in_executor(self._watch_pool, tenants[0].index.ping)
                self._note(is_away=False)
                for tenant in tenants:
                    current = await loop.run_in_executor(self._watch_pool, _is_current, tenant)
                    if not current and tenant.name not in self._reloading:
                        self._reloading.add(tenant.name)
                        self._tasks.append(asyncio.create_task(self._reload(tenant)))
            except StoreError:
                # A tenant replaced meanwhile is closed: its index says nothing about Milvus.
                if self.tenants.all() == tenants:
                    self._note(is_away=True)
            except Exception as error:
                _log.error("watching failed", exc_info=error)
            steady, more = self._tasks[:_STEADY], self._tasks[_STEADY:]
            self._tasks = [*steady, *(one for one in more if not one.done())]

    async def _follow(self) -> None:
        """Let all tenants learn what other processes have written, now and then."""
        least, loop = self.settings.serve.follow_seconds, asyncio.get_running_loop()
        seconds = 0.0
        while least is not None:
            await asyncio.sleep(max(least, _REST * seconds))
            seconds = 0.0
            try:
                for tenant in [] if self._is_away else self.tenants.all():
                    seconds += await loop.run_in_executor(self._pool, tenant.labeler.follow)
            except StoreError as error:
                _log.warning("what others wrote cannot be read", reason=str(error))
            except Exception as error:
                _log.error("following failed", exc_info=error)

    async def reload(self, name: str | None) -> None:
        """Read a tenant's items and saved models anew; the former ones answer until that is done.

        Raises:
            ApiError: They are being loaded already, or cannot be used: the former ones go on.
        """
        if name in self._reloading:
            raise ApiError(409, "conflict", "items and models are being loaded already")
        self._reloading.add(name)
        try:
            async with self.tenants.lease(name) as former:
                await self._replace(former)
        except (StoreError, IndexReplacedError):
            raise
        except (LikewiseError, OSError) as error:
            _log.error("items and models could not be replaced", reason=str(error))
            detail = "what was saved cannot be used, the log says why; the former models go on"
            raise ApiError(409, "model-refused", detail) from None
        finally:
            self._reloading.discard(name)

    async def _reload(self, former: Tenant) -> None:
        """Replace a tenant that is no longer up to date; where that fails, not again at once."""
        try:
            await self._replace(former)
        except Exception as error:
            _log.error("items and models could not be replaced", reason=str(error))
            await asyncio.sleep(10 * self.settings.serve.watch_seconds)
        finally:
            self._reloading.discard(former.name)

    async def _replace(self, former: Tenant) -> None:
        """Load a tenant anew, and put it in the place of the former one between two writes."""
        written = former.labeler.state
        tenant = await self.tenants.made_anew(former.name)

        def put(_: object) -> list[None]:
            if former.labeler.state is not written:
                tenant.labeler.catch_up()
            self.tenants.put(tenant)
            return [None]

        await self._lanes[WRITES].ask(_Swap(), put)
        _log.info("items and models replaced", tenant=former.name)

    def _note(self, *, is_away: bool) -> None:
        if is_away != self._is_away:
            _log.warning("Milvus does not answer" if is_away else "Milvus answers")
        self._is_away = is_away
        self.metrics.ready.set(0 if is_away or not self._is_loaded else 1)


def share_of(keys: KeyRing, whole: int) -> int:
    """Return how much of what may wait one tenant may have: half, where there are several."""
    return whole if len(keys.tenants) == 1 else max(1, whole // 2)


class _Swap:
    """The turn in the lane of writes at which a tenant is replaced."""

    owner = None
    group = "swap"
    ids: frozenset[str] = frozenset()
    rows = 1


def _is_current(tenant: Tenant) -> bool:
    return tenant.shared.is_current() and not tenant.labeler.wants_fit
