"""The server killed while clients write to it: what it acknowledged must be there, once."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from benchmarks.serving.api_load import process
from retrieval import Encoder, ItemIndex

_WRITERS = 8


def kill_rounds(folder: Path, rounds: int) -> list[dict[str, float]]:
    """Write, kill, look; each round goes on with what the one before left."""
    config = folder / "kill.yaml"
    settings = {
        "items": {"text": ["text"], "label": "label"},
        "index": {"uri": "kill.db"},
        "classify": {"head": "none", "prototypes": True, "labels": {"tea": "tea bags"}},
        "serve": {"data_dir": "kill-data", "rate": 1e9},
    }
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    chance = random.Random(0)
    rows, sent, acknowledged = [], set[str](), set[str]()
    for one in range(rounds):
        with process(config) as (pid, port):
            threads = [
                threading.Thread(target=_write, args=(port, f"{one}-{part}", sent, acknowledged))
                for part in range(_WRITERS)
            ]
            for thread in threads:
                thread.start()
            moment = chance.uniform(0.5, 5.0)
            time.sleep(moment)
            os.kill(pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
        with ItemIndex(str(folder / "kill.db"), Encoder()) as index:
            found = index.read().ids.tolist()
        rows.append(
            {
                "killed after s": round(moment, 2),
                "acknowledged": len(acknowledged),
                "found": len(found),
                "lost": len(acknowledged - set(found)),
                "doubled": len(found) - len(set(found)),
                "never sent": len(set(found) - sent),
            }
        )
    return rows


def _write(port: int, name: str, sent: set[str], acknowledged: set[str]) -> None:
    for number in range(1_000_000):
        item = {"item_id": f"{name}-{number}", "text": f"item {name} {number}", "label": "new"}
        sent.add(item["item_id"])
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/items",
            json.dumps({"items": [item]}).encode(),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
        except (urllib.error.URLError, OSError):
            return
        acknowledged.add(item["item_id"])
