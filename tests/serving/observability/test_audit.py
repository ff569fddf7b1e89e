"""The audit log: what was answered, without a text, bounded in size and age."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from serving.observability.audit import AuditLog
from tests.serving.conftest import Served, full_disk


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, megabytes=1, total_megabytes=9, days=1)
    log.write([{"item_id": "first"}])
    for _ in range(2):
        with full_disk(), pytest.raises(OSError):
            log.write([{"item_id": "x" * 10_000}])
    log.write([{"item_id": "last"}])
    log.close()
    assert [one["item_id"] for one in _lines(tmp_path / "predictions.jsonl")] == ["first", "last"]


def test_half_a_line_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(b'{"item_id": "first"}\n{"item_')
    log = AuditLog(tmp_path, megabytes=1, total_megabytes=9, days=1)
    log.write([{"item_id": "last"}])
    log.close()
    assert [one["item_id"] for one in _lines(path)] == ["first", "last"]
    assert (tmp_path / "predictions.unread").read_bytes() == b'{"item_\n'


def test_old_files_are_begun_anew_and_removed(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, megabytes=0.001, total_megabytes=9, days=1)
    for number in range(40):
        log.write([{"item_id": str(number), "label": "x" * 30}])
    old = sorted(tmp_path.glob("predictions-*.jsonl"))
    assert len(old) >= 3
    assert all(path.stat().st_size < 1_200 for path in tmp_path.iterdir())
    lines = [line for path in [*old, *tmp_path.glob("predictions.jsonl")] for line in _lines(path)]
    assert [one["item_id"] for one in lines] == [str(number) for number in range(40)]
    os.utime(old[0], (0, 0))
    log.close()
    log = AuditLog(tmp_path, megabytes=1, total_megabytes=9, days=1)
    log.write([{"item_id": "last"}])
    log.close()
    assert not old[0].exists()
    assert old[1].exists()


def test_all_files_together_have_a_ceiling(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, megabytes=0.001, total_megabytes=0.005, days=1)
    for number in range(200):
        log.write([{"item_id": str(number), "label": "x" * 30}])
    log.close()
    kept = sorted(tmp_path.iterdir(), key=lambda path: (path.name == "predictions.jsonl", path))
    assert 3_000 < sum(path.stat().st_size for path in kept) <= 5_000
    numbers = [int(one["item_id"]) for path in kept for one in _lines(path)]
    assert numbers == list(range(numbers[0], 200))


def test_a_prediction_is_written_down_without_its_text(own: Served) -> None:
    text = "tortilla chips with a secret"
    headers = {"X-Request-ID": "order-7"}
    own.post("/v1/classify", {"items": [{"item_id": "a", "text": text}]}, headers=headers)
    launch = {"item_id": "n", "text": text, "launch_date": "2017-09-18"}
    own.post("/v1/forecast", {"items": [launch]})
    (path,) = (own.settings.serve.data_dir / "audit").glob("*.jsonl")
    labeled, forecast = _lines(path)
    assert (labeled["request_id"], labeled["item_id"]) == ("order-7", "a")
    # Whatever answers come to hold: these are known to hold no text.
    common = {"time", "request_id", "tenant", "task", "model_version", "item_id"}
    assert set(labeled) == common | {"label", "probability", "known", "neighbors"}
    assert set(forecast) == common | {"total", "curve", "novel"}
    assert labeled["label"] == "BAG SNACKS"
    assert [len(one) for one in labeled["neighbors"]] == [2] * 5  # id and similarity
    assert labeled["model_version"].startswith("items")
    assert (forecast["task"], len(forecast["curve"])) == ("forecast", 4)
    assert "secret" not in path.read_text()


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
