import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting.evaluation.baselines import BASELINES
from pipelines.components import make_classifier, open_index
from pipelines.config.settings import load_settings
from pipelines.demo import demo
from pipelines.demo.complete_journey import HELD_OUT, LABEL, CompleteJourney
from pipelines.demo.demo import CUTOFF, OUTPUTS, demo_settings
from pipelines.demo.labeling import EVERY, HARDER, METHODS, label_held_out
from pipelines.jobs.index import index_job
from tests.pipelines.conftest import DemoRun, run_demo_on

CONFIG = Path(__file__).parents[3] / "configs" / "complete_journey.yaml"
HORIZON = 8


class ComputedError(Exception):
    """Raised in place of the results, where a test asks only whether they are made anew."""


@pytest.fixture
def finished(demo_run: DemoRun, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed."""
    return Path(shutil.copytree(demo_run.folder, tmp_path / "copy"))


@pytest.fixture
def only_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(*_: Any) -> None:
        raise ComputedError

    monkeypatch.setattr(demo, "_compute", tell)


def _times(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in (*OUTPUTS, "metrics.json")}


# --- the files ---------------------------------------------------------------------------------


def test_all_files_are_there_and_nothing_half_written(demo_run: DemoRun) -> None:
    names = {path.name for path in demo_run.folder.iterdir()}
    assert {*OUTPUTS, "metrics.json", "items.db"} <= names
    assert [name for name in names if name.endswith(".tmp")] == []


def test_the_tables_are_what_the_config_reads(demo_run: DemoRun) -> None:
    settings = demo_settings(demo_run.folder)
    items, sales = (pd.read_parquet(settings.items.path), pd.read_parquet(settings.sales.path))
    pd.testing.assert_frame_equal(items, demo_run.data.items)
    pd.testing.assert_frame_equal(sales, demo_run.data.sales)


def test_labels_are_a_labels_table_with_reasons(demo_run: DemoRun) -> None:
    labels = pd.read_parquet(demo_run.folder / "labels.parquet")
    columns = [
        "item_id",
        "label",
        "probability",
        "known",
        "why",
        "novelty",
        "label_set",
        "assured",
        "neighbors",
    ]
    assert labels.columns.tolist() == [*columns, "parts", LABEL]
    held = demo_run.data.items.query("fold == @HELD_OUT")
    assert labels["item_id"].tolist() == held["product_id"].tolist()
    for row in labels.sample(20, random_state=0).to_dict("records"):
        near = row["neighbors"]
        assert {"item_id", "label", "similarity", "weight", "count"} == set(near[0])
        similarity = [one["similarity"] for one in near]
        assert similarity == sorted(similarity, reverse=True)
        assert sum(one["weight"] for one in near) <= 1 + 1e-6


def test_forecasts_are_a_forecasts_table_of_every_launch_to_score(demo_run: DemoRun) -> None:
    table = pd.read_parquet(demo_run.folder / "forecasts.parquet")
    columns = ["unique_id", "cutoff", "ds", "age", "mean", "0.1", "0.5", "0.9"]
    assert table.columns.tolist() == columns
    data = demo_run.data
    launch = data.items.set_index("product_id")["launch_date"]
    last = data.sales["ds"].max() - pd.Timedelta(weeks=HORIZON - 1)
    expected = launch[(launch > CUTOFF) & (launch <= last)]
    assert len(expected) >= 10
    assert set(table["unique_id"]) == set(expected.index)
    assert (table.groupby("unique_id")["age"].apply(list).map(len) == HORIZON).all()
    weeks = pd.to_timedelta(7 * table["age"], unit="D")
    assert (table["ds"] == table["unique_id"].map(launch) + weeks).all()
    assert (table["cutoff"] == CUTOFF).all()
    assert (table[["mean", "0.1", "0.5", "0.9"]] >= 0).all(axis=None)
    assert (table["0.1"] <= table["0.5"]).all()
    assert (table["0.5"] <= table["0.9"]).all()
    assert table["mean"].sum() > 0


def test_metrics_hold_every_method_and_how_they_were_made(demo_run: DemoRun) -> None:
    metrics = demo_run.metrics
    compare = {row["method"]: row for row in metrics["forecasts"]["compare"]}
    assert list(compare) == ["LaunchForecaster", *BASELINES]
    assert compare["zeros"]["wape_total"] == 1
    assert compare["zeros"]["bias"] == -1
    scores = [(row["items"], row["method"]) for row in metrics["labels"]["scores"]]
    assert scores == [(items, method) for items in (EVERY, HARDER) for method in METHODS]
    held = demo_run.data.items["fold"] == HELD_OUT
    assert metrics["labels"]["labeled_items"] == (~held).sum()
    launch = demo_run.data.items["launch_date"]
    assert metrics["forecasts"]["launches_learned_from"] == (launch <= CUTOFF).sum()
    assert metrics["forecasts"]["launches"] == compare["zeros"]["n_items"]
    assert metrics["settings"]["classify"] == demo_settings(Path()).classify.model_dump()
    assert metrics["encoder"]["name"] == "all-MiniLM-L6-v2"
    assert set(metrics["seconds"]) == {"tables", "index", "labels", "forecasts", "all"}
    assert 0.1 < metrics["peak_memory_gb"] < 8


def test_scores_in_the_metrics_are_those_of_the_forecasts_written(demo_run: DemoRun) -> None:
    table = pd.read_parquet(demo_run.folder / "forecasts.parquet")
    sold = demo_run.data.sales.set_index(["unique_id", "ds"])["y"]
    came = np.array([sold.get(key, 0) for key in zip(table["unique_id"], table["ds"], strict=True)])
    ours = demo_run.metrics["forecasts"]["compare"][0]
    wape = np.abs(came - table["0.5"]).sum() / came.sum()
    assert ours["wape_curve"] == pytest.approx(wape)
    assert ours["bias"] == pytest.approx(table["mean"].sum() / came.sum() - 1)


def test_it_tells_what_it_does_and_where_the_files_are(demo_run: DemoRun) -> None:
    steps = [demo_run.said.index(f"{step:<10} ") for step in ("tables", "index", "labels")]
    assert steps == sorted(steps)
    count = len(demo_run.data.items)
    assert f"{count:,} new, 0 changed, 0 unchanged, {count:,} total" in demo_run.said
    assert f"{demo_run.folder}/report.html" in demo_run.said


# --- honesty -----------------------------------------------------------------------------------


def test_held_out_labels_never_reach_the_index(finished: Path, demo_run: DemoRun) -> None:
    items = demo_run.data.items
    held = items["fold"] == HELD_OUT
    with open_index(demo_settings(finished)) as index:
        stored = index.get(items["product_id"].tolist())
        searched = index.neighbors(items[held].head(50), k=200, labeled=True)
    assert stored["item_id"].tolist() == items["product_id"].tolist()
    assert stored.loc[held.to_numpy(), "label"].isna().all()
    assert stored.loc[~held.to_numpy(), "label"].notna().all()
    found = set(searched.ids[searched.valid])
    assert found
    assert not found & set(items.loc[held, "product_id"])


def test_the_label_is_not_in_the_text_that_is_indexed(finished: Path, demo_run: DemoRun) -> None:
    some = demo_run.data.items.head(5)
    with open_index(demo_settings(finished)) as index:
        texts = index.get(some["product_id"].tolist())["text"].tolist()
    parts = some[["product_type", "package_size", "brand"]].fillna("").to_numpy()
    assert texts == [" ".join(part for part in row if part) for row in parts]


def test_items_sold_only_after_the_cutoff_are_no_analogues(demo_run: DemoRun) -> None:
    data = demo_run.data
    seen = data.sales.loc[data.sales["ds"] <= CUTOFF, "unique_id"].unique()
    analogues = demo_run.launches.forecaster.engine_.describer.analogues
    assert set(analogues.index.ids()) == set(seen)
    assert len(seen) < len(data.items)


# --- settings ----------------------------------------------------------------------------------


def test_the_config_says_the_same_as_the_demo() -> None:
    assert load_settings(CONFIG) == demo_settings(CONFIG.parents[1] / "build" / "demo")


def test_no_cache_reaches_the_encoder(tmp_path: Path) -> None:
    assert demo_settings(tmp_path).encoder.cache
    assert not demo_settings(tmp_path, cache=False).encoder.cache


# --- a second run ------------------------------------------------------------------------------


def test_a_second_run_reuses_everything_and_says_so(
    demo_run: DemoRun, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, before = demo_run.said, _times(finished)
    said = run_demo_on(demo_run.data, finished, monkeypatch)
    assert f"nothing changed since {demo_run.metrics['created']}: reused" in said
    assert f"0 new, 0 changed, {len(demo_run.data.items):,} unchanged" in said
    assert _times(finished) == before
    assert json.loads((finished / "metrics.json").read_text()) == demo_run.metrics
    # Both tables and the words below them are told again.
    closing = [text[text.index("Labels for") : text.index("Report")] for text in (said, first)]
    assert closing[0] == closing[1]


def test_a_changed_table_is_computed_anew_as_if_nothing_had_been_before(
    demo_run: DemoRun, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run knew of items that are no more has no vote."""
    fewer = _without_the_busiest_voters(demo_run)
    before = _times(finished)
    said = run_demo_on(fewer, finished, monkeypatch)
    assert "reused" not in said
    assert all(time > before[name] for name, time in _times(finished).items())
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["fingerprint"] != demo_run.metrics["fingerprint"]

    settings = demo_settings(tmp_path / "empty")
    index_job(settings, fewer.items)
    with open_index(settings) as index:
        fresh = label_held_out(make_classifier(settings, index), fewer.items)
    assert metrics["labels"]["scores"] == fresh.scores.reset_index().to_dict("records")
    found = pd.read_parquet(finished / "labels.parquet")["probability"].tolist()
    assert found == fresh.labels["probability"].tolist()
    assert found != demo_run.labeling.labels["probability"].tolist()


def _without_the_busiest_voters(run: DemoRun) -> CompleteJourney:
    voters = [near["item_id"] for row in run.labeling.labels["neighbors"] for near in row]
    gone = pd.Series(voters).value_counts().index[:20]
    return replace(
        run.data,
        items=run.data.items[~run.data.items["product_id"].isin(gone)].reset_index(drop=True),
        sales=run.data.sales[~run.data.sales["unique_id"].isin(gone)].reset_index(drop=True),
    )


@pytest.mark.usefixtures("only_tell")
@pytest.mark.parametrize("name", [*OUTPUTS, "metrics.json"])
def test_a_missing_file_is_made_anew(
    name: str, demo_run: DemoRun, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finished / name).unlink()
    with pytest.raises(ComputedError):
        run_demo_on(demo_run.data, finished, monkeypatch)


def _one_more_sale(data: CompleteJourney) -> CompleteJourney:
    sales = data.sales.copy()
    sales.loc[sales.index[-1], "y"] += 1
    return replace(data, sales=sales)


def _one_other_brand(data: CompleteJourney) -> CompleteJourney:
    items = data.items.copy()
    items.loc[items.index[0], "brand"] = "of its own"
    return replace(data, items=items)


@pytest.mark.usefixtures("only_tell")
@pytest.mark.parametrize("change", [_one_more_sale, _one_other_brand])
def test_one_changed_cell_is_enough(
    change: Callable[[CompleteJourney], CompleteJourney],
    demo_run: DemoRun,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ComputedError):
        run_demo_on(change(demo_run.data), finished, monkeypatch)


@pytest.mark.usefixtures("only_tell")
def test_unreadable_metrics_are_no_result(
    demo_run: DemoRun, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = finished / "metrics.json"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ComputedError):
        run_demo_on(demo_run.data, finished, monkeypatch)


@pytest.mark.usefixtures("only_tell")
def test_without_cache_all_is_made_anew(
    demo_run: DemoRun,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    some = replace(demo_run.data, items=demo_run.data.items.head(50))
    monkeypatch.setattr(demo, "load_complete_journey", lambda: some)
    with pytest.raises(ComputedError):
        demo.run_demo(finished, cache=False)
    assert "50 new, 0 changed, 0 unchanged, 50 total" in capsys.readouterr().out


def test_a_run_that_was_cut_off_does_not_pass_for_the_one_before(
    demo_run: DemoRun, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of two runs must not be mixed: the next run, though on the first data, starts anew."""

    def cut_off(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo, "_compute", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run_demo_on(_one_more_sale(demo_run.data), finished, patch)
    assert not (finished / "metrics.json").exists()
