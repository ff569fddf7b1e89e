"""Thirty-odd requests that cannot be answered, and what they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.serving.conftest import CUTOFF, Served

LAUNCH = {"item_id": "n", "text": "chips", "launch_date": "2017-09-18"}
ITEM = {"text": "chips"}
SEEN, TUESDAY = "2017-09-18", "2017-09-19"
LATE = {**LAUNCH, "launch_date": "2017-09-10"}  # the last day of the cutoff's period


def _items(*items: Any, **more: Any) -> dict[str, Any]:
    return {"items": list(items), **more}


BAD: list[tuple[str, str, Any, int, str, str]] = [
    # method, path, body, status, the problem's type, what its detail or its places say
    ("POST", "/v1/classify", b"", 422, "invalid-request", "Field required"),
    ("POST", "/v1/classify", b'{"items": [', 400, "malformed", "no JSON"),
    ("POST", "/v1/classify", b"\xff\xfe", 400, "malformed", ""),
    ("POST", "/v1/classify", [], 422, "invalid-request", "dictionary"),
    ("POST", "/v1/classify", {}, 422, "invalid-request", "/items: Field required"),
    ("POST", "/v1/classify", _items(), 422, "invalid-request", "at least 1 item"),
    ("POST", "/v1/classify", _items({}), 422, "invalid-request", "/items/0/text: Field required"),
    ("POST", "/v1/classify", _items({"text": "  "}), 422, "invalid-request", "/items/0/text"),
    ("POST", "/v1/classify", _items({"text": 7}), 422, "invalid-request", "/items/0/text"),
    ("POST", "/v1/classify", _items({"text": {"nmae": "x"}}), 422, "invalid-request", "no text"),
    ("POST", "/v1/classify", _items({"text": {"product_type": ""}}), 422, "invalid-request", ""),
    ("POST", "/v1/classify", _items(ITEM, kk=3), 422, "invalid-request", "/kk: Extra inputs"),
    ("POST", "/v1/classify", _items(ITEM, coverage=1.5), 422, "invalid-request", "/coverage"),
    ("POST", "/v1/classify", _items(ITEM, as_of="soon"), 422, "invalid-request", "/as_of"),
    ("POST", "/v1/classify", _items(ITEM, as_of=0), 422, "invalid-request", "is a string"),
    ("POST", "/v1/classify", _items(ITEM, where={"x": 1}), 422, "invalid-request", "unknown attr"),
    ("POST", "/v1/classify", _items(ITEM, where={"brand": {}}), 422, "invalid-request", "low or"),
    ("POST", "/v1/classify", _items(ITEM, candidates=["X"]), 422, "invalid-request", "X"),
    ("POST", "/v1/classify", b'{"items":[{"text":"\\ud800"}]}', 422, "invalid-request", "/items/0"),
    ("POST", "/v1/classify", _items(*[ITEM] * 257), 413, "too-large", "256 items, not 257"),
    ("POST", "/v1/classify", b'"' + b"x" * 8_000_001 + b'"', 413, "too-large", "8 MB"),
    ("POST", "/v1/ask", {"question": " "}, 422, "invalid-request", "/question"),
    ("POST", "/v1/ask", {"question": "a" * 100_000}, 422, "invalid-request", "/question"),
    ("POST", "/v1/ask", {"question": "?!"}, 422, "invalid-request", "no word"),
    ("POST", "/v1/ask", {"question": "a", "as_of": "soon"}, 422, "invalid-request", "/as_of"),
    ("POST", "/v1/ask", {"question": "a", "item_id": "zz"}, 422, "invalid-request", "no item"),
    ("POST", "/v1/ask", {"question": "a", "k": 51}, 422, "invalid-request", "/k"),
    ("POST", "/v1/recommend", {}, 422, "invalid-request", "one of like"),
    ("POST", "/v1/recommend", {"like": "zz"}, 422, "invalid-request", "no item"),
    ("POST", "/v1/recommend", {"customer": "zz"}, 409, "nothing-learned", "no purchases"),
    ("POST", "/v1/similar", _items(ITEM, k=0), 422, "invalid-request", "/k"),
    ("POST", "/v1/similar", _items(*[{"item_id": "a", **ITEM}] * 2), 422, "invalid-request", "on"),
    ("POST", "/v1/forecast", _items({**LAUNCH, "launch_date": "2017-01-02"}), 422,
     "invalid-request", "/items/0/launch_date: must lie after"),
    ("POST", "/v1/forecast", _items({**LAUNCH, "launch_date": CUTOFF}), 422,
     "invalid-request", "/items/0/launch_date: must lie after"),
    ("POST", "/v1/forecast", _items(LATE), 422,
     "invalid-request", "/items/0/launch_date: must lie after"),
    ("POST", "/v1/jobs",
     {"task": "forecast", "request": _items(LAUNCH, {**LATE, "item_id": "m"})},
     422, "invalid-request", "/items/1/launch_date: must lie after"),
    ("POST", "/v1/forecast", _items({**LAUNCH, "launch_date": "2386-11-15"}), 422,
     "invalid-request", "between the years 1700 and 2261"),
    ("POST", "/v1/forecast", _items({"item_id": "n", **ITEM}), 422, "invalid-request", "launch"),
    ("POST", "/v1/forecast", _items(LAUNCH, LAUNCH), 422, "invalid-request", "more than once"),
    ("POST", "/v1/forecast", _items({**LAUNCH, "attributes": {"x": 1}}), 422, "invalid-request",
     "/items/0/attributes/x: no attribute"),
    ("POST", "/v1/forecast", _items(LAUNCH, future=[]), 422, "invalid-request", "covariates"),
    ("POST", "/v1/orders", _items(LAUNCH), 422, "invalid-request", "give overage_cost"),
    ("POST", "/v1/orders", _items(LAUNCH, service_level={}), 422, "invalid-request", "has none"),
    ("POST", "/v1/cannibalization", _items(LAUNCH), 409, "nothing-learned", "forecast --taken"),
    ("POST", "/v1/cannibalization", _items(LAUNCH, future=[]), 409, "nothing-learned", "--taken"),
    ("POST", "/v1/forecast", _items(LAUNCH, observed=[{"item_id": "m", "ds": SEEN, "y": 1}]),
     422, "invalid-request", "/observed/0/item_id"),
    ("POST", "/v1/forecast", _items(LAUNCH, observed=[{"item_id": "n", "ds": SEEN, "y": -1}]),
     422, "invalid-request", "/observed/0/y"),
    ("POST", "/v1/forecast", _items(LAUNCH, observed=[{"item_id": "n", "ds": TUESDAY, "y": 1}]),
     422, "invalid-request", "2017-09-19"),
    ("POST", "/v1/forecast", _items(LAUNCH, observed_until=SEEN), 422, "invalid-request",
     "/observed_until: goes with observed"),
    ("PUT", "/v1/items", _items({"item_id": "", **ITEM}), 422, "invalid-request", "item_id"),
    ("PUT", "/v1/items", _items({"item_id": "é" * 400, **ITEM}), 422, "invalid-request", "bytes"),
    ("PUT", "/v1/items", _items({"item_id": "a", **ITEM, "attributes": {"x": 1}}), 422,
     "invalid-request", "/items/0/attributes/x"),
    ("PUT", "/v1/items", _items({"item_id": "a", **ITEM, "launch_date": "2024-01-01"}), 422,
     "invalid-request", "keeps no launch_date"),
    ("POST", "/v1/feedback", {"corrections": [{"item_id": "none", "label": "BAG SNACKS"}]}, 422,
     "invalid-request", "/corrections/0/text: is needed"),
    ("POST", "/v1/feedback", {"corrections": [{"item_id": "none", "label": "BAG SNAKCS"}]}, 422,
     "invalid-request", "no label 'BAG SNAKCS'; the nearest are 'BAG SNACKS'"),
    ("POST", "/v1/labels", {"label": "BAG SNACKS"}, 409, "conflict", "exists"),
    ("GET", "/v1/items", None, 422, "invalid-request", "item_id: Field required"),
    ("GET", "/v1/jobs/" + "0" * 32, None, 404, "not-found", "no such job"),
    ("GET", "/v1/jobs/nonsense", None, 422, "invalid-request", "job_id"),
    ("POST", "/v1/jobs", {"task": "dance", "request": {}}, 422, "invalid-request", "task"),
    ("POST", "/v1/jobs", {"task": "forecast", "request": _items(
        LAUNCH, observed=[{"item_id": "n", "ds": TUESDAY, "y": 1}])},
     422, "invalid-request", "2017-09-19"),
    ("POST", "/v1/jobs", {"task": "forecast", "request": _items(LAUNCH, future=[])},
     422, "invalid-request", "/future: the forecaster was made without covariates"),
    ("GET", "/v2/classify", None, 404, "not-found", "Not Found"),
    ("PATCH", "/v1/items", None, 405, "method-not-allowed", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind", "says"),
    BAD,
    ids=[f"{number}-{one[1]}-{one[3]}" for number, one in enumerate(BAD)],
)
def test_a_bad_request_is_told_what_is_wrong(
    served: Served, method: str, path: str, body: Any, status: int, kind: str, says: str
) -> None:
    options: dict[str, Any] = {} if body is None else {"json": body}
    if isinstance(body, bytes):
        options = {"content": body, "headers": {"Content-Type": "application/json"}}
    answer = served.http.request(method, path, **options)
    problem = answer.json()
    told = [
        problem["detail"],
        *(f"{e['pointer']}: {e['detail']}" for e in problem.get("errors", ())),
    ]
    assert answer.status_code == problem["status"] == status, problem
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["type"] == f"/problems/{kind}"
    assert any(says in one for one in told), told
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert (problem["instance"], bool(problem["title"])) == (path, True)


def test_a_body_that_is_no_json_is_named_as_such(served: Served) -> None:
    answer = served.http.post("/v1/classify", data={"items": "chips"})
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/not-json")


def test_a_body_that_hides_its_size_is_cut_off(served: Served) -> None:
    def endless() -> Any:
        for _ in range(9):
            yield b" " * 1_000_000

    headers = {"Content-Type": "application/json"}
    answer = served.http.post("/v1/classify", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/items", {"items": [{"item_id": "q", "text": {"text": "\udfff"}}]}),
        ("POST", "/v1/feedback", {"corrections": [{"item_id": "q\ud800", "label": "TEA"}]}),
        ("POST", "/v1/jobs", {"task": "classify", "request": {"items": [{"text": "\udfff"}]}}),
        ("POST", "/v1/classify", {"items": [{"text": {"text": "\udfff"}}]}),
    ],
)
def test_half_a_character_is_named_on_every_route(
    served: Served, method: str, path: str, body: Any
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = served.http.request(method, path, content=json.dumps(body), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    assert "half a character" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [{"Host": "rebound.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}],
)
@pytest.mark.parametrize("path", ["/v1/labels", "/docs", "/livez"])
def test_without_keys_pages_of_others_are_not_answered(
    served: Served, headers: dict[str, str], path: str
) -> None:
    answer = served.http.get(path, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")
    own = {"Host": "localhost:1", "Origin": "http://127.0.0.1:1"}
    assert served.http.get(path, headers=own).status_code == 200


def test_without_keys_pictures_and_links_of_other_pages_are_not_answered(served: Served) -> None:
    for path, site, status in (
        ("/v1/labels", "cross-site", 403),
        ("/v1/labels", "same-origin", 200),
        ("/docs", "cross-site", 200),
    ):
        answer = served.http.get(path, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == status


def test_all_methods_of_a_path_are_told(served: Served) -> None:
    answer = served.http.patch("/v1/items")
    assert answer.headers["Allow"] == "DELETE, GET, PUT"


def test_the_request_id_of_the_caller_is_kept_and_a_strange_one_is_not(served: Served) -> None:
    kept = served.http.get("/livez", headers={"X-Request-ID": "order-7"})
    strange = served.http.get("/livez", headers={"X-Request-ID": "a b;c"})
    assert kept.headers["X-Request-ID"] == "order-7"
    assert strange.headers["X-Request-ID"] not in ("", "a b;c")


def test_one_bad_item_spoils_no_other_call(served: Served) -> None:
    """An unknown attribute is found out in the batch."""
    from concurrent.futures import ThreadPoolExecutor

    bodies = [_items(ITEM, where={"x": 1}), *[_items({"text": f"chips {n}"}) for n in range(8)]] * 3
    with ThreadPoolExecutor(27) as pool:
        answers = list(pool.map(lambda body: served.http.post("/v1/classify", json=body), bodies))
    assert [one.status_code for one in answers] == [422, *[200] * 8] * 3
