"""`likewise index`, killed at random moments: a re-run ends in the same state."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from pipelines.complete_journey import TEXT, load_complete_journey
from retrieval import Encoder, ItemIndex
from retrieval.tables import item_texts

KILLS = 3
COLUMNS = ["item_id", "text", "label", "launch_day", "content_hash", "vector"]


def test_killed_indexing_loses_and_doubles_nothing(encoder: Encoder, tmp_path: Path) -> None:
    items = load_complete_journey().items[:12_000]  # three batches
    items.to_parquet(tmp_path / "items.parquet")
    encoder.encode(item_texts(items, TEXT).tolist())  # every run below finds its vectors cached
    started = time.monotonic()
    _index(tmp_path, "whole.db").wait()
    whole_run = time.monotonic() - started

    moments = random.Random(5)
    killed = 0
    for _ in range(KILLS):
        process = _index(tmp_path, "killed.db")
        try:
            process.wait(timeout=moments.uniform(0.3, 0.9) * whole_run)
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.wait()
    assert killed
    assert _index(tmp_path, "killed.db").wait() == 0

    whole, after_kills = (_content(tmp_path / name, encoder) for name in ("whole.db", "killed.db"))
    assert len(whole) == len(items)
    pd.testing.assert_frame_equal(after_kills, whole)


def _index(folder: Path, name: str) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "pipelines", "index", str(folder / "items.parquet")),
        *("--uri", str(folder / name), "--id-col", "product_id", "--text-cols", ",".join(TEXT)),
        *("--label-col", "label", "--launch-date-col", "launch_date"),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _content(path: Path, encoder: Encoder) -> pd.DataFrame:
    with ItemIndex(str(path), encoder) as index:
        rows = [row for page in index._store.pages(COLUMNS) for row in page]
    frame = pd.DataFrame(rows)[COLUMNS].sort_values("item_id", ignore_index=True)
    frame["vector"] = [tuple(vector) for vector in frame["vector"]]
    return frame
