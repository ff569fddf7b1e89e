"""A server that is killed loses nothing it acknowledged; one that is stopped finishes first."""

from __future__ import annotations

import itertools
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from benchmarks.serving.ports import free_port
from tests.serving.conftest import TEXT, Store, wait_until

_SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # with which a server of HTTP/2 begins to talk


def test_killed_and_stopped(store: Store, tmp_path: Path) -> None:
    config = _config(store, tmp_path)
    acknowledged: list[str] = []
    with _process(config) as (process, http):
        labels = {"label": "TEAS", "descriptions": ["green tea"]}
        assert http.post("/v1/labels", json=labels).status_code == 201
        job = {"items": [{"text": f"chips {number}"} for number in range(2_000)]}
        accepted = http.post("/v1/jobs", json={"task": "classify", "request": job})
        path = accepted.headers["Location"]
        writers = ThreadPoolExecutor(4)
        done = [writers.submit(_write, http, part, acknowledged) for part in range(4)]
        wait_until(lambda: len(acknowledged) > 40)
        process.kill()
        process.wait()
        for one in done:
            one.result()
    with _process(config) as (process, http):
        kept = [
            item["item_id"]
            for start in range(0, len(acknowledged), 50)
            for item in http.get(
                "/v1/items", params={"item_id": acknowledged[start : start + 50]}
            ).json()["items"]
        ]
        assert sorted(kept) == sorted(acknowledged)
        known = {one["label"]: one for one in http.get("/v1/labels").json()["labels"]}
        assert known["TEAS"]["described"]
        assert len(acknowledged) <= known["written"]["examples"] <= len(acknowledged) + 4
        wait_until(lambda: http.get(path).json()["status"] == "done")
        results = http.get(f"{path}/result").json()["results"]
        assert len(results) == 2_000

        body = {"items": [{"text": f"tea {number}"} for number in range(200)]}
        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(http.post, "/v1/classify", json=body) for _ in range(8)]
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            assert [one.result().status_code for one in answers] == [200] * 8
        assert process.wait(30) == 0


def test_told_to_end_while_it_loads_it_does_not_load_on(store: Store, tmp_path: Path) -> None:
    config = _config(store, tmp_path)
    with _process(config, ready=False) as (process, http):
        wait_until(lambda: _answers(http, "/livez"))
        assert not _answers(http, "/readyz")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    log = (tmp_path / "serve.log").read_text("utf-8")
    assert "items and models loaded" not in log
    assert "Traceback" not in log
    with _process(config) as (_, http):
        asked = http.post("/v1/classify", json={"items": [{"text": "tortilla chips"}]})
        assert asked.json()["results"][0]["label"] == "BAG SNACKS"


def test_told_to_end_it_does_not_wait_for_what_may_never_be_loaded(
    store: Store, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config = _config(store, tmp_path, index={"uri": address}, serve={"milvus_timeout": 600})
        with _process(config, ready=False) as (process, http):
            wait_until(lambda: _answers(http, "/livez"))
            with silent.accept()[0] as caller:
                caller.sendall(_SETTINGS)  # from here on it waits for an answer
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0


def test_what_cannot_work_ends_with_its_reason(store: Store, tmp_path: Path) -> None:
    config = _config(store, tmp_path)
    (tmp_path / "forecaster" / "forecaster.json").write_text("{}")
    command = [_likewise(), "serve", "--config", str(config), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "forecaster.json" in done.stderr


def test_a_second_server_on_a_lite_file_ends_at_once_and_names_the_first(
    store: Store, tmp_path: Path
) -> None:
    config = _config(store, tmp_path)
    with _process(config) as (first, http):
        command = [_likewise(), "serve", "--config", str(config), "--port", "0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert re.search(rf"open in another process \({first.pid}: \S+python", done.stderr)
        http.post("/v1/classify", json={"items": [{"text": "chips"}]}).raise_for_status()
    made = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert made
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "data", *made)} == {0}


def _write(http: httpx.Client, part: int, acknowledged: list[str]) -> None:
    for number in itertools.count():
        item = {"item_id": f"{part}-{number}", "text": f"item {part} {number}", "label": "written"}
        try:
            answer = http.put("/v1/items", json={"items": [item]})
        except httpx.TransportError:
            return
        if answer.is_success:
            acknowledged.append(item["item_id"])


def _config(store: Store, folder: Path, **sections: dict[str, object]) -> Path:
    settings = store.settings(folder)
    path = folder / "job.yaml"
    text: dict[str, dict[str, object]] = {
        "items": {"id": "product_id", "text": TEXT, "label": "product_category"},
        "index": {"uri": settings.index.uri},
        "classify": {"head": "none", "prototypes": True},
        "serve": {"data_dir": "data", "forecaster": "forecaster"},
    }
    for section, keys in sections.items():
        text[section].update(keys)
    path.write_text(yaml.safe_dump(text), encoding="utf-8")
    return path


def _likewise() -> str:
    return str(Path(sys.executable).with_name("likewise"))


@contextmanager
def _process(
    config: Path, *, ready: bool = True
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    port = free_port()
    log = (config.parent / "serve.log").open("ab")
    command = [_likewise(), "serve", "--config", str(config), "--port", str(port)]
    limits = httpx.Limits(max_connections=50)
    url = f"http://127.0.0.1:{port}"
    with (
        log,
        subprocess.Popen(command, stderr=log, stdout=log) as process,
        httpx.Client(base_url=url, timeout=60, limits=limits) as http,
    ):
        try:
            if ready:
                wait_until(lambda: _answers(http, "/readyz"))
            yield process, http
        finally:
            process.kill()


def _answers(http: httpx.Client, path: str) -> bool:
    try:
        return http.get(path).is_success
    except httpx.TransportError:
        return False
