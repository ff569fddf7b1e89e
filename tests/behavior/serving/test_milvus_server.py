"""The API on a real Milvus server: what differs from a Lite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.config.settings import Settings, load_settings
from tests.milvus_places import Places
from tests.serving.conftest import Served, running, wait_until

pytestmark = pytest.mark.server_only("Lite knows no users, and is held by one process")

ITEMS = [
    {"item_id": "1", "text": "whole milk", "label": "DAIRY"},
    {"item_id": "2", "text": "oat milk", "label": "DAIRY"},
    {"item_id": "3", "text": "rye bread", "label": "BAKERY"},
    {"item_id": "4", "text": "bread rolls", "label": "BAKERY"},
]


def _settings(
    milvus: Places, folder: Path, *, serve: dict[str, Any] | None = None, **index: Any
) -> Settings:
    return load_settings(
        None,
        {
            "items": {"text": ["name"], "label": "kind"},
            "index": {**milvus().settings(), **index},
            "classify": {"head": "none", "prototypes": True},
            "serve": {"data_dir": str(folder / "data"), **(serve or {})},
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


def test_what_one_server_learns_the_other_learns(milvus: Places, tmp_path: Path) -> None:
    one, two = (
        _settings(milvus, tmp_path / name, serve={"follow_seconds": 0.1, "watch_seconds": 0.1})
        for name in ("one", "two")
    )
    with running(one) as first, running(two) as second:
        _put(first, *ITEMS)  # which makes the collection
        wait_until(lambda: _examples(second) == {"BAKERY": 2, "DAIRY": 2})
        _put(second, {"item_id": "5", "text": "goat cheese", "label": "DAIRY"})
        wait_until(lambda: _examples(first) == {"BAKERY": 2, "DAIRY": 3})
        _correct(first, "5", "CHEESE")
        wait_until(lambda: _examples(second) == {"BAKERY": 2, "CHEESE": 1, "DAIRY": 2})
        changed = {"item_id": "3", "text": "garden hose", "label": "BAKERY"}
        _put(second, changed)  # the label stays, what it stands for does not
        assert second.http.delete("/v1/items", params={"item_id": "1"}).is_success
        wait_until(lambda: _examples(first) == {"BAKERY": 2, "CHEESE": 1, "DAIRY": 1})
        asked = ["hose", "cheese", "bread", "milk"]
        wait_until(lambda: _probabilities(first, asked) == _probabilities(second, asked))
        assert second.http.delete("/v1/items", params={"item_id": ["2", "3", "4", "5"]}).is_success
        wait_until(lambda: _examples(first) == {})


def test_a_server_does_not_take_its_own_writes_for_those_of_others(
    milvus: Places, tmp_path: Path
) -> None:
    with running(_settings(milvus, tmp_path, serve={"follow_seconds": None})) as served:
        (tenant,) = served.app.state.runtime.tenants.all()
        _put(served, *ITEMS)
        _put(served, {"item_id": "1", "text": "raw milk", "label": "DAIRY"}, ITEMS[1])
        _put(served, {"item_id": "5", "text": "garden hose"})
        _put(served, {**ITEMS[2], "label": None})
        _correct(served, "5", "GARDEN")
        assert served.http.delete("/v1/items", params={"item_id": ["4", "none"]}).is_success
        before = tenant.labeler.state
        tenant.labeler.follow()
        assert tenant.labeler.state is before
        assert _examples(served) == {"DAIRY": 2, "GARDEN": 1}


def test_a_write_meets_a_label_that_only_another_server_knows(
    milvus: Places, tmp_path: Path
) -> None:
    one, two = (
        _settings(milvus, tmp_path / name, serve={"follow_seconds": None})
        for name in ("one", "two")
    )
    with running(one) as first:
        _put(first, *ITEMS)
        with running(two) as second:
            _correct(second, "3", "RYE")
        _correct(first, "3", "BREAD")
        assert _examples(first) == {"BAKERY": 1, "BREAD": 1, "DAIRY": 2}


def _put(served: Served, *items: dict[str, Any]) -> None:
    answer = served.http.put("/v1/items", json={"items": list(items)})
    assert answer.status_code == 200, answer.text


def _correct(served: Served, item_id: str, label: str) -> None:
    told = {"item_id": item_id, "label": label, "new_label": True}
    served.post("/v1/feedback", {"corrections": [told]})


def _examples(served: Served) -> dict[str, int]:
    known = served.http.get("/v1/labels").json()["labels"]
    return {one["label"]: one["examples"] for one in known}


def _probabilities(served: Served, texts: list[str]) -> list[tuple[str, float]]:
    return [(one["label"], round(one["probability"], 6)) for one in served.classify(*texts)]
