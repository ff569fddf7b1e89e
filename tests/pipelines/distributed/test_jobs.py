"""The same jobs by Ray's workers and in this process: the same results.

All are equal to the last bit, but for distances that a server computes while it is rearranging what
was written to it: those round otherwise, whoever asks.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.components import open_index
from pipelines.config.sections import EngineSettings
from pipelines.config.settings import Settings, load_settings
from pipelines.distributed import jobs
from pipelines.distributed.cluster import ray_running
from pipelines.jobs.forecasts import forecast_launches
from pipelines.jobs.index import index_job
from pipelines.jobs.labels import classify_job
from retrieval import Encoder, InputError, TableError
from tests.milvus_places import Place, Places
from tests.pipelines.conftest import CUTOFF, Shop

pytest.importorskip("ray", reason="pip install 'likewise[ray]'")

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:ray", "ignore::ResourceWarning", "ignore::FutureWarning:ray"
)

ENGINE = {"kind": "ray", "workers": 2, "block_rows": 40, "object_store": 0.1}
LABELS = "{snack: chips and other bag snacks, candy: chocolate and sweets, soap: soap}"
COLUMNS = ["item_id", "text", "label", "launch_day", "content_hash", "vector"]


@pytest.fixture(scope="module", autouse=True)
def _workers(encoder: Encoder) -> Iterator[None]:
    """Two processes that all tests use; started after the tests' cache has its place."""
    import ray

    with ray_running(load_settings(None, {"engine": ENGINE}).engine):
        yield
    assert not ray.is_initialized()


def _settings(shop: Shop, engine: dict[str, Any] | None, **sections: Any) -> Settings:
    return load_settings(shop.config, {**sections, **({"engine": engine} if engine else {})})


def _dying_once(monkeypatch: pytest.MonkeyPatch, name: str, flag: Path, *, after: bool) -> None:
    """Let the worker of the first block be killed, before or after it has done the block."""
    prepare = getattr(jobs, name)

    def prepare_to_die(*arguments: Any) -> Callable[[Any], Any]:
        work = prepare(*arguments)

        def work_or_die(rows: Any) -> Any:
            made = work(rows) if after else None
            if not flag.exists():
                flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return made if after else work(rows)

        return work_or_die

    monkeypatch.setattr(jobs, name, prepare_to_die)


