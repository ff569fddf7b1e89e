"""Two tenants on one server: neither sees what the other has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.keys import make_key
from tests.serving.conftest import Served, Store, running, wait_until

ACME = [("1", "tortilla chips", "SNACKS"), ("2", "potato chips", "SNACKS"), ("3", "soda", "DRINKS")]
EAST = [("1", "cordless drill", "TOOLS"), ("2", "potato peeler", "KITCHEN")]


class Tenant:
    """Asks with one key."""

    def __init__(self, served: Served, key: str) -> None:
        self._http = served.http
        self._headers = {"Authorization": f"Bearer {key}"}

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        answer = self._http.request(method, path, headers=self._headers, **options)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def status(self, method: str, path: str, **options: Any) -> int:
        return self._http.request(method, path, headers=self._headers, **options).status_code

    def put(self, items: list[tuple[str, str, str]]) -> Any:
        rows = [dict(zip(("item_id", "text", "label"), one, strict=True)) for one in items]
        return self("PUT", "/v1/items", json={"items": rows})

    def ask(self, route: str, *texts: str, **options: Any) -> list[dict[str, Any]]:
        body = {"items": [{"text": text} for text in texts], **options}
        results: list[dict[str, Any]] = self("POST", route, json=body)["results"]
        return results


@pytest.fixture(scope="module")
def pair(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tenant, Tenant]]:
    folder: Path = tmp_path_factory.mktemp("tenants")
    made = {name: make_key() for name in ("acme", "east")}
    keys = [
        {"name": name, "sha256": digest, "scopes": ["read", "write"], "tenant": name}
        for name, (_, digest) in made.items()
    ]
    settings = store.settings(
        folder,
        items={"id": "item_id", "text": ["text"], "label": "label"},
        index={"uri": str(folder / "shared.db")},
        serve={"keys": keys, "forecaster": None},
    )
    with running(settings) as served:
        acme, east = (Tenant(served, key) for key, _ in made.values())
        assert acme.put(ACME)["new"] == len(ACME)
        assert east.put(EAST)["new"] == len(EAST)
        yield acme, east


def test_labels_are_ones_own(pair: tuple[Tenant, Tenant]) -> None:
    acme, east = pair
    assert [one["label"] for one in acme("GET", "/v1/labels")["labels"]] == ["DRINKS", "SNACKS"]
    assert [one["label"] for one in east("GET", "/v1/labels")["labels"]] == ["KITCHEN", "TOOLS"]


def test_answers_rest_on_ones_own_items(pair: tuple[Tenant, Tenant]) -> None:
    acme, east = pair
    for route in ("/v1/classify", "/v1/explain/classify"):
        text = str([one.ask(route, "potato chips", "cordless drill") for one in pair])
        assert text.count("SNACKS") and text.count("TOOLS")
        assert "TOOLS" not in str(acme.ask(route, "cordless drill"))
        assert "SNACKS" not in str(east.ask(route, "potato chips"))
    (near,) = acme.ask("/v1/similar", "cordless drill", k=10)
    assert {one["label"] for one in near["neighbors"]} == {"SNACKS", "DRINKS"}
    assert len(near["neighbors"]) == len(ACME)


def test_items_are_read_and_removed_by_their_owner(pair: tuple[Tenant, Tenant]) -> None:
    acme, east = pair
    (one,) = east("GET", "/v1/items", params={"item_id": ["1", "3"]})["items"]
    assert one["label"] == "TOOLS"
    east("DELETE", "/v1/items", params={"item_id": ["3"]})
    assert acme("GET", "/v1/items", params={"item_id": "3"})["items"][0]["label"] == "DRINKS"


def test_a_correction_is_learned_by_its_owner_alone(pair: tuple[Tenant, Tenant]) -> None:
    acme, east = pair
    corrections = [{"item_id": "9", "text": "garden hose", "label": "GARDEN"}]
    east("POST", "/v1/feedback", json={"corrections": corrections})
    assert east.ask("/v1/classify", "garden hose")[0]["label"] == "GARDEN"
    assert acme.ask("/v1/classify", "garden hose")[0]["label"] in ("SNACKS", "DRINKS")
    assert "GARDEN" not in str(acme("GET", "/v1/labels"))
    east("DELETE", "/v1/items", params={"item_id": "9"})


def test_jobs_are_seen_by_their_owner_alone(pair: tuple[Tenant, Tenant]) -> None:
    acme, east = pair
    request = {"task": "classify", "request": {"items": [{"text": "potato chips"}]}}
    job = acme("POST", "/v1/jobs", json=request)["job_id"]
    wait_until(lambda: acme("GET", f"/v1/jobs/{job}")["status"] == "done")
    assert "SNACKS" in str(acme("GET", f"/v1/jobs/{job}/result"))
    assert east.status("GET", f"/v1/jobs/{job}") == 404
    assert east.status("GET", f"/v1/jobs/{job}/result") == 404
