"""A disk that fills at each write in turn: what was acknowledged must be there afterwards.

The server has its index, its data and its cache on a small disk of its own. Each round leaves it
some pages more than the one before, writes until it refuses, makes room, and starts it anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.measuring.findings import Finding
from benchmarks.serving.api_load import process

_SIZE = 48  # MiB of the disk
_PAGE = 4_096
_PROMISE = "nothing acknowledged lost, no defect, every start works"


def full_disk(folder: Path, rounds: int) -> list[Finding]:
    """Fill a disk of its own, a few pages later each round; skip where none can be made."""
    name = f"a disk that is full, {rounds} rounds"
    small = folder / "small"
    with _disk(small) as reason:
        if reason is not None:
            return [Finding(name, f"skipped: {reason}", _PROMISE)]
        tally = Tally()
        config = _config(folder, small)
        for one in range(rounds):
            _round(config, small, one, tally)
        return [Finding(name, tally.words(), _PROMISE, tally.holds)]


@dataclass
class Tally:
    """What was acknowledged, what was refused, and what was not there afterwards."""

    acknowledged: dict[str, set[str]] = field(
        default_factory=lambda: {"labels": set(), "items": set(), "jobs": set()}
    )
    refused: Counter[str] = field(default_factory=Counter)
    lost: set[str] = field(default_factory=set)
    failed_starts: int = 0

    def words(self) -> str:
        """Tell all of it."""
        kept = ", ".join(f"{len(ids)} {kind}" for kind, ids in self.acknowledged.items())
        told = ", ".join(f"{count} x {status}" for status, count in sorted(self.refused.items()))
        lost = f"{len(self.lost)} lost" + (f" ({sorted(self.lost)[:3]})" if self.lost else "")
        return f"{kept} acknowledged, {lost}; refused: {told}; {self.failed_starts} starts failed"

    @property
    def holds(self) -> bool:
        """Whether all is as promised."""
        return not self.lost and not self.failed_starts and set(self.refused) <= {"503", "504"}


@dataclass(frozen=True)
class Caller:
    """Asks a server, with a key or without."""

    port: int
    key: str | None = None

    def call(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
        """Return status and answer; 0 where the server is not there."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")
        except OSError:
            return 0, {}


@contextmanager
def _disk(small: Path) -> Iterator[str | None]:
    """Provide a small disk (None), or say why there is none."""
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}m", "tmpfs", str(small)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        yield f"no small disk can be mounted here ({mounted.stderr.strip()})"
        return
    try:
        yield None
    finally:
        subprocess.run(["umount", str(small)], check=True)


def _config(folder: Path, small: Path) -> Path:
    config = folder / "disk.yaml"
    settings = {
        "items": {"text": ["text"], "label": "label"},
        "index": {"uri": str(small / "items.db")},
        "classify": {"head": "none", "prototypes": True, "labels": {"tea": "tea bags"}},
        "serve": {"data_dir": str(small / "data"), "rate": 1e9},
    }
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return config


def _round(config: Path, small: Path, one: int, tally: Tally) -> None:
    ballast = small / "ballast"
    cache = {"LIKEWISE_CACHE_DIR": str(small / "cache")}
    try:
        with process(config, cache) as (_, port):
            if one == 0:
                write_each(Caller(port), "first", tally)  # what exists before any trouble
            _fill(small, ballast, free=one)
            for again in range(3):
                write_each(Caller(port), f"{one}-{again}", tally)
    except RuntimeError:
        tally.failed_starts += 1
    finally:
        ballast.unlink(missing_ok=True)
    try:
        with process(config, cache) as (_, port):
            look(Caller(port), tally)
    except RuntimeError:
        tally.failed_starts += 1


def _fill(small: Path, ballast: Path, free: int) -> None:
    """Leave so many pages."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(_PAGE))
        except OSError:
            pass
        os.ftruncate(file.fileno(), max(0, file.tell() // _PAGE - free) * _PAGE)


def write_each(caller: Caller, name: str, tally: Tally) -> None:
    """Write once by every route that keeps something."""
    words = f"{name} " * 200
    item = {"item_id": f"item {name}", "text": f"item {words}", "label": "new"}
    correction = {"item_id": f"fix {name}", "label": "new", "text": f"correction {words}"}
    asked = {"items": [{"text": f"tea {name} {number}"} for number in range(100)]}
    label = {"label": f"label {name}", "descriptions": [words]}
    for kind, method, path, body, known in (
        ("labels", "POST", "/v1/labels", label, label["label"]),
        ("items", "PUT", "/v1/items", {"items": [item]}, item["item_id"]),
        ("items", "POST", "/v1/feedback", {"corrections": [correction]}, correction["item_id"]),
        ("jobs", "POST", "/v1/jobs", {"task": "classify", "request": asked}, None),
        ("asked", "POST", "/v1/classify", {"items": [{"text": f"tea {words}"}]}, ""),
    ):
        status, answer = caller.call(method, path, body)
        if status >= 300:
            tally.refused[str(status)] += 1
        elif kind in tally.acknowledged:
            tally.acknowledged[kind].add(str(known or answer["job_id"]))


def look(caller: Caller, tally: Tally) -> None:
    """Find all that was ever acknowledged, and wait for the jobs."""
    until = time.perf_counter() + 60
    while (told := caller.call("GET", "/v1/labels"))[0] != 200 and time.perf_counter() < until:
        time.sleep(0.2)  # a tenant is loaded anew
    labels = {one["label"] for one in told[1].get("labels", [])}
    tally.lost |= {f"label {one}" for one in tally.acknowledged["labels"] if one not in labels}
    for item in tally.acknowledged["items"]:
        query = urllib.parse.urlencode({"item_id": item})
        if not caller.call("GET", f"/v1/items?{query}")[1].get("items"):
            tally.lost.add(item)
    until = time.perf_counter() + 60
    for job in tally.acknowledged["jobs"]:
        while (state := caller.call("GET", f"/v1/jobs/{job}")[1]).get("status") != "done":
            if "items_done" not in state or time.perf_counter() > until:
                tally.lost.add(f"job {job}: {state.get('status')}")
                break
            time.sleep(0.2)
