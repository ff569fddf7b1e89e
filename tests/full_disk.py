"""A disk that fills at the n-th write, for n = 1, 2, …: nothing acknowledged is lost by it.

`full_disk_at` compiles a small library that is loaded before the C library (Linux, a C compiler):
below one folder, the n-th call that needs room on the disk (write, fsync, rename, a new file, a new
folder) fails with ENOSPC, and so does each one after it, whoever makes it: Python, SQLite, Arrow.

``python -m tests.full_disk SUITE FOLDER`` lets each n have its turn in a process of its own, then
starts again with room, and looks for what was acknowledged.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.serving.api_writes import made_library

Acknowledge = Callable[[str], None]


def run_suite(name: str, folder: Path, *, step: int = 1) -> str:
    """Let the disk fill at each write of a suite in turn; return what the process told.

    Raises:
        AssertionError: Something acknowledged was lost, or did not start again.
    """
    library = made_library(folder)
    there = folder / "disk"
    there.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.full_disk", name, str(there), str(step)],
        env={**os.environ, "LD_PRELOAD": str(library), "FULL_DISK_FOLDER": str(there)},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout


# --- the suites: what is written, and what must be there afterwards -------------------------------


def _journal(folder: Path, done: Acknowledge) -> None:
    from serving.runtime.label_journal import LabelJournal

    journal = LabelJournal(folder / "labels.jsonl")
    for number in range(4):
        journal.add(f"label {number}", ["words " * 50])
        done(f"label {number}")


def _journal_has(folder: Path) -> list[str]:
    from serving.runtime.label_journal import LabelJournal

    journal = LabelJournal(folder / "labels.jsonl")
    there = list(journal.labels)
    journal.add("one more", [])
    assert [*there, "one more"] == list(LabelJournal(folder / "labels.jsonl").labels)
    return there


def _audit(folder: Path, done: Acknowledge) -> None:
    from serving.observability.audit import AuditLog

    log = AuditLog(folder, megabytes=0.0002, total_megabytes=9, days=1)
    for number in range(5):
        log.write([{"item_id": f"item {number}", "more": "x" * 50}])
        done(f"item {number}")


def _audit_has(folder: Path) -> list[str]:
    import json

    from serving.observability.audit import AuditLog

    AuditLog(folder, megabytes=1, total_megabytes=9, days=1).write([{"item_id": "one more"}])
    files = sorted(folder.glob("predictions*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
    return [line["item_id"] for line in lines]


def _jobs(folder: Path, done: Acknowledge) -> None:
    from serving.jobs.requests import write_request
    from serving.jobs.store import JobStore
    from serving.keys import LOCAL

    jobs = JobStore(folder / "jobs.db")
    for _ in range(2):
        with jobs.told_away(), jobs.upload() as sent, jobs.upload() as path:
            sent.write_text('{"task":"classify","request":{"items":[{"text":"tea"}]}}')
            state = jobs.add(write_request(sent, path, 9), LOCAL, "r", most=9, own=9)
        done(f"{state.job_id} queued")
    job = jobs.next()
    assert job is not None
    jobs.append(job.number, 0, [{"label": "TEAS"}])
    done(f"{job.job_id} answered")
    jobs.finish(job.number)
    done(f"{job.job_id} done")


def _jobs_has(folder: Path) -> list[str]:
    import sqlite3

    from serving.jobs.store import JobStore

    jobs, found = JobStore(folder / "jobs.db"), list[str]()
    jobs.remove_leftovers()
    while (job := jobs.next()) is not None:
        assert jobs.request(job.job_id).part(0, 1).job.request.items
        if job.items_done == 0:
            jobs.append(job.number, 0, [{"label": "TEAS"}])
        jobs.finish(job.number)
    jobs.close()
    assert not list((folder / "jobs").glob("*"))
    if not (folder / "jobs.db").exists():
        return found
    for (job_id,) in sqlite3.connect(folder / "jobs.db").execute("SELECT job_id FROM jobs"):
        assert list(jobs.answers(job_id, 1)) == [b'{"label": "TEAS"}']
        found += [f"{job_id} {what}" for what in ("queued", "answered", "done")]
    return found


def _cache(folder: Path, done: Acknowledge) -> None:
    import numpy as np

    cache = _vector_cache(folder)
    for number in range(3):
        texts = [f"{number} {each}" for each in range(20)]
        cache.write(texts, np.ones((20, 8), np.float32), np.zeros(20, np.uint8))
        done(f"{number} 0")


def _cache_has(folder: Path) -> list[str]:
    texts = [f"{number} 0" for number in range(3)]
    _cache(folder, lambda _: None)
    return [texts[place] for place in _vector_cache(folder).read(texts)]


def _vector_cache(folder: Path):  # type: ignore[no-untyped-def]
    from retrieval.encoding.cache import VectorCache
    from retrieval.encoding.weights import EncoderIdentity

    return VectorCache(folder, EncoderIdentity("m", "1", "torch", 8), "float32", 50_000)


def _tables(folder: Path, done: Acknowledge) -> None:
    import pandas as pd

    from pipelines.tables.output import write_json, write_table
    from retrieval import replacing_files

    for number in range(2):
        table = pd.DataFrame({"number": [number] * 2_000})
        for name in ("t.parquet", "t.csv", "t.csv.gz"):
            write_table(table, folder / name)
            done(f"{name} {number}")
        with replacing_files(folder / "report") as made:
            write_table(table, made / "t.parquet")
            write_json({"number": number}, made / "t.json")
        done(f"report {number}")


def _tables_has(folder: Path) -> list[str]:
    import json

    from pipelines.tables.reader import read_table

    found = []
    for name in ("t.parquet", "t.csv", "t.csv.gz"):
        if (folder / name).exists():
            (number,) = set(read_table(folder / name)["number"])  # whole, the former or the new one
            found += [f"{name} {int(each)}" for each in range(int(number) + 1)]
    if (folder / "report" / "t.json").exists():
        number = json.loads((folder / "report" / "t.json").read_text())["number"]
        found += [f"report {each}" for each in range(number + 1)]
    assert not [one for one in folder.glob(".*") if one.suffix == ".tmp"]
    return found


def _models(folder: Path, done: Acknowledge) -> None:
    import numpy as np

    from retrieval import write_artifact
    from tests.retrieval.test_artifact import ENCODER, KIND

    for number in range(2):
        files = {"arrays.npz": {"number": np.full(2_000, number)}, "a.json": {"number": number}}
        write_artifact(folder / "model", kind=KIND, encoder=ENCODER, files=files)
        done(f"model {number}")


def _models_has(folder: Path) -> list[str]:
    from retrieval import read_artifact
    from tests.retrieval.test_artifact import KIND

    if not any((folder / name).exists() for name in ("model", ".model.former")):
        return []
    number = int(read_artifact(folder / "model", kind=KIND).json("a.json")["number"])
    return [f"model {each}" for each in range(number + 1)]


def _items(folder: Path, done: Acknowledge) -> None:
    import numpy as np
    import pandas as pd

    from retrieval import Encoder, ItemIndex

    encoder = Encoder(cache_dir=False)
    index = ItemIndex(str(folder / "items.db"), encoder)
    vectors = np.eye(encoder.dim, dtype=np.float32)
    for number in range(3):
        ids = [f"{number}-{each}" for each in range(20)]
        table = pd.DataFrame({"item_id": ids, "name": ids, "label": f"label {number}"})
        index.upsert(table, text="name", label="label", vectors=vectors[:20], progress=False)
        for one in ids:
            done(one)
    index.delete([f"0-{each}" for each in range(5)])
    index.close()


def _items_has(folder: Path) -> list[str]:
    from retrieval import Encoder, ItemIndex

    _items(folder, lambda _: None)
    with ItemIndex(str(folder / "items.db"), Encoder(cache_dir=False)) as index:
        ids = [f"{number}-{each}" for number in range(3) for each in range(20)]
        return [*index.get(ids)["item_id"], *ids[:5]]  # those are gone again


SUITES: dict[str, tuple[Callable[[Path, Acknowledge], None], Callable[[Path], list[str]]]] = {
    "journal": (_journal, _journal_has),
    "audit": (_audit, _audit_has),
    "jobs": (_jobs, _jobs_has),
    "cache": (_cache, _cache_has),
    "tables": (_tables, _tables_has),
    "models": (_models, _models_has),
    "items": (_items, _items_has),
}


def _child(work: Callable[[], object]) -> int:
    """Run in a process of its own, which sees this one's modules; return how it ended."""
    process = os.fork()
    if process == 0:
        code = 0
        try:
            work()
        except BaseException as error:
            print(f"  {type(error).__name__}: {error}"[:600], file=sys.stderr)
            code = 9
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _turns(name: str, folder: Path, step: int) -> Iterator[tuple[int, int]]:
    """Yield each n, and how many acknowledged writes were before it."""
    write, has = SUITES[name]
    library = ctypes.CDLL(None)
    if name == "items":  # Milvus Lite has threads, which a process made from this one would lack
        import retrieval  # noqa: F401
    else:  # once here, so that those need not import it
        (folder / "once").mkdir()
        write(folder / "once", lambda _: None)
        has(folder / "once")
    count = 0
    while True:
        place, log = folder / f"{name}-{count}", folder.parent / f"{name}-{count}.log"
        _child(place.mkdir)

        def filling(place: Path = place, log: Path = log, count: int = count) -> None:
            with log.open("w", buffering=1) as told:
                library.full_disk_arm(ctypes.c_long(count))
                try:
                    write(place, lambda what: print(what, file=told))
                    print("all", file=told)
                except Exception:
                    print("refused", file=told)

        assert _child(filling) == 0, f"write {count} ended the process"
        *acknowledged, last = log.read_text().splitlines()

        def looking(place: Path = place, acknowledged: list[str] = acknowledged) -> None:
            lost = set(acknowledged) - set(has(place))
            assert not lost, f"lost: {sorted(lost)[:9]}"

        assert _child(looking) == 0, f"after write {count}: not as acknowledged"
        shutil.rmtree(place)
        yield count, len(acknowledged)
        if last == "all":
            return
        count += step


if __name__ == "__main__":
    suite, where, stride = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    turns = list(_turns(suite, where, stride))
    print(f"{suite}: {turns[-1][0]} writes, each {stride}. of them refused in turn, nothing lost")
