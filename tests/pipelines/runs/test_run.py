from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.components import open_index
from pipelines.config.settings import Settings, load_settings
from pipelines.jobs.index import index_job
from pipelines.jobs.locks import CollectionLockedError, FolderLockedError, locked, locked_collection
from pipelines.runs.inputs import RunInputs
from pipelines.runs.run import _Run, run_job
from retrieval import Encoder, InputError, item_texts
from serving.command_line import app
from tests.pipelines.conftest import CONFIG, CUTOFF, Shop

ALL = ["index", "classify", "forecast", "evaluate", "backtest"]
MORE = """
  method: knn
new_items:
  path: new.parquet
run:
  out: out
"""


@pytest.fixture(scope="module")
def finished(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables, a config, and a run of all its steps."""
    folder = tmp_path_factory.mktemp("run")
    items, sales = shop.items.iloc[200:], shop.sales
    new = items[items["launch_date"] > CUTOFF].tail(10)
    new.to_parquet(folder / "new.parquet", index=False)
    known = items[~items["product_id"].isin(new["product_id"])]
    known.to_parquet(folder / "items.parquet", index=False)
    sold = sales[sales["unique_id"].isin(known["product_id"]) & (sales["ds"] <= CUTOFF)]
    sold.to_parquet(folder / "sales.parquet")
    (folder / "job.yaml").write_text(CONFIG.replace("  n_jobs: 1\n", "  n_jobs: 1" + MORE))
    result = CliRunner().invoke(app, ["run", "--config", str(folder / "job.yaml")])
    assert result.exit_code == 0, result.stderr
    lines = [line.split()[:2] for line in result.stdout.splitlines()]
    done = [[name, "done"] for name in ALL[:4]]
    assert lines[:5] == [*done, ["backtest", "not"]]
    return folder


@pytest.fixture
def job(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "job"))


def settings_in(folder: Path) -> Settings:
    return load_settings(folder / "job.yaml")


def statuses(folder: Path, **options: object) -> dict[str, str]:
    outcomes = run_job(settings_in(folder), folder / "out", **options)  # type: ignore[arg-type]
    return {outcome.step: outcome.status for outcome in outcomes}


def test_results_and_manifests_are_there(finished: Path) -> None:
    out = finished / "out"
    new = pd.read_parquet(finished / "new.parquet")
    assert pd.read_parquet(out / "labels.parquet")["item_id"].tolist() == list(new["product_id"])
    assert len(pd.read_parquet(out / "forecasts.parquet")) == 4 * len(new)
    assert len(pd.read_parquet(out / "totals.parquet")) == len(new)
    assert (out / "evaluation" / "evaluation.html").is_file()
    assert {path.name for path in (out / "kept" / "forecasts").iterdir()} == {
        f"curves-{CUTOFF}.parquet",
        f"totals-{CUTOFF}.parquet",
    }
    assert not (out / ".inputs").exists()
    made = json.loads((out / "manifests" / "classify.json").read_text())
    assert set(made["basis"]["inputs"]) == {"new_items", "collection"}
    assert made["basis"]["settings"]["classify"]["k"] == 20
    assert made["counts"]["items"] == len(new)
    assert made["basis"]["encoder"]["name"] == "all-MiniLM-L6-v2"


def test_only_what_changed_is_done_again(job: Path) -> None:
    # The copy lies elsewhere, and with it the collection: that alone counts as a change.
    there = dict.fromkeys(("forecast", "evaluate"), "unchanged")
    assert statuses(job, steps=there) == there
    new = pd.read_parquet(job / "new.parquet")
    new.head(5).to_parquet(job / "new.parquet", index=False)
    assert statuses(job, steps=["forecast", "evaluate"]) == {
        "forecast": "done",
        "evaluate": "unchanged",
    }
    assert statuses(job, steps=["index", "classify"]) == {"index": "done", "classify": "done"}
    assert set(statuses(job, steps=ALL[:4]).values()) == {"unchanged"}
    with open_index(settings_in(job)) as index:
        index.delete([pd.read_parquet(job / "items.parquet")["product_id"].iloc[0]])
    assert statuses(job, steps=ALL[:4]) == {
        "index": "done",
        "classify": "unchanged",  # the collection is whole again when its turn comes
        "forecast": "unchanged",
        "evaluate": "unchanged",
    }
    assert statuses(job, steps=["classify"], force=True) == {"classify": "done"}


# File → the steps that read it.
READERS = {
    "items.parquet": {"index", "forecast", "evaluate", "backtest"},
    "sales.parquet": {"forecast", "backtest"},
    "plan.parquet": {"forecast", "backtest"},
    "new.parquet": {"classify", "forecast"},
    "words.yaml": {"classify", "evaluate"},
}


def test_a_step_depends_on_every_file_it_reads_and_on_no_other(job: Path) -> None:
    for name in ("plan.parquet", "words.yaml"):
        (job / name).write_text("what is in it is of no matter here")
    more = "future:\n  path: plan.parquet\nclassify:\n  labels: words.yaml\n"
    (job / "job.yaml").write_text((job / "job.yaml").read_text() + more)
    settings = settings_in(job)

    def digests() -> dict[str, dict[str, str]]:
        with RunInputs(settings, job / "out") as inputs:
            run = _Run(settings, job / "out", inputs, confirmed=False)
            return {name: run.step(name).inputs() for name in ALL}

    for name, readers in READERS.items():
        before = digests()
        with (job / name).open("ab") as file:
            file.write(b" ")
        after = digests()
        assert {step for step in ALL if after[step] != before[step]} == readers, name


def test_rows_of_a_query_count_by_what_they_are(job: Path) -> None:
    new = pd.read_parquet(job / "new.parquet").drop(columns="launch_date")
    with sqlite3.connect(job / "shop.sqlite") as database:
        new.to_sql("new", database, index=False)
    text = (job / "job.yaml").read_text()
    query = "sql: select * from new order by product_id\n  url: sqlite:///shop.sqlite"
    (job / "job.yaml").write_text(text.replace("path: new.parquet", query))
    steps = ["index", "classify"]
    assert statuses(job, steps=steps)["classify"] == "done"
    assert statuses(job, steps=steps)["classify"] == "unchanged"
    with sqlite3.connect(job / "shop.sqlite") as database:
        database.execute("update new set brand = 'Private' where rowid = 1")
        database.execute("create table other (x)")
    assert statuses(job, steps=steps) == {"index": "unchanged", "classify": "done"}
    database.close()
    assert "sqlite" not in (job / "out" / "manifests" / "classify.json").read_text()


def test_nothing_to_forecast_is_no_failure(job: Path) -> None:
    (job / "job.yaml").write_text(
        (job / "job.yaml").read_text().replace("new_items:\n  path: new.parquet\n", "")
    )
    items = pd.read_parquet(job / "items.parquet")
    items[~(items["launch_date"] > CUTOFF)].to_parquet(job / "items.parquet")
    assert statuses(job, steps=["forecast"]) == {"forecast": "done"}
    assert not (job / "out" / "forecasts.parquet").exists()
    assert statuses(job, steps=["forecast"]) == {"forecast": "unchanged"}


def test_two_runs_on_one_folder_are_refused(job: Path) -> None:
    with locked(job / "out"), pytest.raises(FolderLockedError, match="another run is at work"):
        statuses(job)
    with locked(job / "out"):
        result = CliRunner().invoke(app, ["run", "--config", str(job / "job.yaml")])
    assert result.exit_code == 1
    assert "another run is at work here" in result.stderr


def test_two_runs_on_one_collection_are_refused(job: Path) -> None:
    uri = settings_in(job).index.uri
    with locked_collection(uri, "items", "index"):
        with pytest.raises(CollectionLockedError, match=r"collection 'items' in .*items.db"):
            run_job(settings_in(job), job / "elsewhere", steps=["index"])
        assert statuses(job, steps=["classify"]) == {"classify": "done"}  # it only reads


def test_bad_settings_are_refused(job: Path) -> None:
    bare = job / "bare.yaml"
    bare.write_text("index: {uri: none.db}\n")
    no_folder = CliRunner().invoke(app, ["run", "--config", str(bare)])
    assert (no_folder.exit_code, "give --out" in no_folder.stderr) == (2, True)
    unknown = CliRunner().invoke(app, ["run", "--config", str(bare), "--steps", "index,train"])
    assert (unknown.exit_code, "run.steps" in unknown.stderr) == (2, True)
    nothing = CliRunner().invoke(app, ["run", "--config", str(bare), "--out", str(job / "b")])
    assert nothing.exit_code == 0
    assert nothing.stdout.count("not asked for") == 5
    (job / "new.parquet").unlink()
    with pytest.raises(InputError, match="no such file"):
        statuses(job, steps=["classify"])


def test_tokens_are_no_part_of_what_a_step_depends_on(tmp_path: Path) -> None:
    secrets = {"token": "hush", "tokens": {"http://milvus.example": "hush"}}
    chosen = [
        _Run(settings, tmp_path, RunInputs(settings, tmp_path), confirmed=False)._chosen(
            "index", items=()
        )
        for settings in (load_settings(), load_settings(None, {"index": secrets}))
    ]
    assert chosen[0] == chosen[1]
    assert not {"token", "tokens"} & set(chosen[1]["index"])


def test_the_manifest_says_from_how_many_items_labels_in_words_learned(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shop.items.head(40).to_parquet("new.parquet", index=False)
    words = {"BAG SNACKS": "chips", "CANDY - PACKAGED": "candy"}
    flags = {
        "items": {"id": "product_id", "text": "product_type"},
        "new_items": {"path": "new.parquet"},
        "classify": {"labels": words, "adapt": True},
    }
    run_job(load_settings(flags=flags), Path("out"), steps=["classify"])
    made = json.loads(Path("out/manifests/classify.json").read_text())
    assert made["counts"]["adapted"] == made["counts"]["items"] == 40
    assert made["basis"]["settings"]["classify"]["adapt"] is True


def test_bad_rows_are_kept_by_step_and_counted_in_its_manifest(job: Path) -> None:
    new, sales = (pd.read_parquet(job / f"{name}.parquet") for name in ("new", "sales"))
    mended = new["launch_date"].iloc[2]
    new.loc[new.index[2], "launch_date"] = pd.NaT
    new.to_parquet(job / "new.parquet", index=False)
    sales.iloc[[5, 7], sales.columns.get_loc("y")] = -1.0
    sales.to_parquet(job / "sales.parquet", index=False)
    steps = ["--steps", "classify,forecast", "--on-bad-rows", "quarantine"]
    command = ["run", "--config", str(job / "job.yaml"), *steps]
    assert CliRunner().invoke(app, ["run", *command[1:-1], "fail"]).exit_code == 2

    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    out = job / "out"
    assert [line for line in done.stdout.splitlines() if "quarantined" in line][1].endswith(")")
    assert f"bad rows left out, see {out / 'quarantine'}/" in done.stdout
    assert pd.read_parquet(out / "quarantine/forecast/sales.parquet")["row"].tolist() == [6, 8]
    assert pd.read_parquet(out / "quarantine/forecast/new_items.parquet")["row"].tolist() == [3]
    made = {
        step: json.loads((out / "manifests" / f"{step}.json").read_text())
        for step in ("classify", "forecast")
    }
    assert {step: one["counts"]["quarantined"] for step, one in made.items()} == {
        "classify": 0,
        "forecast": 3,
    }
    assert made["forecast"]["basis"]["settings"]["bad_rows"] == {"action": "quarantine"}
    assert CliRunner().invoke(app, command).stdout.count("unchanged") == 2

    (out / "quarantine/forecast/sales.parquet").unlink()
    again = CliRunner().invoke(app, command)
    assert (again.stdout.count("unchanged"), again.stdout.count("3 quarantined")) == (1, 1)
    assert (out / "quarantine/forecast/sales.parquet").is_file()
    new.loc[new.index[2], "launch_date"] = mended
    new.to_parquet(job / "new.parquet", index=False)
    assert "2 quarantined" in CliRunner().invoke(app, command).stdout
    assert not (out / "quarantine/forecast/new_items.parquet").exists()


def test_an_item_is_embedded_once_and_written_once(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels and forecasts read one collection where they go by the same texts."""
    for name in ("items.parquet", "new.parquet", "sales.parquet"):
        shutil.copy(finished / name, tmp_path / name)
    config = (finished / "job.yaml").read_text()
    own_text = "  text: [product_type, package_size, brand, product_category]\n  attributes: []\n"
    assert own_text in config
    # Without the cache, which would hide what is embedded again.
    (tmp_path / "job.yaml").write_text(
        config.replace(own_text, "") + "encoder:\n  cache: false\n", "utf-8"
    )
    embedded: list[str] = []
    original = Encoder._embed

    def counted(  # type: ignore[no-untyped-def]
        self: Encoder, unique: list[str], prompt: str, missing: list[int], *rest: Any, **more: Any
    ):
        embedded.extend(unique[one] for one in missing)
        return original(self, unique, prompt, missing, *rest, **more)

    monkeypatch.setattr(Encoder, "_embed", counted)
    steps = ["index", "classify", "forecast"]
    assert statuses(tmp_path, steps=steps) == dict.fromkeys(steps, "done")
    items = pd.read_parquet(tmp_path / "items.parquet")
    texts = set(item_texts(items, ["product_type", "package_size", "brand"]))
    new = pd.read_parquet(tmp_path / "new.parquet")
    texts -= set(item_texts(new, ["product_type", "package_size", "brand"]))
    assert {text: embedded.count(text) for text in texts} == dict.fromkeys(texts, 1)
    counts = json.loads((tmp_path / "out" / "manifests" / "index.json").read_text())["counts"]
    assert (counts["new"], counts["changed"]) == (len(items), 0)
    embedded.clear()
    counts = index_job(settings_in(tmp_path))
    assert (counts["new"], counts["changed"], embedded) == (0, 0, [])
    assert set(statuses(tmp_path, steps=steps).values()) == {"unchanged"}
    assert embedded == []
