"""What does tuning on ten thousand texts take? Seconds and memory of each rung.

    python -m benchmarks.adaptation.cost DATA_DIR

DATA_DIR holds train.csv of BANKING77, 10,003 texts. The map is tuned whole, gate and all, once with
the texts to be encoded and once with their vectors remembered; of the weights the probe of `tune`
tells what one training takes, a few of its steps being made. Each in a process of its own. Beside
other work a process gets a part of its core: CPU seconds are told beside those of the clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Literal

import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.own_process import alone, peak_memory
from retrieval import Encoder, tune
from retrieval.encoding.adaptation.cost import probe

ENGINES = ("numpy", "torch", "openvino", "sentence-transformers")


def by_map(data: Path, cache: Path) -> str:
    """Tune a map on all texts; say what it took."""
    table = pd.read_csv(data / "train.csv")
    encoder = Encoder(cache_dir=cache)
    clock, worked = time.perf_counter(), time.process_time()
    report = tune(
        encoder,
        table["text"].tolist(),
        table["category"].tolist(),
        method="map",
        out=cache / "encoder",
        overwrite=True,
    )
    took = time.perf_counter() - clock, time.process_time() - worked
    return f"{report.chosen}: {_told(*took)}, peak memory {peak_memory():,.0f} MiB"


def by_weights(data: Path, method: Literal["lora", "full"]) -> str:
    """Say what one training is expected to take, and how much of a core the probe had."""
    texts = pd.read_csv(data / "train.csv")["text"].tolist()
    encoder = Encoder()
    encoder.encode(texts[:64])
    clock, worked = time.perf_counter(), time.process_time()
    cost = probe(encoder, texts, method)
    took = time.perf_counter() - clock, time.process_time() - worked
    return (
        f"{method}: one training about {cost.seconds:,.0f} s, {cost.memory_bytes / 2**20:,.0f} MiB "
        f"(the probe: {_told(*took)})"
    )


def _told(clock: float, worked: float) -> str:
    return f"{clock:,.1f} s, {worked:,.1f} of the processor"


def main() -> None:
    """Print a line a rung."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_DIR", help="train.csv")
    given = parser.parse_args()
    print(machine_and_versions(ENGINES), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for what in ("encoded, ", "remembered, "):
            print(what + alone(by_map, given.data, Path(folder)), flush=True)
    for method in ("full", "lora"):
        print(alone(by_weights, given.data, method), flush=True)


if __name__ == "__main__":
    main()
