"""How good is `NeighborClassifier`? BANKING77, beside what a user would otherwise take.

    python -m benchmarks.labels.classification DATA_DIR --quick  # some minutes: does all run?
    python -m benchmarks.labels.classification DATA_DIR          # judged on a fifth of train.csv
    python -m benchmarks.labels.classification DATA_DIR --on test
        --setfit-python setfit-env/bin/python

DATA_DIR holds train.csv and test.csv (see `banking77.py`); nothing is downloaded. Whoever develops
stays with ``--on train``; test.csv is read by ``--on test`` alone, to report. Few-shot examples are
drawn from the same four fifths of train.csv in both, so that one training of SetFit, kept by
``--work``, serves both (see `setfit_contestant.py` for its environment).

"a ± b" is mean and standard deviation over seeds, which draw the examples or the labels held out;
"[low, high]" is a 95 % bootstrap interval over the items judged. The difference to likewise is
paired: the same items, and the same seeds where both have them. Each part runs in a process of its
own, whose peak memory is printed with it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.labels.banking77 import Setting, Task, few_shot_task, full_task
from benchmarks.labels.classification_speed import large, speed
from benchmarks.labels.contestants import (
    BASELINES,
    Contestant,
    fit_likewise,
    fit_logistic,
    likewise,
    nearest_name,
    run_setfit,
)
from benchmarks.labels.score_table import OURS, Runs, interval, over_seeds, score_table
from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.own_process import alone, peak_memory
from classifiers.evaluation.bootstrap import intervals
from classifiers.evaluation.metrics import mean

SHOTS = (1, 5, 10)
COVERAGE = 0.9
HELD_OUT = 20
FALSE_ALARMS = 0.05

# Each part of the classifier switched off, one at a time.
VARIANTS: dict[str, Contestant] = {
    OURS: likewise(),
    "without label names": likewise(names=False),
    "without prototypes": likewise(prototypes=False),
    "without the head": likewise(head=None),
    "without calibration": likewise(calibrate=False),
    "with a uniform prior": likewise(prior="uniform"),
    "with unlabeled texts": likewise(unlabeled=True),
    "neighbors alone": likewise(names=False, prototypes=False, head=None),
}

ENGINES = (
    "numpy",
    "scikit-learn",
    "mapie",
    "torch",
    "openvino",
    "sentence-transformers",
    "faiss-cpu",
    "milvus-lite",
    "pymilvus",
)


def names_only(setting: Setting) -> None:
    """No example: label names alone."""
    task = full_task(setting)
    contestants = {
        OURS: likewise(examples=False),
        "likewise, and unlabeled texts": likewise(examples=False, unlabeled=True),
        "nearest label name": nearest_name,
    }
    show(
        "Label names alone (goal: accuracy >= 65)",
        score_table({name: {0: ask(task)} for name, ask in contestants.items()}, task),
    )


def few_shot(setting: Setting) -> None:
    """Score a few examples of each label."""
    goals = dict(zip(SHOTS, (71, 81, 86.5), strict=True))
    for shots in SHOTS:
        contestants = {
            OURS: likewise(),
            "likewise, and unlabeled texts": likewise(unlabeled=True),
            "likewise, no names": likewise(names=False),
            **BASELINES,
        }
        tasks = {seed: few_shot_task(setting, shots, seed) for seed in setting.seeds}
        runs: dict[str, Runs] = {name: _asked(ask, tasks) for name, ask in contestants.items()}
        if shots == SHOTS[-1] and setting.setfit_python:
            first = setting.seeds[0]
            trained = run_setfit(setting, tasks[first], to_time=[])
            runs[f"SetFit (seed {first} only)"] = {first: trained.answers}
            print(trained.describe(), flush=True)
        title = f"{shots} example(s) a label (goal: accuracy >= {goals[shots]}"
        title += ", ECE <= 0.03)" if shots == SHOTS[-1] else ")"
        show(title, score_table(runs, tasks[setting.seeds[0]]))


def full_data(setting: Setting) -> None:
    """Every example there is."""
    task = full_task(setting)
    contestants = {OURS: likewise(), "likewise, no names": likewise(names=False), **BASELINES}
    show(
        f"All {len(task.train):,} examples (goal: accuracy >= 93.3, ECE <= 0.03)",
        score_table({name: {0: ask(task)} for name, ask in contestants.items()}, task),
    )


def ablation(setting: Setting) -> None:
    """Each part of the classifier switched off, one at a time."""
    for shots in SHOTS[-1:] if setting.quick else SHOTS:
        tasks = {seed: few_shot_task(setting, shots, seed) for seed in setting.seeds}
        runs = {name: _asked(ask, tasks) for name, ask in VARIANTS.items()}
        show(f"Ablation, {shots} example(s) a label", score_table(runs, tasks[setting.seeds[0]]))
    task = full_task(setting)
    full = {name: {0: ask(task)} for name, ask in VARIANTS.items()}
    show("Ablation, all examples", score_table(full, task))


def label_sets(setting: Setting) -> None:
    """Label sets that promise to hold the label."""
    few = [few_shot_task(setting, SHOTS[-1], seed) for seed in setting.seeds]
    for title, tasks in ((f"{SHOTS[-1]} examples a label", few), ("all", [full_task(setting)])):
        methods = {OURS: _conformal_sets, "LogisticRegression, summed to 0.9": _summed_sets}
        rows = {name: _set_row(sets_of, tasks) for name, sets_of in methods.items()}
        show(f"Label sets at {COVERAGE} (goal: coverage 0.88-0.92), {title}", _frame(rows))


def _set_row(sets_of: Callable[[Task], list[list[Any]]], tasks: list[Task]) -> dict[str, str]:
    given = [sets_of(task) for task in tasks]
    held = [
        np.array([label in one for label, one in zip(task.test["label"], sets, strict=True)])
        for task, sets in zip(tasks, given, strict=True)
    ]
    sizes = [np.array([len(one) for one in sets]) for sets in given]
    coverage = over_seeds([float(each.mean()) for each in held], 3)
    if len(held) == 1:
        coverage += interval(intervals({"held": mean(held[0])}, len(held[0]))["held"], ".3f")
    return {
        "coverage": coverage,
        "mean size": over_seeds([float(each.mean()) for each in sizes], 2),
        "share of single labels": over_seeds([float((each == 1).mean()) for each in sizes], 2),
        "share of empty sets": over_seeds([float((each == 0).mean()) for each in sizes], 2),
    }


def _conformal_sets(task: Task) -> list[list[Any]]:
    sets: list[list[Any]] = fit_likewise(task).predict_set(
        task.test["text"].tolist(), coverage=COVERAGE
    )
    return sets


def _summed_sets(task: Task) -> list[list[Any]]:
    """Take labels until their probabilities suffice, as is done without conformal prediction."""
    fitted = fit_logistic(task)
    probabilities = fitted.predict_proba(task.vectors(task.test))
    order = np.argsort(-probabilities, axis=1)
    summed = np.take_along_axis(probabilities, order, axis=1).cumsum(axis=1)
    sizes = (summed < COVERAGE).sum(axis=1) + 1
    return [list(fitted.classes_[row[:size]]) for row, size in zip(order, sizes, strict=True)]


def novelty(setting: Setting) -> None:
    """Items of labels that were never seen, among items of known ones."""
    rows: dict[str, list[dict[str, float]]] = {}
    task = full_task(setting)
    for seed in setting.seeds:
        drawn = np.random.default_rng(seed).choice(task.labels, HELD_OUT, replace=False)
        known = task.train[~task.train["label"].isin(drawn)].reset_index(drop=True)
        labels = sorted(known["label"].unique())
        seen = Task(known, task.test, labels, task.encoder, [])
        is_new = task.test["label"].isin(drawn).to_numpy()
        for name, (scores, flagged) in _novelty_answers(seen).items():
            rows.setdefault(name, []).append(_novelty_scores(is_new, scores, flagged))
    show(
        f"Novelty, {HELD_OUT} of {len(task.labels)} labels held out (goal: AUROC >= 0.90)",
        _frame(
            {
                name: {score: over_seeds([run[score] for run in runs], 3) for score in runs[0]}
                for name, runs in rows.items()
            }
        ),
    )


def _novelty_answers(task: Task) -> dict[str, tuple[Any, Any]]:
    """Contestant → scores, higher for newer, and what it flags as new at its own threshold."""
    texts = task.test["text"].tolist()
    ours = fit_likewise(task)
    flagged = ~ours.classify(texts)["known"].to_numpy(dtype=bool)
    softmax = fit_logistic(task).predict_proba(task.vectors(task.test)).max(axis=1)
    nearest = (task.vectors(task.test) @ task.vectors(task.train).T).max(axis=1)
    return {
        OURS: (ours.novelty(texts), flagged),
        "1 - softmax of LogisticRegression": (1 - softmax, None),
        "distance to the nearest neighbor": (1 - nearest, None),
    }


def _novelty_scores(is_new: Any, scores: Any, flagged: Any) -> dict[str, float]:
    alarm = np.quantile(scores[~is_new], 1 - FALSE_ALARMS)
    row = {
        "AUROC": float(roc_auc_score(is_new, scores)),
        "AUPR": float(average_precision_score(is_new, scores)),
        "recall at 5 % false alarms": float((scores[is_new] > alarm).mean()),
    }
    if flagged is not None:
        row["false alarms at its own threshold"] = float(flagged[~is_new].mean())
        row["recall there"] = float(flagged[is_new].mean())
    return row


PARTS: dict[str, Callable[[Setting], None]] = {
    "names": names_only,
    "few": few_shot,
    "full": full_data,
    "sets": label_sets,
    "novelty": novelty,
    "ablation": ablation,
    "speed": speed,
    "large": large,
}


def show(title: str, table: pd.DataFrame) -> None:
    """Print a table."""
    print(f"\n{title}\n{table.to_string()}", flush=True)


def _frame(rows: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(dict(rows), orient="index").fillna("")


def _asked(ask: Contestant, tasks: Mapping[int, Task]) -> Runs:
    return {seed: ask(task) for seed, task in tasks.items()}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_DIR", help="train.csv and test.csv")
    parser.add_argument("--on", choices=["train", "test"], default="train", help="what is judged")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="does everything run?")
    parser.add_argument("--setfit-python", type=Path, help="python of an environment with SetFit")
    parser.add_argument("--setfit-pairs", type=int, default=20, help="see setfit_contestant.py")
    parser.add_argument("--work", type=Path, help="keeps vectors and SetFit's model between runs")
    given = parser.parse_args()
    if not all((given.data / name).is_file() for name in ("train.csv", "test.csv")):
        parser.error(f"{given.data} does not hold train.csv and test.csv")
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(
            data=given.data,
            on=given.on,
            seeds=tuple(given.seeds[:1] if given.quick else given.seeds),
            quick=given.quick,
            setfit_python=given.setfit_python,
            setfit_pairs=1 if given.quick else given.setfit_pairs,
            work=given.work or Path(folder),
        )
        setting.work.mkdir(parents=True, exist_ok=True)
        print(circumstances(setting), flush=True)
        for part in given.part:
            start = time.perf_counter()
            peak = alone(run_part, part, setting)
            seconds = time.perf_counter() - start
            print(f"({part}: {seconds:,.0f} s, peak memory {peak:,.0f} MiB)", flush=True)


def run_part(part: str, setting: Setting) -> float:
    """Run one part; return the peak memory of the process, in MiB."""
    PARTS[part](setting)
    return peak_memory()


def circumstances(setting: Setting) -> str:
    """Machine, versions, data and seeds."""
    judged = "test.csv" if setting.on == "test" else "a fifth of train.csv (not test.csv)"
    return "\n".join(
        [
            machine_and_versions(ENGINES),
            f"judged on {judged}; seeds {', '.join(map(str, setting.seeds))}",
        ]
        + (["QUICK: these figures are no results"] if setting.quick else [])
    )


if __name__ == "__main__":
    main()
