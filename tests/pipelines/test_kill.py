"""`likewise index`, killed at random moments: a re-run ends in the same state."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from pipelines.complete_journey import TEXT, load_complete_journey
from retrieval import Encoder
from retrieval.tables import item_texts
from tests.milvus_places import Place, Places

KILLS = 3
COLUMNS = ["item_id", "text", "label", "launch_day", "content_hash", "vector"]


def test_killed_indexing_loses_and_doubles_nothing(
    encoder: Encoder, milvus: Places, tmp_path: Path
) -> None:
    items = load_complete_journey().items[:12_000]  # three batches
    items.to_parquet(tmp_path / "items.parquet")
    encoder.encode(item_texts(items, TEXT).tolist())  # every run below finds its vectors cached
    started = time.monotonic()
    _index(tmp_path, milvus("whole")).wait()
    whole_run = time.monotonic() - started

    moments = random.Random(5)
    killed = 0
    for _ in range(KILLS):
        process = _index(tmp_path, milvus("killed"))
        try:
            process.wait(timeout=moments.uniform(0.3, 0.9) * whole_run)
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.wait()
    assert killed
    assert _index(tmp_path, milvus("killed")).wait() == 0

    whole, after_kills = (_content(milvus(name), encoder) for name in ("whole", "killed"))
    assert len(whole) == len(items)
    pd.testing.assert_frame_equal(after_kills, whole)


def _index(folder: Path, place: Place) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "pipelines", "index", str(folder / "items.parquet")),
        *(*place.flags(), "--id-col", "product_id", "--text-cols", ",".join(TEXT)),
        *("--label-col", "label", "--launch-date-col", "launch_date"),
    ]
    environment = {**os.environ, **place.environment()}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment)


def _content(place: Place, encoder: Encoder) -> pd.DataFrame:
    with place.open(encoder) as index:
        rows = [row for page in index._store.pages(COLUMNS) for row in page]
    frame = pd.DataFrame(rows)[COLUMNS].sort_values("item_id", ignore_index=True)
    frame["vector"] = [tuple(vector) for vector in frame["vector"]]
    return frame
