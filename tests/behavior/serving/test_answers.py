"""Questions and recommendations over HTTP, answered by real engines."""

from __future__ import annotations

from pathlib import Path

import httpx
import pandas as pd
import pytest

from pipelines import Catalog, Settings, ask
from serving.client import Client
from serving.problems import ApiError
from serving.runtime.live_catalog import LiveCatalog
from tests.serving.conftest import Served, Store, running, wait_until

QUESTION = "which chocolate candy items are there?"


def test_a_question_is_answered_as_the_library_does(served: Served) -> None:
    (tenant,) = served.app.state.runtime.tenants.all()
    expected = ask(Catalog.read(tenant.index), QUESTION, k=3).as_dict()
    answer = served.post("/v1/ask", {"question": QUESTION, "k": 3})
    assert answer == {
        **expected,
        **{name: list(expected[name]) for name in ("items", "conditions", "notes", "sources")},
    }
    assert len(answer["items"]) == 3 and not answer["abstained"]
    item = answer["items"][0]
    brand = served.post("/v1/ask", {"question": "what brand is it?", "item_id": item})
    assert brand["sources"][0]["field"] == "brand"
    assert served.post("/v1/ask", {"question": "does it fly?", "item_id": item})["abstained"]


def test_like_items_are_recommended(served: Served) -> None:
    item = served.post("/v1/ask", {"question": QUESTION, "k": 1})["items"][0]
    found = served.post("/v1/recommend", {"like": item, "k": 4})["recommendations"]
    assert len(found) == 4 and item not in {one["id"] for one in found}
    left = served.post("/v1/recommend", {"like": item, "k": 4, "exclude": [found[0]["id"]]})
    assert found[0]["id"] not in {one["id"] for one in left["recommendations"]}


def test_purchases_recommend_and_writes_are_seen(store: Store, tmp_path: Path) -> None:
    ids = store.items["product_id"].iloc[::3].head(6).tolist()
    rows = [(f"c{who}", one, "2017-03-01") for who in range(3) for one in ids[who : who + 3]]
    path = tmp_path / "purchases.csv"
    pd.DataFrame(rows, columns=["customer_id", "item_id", "ds"]).to_csv(path, index=False)
    settings = store.settings(tmp_path / "server", histories={"path": str(path)})
    with running(settings) as one, Client(str(one.http.base_url)) as client:
        found = client.recommend(customer="c0", k=2)
        assert found["id"].iat[0] in ids[3:] and found["because"].iat[0][0]["item_id"] in ids[:3]
        buyers = client.recommend(buyers_of=ids[0], k=5)
        assert set(buyers["id"]) == {"c1", "c2"}
        item = {"item_id": "n1", "text": {"product_type": "turquoise garden gnome"}}
        assert one.http.put("/v1/items", json={"items": [item]}).is_success
        question = {"question": "which garden gnome items are there?", "k": 1}
        wait_until(lambda: one.post("/v1/ask", question)["items"] == ["n1"])
        assert client.ask("which garden gnome items are there?", k=1)["items"] == ["n1"]


def test_no_tenant_reads_the_purchases_of_all(served: Served, tmp_path: Path) -> None:
    (tenant,) = served.app.state.runtime.tenants.all()
    path = tmp_path / "h.csv"
    path.write_text("customer_id,item_id,ds\n")
    histories = Settings().histories.model_copy(update={"path": path})
    settings = tenant.settings.model_copy(update={"histories": histories})
    live = LiveCatalog(settings, tenant.shared, "acme")
    with pytest.raises(ApiError, match="would be shared by tenants"):
        live.recommender(with_histories=True)
    own = histories.model_copy(update={"path": tmp_path / "{tenant}.csv"})
    live = LiveCatalog(settings.model_copy(update={"histories": own}), tenant.shared, "acme")
    with pytest.raises(ApiError, match="this tenant has no purchases"):
        live.recommender(with_histories=True)


def test_a_server_without_items_says_so(store: Store, tmp_path: Path) -> None:
    settings = store.settings(tmp_path, index={"collection": "empty"}, serve={"forecaster": None})
    with running(settings) as one:
        for path, body in (("/v1/ask", {"question": QUESTION}), ("/v1/recommend", {"like": "a"})):
            answer: httpx.Response = one.http.post(path, json=body)
            assert (answer.status_code, answer.json()["type"]) == (409, "/problems/nothing-learned")