def test_labels_in_words_are_the_same_without_a_server(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = tmp_path / "labels.yaml"
    labels.write_text(LABELS)
    sections = {
        "items": {"id": "product_id", "text": ["product_type", "package_size", "brand"]},
        "classify": {"labels": str(labels)},
        # Nothing of this comes from the cache: the workers encode, too.
        "encoder": {"cache": False},
    }
    new = tmp_path / "new.parquet"
    shop.items[:130].to_parquet(new)
    blocks = {"block_rows": ENGINE["block_rows"]}
    local = classify_job(load_settings(None, {**sections, "engine": blocks}), new)
    made = classify_job(load_settings(None, {**sections, "engine": ENGINE}), new)
    assert len(made) == 130 > 3 * ENGINE["block_rows"]
    pd.testing.assert_frame_equal(made, local, check_exact=True)


def test_forecasts_are_the_same_though_a_worker_dies(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = forecast_launches(_settings(shop, None), cutoff=CUTOFF)
    flag = tmp_path / "died"
    _dying_once(monkeypatch, "_predictor", flag, after=True)
    engine = {**ENGINE, "block_rows": 5}
    made = forecast_launches(_settings(shop, engine), cutoff=CUTOFF, save=tmp_path / "model")
    assert flag.exists()
    assert len(made.totals) > 2 * engine["block_rows"]
    pd.testing.assert_frame_equal(made.curves, local.curves, check_exact=True)
    pd.testing.assert_frame_equal(made.totals, local.totals, check_exact=True)


def test_a_bad_row_of_a_later_block_is_named_as_ever(shop: Shop, tmp_path: Path) -> None:
    new = shop.items[shop.items["launch_date"] > pd.Timestamp(CUTOFF) + pd.Timedelta(days=7)].copy()
    new.iloc[8, new.columns.get_loc("launch_date")] = pd.Timestamp("2017-03-06")
    new.to_csv(tmp_path / "new.csv", index=False)
    told = []
    for engine in (None, {**ENGINE, "block_rows": 5}):
        with pytest.raises(TableError) as caught:
            forecast_launches(_settings(shop, engine), new=tmp_path / "new.csv", cutoff=CUTOFF)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert "row 9" in told[1]


def test_a_lite_file_is_refused_with_the_way_out(shop: Shop, tmp_path: Path) -> None:
    index = {"uri": str(tmp_path / "items.db")}
    with pytest.raises(InputError, match=r"Lite file, which one process holds.*make milvus"):
        index_job(_settings(shop, ENGINE, index=index))
    index_job(_settings(shop, None, index=index))
    with pytest.raises(InputError, match=r"Lite file, which one process holds"):
        classify_job(_settings(shop, ENGINE, index=index), shop.folder / "items.parquet")


def test_more_workers_than_ray_has_room_for_are_refused() -> None:
    told = pytest.raises(InputError, match="50 workers need 50 CPUs, and Ray has 2; set engine")
    with told, ray_running(EngineSettings(kind="ray", workers=50)):
        pass


def test_without_ray_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    told = pytest.raises(InputError, match=r"pip install 'likewise\[ray\]'")
    with told, ray_running(EngineSettings(kind="ray")):
        pass


def test_forecasts_with_sales_so_far_are_the_same(shop: Shop, tmp_path: Path) -> None:
    """Where sales end, no block can tell from its own."""
    coming = shop.items.loc[shop.items["launch_date"] > CUTOFF, "product_id"]
    sales = pd.read_parquet(shop.folder / "sales.parquet")
    own = sales[sales["unique_id"].isin(coming) & (sales["ds"] <= "2017-10-23")]
    own.to_parquet(tmp_path / "so_far.parquet")
    local, made = (
        forecast_launches(
            _settings(shop, engine),
            cutoff=CUTOFF,
            observed=tmp_path / "so_far.parquet",
        )
        for engine in (None, {**ENGINE, "block_rows": 5})
    )
    assert 0 < own["unique_id"].nunique() < len(made.totals)
    pd.testing.assert_frame_equal(made.curves, local.curves, check_exact=True)
    pd.testing.assert_frame_equal(made.totals, local.totals, check_exact=True)


def test_the_end_of_sales_so_far_goes_with_them(shop: Shop) -> None:
    with pytest.raises(InputError, match="--observed-until goes with --observed"):
        forecast_launches(_settings(shop, None), observed_until=pd.Timestamp("2017-10-26"))


@pytest.mark.server_only("Ray's workers share a server")
def test_index_and_labels_are_the_same_though_workers_die(
    shop: Shop, milvus: Places, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    shop.items[:300].to_parquet(parts / "1.parquet")
    shop.items[300:].to_parquet(parts / "2.parquet")
    places = [milvus("local"), milvus("ray")]
    uncached = {"encoder": {"cache": False}}
    counted = index_job(_settings(shop, None, index=places[0].settings(), **uncached))
    _dying_once(monkeypatch, "_upserter", tmp_path / "index died", after=True)
    settings = _settings(shop, ENGINE, index=places[1].settings(), **uncached)
    counts = index_job(settings, parts)
    assert (tmp_path / "index died").exists()
    assert counts["total"] == counted["total"] == len(shop.items)
    # What the killed worker had written counts as unchanged.
    assert counts["new"] + counts["unchanged"] == counted["new"]
    pd.testing.assert_frame_equal(*(_content(place, encoder) for place in places), check_exact=True)
    assert index_job(settings, parts)["unchanged"] == len(shop.items)

    new = tmp_path / "new.parquet"
    shop.items[:130].to_parquet(new)
    _dying_once(monkeypatch, "_labeler", tmp_path / "labels died", after=False)
    blocks = {"block_rows": ENGINE["block_rows"]}
    local, ray = (_settings(shop, one, index=places[1].settings()) for one in (blocks, ENGINE))
    for _ in range(5):
        before, made, after = (classify_job(one, new) for one in (local, ray, local))
        if before.equals(after):  # else the server was at work, and no two answers are the same
            break
    assert (tmp_path / "labels died").exists()
    pd.testing.assert_frame_equal(made, after, check_exact=True)


@pytest.mark.server_only("Ray's workers share a server")
def test_what_is_wrong_with_a_part_is_told_as_of_the_whole(
    shop: Shop, milvus: Places, tmp_path: Path
) -> None:
    """Nothing is written then, neither of this part nor of another."""
    bad = {
        "twice": shop.items[300:].iloc[:60].assign(product_id="1"),
        "blank": shop.items[300:].assign(product_type=" ", package_size=None, brand=None),
    }
    for name, second in bad.items():
        parts = tmp_path / name
        parts.mkdir()
        shop.items[:300].to_parquet(parts / "1.parquet")
        second.to_parquet(parts / "2.parquet")
        told = []
        for engine in (None, ENGINE):
            settings = _settings(shop, engine, index=milvus(name).settings())
            with pytest.raises(TableError) as caught:
                index_job(settings, parts)
            told.append(str(caught.value))
            with open_index(settings) as index:
                assert index.count() == 0
        assert told[0] == told[1]
        assert "row 301" in told[1]


def _content(place: Place, encoder: Encoder) -> pd.DataFrame:
    with place.open(encoder) as index:
        rows = [row for page in index._store.pages(COLUMNS) for row in page]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("item_id", ignore_index=True)
