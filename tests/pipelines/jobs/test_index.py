"""Items that the table no longer has leave the index, when asked, and never too many."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from classifiers import LabelSpellingWarning
from pipelines.jobs.index import ids_to_prune
from retrieval import Encoder, InputError
from serving.command_line import app
from tests.milvus_places import Places
from tests.pipelines.conftest import Shop


def run(verb: str, folder: Path, *flags: str) -> Result:
    return CliRunner().invoke(app, [verb, "--config", str(folder / "job.yaml"), *flags])


def said(result: Result) -> str:
    """What it printed, in one line."""
    return " ".join(result.stdout.split())


def held(milvus: Places, encoder: Encoder) -> list[str]:
    with milvus().open(encoder) as index:
        return index.ids()


@pytest.fixture
def job(shop: Shop, milvus: Places, tmp_path: Path) -> Path:
    """A folder with a config and 20 items, which are indexed."""
    config = shop.config.read_text().replace("index:\n  uri: items.db\n", milvus().yaml())
    (tmp_path / "job.yaml").write_text(config + "run: {out: out}\n")
    shop.items.head(20).to_parquet(tmp_path / "items.parquet")
    made = run("index", tmp_path)
    assert made.exit_code == 0, made.stderr
    return tmp_path


def keep(job: Path, rows: slice) -> list[str]:
    """Write the items table anew with some of its rows; return their ids."""
    items = pd.read_parquet(job / "items.parquet")[rows]
    items.to_parquet(job / "items.parquet")
    return sorted(items["product_id"])


def test_only_prune_removes_what_the_table_lacks(
    job: Path, milvus: Places, encoder: Encoder
) -> None:
    kept = keep(job, slice(4, None))
    for flags in ([], ["--no-prune"]):
        assert "20 total" in said(run("index", job, *flags))
    pruned = run("index", job, "--prune", "--out", str(job / "counts.json"))
    assert pruned.exit_code == 0, pruned.stderr
    counts = {"new": 0, "changed": 0, "unchanged": 16, "pruned": 4, "total": 16}
    assert json.loads((job / "counts.json").read_text()) == counts
    assert held(milvus, encoder) == kept
    assert "0 pruned" in said(run("index", job, "--prune"))


def test_more_than_a_fifth_needs_yes(job: Path, milvus: Places, encoder: Encoder) -> None:
    before = held(milvus, encoder)
    items = pd.read_parquet(job / "items.parquet")
    fewer = items[5:].assign(brand="Changed")
    fewer.to_parquet(job / "items.parquet")
    refused = run("index", job, "--prune", "--out", str(job / "counts.json"))
    first = ", ".join(items["product_id"][:5])
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1] == (
        f"error: {job / 'items.parquet'}: --prune would remove 5 of 20 items of the collection "
        f"{milvus().collection!r}, more than 20%: {first}; give --yes if the table is whole"
    )
    assert held(milvus, encoder) == before
    assert not (job / "counts.json").exists()
    with milvus().open(encoder) as index:  # not even what changed was written
        assert "Changed" not in set(index.get(before)["brand"])
    assert "5 pruned" in said(run("index", job, "--prune", "--yes"))
    assert held(milvus, encoder) == sorted(fewer["product_id"])


def test_an_empty_table_removes_nothing(job: Path, milvus: Places, encoder: Encoder) -> None:
    keep(job, slice(0, 0))
    for flags in (["--prune"], ["--prune", "--yes"]):
        refused = run("index", job, *flags)
        assert refused.exit_code == 2
        assert "the table has no items; --prune would remove all 20 items" in refused.stderr
    assert len(held(milvus, encoder)) == 20


def test_a_bad_table_removes_nothing(job: Path, milvus: Places, encoder: Encoder) -> None:
    items = pd.read_parquet(job / "items.parquet")[2:]
    items.assign(product_id=["same", *items["product_id"][1:-1], "same"]).to_parquet(
        job / "items.parquet"
    )
    assert run("index", job, "--prune").exit_code == 2
    assert len(held(milvus, encoder)) == 20


def test_a_run_prunes_where_its_settings_or_flags_say_so(
    job: Path, milvus: Places, encoder: Encoder
) -> None:
    steps = ["--steps", "index"]
    assert "done" in said(run("run", job, *steps))
    keep(job, slice(6, None))
    assert run("run", job, *steps, "--prune").exit_code == 2
    assert "6 pruned" in said(run("run", job, *steps, "--prune", "--yes"))
    made = json.loads((job / "out" / "manifests" / "index.json").read_text())
    assert made["basis"]["settings"]["index"]["prune"] is True
    assert made["counts"]["pruned"] == 6
    kept = keep(job, slice(1, None))
    text = (job / "job.yaml").read_text()
    (job / "job.yaml").write_text(text.replace("index:\n", "index:\n  prune: true\n"))
    assert "1 pruned" in said(run("run", job, *steps))
    assert "unchanged" in said(run("run", job, *steps))
    assert held(milvus, encoder) == kept


def test_of_a_tenant_only_its_own_items_are_removed(encoder: Encoder, milvus: Places) -> None:
    shared = milvus("shared")
    for tenant in ("north", "south"):
        items = pd.DataFrame({"item_id": list("abcdef"), "text": ["chips"] * 6})
        with shared.open(encoder, tenant=tenant) as index:
            index.upsert(items, text="text")
    with shared.open(encoder, tenant="north") as index:
        with pytest.raises(InputError, match="2 of 6 items"):
            ids_to_prune(index, list("abcd"), source="items")
        assert index.delete(ids_to_prune(index, list("abcde"), source="items")) == 1
        assert index.ids() == list("abcde")
    with shared.open(encoder, tenant="south") as index:
        assert index.ids() == list("abcdef")


def test_labels_get_one_spelling_where_the_settings_say_so(
    job: Path, milvus: Places, encoder: Encoder
) -> None:
    items = pd.read_parquet(job / "items.parquet")
    label = items["product_category"].mode()[0]
    same = items.index[items["product_category"] == label]
    items.loc[same[:1], "product_category"] = label.title() + "\u200b"
    items.to_parquet(job / "items.parquet")
    with pytest.warns(LabelSpellingWarning, match=f"{label!r} / |/ {label!r}"):
        assert run("index", job).exit_code == 0
    with milvus().open(encoder) as index:
        assert label.title() + "\u200b" in index.labels()
    config = (job / "job.yaml").read_text() + "classify: {normalize_labels: true}\n"
    (job / "job.yaml").write_text(config)
    # What the index holds is spelled as it is; a new one takes the most frequent spelling.
    with milvus().open(encoder) as index:
        index.delete(items.loc[same[:1], "product_id"].tolist())
    assert run("index", job).exit_code == 0
    with milvus().open(encoder) as index:
        assert label.title() + "\u200b" not in index.labels()
