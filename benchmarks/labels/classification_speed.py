"""The parts of `classification.py` that ask how fast, and how large."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.labels.banking77 import Setting, few_shot_task, full_task, speed_texts
from benchmarks.labels.contestants import fit_likewise, run_setfit
from benchmarks.measuring.own_process import alone, peak_memory
from benchmarks.measuring.stopwatch import timed, watching
from classifiers import NeighborClassifier
from retrieval import Encoder, ItemIndex

ROUNDS = 3
SHOTS = 10
SIZES = (20_000, 100_000)
EXTRAPOLATED = 1_000_000
LABELS = 10_000
PART = 20_000
QUERIES = 1_000  # at a time: the index reads all vectors into memory, once
FEW_QUERIES = 100  # the vectors stay in Milvus

ENGINES = {(Encoder, "encode"): "encoder", (ItemIndex, "neighbors"): "search"}


def speed(setting: Setting) -> None:
    """Items a second of `classify` beside SetFit's `predict`, nothing cached."""
    texts = speed_texts(setting)
    few, full = few_shot_task(setting, SHOTS, setting.seeds[0]), full_task(setting)
    contestants = {
        f"likewise, {SHOTS} examples a label": (few, Encoder(cache_dir=False)),
        "likewise, all examples": (full, Encoder(cache_dir=False)),
        f"likewise, {SHOTS} examples, torch": (few, Encoder(backend="torch", cache_dir=False)),
    }
    fitted = {
        name: fit_likewise(replace(task, encoder=encoder))
        for name, (task, encoder) in contestants.items()
    }
    for classifier in fitted.values():
        classifier.classify(texts[:512])  # load and warm up
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in fitted}
    for _ in range(ROUNDS):  # in turns, so that a machine that slows down slows them all
        for name, classifier in fitted.items():
            with watching(ENGINES) as seconds:
                seconds["all"] = timed(partial(classifier.classify, texts))
            taken[name].append(seconds)
    rows = {name: _speed_row(rounds, len(texts)) for name, rounds in taken.items()}
    if setting.setfit_python:
        run = run_setfit(setting, few, to_time=texts)
        print(run.describe())
        assert run.items_per_second is not None
        rows[f"SetFit predict, {SHOTS} examples a label"] = {"items/s": run.items_per_second}
        for row in rows.values():
            row["times SetFit"] = row["items/s"] / run.items_per_second
    table = pd.DataFrame.from_dict(rows, orient="index").round(2)
    print(
        f"\nSpeed on {len(texts):,} distinct texts, no cache, median of {ROUNDS} rounds "
        "(goals: 3 times SetFit; outside encoder and search <= 15 %)"
    )
    print(table.to_string(na_rep=""), flush=True)


def _speed_row(rounds: list[dict[str, float]], n: int) -> dict[str, float]:
    def _share(of: Callable[[dict[str, float]], float]) -> float:
        return 100 * statistics.median(of(seconds) / seconds["all"] for seconds in rounds)

    return {
        "items/s": n / statistics.median(seconds["all"] for seconds in rounds),
        "encoder %": _share(lambda s: s["encoder"]),
        "search %": _share(lambda s: s["search"]),
        "outside %": _share(lambda s: s["all"] - s["encoder"] - s["search"]),
    }


def large(setting: Setting) -> None:
    """Many items of many labels: seconds and memory at two sizes, and the line through them."""
    sizes = (2_000, 4_000) if setting.quick else SIZES
    # Vectors are remembered on disk here, so that the memory measured there is not the encoder's.
    Encoder(cache_dir=setting.work / "vectors").encode(speed_texts(setting))
    measured: dict[int, dict[str, float]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            uri = str(Path(folder) / "large.db")
            written = alone(index_large, size, uri, setting)
            measured[size] = written | alone(classify_large, uri, setting)
    few, many = measured.values()
    table = pd.DataFrame({f"{size:,}": row for size, row in measured.items()})
    few, many = table.to_numpy().T
    steps = (EXTRAPOLATED - sizes[1]) / (sizes[1] - sizes[0])
    table[f"{EXTRAPOLATED:,} (extrapolated)"] = many + steps * (many - few)
    print(
        f"\nLarge: {LABELS:,} labels, real vectors plus noise (a test of size, not "
        f"of accuracy); {EXTRAPOLATED:,} lies on the line through both sizes"
    )
    print(table.round(1).to_string(), flush=True)


def index_large(n: int, uri: str, setting: Setting) -> dict[str, float]:
    """Write n labeled items into an index."""
    encoder = Encoder(cache_dir=setting.work / "vectors")
    items, vectors = _synthesized(n, speed_texts(setting), encoder)
    with ItemIndex(uri, encoder) as index:
        seconds = 0.0
        # In parts, as a job of any size is written: a call holds all its rows as Python objects.
        for start in range(0, n, PART):
            rows = slice(start, start + PART)
            upsert = partial(index.upsert, items[rows], text="text", label="label")
            seconds += timed(partial(upsert, vectors=vectors[rows]))
    return {"index: seconds": seconds, "index: peak MiB": peak_memory()}


def classify_large(uri: str, setting: Setting) -> dict[str, float]:
    """Fit to what an index holds, and classify real texts: a few, then many at a time."""
    encoder = Encoder(cache_dir=setting.work / "vectors")
    texts = speed_texts(setting)[:QUERIES]
    encoder.encode(texts)  # they are remembered: encoding does not depend on n
    measured: dict[str, float] = {}
    with ItemIndex(uri, encoder) as index:
        classifier = NeighborClassifier(index=index)
        measured["fit: seconds"] = timed(classifier.fit)
        measured["fit: peak MiB"] = peak_memory()
        for n, note in ((FEW_QUERIES, ""), (QUERIES, ", first call"), (QUERIES, "")):
            seconds = timed(partial(classifier.classify, texts[:n]))
            measured[f"classify {n:,}{note}: seconds"] = seconds
            measured[f"classify {n:,}: peak MiB"] = peak_memory()
    return measured


def _synthesized(
    n: int, texts: list[str], encoder: Encoder
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """Labels are real vectors moved by noise, their items those moved by some more."""
    rng = np.random.default_rng(0)
    real = encoder.encode(texts)
    source = rng.choice(len(texts), min(LABELS, n // 2))
    label = np.arange(n) % len(source)
    vectors = _moved(_moved(real[source], 0.5, rng)[label], 0.3, rng)
    items = pd.DataFrame(
        {
            "item_id": [f"item {row}" for row in range(n)],
            "text": [f"{texts[source[of]]} ({row})" for row, of in enumerate(label)],
            "label": [f"label {of}" for of in label],
        }
    )
    return items, vectors


def _moved(
    vectors: npt.NDArray[np.float32], by: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    noise = rng.standard_normal(vectors.shape, dtype=np.float32)
    moved = vectors + by * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit
