"""`likewise index` and each step of `likewise run`, killed: a re-run ends in the same state."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from typer.testing import CliRunner

from pipelines.demo.complete_journey import TEXT, load_complete_journey
from retrieval import Encoder
from retrieval.items import item_texts
from serving.command_line import app
from tests.milvus_places import Place, Places
from tests.pipelines.conftest import CUTOFF, Shop

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
        *(sys.executable, "-m", "serving", "index", str(folder / "items.parquet")),
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


# --- run ---------------------------------------------------------------------------------------

TEXT_COLUMNS = ["product_type", "package_size", "brand"]
STEPS = ["index", "classify", "forecast", "evaluate", "backtest"]
JOB = """\
items:
  path: {tables}/items.parquet
  id: product_id
  text: [product_type, package_size, brand]
  label: product_category
  launch_date: launch_date
sales:
  path: {tables}/sales.parquet
new_items:
  path: {tables}/new.parquet
forecast: {{method: knn, horizon: 3, n_jobs: 1}}
backtest: {{cutoffs: 2017-07-31, last: 2017-08-07}}
run: {{out: out}}
"""


def test_a_run_killed_in_each_of_its_steps_ends_as_an_undisturbed_one(
    shop: Shop, encoder: Encoder, milvus: Places, tmp_path: Path
) -> None:
    ids = _write_tables(shop, tmp_path, encoder)
    whole, killed = (_job(tmp_path, name, milvus(name)) for name in ("whole", "killed"))
    done = CliRunner().invoke(app, ["run", "--config", str(whole / "job.yaml")])
    assert done.exit_code == 0, done.stderr
    manifests = {step: whole / "out" / "manifests" / f"{step}.json" for step in STEPS}
    seconds = {step: json.loads(path.read_text())["seconds"] for step, path in manifests.items()}

    moments = random.Random(11)
    ends = [_kill_in(step, moments.uniform(0, 0.6) * seconds[step], killed) for step in STEPS]
    assert ends.count(-signal.SIGKILL) >= 4  # a step may be over before its moment has come
    with _run(killed) as process:
        _, said = process.communicate()
    assert process.returncode == 0, said

    assert _files(killed / "out") == _files(whole / "out")
    for name in _files(whole / "out"):
        pd.testing.assert_frame_equal(
            *(_table(folder / "out" / name) for folder in (killed, whole))
        )
    for step in STEPS:
        made = json.loads((killed / "out" / "manifests" / f"{step}.json").read_text())
        assert made["status"] == "done"
    with milvus("killed").open(encoder) as index:
        assert index.ids() == ids
        assert index.count() == len(ids)


def _write_tables(shop: Shop, folder: Path, encoder: Encoder) -> list[str]:
    """The tables of a smaller shop; returns the ids of its items, sorted."""
    later = shop.items["launch_date"] > CUTOFF
    new, known = shop.items[later].tail(10), shop.items[~later].tail(300)
    # Every run finds its vectors cached, so that a step takes as long in each.
    encoder.encode(item_texts(pd.concat([new, known]), TEXT_COLUMNS).tolist())
    sold = shop.sales["unique_id"].isin(known["product_id"]) & (shop.sales["ds"] <= CUTOFF)
    for name, table in (("items", known), ("new", new), ("sales", shop.sales[sold])):
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return sorted(known["product_id"])


def _job(tables: Path, name: str, place: Place) -> Path:
    folder = tables / name
    folder.mkdir()
    (folder / "job.yaml").write_text(JOB.format(tables=tables) + place.yaml())
    return folder


def _run(job: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "serving", "run", "--config", str(job / "job.yaml")]
    command += ["--log-format", "json"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _kill_in(step: str, after: float, job: Path) -> int:
    """Run until some seconds after a step begins; returns how the process ended."""
    with _run(job) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("{") and '"step begins"' in line and f'"{step}"' in line:
                time.sleep(after)
                process.kill()
                break
        process.stderr.read()
    return process.returncode


def _files(folder: Path) -> set[str]:
    """All there is, but for logs of when and how long."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".parquet", ".csv", ".tmp")
    }


def _table(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
