"""Two tenants on one server: neither sees what the other has."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from forecasting import LaunchForecaster
from pipelines.config.settings import load_settings
from retrieval import Encoder
from serving.keys import make_key
from serving.runtime.tenants import Tenants, _path_for, tenant_folder
from tests.serving.conftest import (
    CUTOFF,
    TEXT,
    Served,
    Store,
    read_tables,
    running,
    together,
    wait_until,
)

ACME = [("1", "tortilla chips", "SNACKS"), ("2", "potato chips", "SNACKS"), ("3", "soda", "DRINKS")]
EAST = [("1", "cordless drill", "TOOLS"), ("2", "potato peeler", "KITCHEN")]


class Tenant:
    """Asks with one key."""

    def __init__(self, served: Served, key: str) -> None:
        self.served = served
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


@contextmanager
def serving(store: Store, folder: Path, forecaster: str | None) -> Iterator[tuple[Tenant, Tenant]]:
    made = {name: make_key() for name in ("acme", "east")}
    keys = [
        {"name": name, "sha256": digest, "scopes": ["read", "write"], "tenant": name}
        for name, (_, digest) in made.items()
    ]
    chosen = store.settings(
        folder,
        items={"id": "item_id", "text": ["text"], "label": "label"},
        index={"uri": str(folder / "shared.db")},
        serve={"keys": keys, "forecaster": forecaster},
    )
    with running(chosen) as served:
        acme, east = (Tenant(served, key) for key, _ in made.values())
        yield acme, east


@pytest.fixture(scope="module")
def pair(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tenant, Tenant]]:
    with serving(store, tmp_path_factory.mktemp("tenants"), None) as (acme, east):
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


@pytest.mark.parametrize("route", ["/v1/classify", "/v1/explain/classify", "/v1/similar"])
def test_questions_that_arrive_together_are_answered_apart(
    pair: tuple[Tenant, Tenant], route: str
) -> None:
    acme, east = pair
    asked = [partial(one.ask, route, "potato chips") for one in (acme, acme, east, acme, east)]
    answers = list(map(str, together(acme.served, "labels", *asked)))
    for number, answer in enumerate(answers):
        own, other = (EAST, ACME) if number in (2, 4) else (ACME, EAST)
        assert any(label in answer for _, _, label in own)
        assert not any(label in answer for _, _, label in other)


def test_writes_that_arrive_together_go_to_their_owners(pair: tuple[Tenant, Tenant]) -> None:
    acme, east = pair
    asked = [
        partial(one.put, [(f"new {number}", f"popcorn {number}", "CORN")])
        for number, one in enumerate((acme, acme, east, acme, east))
    ]
    assert [one["new"] for one in together(acme.served, "writes", *asked)] == [1] * 5
    every = {"item_id": [f"new {number}" for number in range(5)]}
    for tenant, own in ((acme, {"new 0", "new 1", "new 3"}), (east, {"new 2", "new 4"})):
        held = tenant("GET", "/v1/items", params=every)["items"]
        assert {one["item_id"] for one in held} == own
        assert tenant("DELETE", "/v1/items", params=every)["deleted"] == len(own)


def test_launches_that_arrive_together_are_forecast_apart(
    store: Store, encoder: Encoder, tmp_path: Path
) -> None:
    items, sales = read_tables()
    for name, horizon in (("acme", 3), ("east", 2)):
        forecaster = LaunchForecaster(
            encoder=encoder, horizon=horizon, text=TEXT, item_id="product_id", method="knn"
        )
        forecaster.fit(items, sales, cutoff=CUTOFF).save(tmp_path / "models" / name)
    with serving(store, tmp_path, str(tmp_path / "models" / "{tenant}")) as (acme, east):
        launch = {"text": "potato chips", "launch_date": "2017-09-18"}

        def ask(route: str, tenant: Tenant, number: int) -> Any:
            body = {"items": [{**launch, "item_id": f"i{number}"}]}
            (one,) = tenant("POST", route, json=body)["results"]
            return one

        callers = (acme, acme, east, acme, east)
        asked = [partial(ask, "/v1/forecast", one, row) for row, one in enumerate(callers)]
        answers = together(acme.served, "forecasts", *asked)
        assert [len(one["curve"]) for one in answers] == [3, 3, 2, 3, 2]
        asked = [partial(ask, "/v1/explain/forecast", one, row) for row, one in enumerate(callers)]
        answers = together(acme.served, "forecasts", *asked)
        longest = [max(len(each["curve"] or []) for each in one["analogues"]) for one in answers]
        assert longest == [3, 3, 2, 3, 2]


def test_the_audit_log_tells_who_asked(pair: tuple[Tenant, Tenant]) -> None:
    for tenant in pair:
        tenant.ask("/v1/classify", "potato chips")
    (path,) = (pair[0].served.settings.serve.data_dir / "audit").glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one["tenant"] for one in lines[-2:]] == ["acme", "east"]


NAMES = st.none() | st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)


@settings(max_examples=25)
@given(st.lists(NAMES, unique=True, max_size=5), st.sampled_from(["acme", "shared", "x"]))
def test_every_tenant_has_a_folder_of_its_own(names: list[str | None], word: str) -> None:
    here = load_settings(None, {"serve": {"data_dir": "data"}})
    every = {None, word, word.upper(), word.title(), *names}
    folders = {str(tenant_folder(here, name)) for name in every}
    assert len({folder.casefold() for folder in folders}) == len(every)


def test_a_tenant_without_a_model_of_its_own_has_none(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    assert _path_for(tmp_path / "{tenant}", "acme") == tmp_path / "acme"
    assert _path_for(tmp_path / "{tenant}", "east") is _path_for(None, "east") is None


def test_items_are_read_and_removed_by_their_owner(pair: tuple[Tenant, Tenant]) -> None:
    acme, east = pair
    (one,) = east("GET", "/v1/items", params={"item_id": ["1", "3"]})["items"]
    assert one["label"] == "TOOLS"
    east("DELETE", "/v1/items", params={"item_id": ["3"]})
    assert acme("GET", "/v1/items", params={"item_id": "3"})["items"][0]["label"] == "DRINKS"


def test_a_correction_is_learned_by_its_owner_alone(pair: tuple[Tenant, Tenant]) -> None:
    acme, east = pair
    corrections = [{"item_id": "9", "text": "garden hose", "label": "GARDEN", "new_label": True}]
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


class Replaced(OrderedDict[str | None, Any]):
    """Tenants one of which is replaced by somebody else just when it is looked up."""

    by: Thread | None = None

    def get(self, name: str | None, default: Any = None) -> Any:
        found = super().get(name, default)
        if self.by is not None:
            replacing, self.by = self.by, None
            replacing.start()
            replacing.join(0.2)
        return found


def test_a_tenant_that_is_used_is_not_closed_however_close_its_replacement() -> None:
    @dataclass
    class Plain:
        name: str | None
        leases = 0
        is_retired = False
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    async def use(tenants: Tenants) -> tuple[bool, bool]:
        async with tenants.lease(None) as used:
            await asyncio.to_thread(replacing.join)
            await asyncio.to_thread(pool.submit(lambda: None).result)  # after what waits there
            return used.is_closed, used is tenants.loaded(None)

    with ThreadPoolExecutor(1) as pool:
        tenants = Tenants(Plain, pool, most=2)  # type: ignore[arg-type]
        tenants.put(Plain(None))  # type: ignore[arg-type]
        replacing = Thread(target=tenants.put, args=(Plain(None),))
        tenants._loaded = Replaced(tenants._loaded)
        tenants._loaded.by = replacing
        assert asyncio.run(use(tenants)) == (False, False)
