"""A long job is answered as one call would be, however often the server is started anew."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting import Columns, ForecastWarning, LaunchForecaster
from pipelines.config.settings import Settings
from retrieval import Encoder
from serving.client import Client
from serving.client.rows import curve_table, launches_body, rows_of, total_table
from serving.jobs.store import JobStore
from tests.serving.conftest import (
    CUTOFF,
    TEXT,
    Served,
    Store,
    full_disk,
    read_tables,
    running,
    wait_until,
)

COLUMNS = {"text": TEXT, "attributes": ["brand"], "item_id": "product_id"}


@dataclass(frozen=True)
class Asked:
    """Launches, their sales so far and plans, and what the library makes of all at once."""

    model: Path
    items: pd.DataFrame
    observed: pd.DataFrame
    future: pd.DataFrame
    expected: tuple[pd.DataFrame, pd.DataFrame]

    def settings(self, store: Store, folder: Path, **serve: Any) -> Settings:
        return store.settings(folder, serve={"forecaster": str(self.model), **serve})

    @property
    def body(self) -> dict[str, Any]:
        rows = rows_of(self.items, TEXT, "product_id", None, "launch_date", ["brand"])
        body = launches_body(rows, self.observed, None, self.future)
        del body["observed_until"]  # which only the client tells
        return body

    def assert_is(self, found: list[dict[str, Any]]) -> None:
        for table, expected in zip(
            (curve_table(found), total_table(found)), self.expected, strict=True
        ):
            pd.testing.assert_frame_equal(table, expected, check_dtype=False, check_exact=True)


@pytest.fixture(scope="module")
def asked(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Some 450 launches; what the first third sold is known for longest, of the last nothing."""
    items, sales = read_tables()
    launched = items[items["launch_date"].notna()]
    forecaster = LaunchForecaster(
        encoder=encoder,
        horizon=4,
        text=TEXT,
        attributes=["brand"],
        columns=Columns(covariates=["promoted"]),
        item_id="product_id",
        n_jobs=1,
    ).fit(items, sales, cutoff=CUTOFF, future=_plans(launched))
    model = tmp_path_factory.mktemp("planned") / "forecaster"
    forecaster.save(model)
    coming = launched[launched["launch_date"] > CUTOFF].iloc[::2]
    sold = sales[sales["unique_id"].isin(coming["product_id"])]
    parts, seen = [], []
    for copy, weeks in enumerate((4, 2, 0)):
        parts.append(coming.assign(product_id=coming["product_id"] + f"-{copy}"))
        own = sold[sold["ds"] <= pd.Timestamp(CUTOFF) + pd.Timedelta(weeks=weeks)]
        seen.append(own.assign(unique_id=own["unique_id"] + f"-{copy}"))
    new, observed = pd.concat(parts, ignore_index=True), pd.concat(seen, ignore_index=True)
    future = _plans(new)
    expected = forecaster.predict_both(new, observed=observed, future=future)
    return Asked(model, new, observed, future, expected)


def test_the_sales_and_the_plans_count(asked: Asked) -> None:
    model = LaunchForecaster.load(asked.model)
    _, totals = asked.expected
    with pytest.warns(ForecastWarning, match="no plan"):
        unplanned = model.predict_total(asked.items, observed=asked.observed)
    assert not unplanned.equals(totals)
    assert not model.predict_total(asked.items, future=asked.future).equals(totals)


@pytest.mark.filterwarnings("ignore::serving.client.LaunchWarning")
def test_a_job_and_a_call_forecast_as_the_library_does(
    asked: Asked, store: Store, tmp_path: Path
) -> None:
    with running(asked.settings(store, tmp_path, cap=2_000)) as served:
        asked.assert_is(served.post("/v1/forecast", asked.body)["results"])
        with Client(str(served.http.base_url), batch=100) as client:
            told = {"observed": asked.observed, "future": asked.future}
            for job in (True, False):
                asked.assert_is(client.forecasts(asked.items, **COLUMNS, **told, job=job))


def test_a_job_that_was_stopped_in_the_middle_is_answered_as_one_call(
    asked: Asked, store: Store, tmp_path: Path
) -> None:
    settings = asked.settings(store, tmp_path)
    with running(settings) as served:
        path = _start(served, asked.body)
        wait_until(lambda: served.http.get(path).json()["items_done"] > 0)
    kept = JobStore(settings.serve.data_dir / "jobs.db").state(None, path.rpartition("/")[2])
    assert kept is not None
    assert 0 < kept.items_done < len(asked.items)
    with running(settings) as served:
        wait_until(lambda: served.http.get(path).json()["status"] == "done")
        asked.assert_is(served.http.get(f"{path}/result").json()["results"])


def test_a_full_disk_is_told_and_the_jobs_wait_until_there_is_room(own: Served) -> None:
    many = {"items": [{"text": f"green tea {number}"} for number in range(1_500)]}
    first = _start(own, many, "classify")
    wait_until(lambda: own.http.get(first).json()["items_done"] > 0)
    with full_disk():
        job = {"task": "classify", "request": many}
        refused = own.http.post("/v1/jobs", json=job)
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/jobs-away")
        assert "Retry-After" in refused.headers
        time.sleep(2)
        assert own.http.get(first).json()["status"] == "running"
        assert own.http.get(f"{first}/result").status_code == 409
    second = _start(own, {"items": [{"text": "soda"}]}, "classify")
    for path, count in ((first, 1_500), (second, 1)):
        wait_until(lambda path=path: own.http.get(path).json()["status"] == "done")
        assert len(own.http.get(f"{path}/result").json()["results"]) == count
    (log,) = (own.settings.serve.data_dir / "audit").glob("*.jsonl")
    assert len([json.loads(line) for line in log.read_text("utf-8").splitlines()]) >= 1_501


def test_what_version_0_1_kept_is_left_alone(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = store.settings(tmp_path)
    state = settings.serve.data_dir / "shared" / "jobs" / ("0" * 32) / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    with running(settings):
        assert "jobs of version 0.1 are left alone" in capsys.readouterr().out
    assert state.read_text() == "{}"


def _start(served: Served, request: dict[str, Any], task: str = "forecast") -> str:
    answer = served.http.post("/v1/jobs", json={"task": task, "request": request})
    assert answer.status_code == 202, answer.text
    path: str = answer.headers["Location"]
    return path


def _plans(items: pd.DataFrame) -> pd.DataFrame:
    """Every second launch is promoted, in the first two weeks."""
    weeks = [items["launch_date"] + pd.Timedelta(weeks=week) for week in range(4)]
    promoted = np.arange(len(items)) % 2
    return pd.concat(
        [
            pd.DataFrame(
                {"unique_id": items["product_id"], "ds": ds, "promoted": promoted * (week < 2.0)}
            )
            for week, ds in enumerate(weeks)
        ],
        ignore_index=True,
    )
