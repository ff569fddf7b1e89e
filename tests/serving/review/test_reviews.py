"""People decide over the API: items, evidence, what counts, what is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serving.client import Client
from serving.keys import make_key
from tests.serving.conftest import Served, Store, running

_QUEUES = "/v1/review/queues"


@pytest.fixture
def shop(store: Store, tmp_path: Path) -> Iterator[Served]:
    """A server whose index has 24 items without a label."""
    with running(store.settings(tmp_path)) as one:
        put_unlabeled(one, store)
        yield one


def put_unlabeled(served: Served, store: Store, number: int = 24, **options: Any) -> dict[str, str]:
    """Put items in without their label; return what each is."""
    rows = store.items.iloc[1::3].head(number)
    items = [
        {
            "item_id": one["product_id"],
            "text": f"{one['product_type']} {one['package_size']}",
            "attributes": {"brand": one["brand"]},
        }
        for one in rows.to_dict("records")
    ]
    answer = served.http.put("/v1/items", json={"items": items}, **options)
    assert answer.is_success, answer.text
    return dict(zip(rows["product_id"], rows["product_category"], strict=True))


def test_a_queue_is_decided_to_its_end(shop: Served, store: Store) -> None:
    truth = dict(zip(store.items["product_id"], store.items["product_category"], strict=True))
    queue = shop.post(_QUEUES, {"random_share": 0.3})
    path = f"{_QUEUES}/{queue['queue_id']}"
    assert (queue["items"], queue["decided"], queue["unscored"]) == (24, 0, 0)
    seen = []
    while (told := shop.post(f"{path}/next", {}))["item"] is not None:
        item = told["item"]
        seen.append(item["item_id"])
        assert item["choices"][0]["probability"] >= item["choices"][1]["probability"]
        assert all(near["text"] for near in item["neighbors"])
        decision = {"item_ids": [item["item_id"]], "verdict": "label"}
        done = shop.post(f"{path}/decisions", {**decision, "label": truth[item["item_id"]]})
        assert done["label"] == truth[item["item_id"]]
    assert len(set(seen)) == len(seen) == 24
    queue = shop.http.get(path).json()
    assert queue["decided"] == 24
    estimate = queue["estimate"]
    assert 0 < estimate["of"] < 24
    assert estimate["low"] <= estimate["share"] <= estimate["high"]
    kept = shop.http.get("/v1/items", params={"item_id": seen}).json()["items"]
    assert {one["item_id"]: one["label"] for one in kept} == {one: truth[one] for one in seen}
    assert {one["attributes"]["brand"] for one in kept} <= {"National", "Private"}


def test_a_decision_counts_at_once_and_can_be_taken_back(shop: Served) -> None:
    queue = shop.post(_QUEUES, {"random_share": 0.0})
    path = f"{_QUEUES}/{queue['queue_id']}"
    item = shop.post(f"{path}/next", {})["item"]
    new = {"item_ids": [item["item_id"]], "verdict": "label", "label": "NOVELTIES"}
    refused = shop.http.post(f"{path}/decisions", json=new)
    assert refused.status_code == 422
    assert shop.post(f"{path}/next", {})["queue"]["decided"] == 0
    shop.post(f"{path}/decisions", {**new, "new_label": True})
    (said,) = shop.classify(item["text"], neighbors=5)
    assert said["neighbors"][0]["label"] == "NOVELTIES"
    assert shop.post(f"{path}/undo", {})["item_ids"] == [item["item_id"]]
    (stored,) = shop.http.get("/v1/items", params={"item_id": item["item_id"]}).json()["items"]
    assert stored["label"] is None
    assert shop.post(f"{path}/next", {})["item"]["item_id"] == item["item_id"]
    (kept,) = shop.http.get(f"{path}/decisions").json()["decisions"]
    assert (kept["label"], kept["undone"]) == ("NOVELTIES", True)
    assert shop.http.post(f"{path}/undo", json={}).json()["type"] == "/problems/nothing-to-undo"


def test_items_alike_are_decided_together(shop: Served) -> None:
    path = f"{_QUEUES}/{shop.post(_QUEUES, {'random_share': 0.0})['queue_id']}"
    groups = []
    while (item := shop.post(f"{path}/next", {"group": True})["item"]) is not None:
        ids = [item["item_id"], *(one["item_id"] for one in item["alike"])]
        groups.append(len(ids))
        told = {"item_ids": ids, "verdict": "label", "label": item["choices"][0]["label"]}
        assert shop.post(f"{path}/decisions", told)["items"] == len(ids)
    assert sum(groups) == 24
    assert max(groups) > 1


def test_none_and_skipped_stay_unlabeled(shop: Served) -> None:
    path = f"{_QUEUES}/{shop.post(_QUEUES, {})['queue_id']}"
    ids = []
    for verdict, reason in (("none", ""), ("skip", "the text is cut off")):
        item = shop.post(f"{path}/next", {})["item"]
        ids.append(item["item_id"])
        told = {"item_ids": ids[-1:], "verdict": verdict, "reason": reason}
        shop.post(f"{path}/decisions", told)
    queue = shop.http.get(path).json()
    assert (queue["decided"], queue["skipped"]) == (1, 1)
    kept = shop.http.get("/v1/items", params={"item_id": ids}).json()["items"]
    assert [one["label"] for one in kept] == [None, None]
    made = shop.http.get(f"{path}/decisions").json()["decisions"]
    assert [one["reason"] for one in made] == ["", "the text is cut off"]


def test_labels_in_doubt_are_a_queue(own: Served, store: Store) -> None:
    (wrong,) = (
        store.items.iloc[::3]
        .loc[lambda one: one["product_type"] == "TORTILLA/NACHO CHIPS"]["product_id"]
        .head(1)
    )
    text = "TORTILLA/NACHO CHIPS"
    item = {"item_id": wrong, "text": text, "label": "CANDY - PACKAGED"}
    assert own.http.put("/v1/items", json={"items": [item]}).is_success
    path = f"{_QUEUES}/{own.post(_QUEUES, {'source': 'issues'})['queue_id']}"
    found = own.post(f"{path}/next", {})["item"]
    assert (found["item_id"], found["given"]) == (wrong, "CANDY - PACKAGED")
    assert found["choices"][0]["label"] == "BAG SNACKS"
    told = {"item_ids": [wrong], "verdict": "label", "label": "BAG SNACKS"}
    own.post(f"{path}/decisions", told)
    own.post(f"{path}/undo", {})
    (stored,) = own.http.get("/v1/items", params={"item_id": wrong}).json()["items"]
    assert stored["label"] == "CANDY - PACKAGED"


def test_two_people_never_do_the_same_unless_asked_to(shop: Served) -> None:
    path = f"{_QUEUES}/{shop.post(_QUEUES, {'second_share': 0.5})['queue_id']}"

    def work(name: str) -> list[str]:
        done = []
        while (told := shop.post(f"{path}/next", {"reviewer": name}))["item"] is not None:
            item = told["item"]
            label = item["choices"][0]["label"]
            decision = {"item_ids": [item["item_id"]], "verdict": "label", "label": label}
            shop.post(f"{path}/decisions", {**decision, "reviewer": name})
            done.append(item["item_id"])
        return done

    with ThreadPoolExecutor(2) as pool:
        ana, ben = pool.map(work, ("ana", "ben"))
    assert len(set(ana)) == len(ana)
    assert len(set(ben)) == len(ben)
    assert {*ana, *ben} == {
        one["item_id"] for one in shop.http.get(f"{path}/decisions").json()["decisions"]
    }
    queue = shop.http.get(path).json()
    assert queue["decided"] == 24
    assert queue["agreement"]["items"] == len({*ana} & {*ben}) > 0
    assert queue["reviewers"] == {"ana": len(ana), "ben": len(ben)}


def test_what_is_on_somebody_s_screen_is_nobody_else_s(shop: Served) -> None:
    path = f"{_QUEUES}/{shop.post(_QUEUES, {})['queue_id']}"
    first = shop.post(f"{path}/next", {"reviewer": "ana"})["item"]
    second = shop.post(f"{path}/next", {"reviewer": "ben"})["item"]
    assert first["item_id"] != second["item_id"]
    told = {"item_ids": [first["item_id"]], "verdict": "none"}
    refused = shop.http.post(f"{path}/decisions", json={**told, "reviewer": "ben"})
    assert (refused.status_code, refused.json()["detail"][:3]) == (409, "ana")
    shop.post(f"{path}/decisions", {**told, "reviewer": "ana"})
    shop.post(f"{path}/decisions", {**told, "reviewer": "ana"})  # repeated, it changes nothing
    refused = shop.http.post(f"{path}/decisions", json={**told, "reviewer": "ben"})
    assert refused.status_code == 409
    assert len(shop.http.get(f"{path}/decisions").json()["decisions"]) == 1


def test_what_was_kept_and_not_written_is_written_at_the_next_start(
    store: Store, tmp_path: Path
) -> None:
    settings = store.settings(tmp_path)
    with running(settings) as served:
        truth = put_unlabeled(served, store)
        queue = served.post(_QUEUES, {"random_share": 0.0})["queue_id"]
        item = served.post(f"{_QUEUES}/{queue}/next", {})["item"]
        told = {"item_ids": [item["item_id"]], "verdict": "skip"}
        served.post(f"{_QUEUES}/{queue}/decisions", told)
    with sqlite3.connect(tmp_path / "data" / "review.db") as database:  # as a kill leaves it
        label = truth[item["item_id"]]
        database.execute("UPDATE decisions SET verdict = 'label', label = ?, written = 0", (label,))
    database.close()
    with running(settings) as served:
        assert served.http.get(f"{_QUEUES}/{queue}").json()["skipped"] == 1
        (kept,) = served.http.get("/v1/items", params={"item_id": item["item_id"]}).json()["items"]
        assert kept["label"] == label


def test_a_kept_decision_that_is_refused_by_now_does_not_close_its_queue(
    store: Store, tmp_path: Path
) -> None:
    settings = store.settings(tmp_path)
    with running(settings) as served:
        put_unlabeled(served, store, 4)
        queue = served.post(_QUEUES, {"random_share": 0.0})["queue_id"]
        item = served.post(f"{_QUEUES}/{queue}/next", {})["item"]
        told = {"item_ids": [item["item_id"]], "verdict": "skip"}
        served.post(f"{_QUEUES}/{queue}/decisions", told)
    with sqlite3.connect(tmp_path / "data" / "review.db") as database:  # as a kill leaves it
        database.execute("UPDATE decisions SET verdict = 'label', label = 'NO SUCH', written = 0")
    database.close()
    with running(settings) as served:
        found = served.http.get(f"{_QUEUES}/{queue}").json()
        assert (found["items"], found["decided"], found["skipped"]) == (4, 0, 0)
        assert served.http.get(f"{_QUEUES}/{queue}/decisions").json()["decisions"] == []


def test_a_tenant_sees_its_own_queues_alone(store: Store, tmp_path: Path) -> None:
    keys, heads = [], []
    for tenant in ("north", "south"):
        secret, digest = make_key()
        entry = {"name": tenant, "sha256": digest, "scopes": ["read", "write"], "tenant": tenant}
        keys.append(entry)
        heads.append({"Authorization": f"Bearer {secret}"})
    sections = {
        "serve": {"keys": keys, "forecaster": None},
        "index": {"uri": str(tmp_path / "tenants.db")},
    }
    sections["items"] = {"attributes": ["brand"]}
    with running(store.settings(tmp_path, **sections)) as served:
        put_unlabeled(served, store, 5, headers=heads[0])
        put_unlabeled(served, store, 5, headers=heads[1])
        queue = served.post(_QUEUES, {}, headers=heads[0])["queue_id"]
        assert served.http.get(_QUEUES, headers=heads[1]).json() == {"queues": []}
        path = f"{_QUEUES}/{queue}"
        for method, end, body in (("GET", "", None), ("POST", "/next", {}), ("POST", "/undo", {})):
            answer = served.http.request(method, path + end, json=body, headers=heads[1])
            assert answer.status_code == 404
        assert served.http.post(f"{path}/next", json={}, headers=heads[0]).is_success


def test_the_client_does_what_the_page_does(shop: Served, store: Store) -> None:
    with Client(str(shop.http.base_url)) as client:
        queue = client.review.start(name="new", order="unsure")
        item = client.review.next(queue["queue_id"], reviewer="ana")
        assert item is not None
        label = item["choices"][0]["label"]
        done = client.review.decide(queue["queue_id"], [item["item_id"]], label, reviewer="ana")
        assert done["label"] == label
        assert client.review.undo(queue["queue_id"], reviewer="ana") == [item["item_id"]]
        assert client.review.queues()["name"].tolist() == ["new"]
        made = client.review.decisions(queue["queue_id"])
        assert made["undone"].tolist() == [True]
        assert client.review.progress(queue["queue_id"])["decided"] == 0
        client.review.remove(queue["queue_id"])
        assert client.review.queues().empty
