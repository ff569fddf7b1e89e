from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import pipelines.jobs.adapt as adapt
from pipelines.components import open_index
from pipelines.config.settings import Settings, load_settings
from pipelines.jobs.acceptance import Acceptance
from pipelines.jobs.adapt import adapt_job
from pipelines.jobs.index import index_job
from pipelines.jobs.reindex import rollback_job
from retrieval import Encoder, InputError, LikewiseError, Versions
from serving.command_line import app
from tests.encoders import small_vocabulary_encoder
from tests.milvus_places import Place, Places

SIZES = {"little": "small sample size", "plenty": "large family size"}
WHAT = ("chips", "candy", "tea", "soap", "bread", "milk", "rice", "paper", "juice", "cheese")
HOW = ("red", "green", "salted", "organic", "classic", "new")
# Read before the environment is cleared: how often to kill, over how long a run.
KILLS = int(os.environ.get("LIKEWISE_TEST_KILLS", "1"))
WHOLE_RUN = float(os.environ.get("LIKEWISE_TEST_KILL_SECONDS", "6"))
CONFIG = (
    "items:\n  path: {items}\n  id: item_id\n  text: name\n  label: size\ntune:\n  method: map\n"
)


@pytest.fixture
def place(milvus: Places, encoder: Encoder, tmp_path: Path) -> Place:
    """Items whose neighbors are of their kind, while the label is their size."""
    place = milvus()
    rows = [
        (f"{how} {what}, {words}", size)
        for what, how, (size, words) in itertools.product(WHAT, HOW, SIZES.items())
    ]
    table = pd.DataFrame(rows, columns=["name", "size"])
    table.insert(0, "item_id", [f"i{row}" for row in range(len(table))])
    table.to_csv(tmp_path / "items.csv", index=False)
    config = CONFIG.format(items=tmp_path / "items.csv") + place.yaml()
    (tmp_path / "job.yaml").write_text(config, encoding="utf-8")
    index_job(_settings(tmp_path))
    return place


def _settings(folder: Path) -> Settings:
    return load_settings(folder / "job.yaml", {})


def _vectors(folder: Path) -> dict[str, np.ndarray]:
    with open_index(_settings(folder)) as index:
        ids = index.ids()
        return dict(zip(ids, index.vectors(ids), strict=True))


def test_the_index_follows_what_was_learned_from_it_and_back(place: Place, tmp_path: Path) -> None:
    before = _vectors(tmp_path)
    command = ["adapt", "--config", str(tmp_path / "job.yaml"), "--out", str(tmp_path / "o.json")]
    result = CliRunner().invoke(app, [*command, "--encoders", str(tmp_path / "encoders")])
    assert result.exit_code == 0, result.output
    assert f"{place.collection} is now {place.collection}_v2" in result.output
    (told,) = json.loads((tmp_path / "o.json").read_text())
    assert (told["verdict"], told["tuning"]["chosen"]) == ("live", "map")
    with open_index(_settings(tmp_path)) as index:  # as everybody opens it who names no encoder
        assert index.encoder.name == told["encoder"]
    after = _vectors(tmp_path)
    assert after.keys() == before.keys()
    # What is in the index is what the tuned encoder makes of the texts.
    items = pd.read_csv(tmp_path / "items.csv").set_index("item_id")
    made = Encoder(told["encoder"]).encode([items["name"][one] for one in after])
    np.testing.assert_allclose(np.array(list(after.values())), made, atol=1e-4)
    settings, encoders = _settings(tmp_path), tmp_path / "encoders"
    (again,) = adapt_job(settings, encoders=encoders)
    assert (again.verdict, again.tuning) == ("kept", None)
    assert rollback_job(_settings(tmp_path)).live == f"{place.collection}_v1"
    (again,) = adapt_job(settings, encoders=encoders)
    assert (again.verdict, "gone back" in again.reason) == ("kept", True)
    np.testing.assert_array_equal(_vectors(tmp_path)["i3"], before["i3"])


