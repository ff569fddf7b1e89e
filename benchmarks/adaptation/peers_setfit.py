"""SetFit on the examples that `benchmarks/labels/adaptation.py` draws: a peer of the same encoder.

    python -m benchmarks.adaptation.peers_setfit DATA_DIR PYTHON --shots 10 --seeds 0 --on test

PYTHON is that of an environment with SetFit, see `benchmarks/labels/setfit_contestant.py`, which
has its settings, too. Beside it stands the encoder as it is, with names, prototypes and head.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.labels.adaptation import HEAD, answers_of, gained
from benchmarks.labels.banking77 import Setting, few_shot_task
from benchmarks.labels.contestants import run_setfit
from benchmarks.labels.score_table import over_seeds
from benchmarks.measuring.circumstances import machine_and_versions


def main() -> None:
    """Train and judge, a seed at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_DIR", help="train.csv and test.csv")
    parser.add_argument("python", type=Path, metavar="PYTHON", help="with SetFit")
    parser.add_argument("--on", choices=["train", "test"], default="train", help="what is judged")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shots", type=int, default=10, help="examples a label")
    parser.add_argument("--pairs", type=int, default=20, help="of each kind an example")
    given = parser.parse_args()
    print(machine_and_versions(["torch", "sentence-transformers"]), flush=True)
    right, as_it_is = [], []
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            setting = Setting(
                given.data, given.on, (seed,), False, given.python.absolute(), given.pairs, work
            )
            task = few_shot_task(setting, given.shots, seed)
            run = run_setfit(setting, task, [])
            truth = task.test["label"].to_numpy(dtype=object)
            right.append(np.asarray(run.answers.named == truth))
            as_it_is.append(np.asarray(answers_of(task, seed, HEAD) == truth))
        print(f"seed {seed}: {100 * right[-1].mean():.2f} %; {run.describe()}", flush=True)
    for name, found in (("SetFit", right), ("likewise, the encoder as it is", as_it_is)):
        print(f"{name}: {over_seeds([100 * float(one.mean()) for one in found], 2)} %")
    print(f"SetFit over that: {gained(right, as_it_is)} points")


if __name__ == "__main__":
    main()
