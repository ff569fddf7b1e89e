"""Speed and accuracy of one encoder on its engines, in whole numbers, and distilled.

    python -m benchmarks.retrieval.encoders DATA_DIR            # about an hour on two cores
    python -m benchmarks.retrieval.encoders DATA_DIR --quick    # shows that it runs

DATA_DIR holds train.csv and test.csv of BANKING77, with columns text and category. Whole numbers
are calibrated, and the static encoder fitted, on texts of train.csv alone. All encoders take turns
in each round, so that a machine that slows down slows them all; speeds are of whole calls of
`Encoder.encode` without a cache, tokens included. Accuracy is that of `NeighborClassifier`, of 10
examples a label (three seeds) and of all, on test.csv, with the paired interval of the difference
to float32 from 2,000 draws of the questions. torch labels as OpenVINO in float32 does, and is left
out there.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.stopwatch import timed
from classifiers import NeighborClassifier
from retrieval import Encoder, LabelsMoveError, distill, quantize

ROUNDS = 3
SEEDS = (0, 1, 2)
_DRAWS = 2_000
Right = npt.NDArray[np.bool_]


def encoders(train: pd.DataFrame, folder: Path, precision: str) -> dict[str, Encoder]:
    """Return the contestants, those that have to be made from the training texts included."""
    texts, labels = train["text"].tolist(), train["label"].tolist()
    made = {
        "torch float32": Encoder(backend="torch", cache_dir=False),
        "OpenVINO float32": Encoder(backend="openvino", precision="float32", cache_dir=False),
        "OpenVINO bfloat16": Encoder(backend="openvino", precision="auto", cache_dir=False),
    }
    try:
        print(quantize(Encoder(backend="openvino"), texts, labels=labels, out=folder / "int8"))
        made["OpenVINO int8"] = Encoder(str(folder / "int8"), cache_dir=False)
    except LabelsMoveError as refusal:
        print(f"int8 is refused: {refusal}")
    print(distill(Encoder(precision=precision), texts, out=folder / "static"))  # type: ignore[arg-type]
    made["static, fitted"] = Encoder(str(folder / "static"))
    distill(Encoder(precision=precision), out=folder / "plain")  # type: ignore[arg-type]
    made["static, vocabulary alone"] = Encoder(str(folder / "plain"))
    return made


def speed(contestants: dict[str, Encoder], texts: list[str]) -> dict[str, list[float]]:
    """Return the texts per second of each, by round."""
    for one in contestants.values():
        one.encode(texts[:64])  # load and warm up
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, one in contestants.items():
            times = 20 if one.identity.backend == "static" else 1
            seconds = timed(lambda e=one, n=times: [e.encode(texts) for _ in range(n)])  # type: ignore[misc]
            rates[name].append(times * len(texts) / seconds)
    return rates


def right(encoder: Encoder, train: pd.DataFrame, test: pd.DataFrame) -> Right:
    """Tell which questions are labeled rightly, (n,)."""
    classifier = NeighborClassifier(encoder=encoder).fit(train["text"], train["label"])
    return np.asarray(classifier.predict(test["text"]) == test["label"].to_numpy())


def accuracy(
    contestants: dict[str, Encoder], train: pd.DataFrame, test: pd.DataFrame
) -> dict[str, dict[str, Right]]:
    """Return what each has right, (seeds * n,), by number of examples."""
    few = [train.groupby("label").sample(10, random_state=seed) for seed in SEEDS]
    found: dict[str, dict[str, Right]] = {}
    for name, one in contestants.items():
        parts = [right(one, some, test) for some in few]
        found[name] = {"10": np.concatenate(parts), "all": right(one, train, test)}
        shares = {size: f"{100 * share.mean():.2f}" for size, share in found[name].items()}
        print(f"  {name}: {shares}", flush=True)
    return found


def interval(own: Right, other: Right) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two accuracies, in points."""
    gain = own.astype(float) - other.astype(float)
    draws = np.random.default_rng(0).integers(0, len(gain), (_DRAWS, len(gain)))
    low, high = np.quantile(gain[draws].mean(axis=1), [0.025, 0.975])
    return 100 * float(low), 100 * float(high)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    named = {"category": "label"}
    train, test = (
        pd.read_csv(asked.data / f"{part}.csv").rename(columns=named) for part in ("train", "test")
    )
    if asked.quick:
        train = train.groupby("label").head(12)
        test = test.groupby("label").head(2)
    print(machine_and_versions(["torch", "openvino", "nncf", "sentence-transformers"]))
    with tempfile.TemporaryDirectory() as folder:
        contestants = encoders(train, Path(folder), "auto")
        rates = speed(contestants, test["text"].tolist()[: 500 if asked.quick else 1_000])
        for name, rate in rates.items():
            print(f"  {name}: {', '.join(f'{one:,.0f}' for one in rate)} texts/s", flush=True)
        kept = {  # each text is embedded once for the accuracy, and kept for as long as this lasts
            name: Encoder(
                one.name,
                precision=one.precision,  # type: ignore[arg-type]
                cache_dir=Path(folder) / "cache",
            )
            for name, one in contestants.items()
            if one.identity.backend != "torch"
        }
        found = accuracy(kept, train, test)
    report(rates, found)


def report(rates: dict[str, list[float]], found: dict[str, dict[str, Right]]) -> None:
    """Print a line a contestant."""
    print("| encoder | texts/s | x torch | x bfloat16 | 10 examples | all | all, less float32 |")
    print("|---|---|---|---|---|---|---|")
    for name, rate in rates.items():
        times = [
            statistics.median(one / other for one, other in zip(rate, rates[base], strict=True))
            for base in ("torch float32", "OpenVINO bfloat16")
        ]
        judged = name if name in found else "OpenVINO float32"
        some, every = found[judged]["10"], found[judged]["all"]
        low, high = interval(every, found["OpenVINO float32"]["all"])
        print(
            f"| {name} | {statistics.median(rate):,.0f} | {times[0]:.2f} | {times[1]:.2f} | "
            f"{100 * some.mean():.2f} | {100 * every.mean():.2f} | {low:+.2f} to {high:+.2f} |"
        )


if __name__ == "__main__":
    main()
