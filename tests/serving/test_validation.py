"""Bodies are validated without keeping probes waiting, and tell of the first errors alone."""

from __future__ import annotations

import json
import threading
import time
from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from retrieval import parse_date
from serving.problems import ApiError
from serving.schemas.forecasts import Forecast, Sale
from serving.schemas.items import Day, Where
from serving.schemas.labels import Classify
from serving.validation import parsed
from tests.serving.conftest import Served

SALE = {"item_id": "a", "ds": "2024-01-01", "y": 1.0}


def _errors(kind: Any, value: object) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as told:
        TypeAdapter(kind).validate_python(value)
    return [one["loc"] for one in told.value.errors()]


def test_of_a_list_that_is_wrong_all_through_the_first_errors_are_told() -> None:
    items = [{"item_id": "a", "text": "t", "launch_date": "2024-01-01"}]
    wrong = [SALE] * 1_000 + [{**SALE, "ds": "soon"}] * 40_000
    start = time.perf_counter()
    places = _errors(Forecast, {"items": items, "observed": wrong})
    assert time.perf_counter() - start < 5
    assert places[0] == ("observed", 1_000, "ds")
    assert len(places) < 100


def test_objects_have_few_keys() -> None:
    many = {f"k{number}": [] for number in range(25_000)}
    assert _errors(Where, many) == [()]
    assert _errors(Classify, {"items": [{"text": "t"}], **many}) == [()]
    assert _errors(Classify, {"items": [{"text": "t"} | many]}) == [("items", 0)]


def test_bounds_of_lists_hold() -> None:
    assert _errors(Classify, {"items": []}) == [("items",)]
    assert _errors(Classify, {"items": {}}) == [("items",)]


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29",
        "2024-02-29T23:59:59Z",
        "2024-02-29 00:00:01.250+02:00",
        "20240229",
        "20240229T23",
    ],
)
def test_days_are_read_as_everywhere(text: str) -> None:
    assert TypeAdapter(Day).validate_python(text) == parse_date(text, "date").date()
    assert TypeAdapter(Day).validate_python(text) == date(2024, 2, 29)


@pytest.mark.parametrize("text", ["2023-02-29", "2024-13-01", "2024-02-29T25:00:00", "1066-10-14"])
def test_what_is_no_day_is_refused(text: str) -> None:
    assert _errors(Day, text) == [()]


def test_many_days_are_read_at_once() -> None:
    start = time.perf_counter()
    TypeAdapter(list[Sale]).validate_python([SALE] * 20_000)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'"\xff"', b"[1,]"])
def test_what_is_no_json_is_told(body: bytes) -> None:
    with pytest.raises(ApiError) as told:
        parsed(body)
    assert (told.value.status, told.value.kind) == (400, "malformed")


@pytest.mark.parametrize(
    "body",
    [
        {"items": [{"text": "t"}], **{f"{number:x}": 0 for number in range(600_000)}},
        {"items": [{"text": {"name": "\\\ud83d\ude00" * 100}}] * 5_000},
        {"items": [{"item_id": number, "text": 1} for number in range(16_000)]},
    ],
)
def test_a_large_body_keeps_no_probe_waiting(served: Served, body: Any) -> None:
    waits, ended = [0.0], threading.Event()

    def probe() -> None:
        while not ended.wait(0.02):
            start = time.perf_counter()
            served.http.get("/livez")
            waits.append(time.perf_counter() - start)

    content = json.dumps(body).encode()
    thread = threading.Thread(target=probe)
    thread.start()
    answer = served.http.post(
        "/v1/classify", content=content, headers={"Content-Type": "application/json"}
    )
    ended.set()
    thread.join()
    assert answer.status_code in (413, 422)
    assert max(waits) < 2  # quiet 0.1; whoever runs tests beside others is no defect
