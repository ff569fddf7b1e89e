"""What does tuning the encoder gain? BANKING77, by votes alone and with all that likewise has.

    python -m benchmarks.labels.adaptation DATA_DIR --part few all rare       # a fifth of train.csv
    python -m benchmarks.labels.adaptation DATA_DIR --part few all rare --on test

DATA_DIR holds train.csv and test.csv (see `banking77.py`); nothing is downloaded. Whoever develops
stays with ``--on train``. `tune` sees the examples alone: what it chooses is chosen on parts of
these, and where it refuses, the encoder stays as it is. Seeds draw the examples, the labels that
are cut, and what `tune` draws. "points over frozen" is paired by item and seed, with a 95 %
bootstrap interval over the items judged. ``--method`` limits the ladder to one rung;
``--unlabeled`` gives `tune` the texts of four fifths of train.csv that were not drawn, without
their labels, and the classifier, too, in a third way to use the encoder.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import f1_score

from benchmarks.labels.banking77 import Setting, Task, few_shot_task, full_task
from benchmarks.labels.classification import ENGINES, show
from benchmarks.labels.score_table import interval, over_seeds
from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.own_process import alone, peak_memory
from classifiers import NeighborClassifier
from classifiers.evaluation.bootstrap import intervals
from classifiers.evaluation.metrics import mean
from retrieval import Encoder, TuneReport, tune

SHOTS = (5, 10)
RARE, FEW = 10, 5
FROZEN, TUNED = "frozen", "tuned"
VOTES, HEAD, TAUGHT = "votes alone", "with names, prototypes and head", "the same, unlabeled texts"
WAYS: Mapping[str, Mapping[str, Any]] = {VOTES: {"prototypes": False, "head": None}, HEAD: {}}

Right = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Trial:
    """What is tried on a setting.

    Attributes:
        method: As of `tune`.
        shots: Examples a label.
        ways: How the encoder is used, of `WAYS`; or `TAUGHT`, where the classifier gets unlabeled
            texts, too.
        unlabeled: Whether `tune` gets the texts of the labeled pool that were not drawn.
    """

    method: str
    shots: tuple[int, ...]
    ways: tuple[str, ...]
    unlabeled: bool = False


def few(setting: Setting, trial: Trial) -> None:
    """So many examples of each label."""
    for shots in trial.shots:
        tasks = ((seed, few_shot_task(setting, shots, seed)) for seed in setting.seeds)
        _show(f"{shots} examples a label", tasks, trial)


def every(setting: Setting, trial: Trial) -> None:
    """All examples there are; seeds draw what `tune` draws."""
    _show("all examples", ((seed, full_task(setting)) for seed in setting.seeds), trial)


def rare(setting: Setting, trial: Trial) -> None:
    """Ten labels cut to five examples, macro F1 over these and over all."""
    tasks = ((seed, _cut(full_task(setting), seed)) for seed in setting.seeds)
    _show(f"{RARE} labels cut to {FEW} examples", tasks, trial, rare=True)


PARTS: dict[str, Callable[[Setting, Trial], None]] = {"few": few, "all": every, "rare": rare}


def _cut(task: Task, seed: int) -> Task:
    few_of = np.random.default_rng(seed).permutation(task.labels)[:RARE].tolist()
    is_rare = task.train["label"].isin(few_of)
    kept = task.train[is_rare].groupby("label").sample(FEW, random_state=seed)
    train = pd.concat([task.train[~is_rare], kept]).reset_index(drop=True)
    return replace(task, train=train)


def _show(
    title: str, tasks: Iterator[tuple[int, Task]], trial: Trial, *, rare: bool = False
) -> None:
    said: dict[tuple[str, str], list[npt.NDArray[Any]]] = {}
    truth, kinds = np.array([]), list[list[str]]()
    for seed, task in tasks:
        truth = task.test["label"].to_numpy(dtype=object)
        sizes = task.train["label"].value_counts()
        kinds.append(sizes.index[sizes <= FEW].tolist() if rare else task.labels)
        for name, encoder in _encoders(task, seed, trial):
            for way in trial.ways:
                answers = answers_of(replace(task, encoder=encoder), seed, way)
                said.setdefault((way, name), []).append(answers)
    rows = {}
    for (way, name), answers in said.items():
        right = [answer == truth for answer in answers]
        row = {"accuracy": over_seeds([100 * float(one.mean()) for one in right], 2)}
        row["macro F1"] = over_seeds([_f1(truth, one) for one in answers], 2)
        if rare:
            row["of the rare"] = over_seeds(
                [_f1(truth, one, of) for one, of in zip(answers, kinds, strict=True)], 2
            )
        if name == TUNED:
            before = [answer == truth for answer in said[way, FROZEN]]
            row["points over frozen"] = gained(right, before)
            if way == TAUGHT:
                before = [answer == truth for answer in said[HEAD, FROZEN]]
                row["over frozen, no unlabeled"] = gained(right, before)
        rows[f"{name}, {way}"] = row
    show(title, pd.DataFrame.from_dict(rows, orient="index").fillna(""))


def _encoders(task: Task, seed: int, trial: Trial) -> Iterator[tuple[str, Encoder]]:
    frozen = Encoder()
    yield FROZEN, frozen
    with tempfile.TemporaryDirectory() as folder:
        report: TuneReport = tune(
            frozen,
            task.train["text"].tolist(),
            task.train["label"].tolist(),
            unlabeled=task.unlabeled if trial.unlabeled else None,
            method=trial.method,  # type: ignore[arg-type]
            out=Path(folder) / "encoder",
            seed=seed,
        )
        print(f"\nseed {seed}, {report.texts:,} texts, {report.seconds:,.1f} s:")
        print(report.table().to_string(), flush=True)
        yield TUNED, frozen if report.out is None else Encoder(str(report.out))


def answers_of(task: Task, seed: int, way: str) -> npt.NDArray[Any]:
    """Return what the classifier says of the texts judged, (n,)."""
    classifier = NeighborClassifier(
        encoder=task.encoder, **WAYS.get(way, WAYS[HEAD]), random_state=seed
    )
    more: dict[str, Any] = {} if way == VOTES else {"labels": task.labels}
    if way == TAUGHT:
        more["unlabeled"] = task.unlabeled
    texts, given = task.train["text"].tolist(), task.train["label"].tolist()
    named: npt.NDArray[Any] = classifier.fit(texts, given, **more).predict(
        task.test["text"].tolist()
    )
    return named


def _f1(truth: npt.NDArray[Any], said: npt.NDArray[Any], labels: list[str] | None = None) -> float:
    return 100 * float(
        f1_score(truth.astype(str), said.astype(str), labels=labels, average="macro")
    )


def gained(after: list[Right], before: list[Right]) -> str:
    """Return what was gained, in points, paired by item and seed, with a 95 % interval."""
    by_item = np.mean(
        [100.0 * (new.astype(float) - old) for new, old in zip(after, before, strict=True)], axis=0
    )
    found = intervals({"gained": mean(by_item)}, len(by_item))
    return f"{by_item.mean():+.2f}" + interval(found["gained"], "+.2f")


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_DIR", help="train.csv and test.csv")
    parser.add_argument("--on", choices=["train", "test"], default="train", help="what is judged")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--method", default="auto", help="as of likewise tune")
    parser.add_argument(
        "--shots", type=int, nargs="+", default=list(SHOTS), help="examples a label"
    )
    parser.add_argument("--votes-alone", action="store_true", help="no names, prototypes, head")
    parser.add_argument(
        "--unlabeled", action="store_true", help="tune on the other texts of the pool, too"
    )
    given = parser.parse_args()
    ways = (VOTES,) if given.votes_alone else tuple(WAYS)
    if given.unlabeled and not given.votes_alone:
        ways += (TAUGHT,)
    trial = Trial(given.method, tuple(given.shots), ways, given.unlabeled)
    print(machine_and_versions(ENGINES))
    print(f"judged on {given.on}; seeds {', '.join(map(str, given.seeds))}", flush=True)
    for part in given.part:
        setting = Setting(
            data=given.data,
            on=given.on,
            seeds=tuple(given.seeds),
            quick=False,
            setfit_python=None,
            setfit_pairs=0,
            work=Path(tempfile.gettempdir()),
        )
        start = time.perf_counter()
        peak = alone(_run, part, setting, trial)
        seconds = time.perf_counter() - start
        print(f"({part}: {seconds:,.0f} s, peak memory {peak:,.0f} MiB)", flush=True)


def _run(part: str, setting: Setting, trial: Trial) -> float:
    PARTS[part](setting, trial)
    return peak_memory()


if __name__ == "__main__":
    main()
