"""Whose items: each tenant's index, classifier and forecaster, loaded when first asked for.

What a tenant has is replaced as a whole: when another collection was put in the place of its own
(blue/green), and when it has learned so much that certainty is to be learned anew. Whoever still
uses the former one keeps it until done.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from forecasting import LaunchForecaster, named_index
from pipelines import Settings, timed
from retrieval import EncoderMismatchError, ItemIndex, MakeEncoder
from serving.observability.metrics import Metrics
from serving.problems import not_ready
from serving.runtime.label_journal import LabelJournal
from serving.runtime.live_catalog import LiveCatalog
from serving.runtime.live_classifier import LiveClassifier, version_of
from serving.runtime.live_graph import LiveGraph
from serving.runtime.shared_index import open_shared_index

_log = structlog.stdlib.get_logger(__name__)

Load = Callable[[str | None], "Tenant"]


class Tenant:
    """What answers one tenant's questions.

    Attributes:
        name: None where there are no tenants.
        settings: Of the server.
        metrics: Told what happens.
        shared: Its items, and what others do to them.
        index: The same, for whoever asks and writes.
        labeler: Its classifier.
        answers: Its items, as questions and recommendations need them.
        concepts: What is known beside its items.
        forecaster: None where there is none.
        forecaster_version: Names it in answers.
        leases: How many requests use it.
    """

    def __init__(
        self, name: str | None, settings: Settings, encoders: MakeEncoder, metrics: Metrics
    ) -> None:
        self.name = name
        self.settings = settings
        self.metrics = metrics
        self.leases = 0
        self.is_retired = False
        self.forecaster: LaunchForecaster | None = None
        self.forecaster_version = ""
        self._more: list[ItemIndex] = []
        self.shared = open_shared_index(settings, encoders, metrics, name)
        self.index = self.shared.index
        try:
            journal = LabelJournal(tenant_folder(settings, name) / "labels.jsonl")
            model = _path_for(settings.serve.model_labels, name)
            self.labeler = LiveClassifier(settings, self.shared, journal, model)
            self.answers = LiveCatalog(settings, self.shared, name)
            self.concepts = LiveGraph(self.index)
            forecaster = _path_for(settings.serve.forecaster, name)
            if forecaster is not None:
                self.forecaster = self._load_forecaster(forecaster, encoders)
                self.forecaster_version = version_of(forecaster)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect."""
        for index in (*self._more, self.index):
            index.close()

    def _load_forecaster(self, path: Path, encoders: MakeEncoder) -> LaunchForecaster:
        home = named_index(path)
        if home is None:
            try:
                return LaunchForecaster.load(path, encoder=self.index.encoder)
            except EncoderMismatchError:  # it was made with another one, and has its name
                return LaunchForecaster.load(path)
        there = self.settings.index.at(**home, said_by=path)
        elsewhere = self.settings.model_copy(update={"index": there})
        index = open_shared_index(elsewhere, encoders, self.metrics, self.name).index
        self._more.append(index)
        return LaunchForecaster.load(path, index=index)


class Tenants:
    """The tenants in use, the least recently used of too many put away.

    Args:
        load: Makes one, in a thread.
        pool: Where that happens.
        most: How many to keep.
    """

    def __init__(self, load: Load, pool: Executor, most: int) -> None:
        self._load = load
        self._pool = pool
        self._most = most
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str | None, Tenant] = OrderedDict()
        self._loading: dict[str | None, asyncio.Task[Tenant]] = {}
        self._under_way = 0
        self._loads_no_more = False

    @property
    def is_loading(self) -> bool:
        """Whether one is being loaded, which nothing can interrupt."""
        return self._under_way > 0

    def all(self) -> list[Tenant]:
        """Those that are loaded."""
        with self._lock:
            return list(self._loaded.values())

    def loaded(self, name: str | None) -> Tenant:
        """Return the tenant that answers to a name now.

        Raises:
            ApiError: It was put away in between.
        """
        with self._lock:
            tenant = self._loaded.get(name)
        if tenant is None:
            raise not_ready("the items are being loaded")
        return tenant

    @asynccontextmanager
    async def lease(self, name: str | None) -> AsyncIterator[Tenant]:
        """Use a tenant; it stays open until that is over."""
        while (tenant := self._taken(name)) is None:
            await self.load(name)
        try:
            yield tenant
        finally:
            with self._lock:
                tenant.leases -= 1
                ends = tenant.is_retired and tenant.leases == 0
            if ends:
                self._pool.submit(tenant.close)

    def _taken(self, name: str | None) -> Tenant | None:
        """Return the tenant that answers now, which is not closed before it is given back."""
        with self._lock:  # looked up and counted at once: between the two it could be closed
            tenant = self._loaded.get(name)
            if tenant is not None:
                self._loaded.move_to_end(name)
                tenant.leases += 1
            return tenant

    async def load(self, name: str | None) -> Tenant:
        """Load a tenant, once, however many ask for it."""
        task = self._loading.get(name)
        if task is None:
            task = asyncio.create_task(self._load_and_keep(name))
            self._loading[name] = task
            task.add_done_callback(lambda _: self._loading.pop(name, None))
        return await asyncio.shield(task)

    async def made_anew(self, name: str | None) -> Tenant:
        """Load a tenant beside the one that answers; `put` lets it answer."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._made, name)

    def put(self, tenant: Tenant) -> None:
        """Let a tenant answer from now on, in place of the one of its name."""
        with self._lock:
            former = self._loaded.pop(tenant.name, None)
            self._loaded[tenant.name] = tenant
            retired = [former] if former is not None else []
            while len(self._loaded) > self._most:
                retired.append(self._loaded.popitem(last=False)[1])
            for one in retired:
                one.is_retired = True
            idle = [one for one in retired if one.leases == 0]
        for one in idle:
            self._pool.submit(one.close)

    def load_no_more(self) -> None:
        """Let what is still being loaded be closed as soon as it is."""
        self._loads_no_more = True

    def close(self) -> None:
        """Disconnect all."""
        for tenant in self.all():
            tenant.close()

    def _made(self, name: str | None) -> Tenant:
        with self._lock:
            self._under_way += 1
        try:
            if not self._loads_no_more:
                tenant = self._load(name)
                if not self._loads_no_more:
                    return tenant
                tenant.close()
            raise not_ready("this server is shutting down")
        finally:
            with self._lock:
                self._under_way -= 1

    async def _load_and_keep(self, name: str | None) -> Tenant:
        tenant = await self.made_anew(name)
        self.put(tenant)
        return tenant


def load_tenant(
    settings: Settings, encoders: MakeEncoder, metrics: Metrics, name: str | None
) -> Tenant:
    """Load a tenant, and say in the log how long it took."""
    with timed(_log, "items and models loaded", tenant=name):
        return Tenant(name, settings, encoders, metrics)


def tenant_folder(settings: Settings, name: str | None) -> Path:
    """Where a tenant's labels in words and jobs are kept."""
    # A tenant may be called as the folder of those without one, or like another but for case.
    folder = (
        "shared" if name is None else f"tenant-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    )
    return settings.serve.data_dir / folder


def _path_for(path: Path | None, tenant: str | None) -> Path | None:
    """Return the path of a saved model; None where the tenant has none."""
    if path is None:
        return None
    own = Path(str(path).replace("{tenant}", tenant or "shared"))
    return own if own == path or own.exists() else None
