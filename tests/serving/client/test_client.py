"""The client: tables in and out, and patience with a server that is busy."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting import Cannibalization, LaunchForecaster
from retrieval import InputError, LikewiseError
from serving.client import Client, LaunchWarning, ProblemError
from tests.serving.conftest import CUTOFF, TEXT, Served, Store

# Some of the launches lie further ahead than those that were learned from.
pytestmark = pytest.mark.filterwarnings("ignore::serving.client.LaunchWarning")


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(str(served.http.base_url), batch=40) as one:
        yield one


def test_labels_like_items_and_explanations_come_as_tables(client: Client, store: Store) -> None:
    items = store.items.head(100).assign(product_id=lambda table: "new " + table["product_id"])
    table = client.classify(items, text=TEXT, item_id="product_id")
    assert table["item_id"].tolist() == items["product_id"].tolist()
    assert (table["label"] == items["product_category"]).mean() > 0.9
    near = client.similar(["tortilla chips", "candy bar"], 3)
    assert near.groupby("query")["rank"].max().tolist() == [3, 3]
    parts = client.explain(["tortilla chips"], labels=1)
    assert parts["contribution"].sum() == pytest.approx(parts["probability"].iloc[0], abs=0.02)
    texts = items["product_type"].tolist()[:70]
    assert client.classify(texts, job=True)["label"].notna().all()


def test_forecasts_come_as_the_library_gives_them(client: Client, store: Store) -> None:
    new = store.items[pd.to_datetime(store.items["launch_date"]) > CUTOFF].head(50)
    expected, totals = LaunchForecaster.load(store.folder / "forecaster").predict_both(new)
    columns: dict[str, Any] = {"text": TEXT, "attributes": ["brand"], "item_id": "product_id"}
    table = client.forecast(new, **columns)
    assert table.columns.tolist() == expected.columns.tolist()
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, rtol=1e-5)
    both = client.forecast_totals(new, **columns)
    pd.testing.assert_frame_equal(both, totals, check_dtype=False, rtol=1e-5)
    sales = pd.DataFrame(
        [{"unique_id": new["product_id"].iloc[0], "ds": new["launch_date"].iloc[0], "y": 9.0}]
    )
    seen = client.forecast(new.head(1), **columns, observed=sales)
    assert seen["mean"].iloc[0] == 9


def test_what_was_not_known_is_warned_of_or_refused(client: Client, store: Store) -> None:
    new = store.items[pd.to_datetime(store.items["launch_date"]) > CUTOFF].head(3)
    new = new.assign(brand="of nobody")
    columns: dict[str, Any] = {"text": TEXT, "attributes": ["brand"], "item_id": "product_id"}
    first = new["product_id"].iloc[0]
    with pytest.warns(LaunchWarning, match=f"{first} and 2 more: brand 'of nobody' has not been"):
        totals = client.forecast_totals(new, **columns)
    assert totals["warnings"].str.contains("brand 'of nobody' has not been seen").all()
    for job in (False, True):
        with pytest.raises(
            ProblemError, match=r"strict: 3 of 3 launches have warnings\n  /items/0"
        ):
            client.forecast(new, **columns, strict=True, job=job)


def test_orders_come_as_the_library_gives_them(client: Client, store: Store) -> None:
    new = store.items[pd.to_datetime(store.items["launch_date"]) > CUTOFF].head(50)
    new = new.assign(margin=2.5, shelf=["a", "b"] * (len(new) // 2) + ["a"] * (len(new) % 2))
    forecaster = LaunchForecaster.load(store.folder / "forecaster")
    columns: dict[str, Any] = {"text": TEXT, "attributes": ["brand"], "item_id": "product_id"}
    terms: dict[str, Any]
    for terms in (
        {"service_level": 0.9},
        {"overage_cost": 1.0, "underage_cost": "margin", "lead_time": 2, "pack_size": 3}
        | {"unit_cost": 1.0, "budget": {"a": 30.0}, "by": "shelf"},
    ):
        expected = forecaster.order_quantity(new, **terms)
        made = client.order_quantity(new, **columns, **terms)
        pd.testing.assert_frame_equal(made, expected, check_dtype=False, rtol=1e-5)
    with pytest.raises(InputError, match="no column 'x'"):
        client.order_quantity(new, **columns, service_level=0.9, minimum="x")


def test_what_launches_take_comes_as_the_library_gives_it(
    client: Client, served: Served, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = store.items[pd.to_datetime(store.items["launch_date"]) > CUTOFF].head(50)
    columns = {"text": TEXT, "attributes": ["brand"], "item_id": "product_id"}
    with pytest.raises(ProblemError, match="knows nothing of what launches take"):
        client.cannibalization(new, **columns)
    found = Cannibalization(0.2, 0.1, 0.3, 50, 0.0, -0.1, 0.1, draws=np.full(10, 0.2))
    (tenant,) = served.app.state.runtime.tenants.all()
    monkeypatch.setattr(tenant.forecaster, "cannibalization_", found)
    table = client.cannibalization(new, **columns)
    assert table["unique_id"].tolist() == new["product_id"].tolist()
    forecaster = LaunchForecaster.load(store.folder / "forecaster")
    forecaster.cannibalization_ = found
    near = forecaster.explain(new, taken=True).dropna(subset="taken")
    expected = near.groupby("unique_id", sort=False)["taken"].sum()[table["unique_id"]]
    np.testing.assert_allclose(table["taken"], expected, rtol=1e-5)
    lost = {one["analogue"]: one["taken"] for one in near.head(10).to_dict("records")}
    assert table["siblings"].iloc[0] == pytest.approx(lost, rel=1e-5)
    assert table["words"].str.contains("20% of their sales").all()


def test_items_and_labels_are_written(own: Served) -> None:
    with Client(str(own.http.base_url), batch=2) as client:
        items = pd.DataFrame(
            {"id": ["a", "b", "c"], "product_type": ["tea bags", "iced tea", "oat milk"]}
        ).assign(kind=["TEAS", "TEAS", None])
        columns: dict[str, Any] = {"text": "product_type", "item_id": "id", "label": "kind"}
        assert client.upsert(items, **columns) == {"new": 3, "changed": 0, "unchanged": 0}
        with pytest.raises(ProblemError, match="no label 'TEAZ'; the nearest are 'TEAS'"):
            client.correct({"c": "TEAZ"})
        client.correct({"c": "MILK"}, new_labels=True)
        client.add_label("SOUP", ["tomato soup"])
        known = client.labels().set_index("label")
        assert known.loc[["TEAS", "MILK", "SOUP"], "examples"].tolist() == [2, 1, 0]
        assert client.delete(["a", "b", "c", "d"]) == 3


def test_a_refusal_says_where(client: Client) -> None:
    with pytest.raises(ProblemError, match="unknown attribute 'x'") as refusal:
        client.classify(["chips"], where={"x": 1})
    assert refusal.value.status == 422
    with pytest.raises(ProblemError, match=r"/items/0/text: "):
        client.classify([" "])


def test_where_nobody_answers_is_soon_told_with_the_attempts() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as one:
        port = one.server_port
    begun = time.monotonic()
    told = rf"no server answers at http://127.0.0.1:{port}: \d attempts in \d.\d s \(.*refused"
    with Client(f"http://127.0.0.1:{port}") as client, pytest.raises(LikewiseError, match=told):
        client.labels()
    assert time.monotonic() - begun < 30  # 4 seconds, and what a busy machine adds


def test_a_server_that_answered_is_waited_for() -> None:
    """Killed and started again, within the patience: the call meanwhile is answered."""
    first = _server([(200, None)])
    with Client(f"http://127.0.0.1:{first.server_port}", patience=60) as client:
        assert client.labels().empty
        first.shutdown()
        first.server_close()
        later: list[http.server.HTTPServer] = []
        start = threading.Timer(
            5.0, lambda: later.append(_server([(200, None)], first.server_port))
        )
        start.start()
        assert client.labels().empty
    later[0].shutdown()
    later[0].server_close()


def test_it_comes_back_when_it_was_told_to() -> None:
    answers: list[tuple[int, str | None]] = [(503, "0"), (429, "0"), (200, None)]
    busy = _server(answers)
    with Client(f"http://127.0.0.1:{busy.server_port}") as client:
        assert client.labels().empty
    busy.shutdown()
    busy.server_close()
    assert not answers


def _server(answers: list[tuple[int, str | None]], port: int = 0) -> http.server.HTTPServer:
    """Give each of the answers once, with the seconds after which to come back."""

    class Busy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, after = answers.pop(0)
            body = b'{"labels":[],"model_version":null}'
            self.send_response(status)
            if after is not None:
                self.send_header("Retry-After", after)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    made = http.server.HTTPServer(("127.0.0.1", port), Busy)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made
