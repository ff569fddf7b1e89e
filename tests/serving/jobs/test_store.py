"""Jobs in a database: kept for good, in order, and removed without a trace."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serving.jobs.requests import write_request
from serving.jobs.store import JobStore
from serving.keys import Caller
from serving.problems import ApiError, Problem
from serving.schemas.jobs import JobState
from tests.serving.conftest import full_disk

PROBLEM = Problem(type="/problems/x", title="x", status=422, detail="x", instance="/v1/jobs/x")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobStore]:
    with closing(JobStore(tmp_path / "jobs.db")) as store:
        yield store


def _add(
    jobs: JobStore, *texts: str, tenant: str | None = None, most: int = 100, own: int = 100
) -> JobState:
    items = [{"text": text} for text in texts]
    job = {"task": "classify", "request": {"items": items}}
    with jobs.told_away(), jobs.upload() as upload, jobs.upload() as path:
        upload.write_text(json.dumps(job))
        request = write_request(upload, path, 100)
        return jobs.add(request, Caller("shop", frozenset(), tenant), "r", most=most, own=own)


def _results(jobs: JobStore, state: JobState) -> list[object]:
    parts = list(jobs.answers(state.job_id, state.items))
    results: list[object] = json.loads(b"[" + b",".join(parts) + b"]")
    return results


def test_tenants_have_turns_and_a_share_of_what_may_wait(jobs: JobStore) -> None:
    for number in range(3):
        _add(jobs, f"tea {number}", tenant="greedy", own=3)
    with pytest.raises(ApiError, match="3 own jobs are waiting"):
        _add(jobs, "tea", tenant="greedy", own=3)
    _add(jobs, "soap", tenant="late", own=3)
    _add(jobs, "soap", own=3)
    turns = []
    while (job := jobs.next()) is not None:
        turns.append(job.tenant)
        jobs.finish(job.number)
    assert turns == ["greedy", "late", None, "greedy", "greedy"]


def test_jobs_have_their_turn_in_the_order_they_came(jobs: JobStore) -> None:
    assert jobs.next() is None
    states = [_add(jobs, f"tea {number}") for number in range(3)]
    for state in states:
        job = jobs.next()
        assert job is not None
        assert job.job_id == state.job_id
        part = jobs.request(job.job_id).part(0, 64)
        assert part.job.request.items[0].text == f"tea {states.index(state)}"
        jobs.append(job.number, 0, [{"label": "TEAS"}])
        jobs.finish(job.number, PROBLEM if state is states[1] else None)
    assert jobs.next() is None
    told = [jobs.state(None, one.job_id) for one in states]
    assert [one and one.status for one in told] == ["done", "failed", "done"]
    assert told[1] is not None
    assert told[1].problem == PROBLEM


def test_a_job_that_finds_no_room_lets_the_others_have_their_turn(jobs: JobStore) -> None:
    for text in ("tea", "soda"):
        _add(jobs, text)
    turns = [jobs.next(), jobs.next(behind=1), jobs.next(behind=2)]
    assert [job and job.number for job in turns] == [1, 2, 1]


def test_a_job_is_seen_by_its_tenant_alone(jobs: JobStore) -> None:
    state = _add(jobs, "tea", tenant="acme")
    assert jobs.state("acme", state.job_id) == state
    assert jobs.state("east", state.job_id) is jobs.state(None, state.job_id) is None


def test_no_more_may_wait_than_are_allowed(jobs: JobStore) -> None:
    _add(jobs, "tea", most=1)
    with pytest.raises(ApiError, match="1 jobs are waiting"):
        _add(jobs, "tea", most=1)
    assert jobs.next() is not None  # whose turn it is waits no longer
    _add(jobs, "tea", most=1)


def test_a_job_goes_on_behind_the_last_part_that_was_kept(jobs: JobStore, tmp_path: Path) -> None:
    state = _add(jobs, "a", "b", "c")
    job = jobs.next()
    assert job is not None
    jobs.append(job.number, 0, [{"n": 0}, {"n": 1}])
    with closing(JobStore(tmp_path / "jobs.db")) as after:
        again = after.next()
        assert again is not None
        assert (again.number, again.items_done) == (job.number, 2)
        after.append(again.number, 2, [{"n": 2}])
        after.append(again.number, 2, [{"n": 2}])  # of which it was not known whether it was kept
        assert _results(after, state) == [{"n": 0}, {"n": 1}, {"n": 2}]


_KEEPING = """
import sys
from pathlib import Path
from serving.jobs.requests import write_request
from serving.jobs.store import JobStore
jobs = JobStore(Path(sys.argv[1]))
job = jobs.next()
for first in range(job.items_done, 1_000_000, 8):
    jobs.append(job.number, first, [{"n": first + each, "text": "x" * 500} for each in range(8)])
    print(first + 8, flush=True)
