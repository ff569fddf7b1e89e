"""The collection is built anew with another encoder while the server answers and is written to."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from pipelines.config.settings import load_settings
from pipelines.jobs.acceptance import Acceptance
from pipelines.jobs.reindex import reindex_job, rollback_job
from retrieval import Encoder, ItemIndex
from tests.encoders import shallow_encoder
from tests.serving.conftest import Served, Store, running, wait_until


class Traffic:
    """Reads and writes, one after the other, until told to stop."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._over = threading.Event()
        self._threads = [threading.Thread(target=one) for one in (self._read, self._write)]
        self.read_statuses: list[int] = []
        self.refused: list[str] = []
        self.acknowledged: list[str] = []
        self.errors: list[BaseException] = []

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        body = {"items": [{"text": "caramel chocolate bar"}]}
        while not self._over.is_set():
            self.read_statuses.append(self._served.http.post("/v1/classify", json=body).status_code)

    def _write(self) -> None:
        number = 0
        while not self._over.is_set():
            row = {
                "item_id": f"late {number}",
                "attributes": {"brand": "Private"},
                "text": f"sour gummy bears, bag {number}",
                "label": "CANDY - PACKAGED",
            }
            answer = self._served.http.put("/v1/items", json={"items": [row]})
            if answer.status_code == 200:
                self.acknowledged.append(row["item_id"])
                number += 1
            else:
                self.refused.append(answer.json()["type"])


@pytest.fixture
def shallow(encoder: Encoder, tmp_path: Path) -> Encoder:
    return shallow_encoder(encoder, tmp_path / "shallow")


def test_no_reader_sees_a_gap_and_no_acknowledged_write_is_lost(
    store: Store, shallow: Encoder, tmp_path: Path
) -> None:
    settings = store.settings(tmp_path / "served", serve={"watch_seconds": 0.2})
    uri = settings.index.uri
    other = load_settings(None, {"index": {"uri": uri}, "encoder": {"name": shallow.name}})
    with running(settings) as served:
        version = served.post("/v1/classify", {"items": [{"text": "candy"}]})["model_version"]
        assert version.startswith("items_v1@")

        def answers_from(name: str) -> bool:
            body = {"items": [{"text": "candy"}]}
            return served.post("/v1/classify", body)["model_version"].startswith(name + "@")

        with Traffic(served) as traffic:
            wait_until(lambda: len(traffic.acknowledged) >= 3)
            done = reindex_job(other, demands=Acceptance(loss=0.3))
            assert done.live == "items_v2"
            wait_until(lambda: answers_from("items_v2"))
            so_far = len(traffic.acknowledged)
            wait_until(lambda: len(traffic.acknowledged) > so_far)
            back = rollback_job(other)
            assert back.live == "items_v1"
            wait_until(lambda: answers_from("items_v1"))
            so_far = len(traffic.acknowledged)
            wait_until(lambda: len(traffic.acknowledged) > so_far)
        assert set(traffic.read_statuses) == {200}
        assert set(traffic.refused) <= {"/problems/index-replaced"}
    with ItemIndex(uri) as index:
        there = index.ids()
        assert len(there) == len(set(there))
        assert set(traffic.acknowledged) <= set(there)
        assert not {one for one in there if one.startswith("late")} - {
            f"late {number}" for number in range(len(traffic.acknowledged) + 1)
        }


def test_what_is_written_while_a_tenant_is_loaded_anew_counts(store: Store, tmp_path: Path) -> None:
    hose = {"item_id": "hose", "text": "garden hose 50 feet", "label": "GARDEN"}
    with running(store.settings(tmp_path)) as served, pytest.MonkeyPatch.context() as patch:
        runtime = served.app.state.runtime
        (former,) = runtime.tenants.all()
        load = runtime.tenants.made_anew

        async def loaded(name: str | None) -> Any:
            made = await load(name)
            await asyncio.to_thread(
                lambda: served.http.put("/v1/items", json={"items": [hose]}).raise_for_status()
            )
            return made

        patch.setattr(runtime.tenants, "made_anew", loaded)
        loop = runtime._tasks[0].get_loop()
        asyncio.run_coroutine_threadsafe(runtime._reload(former), loop).result(60)
        (latter,) = runtime.tenants.all()
        assert latter is not former
        assert "GARDEN" in str(served.http.get("/v1/labels").json())
        near = {"items": [{"text": hose["text"]}], "k": 1}
        (one,) = served.post("/v1/similar", near)["results"]
        assert one["neighbors"][0]["item_id"] == "hose"
        assert served.classify(hose["text"])[0]["label"] == "GARDEN"
