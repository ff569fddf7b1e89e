"""A server that is killed while people decide loses no decision that it acknowledged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.behavior.serving.test_restart import _config, _process
from tests.serving.conftest import Store, wait_until

_ITEMS = 200


def test_what_was_acknowledged_is_kept_and_written(store: Store, tmp_path: Path) -> None:
    config = _config(store, tmp_path)
    acknowledged: dict[str, str] = {}
    with _process(config) as (process, http):
        items = [{"item_id": f"n{one}", "text": f"candy bar {one} oz"} for one in range(_ITEMS)]
        assert http.put("/v1/items", json={"items": items}).is_success
        queue = http.post("/v1/review/queues", json={"order": "id"}).json()["queue_id"]
        path = f"/v1/review/queues/{queue}"
        with ThreadPoolExecutor(2) as pool:
            people = [pool.submit(_decide, http, path, who, acknowledged) for who in ("ana", "ben")]
            wait_until(lambda: len(acknowledged) > 12)
            process.kill()
            process.wait()
            for one in people:
                one.result()
    assert 12 < len(acknowledged) < _ITEMS
    with _process(config) as (process, http):
        made = http.get(f"{path}/decisions").json()["decisions"]
        kept = {one["item_id"]: one["label"] for one in made}
        assert kept.items() >= acknowledged.items()
        assert len(kept) <= len(acknowledged) + 2
        stored = http.get("/v1/items", params={"item_id": list(kept)}).json()["items"]
        assert {one["item_id"]: one["label"] for one in stored} == kept


def _decide(http: httpx.Client, path: str, who: str, acknowledged: dict[str, str]) -> None:
    try:
        while True:
            told = http.post(f"{path}/next", json={"reviewer": who}).json()
            item_id = told["item"]["item_id"]
            decision = {"item_ids": [item_id], "verdict": "label", "reviewer": who}
            label = ("BAG SNACKS", "CANDY - PACKAGED")[len(acknowledged) % 2]
            if http.post(f"{path}/decisions", json={**decision, "label": label}).is_success:
                acknowledged[item_id] = label
    except httpx.TransportError:
        return