"""


def test_killed_at_any_moment_it_has_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with closing(JobStore(path)) as jobs:
        state = _add(jobs, "tea")
    for _ in range(3):
        command = [sys.executable, "-c", _KEEPING, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [process.stdout.readline()]
            time.sleep(0.2)
            process.send_signal(signal.SIGKILL)
            told += process.stdout.readlines()
        with closing(JobStore(path)) as jobs:
            kept = jobs.state(None, state.job_id)
            assert kept is not None
            assert kept.items_done >= int(told[-1])
            whole = JobState.model_validate({**kept.model_dump(), "items": kept.items_done})
            numbers = [one["n"] for one in _results(jobs, whole)]  # type: ignore[index]
            assert numbers == list(range(kept.items_done))


def test_what_ended_long_ago_is_removed_and_its_room_given_back(
    jobs: JobStore, tmp_path: Path
) -> None:
    states = [_add(jobs, "secret tea " + "x" * 5_000) for _ in range(3)]
    for _ in states[:2]:
        job = jobs.next()
        assert job is not None
        jobs.append(job.number, 0, [{"text": "y" * 1_000_000}])
        jobs.finish(job.number)
    files = [one for one in tmp_path.rglob("*") if one.is_file()]
    size = sum(one.stat().st_size for one in files)
    assert sum(one.read_bytes().count(b"secret tea") for one in files) == 1  # of the one that waits
    jobs.remove_ended(datetime.now(UTC) - timedelta(days=1))
    assert jobs.state(None, states[0].job_id) is not None
    reading = jobs.answers(states[0].job_id, 2)
    assert next(reading)
    jobs.remove_ended(datetime.now(UTC))
    assert jobs.state(None, states[0].job_id) is None
    with pytest.raises(ApiError, match="has been removed"):  # not half a result
        next(reading)
    assert jobs.state(None, states[2].job_id) is not None
    assert sum(one.stat().st_size for one in tmp_path.rglob("*")) < size - 1_900_000


def test_a_locked_database_is_told_and_loses_nothing(
    jobs: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.runtime.database._LOCKED_SECONDS", 0.1)
    state = _add(jobs, "tea")
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ApiError) as told:
            _add(jobs, "tea")
        assert (told.value.status, told.value.kind) == (503, "jobs-away")
        assert jobs.state(None, state.job_id) == state  # what is only read waits for nobody
    assert _add(jobs, "tea")


def test_a_full_disk_is_told_and_loses_nothing(jobs: JobStore) -> None:
    state = _add(jobs, "tea")
    job = jobs.next()
    assert job is not None
    with full_disk():
        for refused in (
            lambda: _add(jobs, "x" * 20_000),
            lambda: jobs.append(job.number, 0, [{"text": "x" * 100_000}]),
        ):
            with pytest.raises(ApiError) as told:
                refused()
            assert (told.value.status, told.value.kind) == (503, "jobs-away")
    assert jobs.state(None, state.job_id) == state.model_copy(update={"status": "running"})
    jobs.append(job.number, 0, [{"n": 0}])
    jobs.finish(job.number)
    assert _results(jobs, state) == [{"n": 0}]
    assert jobs.next() is None


def test_what_is_no_database_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_text("this is no database" * 100)
    with closing(JobStore(tmp_path / "jobs.db")) as jobs:
        assert jobs.next() is None
        state = _add(jobs, "tea")
        assert jobs.state(None, state.job_id) == state
    (aside,) = tmp_path.glob("jobs.db.unread-*")
    assert aside.read_text().startswith("this is no database")


@pytest.mark.parametrize("damage", [b"", b"this is no database" * 400])
def test_a_job_whose_request_is_damaged_ends(jobs: JobStore, tmp_path: Path, damage: bytes) -> None:
    state = _add(jobs, "tea")
    (tmp_path / "jobs" / f"{state.job_id}.db").write_bytes(damage)
    with pytest.raises(ApiError) as told:
        jobs.request(state.job_id)
    assert told.value.kind == "defect"
    assert not jobs.is_away


def test_the_oldest_results_of_a_tenant_go_for_its_newer_ones(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with closing(JobStore(path, own_bytes=300_000, most_bytes=500_000)) as jobs:
        states = []
        for tenant in ("late", "greedy", "greedy", "greedy"):
            states.append(_add(jobs, "tea", tenant=tenant))
            job = jobs.next()
            assert job is not None
            jobs.append(job.number, 0, [{"text": "x" * 120_000}])
            jobs.finish(job.number)
        told = [jobs.state(tenant, one.job_id) for tenant, one in zip("lggg", states, strict=True)]
        assert told == [None] * 4  # of other tenants
        owners = ("late", "greedy", "greedy", "greedy")
        kept = [jobs.state(who, one.job_id) for who, one in zip(owners, states, strict=True)]
        assert [one is not None for one in kept] == [True, False, True, True]
        with pytest.raises(ApiError, match="own jobs take 0 of 0 MB") as refused:
            _add(jobs, *["x" * 9_000] * 40, tenant="third")
        assert refused.value.status == 429


def test_what_a_killed_process_left_is_removed(jobs: JobStore, tmp_path: Path) -> None:
    waits, ended = _add(jobs, "tea"), _add(jobs, "soda")
    job = jobs.next()
    assert job is not None
    folder = tmp_path / "jobs"
    (folder / f"{'0' * 32}.db").write_text("accepted by nobody")
    (folder / ".0123").write_text("half an upload")
    jobs.remove_leftovers()
    there = {one.stem for one in folder.iterdir()}
    assert there == {waits.job_id, ended.job_id}
