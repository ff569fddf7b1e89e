"""The API on a real Milvus server: what differs from a Lite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.config import Settings, load_settings
from tests.milvus_places import Places
from tests.serving.conftest import running, wait_until

pytestmark = pytest.mark.server_only("Lite knows no users, and is held by one process")

ITEMS = [
    {"item_id": "1", "text": "whole milk", "label": "DAIRY"},
    {"item_id": "2", "text": "oat milk", "label": "DAIRY"},
    {"item_id": "3", "text": "rye bread", "label": "BAKERY"},
    {"item_id": "4", "text": "bread rolls", "label": "BAKERY"},
]


def _settings(milvus: Places, folder: Path, **index: Any) -> Settings:
    return load_settings(
        None,
        {
            "items": {"text": ["name"], "label": "kind"},
            "index": {**milvus().settings(), **index},
            "classify": {"head": "none", "prototypes": True},
            "serve": {"data_dir": str(folder / "data")},
        },
    )


def test_a_wrong_token_is_not_ready_and_says_so(milvus: Places, tmp_path: Path) -> None:
    with running(_settings(milvus, tmp_path, token="root:wrong"), ready=False) as served:
        assert served.http.get("/livez").status_code == 200
        wait_until(lambda: "refuses" in served.http.get("/readyz").text)
        answer = served.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["reasons"][0] == "Milvus refuses; the log says why"
        asked = served.http.post("/v1/classify", json={"items": [{"text": "milk"}]})
        assert asked.status_code == 503
        assert asked.json()["type"].endswith("not-ready")
        assert "root" not in answer.text + asked.text


def test_two_servers_share_a_collection(milvus: Places, tmp_path: Path) -> None:
    one, two = (_settings(milvus, tmp_path / name) for name in ("one", "two"))
    with running(one) as first:
        assert first.http.put("/v1/items", json={"items": ITEMS}).status_code == 200
        assert first.classify("goat milk")[0]["label"] == "DAIRY"
        with running(two) as second:
            assert second.classify("white bread")[0]["label"] == "BAKERY"
            more = {"item_id": "5", "text": "garden hose", "label": "GARDEN"}
            assert second.http.put("/v1/items", json={"items": [more]}).status_code == 200

        def nearest() -> str:
            found = first.post("/v1/similar", {"items": [{"text": "hose"}], "k": 1})
            return str(found["results"][0]["neighbors"][0]["item_id"])

        wait_until(lambda: nearest() == "5")  # what others write is seen a moment later