def test_rounds_go_on_from_each_other_and_end_where_nothing_is_gained(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, encoders = _settings(tmp_path), tmp_path / "encoders"
    done = adapt_job(settings, encoders=encoders, rounds=3)
    assert done[0].verdict == "live"
    assert done[0].gain is not None and done[0].gain.is_better
    assert done[0].tuning is not None and 80 < done[0].tuning.texts < 112  # the others judge
    for one, after in itertools.pairwise(done):
        assert one.verdict == "live"
        if after.verdict == "live":
            assert Encoder(str(after.encoder)).base == Encoder(str(one.encoder)).base
    monkeypatch.setattr(adapt, "tune_on", None)  # is not asked again
    (again,) = adapt_job(settings, encoders=encoders, rounds=len(done))
    assert again.reason.startswith("nothing has changed since the last time")


def test_what_is_not_good_enough_is_not_read_and_leaves_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, encoders = _settings(tmp_path), tmp_path / "encoders"
    before, demands = _vectors(tmp_path), Acceptance(recall=1.1)
    (done,) = adapt_job(settings, encoders=encoders, demands=demands)
    assert done.verdict == "refused"
    assert "recall@10" in done.reason
    np.testing.assert_array_equal(_vectors(tmp_path)["i3"], before["i3"])
    with Versions(place.uri, place.collection, token=place.token) as versions:
        assert versions.all() == [f"{place.collection}_v1"]
    monkeypatch.setattr(adapt, "tune_on", None)
    (again,) = adapt_job(settings, encoders=encoders, demands=demands)
    assert again.verdict == "refused"
    # Other demands are another question; what was tuned is not tuned again.
    (again,) = adapt_job(settings, encoders=encoders, demands=Acceptance())
    assert again.verdict == "live"


def test_what_cannot_work_is_told_before_any_work(place: Place, tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text(config.read_text() + "encoder:\n  name: all-MiniLM-L6-v2\n")
    with pytest.raises(InputError, match=r"leave it out"):
        adapt_job(_settings(tmp_path), encoders=tmp_path / "encoders")
    config.write_text(config.read_text().partition("encoder:")[0] + "classify:\n  groups: maker\n")
    with pytest.raises(InputError, match="'maker' is no attribute of the index"):
        adapt_job(_settings(tmp_path), encoders=tmp_path / "encoders")
    place.open(Encoder()).delete([f"i{row}" for row in range(0, 120, 2)])
    config.write_text(config.read_text().partition("classify:")[0])
    with pytest.raises(InputError, match="same label"):
        adapt_job(_settings(tmp_path), encoders=tmp_path / "encoders")


def test_a_budget_for_nothing_and_a_touched_encoder(place: Place, tmp_path: Path) -> None:
    settings, encoders = _settings(tmp_path), tmp_path / "encoders"
    hurried = settings.tune.model_copy(update={"budget": 1e-3})
    with pytest.raises(InputError, match="too small"):
        adapt_job(settings.model_copy(update={"tune": hurried}), encoders=encoders)
    (kept,) = adapt_job(settings, encoders=encoders, demands=Acceptance(recall=1.1))
    assert kept.verdict == "refused" and kept.encoder is not None
    weights = next(kept.encoder.rglob("*_Dense/model.safetensors"))
    told = bytearray(weights.read_bytes())
    told[-1] ^= 1
    weights.write_bytes(bytes(told))  # somebody touched it: it is tuned anew, and is as it was
    (done,) = adapt_job(settings, encoders=encoders)
    assert (done.verdict, done.tuning is None) == ("live", False)
    # What the live version was made with was touched: nothing is opened with other vectors.
    weights.write_bytes(bytes(told))
    with pytest.raises(LikewiseError, match="was changed"):
        adapt_job(settings, encoders=encoders)
    with Versions(place.uri, place.collection, token=place.token) as versions:
        assert versions.live == f"{place.collection}_v2"


def test_all_weights_of_an_encoder_are_tuned_and_all_is_encoded(
    milvus: Places, encoder: Encoder, tmp_path: Path
) -> None:
    place, folder = milvus(), tmp_path / "small"
    small_vocabulary_encoder(encoder, folder, tokens=12_000)
    rows = itertools.product(HOW, WHAT[:6], SIZES.items())
    told = [(f"{how} {what}, {words}", size) for how, what, (size, words) in rows]
    table = pd.DataFrame(told, columns=["name", "size"]).rename_axis("item_id").reset_index()
    table.to_csv(tmp_path / "items.csv", index=False)
    config = CONFIG.format(items=tmp_path / "items.csv") + place.yaml()
    config = config.replace("method: map", "method: full\n  folds: 2")
    (tmp_path / "job.yaml").write_text(config + f"encoder:\n  name: {folder}\n")
    index_job(_settings(tmp_path))
    (tmp_path / "job.yaml").write_text(config)
    (done,) = adapt_job(_settings(tmp_path), encoders=tmp_path / "encoders")
    assert done.tuning is not None
    assert (done.verdict, done.tuning.chosen) == ("live", "full"), str(done.tuning)
    made = Encoder(str(done.encoder))
    vectors = _vectors(tmp_path)
    expected = made.encode([table.set_index("item_id")["name"][int(one)] for one in vectors])
    np.testing.assert_allclose(np.array(list(vectors.values())), expected, atol=1e-3)


SALES = """\
items: {{path: {folder}/items.csv, id: item_id, text: name, label: size, launch_date: launch}}
sales: {{path: {folder}/{sales}.csv}}
forecast: {{horizon: 4, method: knn, n_jobs: 1}}
backtest: {{cutoffs: 2024-07-15, last: 2024-09-02, baselines: [zeros]}}
tune: {{method: map, folds: 2, demand: true}}
"""


def test_launches_examine_what_was_learned_before_them(milvus: Places, tmp_path: Path) -> None:
    place, lot = milvus(), np.random.default_rng(0)
    rows = itertools.product(WHAT, (*HOW, "dark", "soft", "fine"), SIZES.items())
    told = [(f"{how} {what}, {words}", size) for what, how, (size, words) in rows]
    items = pd.DataFrame(told, columns=["name", "size"]).sample(frac=1, random_state=0)
    items = items.reset_index(drop=True).rename_axis("item_id").reset_index()
    begin, weeks = pd.Timestamp("2024-01-01"), pd.to_timedelta(7 * (items.index // 5), unit="D")
    items["launch"] = begin + weeks
    items.to_csv(tmp_path / "items.csv", index=False)
    sales = items[["item_id", "size", "launch"]].merge(pd.DataFrame({"age": range(8)}), "cross")
    sales["ds"] = sales["launch"] + pd.to_timedelta(7 * sales["age"], unit="D")
    sales["y"] = lot.poisson(sales["size"].map({"little": 2.0, "plenty": 12.0}))
    sales = sales.rename(columns={"item_id": "unique_id"})[["unique_id", "ds", "y"]]
    later = sales["ds"] > "2024-07-15"
    noise = sales["y"].where(~later, lot.integers(0, 99, len(sales)))
    sales.to_csv(tmp_path / "sales.csv", index=False)
    sales.assign(y=noise).to_csv(tmp_path / "noise.csv", index=False)
    for name in ("noise", "sales"):
        config = SALES.format(folder=tmp_path, sales=name) + place.yaml()
        (tmp_path / f"{name}.yaml").write_text(config, encoding="utf-8")
    settings, noisy = (load_settings(tmp_path / f"{one}.yaml", {}) for one in ("sales", "noise"))
    index_job(settings)
    # Sales after the first cutoff teach nothing.
    known, asked = adapt._labeled(settings), (Path("encoders"), 1, Acceptance(), True)
    first, other = (
        adapt._with_demand(adapt._Job(one, *asked), known).demand for one in (settings, noisy)
    )
    np.testing.assert_array_equal(first, other)
    (done,) = adapt_job(settings, encoders=tmp_path / "encoders")
    assert done.tuning is not None and 100 < done.tuning.demand < len(items)
    assert done.verdict == "live", str(done.tuning)
    assert done.launches["launches"] > 20 and done.launches["verdict"] != "worse"


def test_killed_at_any_moment_nothing_is_lost(place: Place, tmp_path: Path) -> None:
    before, killed = _vectors(tmp_path), 0
    command = [
        *(sys.executable, "-m", "serving", "adapt", "--config", str(tmp_path / "job.yaml")),
        *("--encoders", str(tmp_path / "encoders")),
    ]
    for kill in range(KILLS):  # evenly spread over a whole run, each after the last one's remains
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            try:
                process.wait(timeout=(kill + 0.6) / KILLS * WHOLE_RUN)
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
        # Who reads finds all items, as the former encoder made them or as the new one does.
        with open_index(_settings(tmp_path), to_read=True) as index:
            ids = index.ids()
            texts = index.get(ids).set_index("item_id").loc[ids, "text"].tolist()
            assert set(ids) == before.keys()
            np.testing.assert_allclose(index.vectors(ids), index.encoder.encode(texts), atol=1e-2)
        version = Path(index.encoder.name).name
        print(f"{(kill + 0.6) / KILLS * WHOLE_RUN:.1f} s: killed {killed}, read with {version}")
    assert subprocess.run(command, check=False).returncode == 0
    with open_index(_settings(tmp_path)) as index:
        assert index.encoder.name.startswith(str(tmp_path / "encoders"))
        assert index.count() == len(before)


# Where the name is about to move, has just moved, and when all that is left is to forget the move.
MOMENTS = ("Versions._point", "Carrier.carry_late", "Versions._forget")
KILLED_AT = """
import os, signal
from retrieval.versions.migration import Carrier
from retrieval.versions.versions import Versions
{moment} = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
from serving.command_line import main
main()
"""


def test_killed_at_the_very_move_of_the_name_nothing_is_lost(place: Place, tmp_path: Path) -> None:
    before, read_with = _vectors(tmp_path), []
    words = ["adapt", "--config", str(tmp_path / "job.yaml")]
    words += ["--encoders", str(tmp_path / "encoders")]
    for moment in MOMENTS:  # each after what the one before has left
        code = KILLED_AT.format(moment=moment)
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        with open_index(_settings(tmp_path), to_read=True) as index:
            ids = index.ids()
            texts = index.get(ids).set_index("item_id").loc[ids, "text"].tolist()
            assert set(ids) == before.keys()
            np.testing.assert_allclose(index.vectors(ids), index.encoder.encode(texts), atol=1e-2)
            read_with.append(Path(index.encoder.name).name)
    assert len(set(read_with[1:])) == 1 and read_with[0] != read_with[1]
    (done_after,) = adapt_job(_settings(tmp_path), encoders=tmp_path / "encoders")
    assert done_after.verdict == "live"
    assert set(_vectors(tmp_path)) == before.keys()
    assert rollback_job(_settings(tmp_path)).live == f"{place.collection}_v1"
    np.testing.assert_array_equal(_vectors(tmp_path)["i3"], before["i3"])
