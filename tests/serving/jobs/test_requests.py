"""What a job asks is on disk, whatever the order in which it was sent, and is read in parts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError

from serving.jobs.requests import JobRequest, write_request
from serving.problems import ApiError, as_api_error

LAUNCH = {"text": "green tea", "launch_date": "2024-03-04"}
SALES = [{"item_id": f"i{row % 7}", "ds": "2024-03-04", "y": float(row)} for row in range(50)]
FORECAST = {
    "task": "forecast",
    "request": {
        "items": [{"item_id": f"i{row}", **LAUNCH} for row in range(10)],
        "observed": SALES,
        "future": [],
    },
}


def _written(folder: Path, body: Any, cap: int = 100) -> JobRequest:
    upload, path = folder / "upload", folder / "job.db"
    path.unlink(missing_ok=True)
    upload.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
    return write_request(upload, path, cap)


def _refused(folder: Path, body: Any, cap: int = 100) -> tuple[int, list[str]]:
    with pytest.raises((ApiError, RequestValidationError)) as told:
        _written(folder, body, cap)
    error = as_api_error(told.value)
    return error.status, [one.pointer for one in error.errors or ()]


def test_a_part_has_its_items_sales_and_plans(tmp_path: Path) -> None:
    _written(tmp_path, FORECAST)
    request = JobRequest.read(tmp_path / "job.db")
    assert (request.task, request.items) == ("forecast", 10)
    part = request.part(6, 3)
    asked = part.job.request.model_dump()
    assert [one["item_id"] for one in asked["items"]] == ["i6", "i7", "i8"]
    assert [one["y"] for one in asked["observed"]] == [6, 13, 20, 27, 34, 41, 48]
    assert asked["future"] == []
    assert part.rows == {"items": [6, 7, 8], "observed": [6, 13, 20, 27, 34, 41, 48], "future": []}


def test_items_with_many_sales_make_smaller_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.jobs.requests._PART_ROWS", 15)
    request = _written(tmp_path, FORECAST)
    assert request.part(0, 10).rows["items"] == [0, 1]
    assert request.part(8, 10).rows == {"items": [8, 9], "observed": [], "future": []}
    monkeypatch.setattr("serving.jobs.requests._ITEM_ROWS", 7)
    assert _refused(tmp_path, FORECAST) == (413, [])


def test_the_order_of_keys_does_not_matter(tmp_path: Path) -> None:
    said = FORECAST["request"]
    assert isinstance(said, dict)
    turned = {"request": dict(reversed(list(said.items()))), "task": "forecast"}
    expected = _written(tmp_path, FORECAST).part(0, 10)
    assert _written(tmp_path, turned).part(0, 10) == expected


def test_objects_are_neither_wide_nor_deep(tmp_path: Path) -> None:
    many = {str(number): 0 for number in range(201)}
    request = FORECAST["request"]
    assert isinstance(request, dict)
    for body in (
        {**FORECAST, **many},
        {**many, **FORECAST},
        {"request": {**many, **request}, "task": "forecast"},
        {"task": "forecast", "request": {**request, **many}},
    ):
        assert _refused(tmp_path, body) == (413, [])
    deep = b'{"a":' * 100_000 + b"0" + b"}" * 100_000
    assert _refused(tmp_path, b'{"x":%s,"task":"classify"}' % deep)[0] == 400
    assert _refused(tmp_path, b'{"request":{"x":%s},"task":"classify"}' % deep)[0] == 400


def test_what_is_told_beside_the_lists_is_kept(tmp_path: Path) -> None:
    body = {"task": "classify", "request": {"neighbors": 3, "items": [{"text": "t"}] * 3}}
    request = _written(tmp_path, body)
    assert request.part(1, 5).job.request.model_dump()["neighbors"] == 3
    assert len(request.part(1, 5).job.request.items) == 2


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"items": []}, "/request/items"),
        ({"items": None}, "/request/items"),
        ({"items": [{"text": "t"}, {"text": 3}]}, "/request/items/1/text"),
        ({"items": [{"text": "t"}] * 70 + [{}]}, "/request/items/70/text"),
        ({"items": [{"text": "t", "colour": 1}]}, "/request/items/0/colour"),
        ({"observed": SALES}, "/request/observed"),
        ({"neighbors": "many"}, "/request/neighbors"),
        ({"items": [{"text": "a \ud83d"}]}, "/request/items/0/text"),
        ({"items": [{"text": {"a": "t", "\ud83d": "t"}}]}, "/request/items/0/text"),
    ],
)
def test_what_does_not_fit_is_told_where_it_is(
    tmp_path: Path, change: dict[str, Any], pointer: str
) -> None:
    body = {"task": "classify", "request": {"items": [{"text": "t"}], **change}}
    assert _refused(tmp_path, body) == (422, [pointer])


def test_bodies_that_are_none(tmp_path: Path) -> None:
    for body in ({}, [], 3, {"task": "dance", "request": {}}, {"task": "classify", "request": 3}):
        assert _refused(tmp_path, body)[0] == 422
    assert _refused(tmp_path, b'{"task": "classify", "task": "classify"}') == (422, ["/task"])
    for malformed in (b"", b"{", b'{"task": "classify"} x', b'{"request": {"items": [{}'):
        assert _refused(tmp_path, malformed)[0] == 400
    many = {"task": "classify", "request": {"items": [{"text": "t"}] * 101}}
    assert _refused(tmp_path, many)[0] == 413


def test_ids_belong_together(tmp_path: Path) -> None:
    twice = {"task": "classify", "request": {"items": [{"item_id": "a", "text": "t"}] * 2}}
    assert _refused(tmp_path, twice) == (422, [])
    strange = [{"item_id": "i1", "ds": "2024-03-04", "y": 1}, {"item_id": "x", **SALES[0]}]
    strange[1]["item_id"] = "x"
    body = {"task": "forecast", "request": {"items": FORECAST["request"]["items"]}}  # type: ignore[index]
    body["request"]["observed"] = strange  # type: ignore[index]
    assert _refused(tmp_path, body) == (422, ["/observed/1/item_id"])


_LARGE = """
import resource, sys
from pathlib import Path
from serving.jobs.requests import write_request
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
request = write_request(Path(sys.argv[1]), Path(sys.argv[2]), 100_000)
assert len(request.part(50_000, 64).job.request.items) == 64
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_a_large_body_takes_little_memory(tmp_path: Path) -> None:
    """40 MB, which `json` makes 100 MiB of."""
    item = b'{"item_id":"%d","text":"' + b"green tea " * 38 + b'"}'
    with (tmp_path / "upload").open("wb") as file:
        file.write(b'{"task":"classify","request":{"items":[')
        file.write(b",".join(item % number for number in range(100_000)))
        file.write(b"]}}")
    command = [sys.executable, "-c", _LARGE, str(tmp_path / "upload"), str(tmp_path / "job.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    assert float(done.stdout) < 40
