"""Every route, answered by real engines over HTTP."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from forecasting import Cannibalization, LaunchForecaster
from tests.serving.conftest import CUTOFF, TEXT, Served, Store, running, together, wait_until

LAUNCH = {"item_id": "n", "text": "tortilla chips", "launch_date": "2017-09-18"}


def test_classify_answers_as_the_library_does(served: Served, store: Store) -> None:
    questions = ["tortilla chips", "chocolate bar", "candy bag 5 oz"]
    (tenant,) = served.app.state.runtime.tenants.all()
    table = tenant.labeler.state.classifier.classify(questions)
    answers = served.classify(*questions, neighbors=20)
    assert [one["label"] for one in answers] == table["label"].tolist()
    for one, expected in zip(answers, table.to_dict("records"), strict=True):
        assert one["probability"] == pytest.approx(expected["probability"])
        assert one["known"] == expected["known"]
        assert one["neighbors"] == expected["neighbors"]


def test_forecast_answers_as_the_library_does(served: Served, store: Store) -> None:
    forecaster = LaunchForecaster.load(store.folder / "forecaster")
    new = store.items[pd.to_datetime(store.items["launch_date"]) > CUTOFF].head(5)
    curves, totals = forecaster.predict_both(new)
    items = [
        {
            "item_id": one["product_id"],
            "text": {name: one[name] for name in TEXT if isinstance(one[name], str)},
            "launch_date": f"{one['launch_date']:%Y-%m-%d}",
            "attributes": {"brand": one["brand"]},
        }
        for one in new.to_dict("records")
    ]
    results = served.post("/v1/forecast", {"items": items})["results"]
    means = [period["mean"] for one in results for period in one["curve"]]
    assert means == pytest.approx(curves["mean"].tolist())
    assert [one["total"]["quantiles"]["0.9"] for one in results] == totals["0.9"].tolist()


def test_observed_weeks_stand_in_the_forecast(served: Served) -> None:
    sales = [{"item_id": "n", "ds": "2017-09-18", "y": 40}]
    body = {"items": [LAUNCH], "observed": sales}
    (one,) = served.post("/v1/forecast", body)["results"]
    assert one["curve"][0]["mean"] == 40
    (before,) = served.post("/v1/forecast", {"items": [LAUNCH]})["results"]
    assert one["curve"][1]["mean"] > before["curve"][1]["mean"]


def test_observed_weeks_stand_in_the_forecast_of_their_own_call(served: Served) -> None:
    def ask(number: int) -> Any:
        sales = [{"item_id": f"n{number}", "ds": "2017-09-18", "y": 10 * number}]
        body = {"items": [{**LAUNCH, "item_id": f"n{number}"}], "observed": sales}
        return served.post("/v1/forecast", body)["results"][0]["curve"][0]["mean"]

    asked = [partial(ask, number) for number in range(1, 5)]
    assert together(served, "forecasts", *asked) == [10, 20, 30, 40]


def test_orders_answer_as_the_library_does(served: Served, store: Store) -> None:
    forecaster = LaunchForecaster.load(store.folder / "forecaster")
    new = store.items[pd.to_datetime(store.items["launch_date"]) > CUTOFF].head(4)
    terms = {"overage_cost": 1.0, "unit_cost": 2.0, "lead_time": 2, "pack_size": 2.0}
    margin = dict(zip(new["product_id"], [1.0, 2.0, 3.0, 4.0], strict=True))
    groups = dict(zip(new["product_id"], "aabb", strict=True))
    table = new.assign(margin=new["product_id"].map(margin), g=new["product_id"].map(groups))
    expected = forecaster.order_quantity(
        table, underage_cost="margin", by="g", budget={"a": 6.0}, **terms
    )
    items = [
        {
            "item_id": one["product_id"],
            "text": {name: one[name] for name in TEXT if isinstance(one[name], str)},
            "launch_date": f"{one['launch_date']:%Y-%m-%d}",
            "attributes": {"brand": one["brand"]},
        }
        for one in new.to_dict("records")
    ]
    asked = {"items": items, **terms, "underage_cost": margin, "groups": groups}
    results = served.post("/v1/orders", {**asked, "budget": {"a": 6.0}})["results"]
    for name in ("quantity", "mean", "left", "missing", "cost", "naive_quantity", "naive_cost"):
        assert [one[name] for one in results] == pytest.approx(expected[name].tolist())


SHOWN = {"share": 0.2, "low": 0.1, "high": 0.3, "launches": 50}
SOUND = {"placebo": 0.01, "placebo_low": -0.1, "placebo_high": 0.1}


def test_what_launches_take_is_told_where_it_is_shown(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tenant,) = served.app.state.runtime.tenants.all()
    found = Cannibalization(**SHOWN, **SOUND, draws=np.full(10, 0.2))
    monkeypatch.setattr(tenant.forecaster, "cannibalization_", found)
    asked = {"items": [LAUNCH, {**LAUNCH, "item_id": "m", "text": "candy"}]}
    answer = served.post("/v1/cannibalization", asked)
    totals = [one["total"]["mean"] for one in served.post("/v1/forecast", asked)["results"]]
    for one, mean in zip(answer["results"], totals, strict=True):
        assert one["mean"] == pytest.approx(mean)
        assert one["taken"] == pytest.approx(0.2 * mean)
        assert 1 <= len(one["siblings"]) <= 10
        lost = sum(each["taken"] for each in one["siblings"])
        assert lost == pytest.approx(one["taken"])
    assert answer["estimate"]["shown"]
    assert {name: answer["estimate"][name] for name in (*SHOWN, *SOUND)} == {**SHOWN, **SOUND}
    unsound = {**SOUND, "placebo_low": 0.005}
    monkeypatch.setattr(tenant.forecaster, "cannibalization_", Cannibalization(**SHOWN, **unsound))
    answer = served.post("/v1/cannibalization", asked)
    assert [one["taken"] for one in answer["results"]] == [None, None]
    assert not any(one["siblings"] for one in answer["results"])
    assert "gain or lose at made-up dates" in answer["estimate"]["words"]


def test_explanations_add_up(served: Served) -> None:
    body = {"items": [{"text": "tortilla chips"}], "labels": 2}
    (one,) = served.post("/v1/explain/classify", body)["results"]
    assert [label["label"] for label in one["labels"]] == ["BAG SNACKS", "CANDY - PACKAGED"]
    (launch,) = served.post("/v1/explain/forecast", {"items": [LAUNCH]})["results"]
    weights = pd.DataFrame(launch["analogues"]).groupby("pool")["weight"].sum()
    assert weights["incumbent"] == pytest.approx(1)
    assert launch["influences"]


def test_similar_can_be_filtered(served: Served) -> None:
    body = {"items": [{"text": "tortilla chips"}], "k": 3, "where": {"brand": "Private"}}
    (one,) = served.post("/v1/similar", body)["results"]
    ids = [near["item_id"] for near in one["neighbors"]]
    kept = served.http.get("/v1/items", params={"item_id": ids}).json()["items"]
    assert len(kept) == 3
    assert {item["attributes"]["brand"] for item in kept} == {"Private"}


def test_a_corrected_label_is_a_neighbor_at_once_and_goes_again(own: Served) -> None:
    item = {"item_id": "oat", "text": "oat drink barista", "label": "MILK"}
    assert _put(own, item) == {"new": 1, "changed": 0, "unchanged": 0}
    assert _put(own, item) == {"new": 0, "changed": 0, "unchanged": 1}
    assert own.classify("oat drink")[0]["neighbors"][0]["label"] == "MILK"
    told = {"corrections": [{"item_id": "oat", "label": "DRINK", "new_label": True}]}
    assert own.post("/v1/feedback", told)["changed"] == 1
    (answer,) = own.classify("oat drink")
    assert (answer["label"], answer["neighbors"][0]["label"]) == ("DRINK", "DRINK")
    labels = {one["label"] for one in own.http.get("/v1/labels").json()["labels"]}
    assert {"DRINK", "BAG SNACKS"} <= labels
    assert "MILK" not in labels
    gone = own.http.delete("/v1/items", params={"item_id": ["oat", "none"]}).json()
    assert gone == {"deleted": 1}
    assert own.classify("oat drink")[0]["label"] != "DRINK"
    assert "DRINK" not in {one["label"] for one in own.http.get("/v1/labels").json()["labels"]}


def test_a_label_in_words_needs_no_example(own: Served) -> None:
    words = {"label": "TEAS", "descriptions": ["tea bags, iced tea, green tea"]}
    assert own.http.post("/v1/labels", json=words).status_code == 201
    assert own.http.post("/v1/labels", json=words).status_code == 200
    other = {**words, "descriptions": ["something else"]}
    assert own.http.post("/v1/labels", json=other).status_code == 409
    assert own.classify("green tea 20 bags")[0]["label"] == "TEAS"
    for spelling in ("Teas", "T\u200bEAS", "\uff34EAS"):
        twin = own.http.post("/v1/labels", json={**words, "label": spelling})
        assert twin.status_code == 409
        assert "exists, spelled 'TEAS'" in twin.json()["detail"]
    assert own.http.post("/v1/labels", json={"label": "bag snacks"}).status_code == 409
    # The first item of a label in words takes its spelling.
    _put(own, {"item_id": "oolong", "text": "oolong tea", "label": "teas"})
    labels = {one["label"]: one for one in own.http.get("/v1/labels").json()["labels"]}
    assert labels["TEAS"]["examples"] == 1
    assert "teas" not in labels
    assert own.http.delete("/v1/items", params={"item_id": ["oolong"]}).json() == {"deleted": 1}


def test_a_job_takes_more_than_a_call_may(served: Served) -> None:
    items = [{"text": f"tortilla chips {number}"} for number in range(300)]
    answer = served.http.post("/v1/classify", json={"items": items})
    assert answer.status_code == 413
    job = {"task": "classify", "request": {"items": items}}
    accepted = served.http.post("/v1/jobs", json=job)
    assert accepted.status_code == 202
    path = accepted.headers["Location"]
    wait_until(lambda: served.http.get(path).json()["status"] == "done")
    results = served.http.get(f"{path}/result").json()["results"]
    assert len(results) == 300
    assert results[7]["label"] == served.classify("tortilla chips 7")[0]["label"]


def test_an_index_without_items_begins_with_the_first(store: Store, tmp_path: Any) -> None:
    settings = store.settings(
        tmp_path, index={"uri": str(tmp_path / "fresh.db")}, serve={"store_text": False}
    )
    with running(settings) as fresh:
        nothing = fresh.http.post("/v1/classify", json={"items": [{"text": "tea"}]})
        assert (nothing.status_code, nothing.json()["type"]) == (409, "/problems/nothing-learned")
        assert (
            fresh.post("/v1/similar", {"items": [{"text": "tea"}]})["results"][0]["neighbors"] == []
        )
        fresh.post("/v1/labels", {"label": "TEAS", "descriptions": ["green tea"]})
        assert fresh.classify("tea bags")[0]["label"] == "TEAS"
        _put(fresh, {"item_id": "c", "text": {"product_type": "coffee beans"}, "label": "COFFEE"})
        assert fresh.classify("ground coffee")[0]["label"] == "COFFEE"
        assert fresh.classify("tea bags")[0]["label"] == "TEAS"
        kept = fresh.http.get("/v1/items", params={"item_id": "c"}).json()["items"]
        assert (kept[0]["text"], kept[0]["label"]) == (None, "COFFEE")
        untold = {"corrections": [{"item_id": "c", "label": "TEAS"}]}
        assert fresh.http.post("/v1/feedback", json=untold).status_code == 422


def test_the_page_of_the_routes_loads_nothing_from_elsewhere(served: Served) -> None:
    page = served.http.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert any(one.endswith(".js") for one in loaded)
    for one in loaded:
        assert one.startswith("/")
        assert served.http.get(one).status_code == 200
    assert "://" not in page.text.replace("http://www.w3.org", "")


def test_no_answer_leads_to_where_host_says(served: Served) -> None:
    assert served.http.get("/v1/labels/", headers={"Host": "localhost:1"}).status_code == 404


def test_calls_answered_together_are_answered_as_alone(served: Served) -> None:
    questions = [f"{kind} {size} oz" for kind in ("chips", "candy") for size in range(12)]
    alone = [served.classify(one)[0] for one in questions]
    launches = [{**LAUNCH, "item_id": str(row), "text": one} for row, one in enumerate(questions)]
    forecast = [served.post("/v1/forecast", {"items": [one]}) for one in launches]
    with ThreadPoolExecutor(24) as pool:
        together = list(pool.map(lambda one: served.classify(one)[0], questions))
        both = list(pool.map(lambda one: served.post("/v1/forecast", {"items": [one]}), launches))
    assert "likewise_batch_items_bucket" in served.http.get("/metrics").text
    for one, other in zip(alone, together, strict=True):
        assert one["label"] == other["label"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)
    for one, other in zip(forecast, both, strict=True):
        means, others = ([p["mean"] for p in each["results"][0]["curve"]] for each in (one, other))
        assert means == pytest.approx(others, rel=1e-5)


def test_a_saved_classifier_answers_and_is_not_changed(store: Store, tmp_path: Any) -> None:
    words = {"TEAS": "green tea, tea bags", "COFFEE": "ground coffee"}
    NeighborClassifier(head=None, prototypes=True).fit(labels=words).save(tmp_path / "model")
    settings = store.settings(tmp_path / "own", serve={"model_labels": str(tmp_path / "model")})
    with running(settings) as saved:
        assert saved.classify("coffee beans")[0]["label"] == "COFFEE"
        answer = saved.http.post("/v1/labels", json={"label": "MILK"})
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/read-only")


def _put(served: Served, item: dict[str, Any]) -> dict[str, int]:
    answer = served.http.put("/v1/items", json={"items": [item]})
    assert answer.is_success, answer.text
    counts: dict[str, int] = answer.json()
    return counts
