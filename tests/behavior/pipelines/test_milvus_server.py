"""Jobs on a real Milvus server: what differs from a Lite file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipelines.components import open_index
from pipelines.config.settings import load_settings
from tests.milvus_places import Places
from tests.pipelines.cli.test_app import run
from tests.pipelines.conftest import CONFIG, CUTOFF, Shop

pytestmark = pytest.mark.server_only("about users, and what several processes share")


def _job(folder: Path, milvus: Places, more: str = "") -> Path:
    job = folder / "job.yaml"
    job.write_text(CONFIG.replace("index:\n  uri: items.db\n", milvus().yaml()) + more)
    return job


@pytest.mark.parametrize("verb", [["index"], ["similar", "-t", "x"]])
def test_a_wrong_token_is_a_failure_that_names_the_setting(
    verb: list[str], shop: Shop, milvus: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _job(tmp_path, milvus)
    shop.items.head(3).to_parquet(tmp_path / "items.parquet")
    monkeypatch.setenv("LIKEWISE_INDEX__TOKEN", "root:not-it")
    refused = run(*verb, "--config", job)
    assert refused.exit_code == 1
    assert "refuses the connection: a wrong index.token" in refused.stderr
    assert "not-it" not in refused.stderr + refused.stdout
    monkeypatch.delenv("LIKEWISE_INDEX__TOKEN")
    assert run("index", "--config", job).exit_code == 0


def test_a_run_is_done_once(shop: Shop, milvus: Places, tmp_path: Path) -> None:
    more = "  method: knn\nnew_items:\n  path: new.parquet\nrun:\n  out: out\n"
    job = _job(tmp_path, milvus, more)
    new = shop.items[shop.items["launch_date"] > CUTOFF].tail(10)
    new.to_parquet(tmp_path / "new.parquet", index=False)
    known = shop.items[~shop.items["product_id"].isin(new["product_id"])]
    known.to_parquet(tmp_path / "items.parquet", index=False)
    sold = shop.sales[shop.sales["unique_id"].isin(known["product_id"])]
    sold[sold["ds"] <= CUTOFF].to_parquet(tmp_path / "sales.parquet")
    steps = ["--steps", "index,classify,forecast"]
    for status in ("done", "unchanged"):
        result = run("run", "--config", job, *steps)
        assert result.exit_code == 0, result.stderr
        lines = [line.split() for line in result.stdout.splitlines() if line]
        assert {
            name: said for name, said, *_ in lines if name in steps[1].split(",")
        } == dict.fromkeys(steps[1].split(","), status)
    labels = pd.read_parquet(tmp_path / "out" / "labels.parquet")
    assert labels["item_id"].tolist() == new["product_id"].tolist()
    with open_index(load_settings(job)) as index:
        assert index.count() == len(known)
        index.delete([known["product_id"].iloc[0]])
    again = run("run", "--config", job, "--steps", "index")
    assert "done" in again.stdout
