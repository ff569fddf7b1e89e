"""Speed and accuracy of one encoder on its engines, distilled, and in whole numbers.

    python -m benchmarks.retrieval.encoders DATA_DIR            # half an hour on two quiet cores
    python -m benchmarks.retrieval.encoders DATA_DIR --only distilled    # or: quantized

DATA_DIR holds train.csv and test.csv of BANKING77, with columns text and category. The static
encoder is fitted, and whole numbers are calibrated, on texts of train.csv alone. Encoders take
turns in each round, so that a machine that slows down slows them all; speeds are of whole calls of
`Encoder.encode` without a cache, tokens included. Accuracy is that of `NeighborClassifier` on
test.csv, of 10 examples a label (three seeds) and of all, with the paired interval of the
difference to the default encoder, from 2,000 draws of the questions. What moves in whole numbers is
told by `quantize` itself, whose gate is held open here.
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
from retrieval import Encoder, distill, quantize

DEFAULT = "default (OpenVINO, bfloat16 where there is)"
ROUNDS = 3
TEXTS = 400
SEEDS = (0, 1, 2)
_DRAWS = 2_000
Right = npt.NDArray[np.bool_]


def engines() -> dict[str, Encoder]:
    """Return the default encoder on each engine."""
    return {
        "torch float32": Encoder(backend="torch", cache_dir=False),
        "OpenVINO float32": Encoder(backend="openvino", precision="float32", cache_dir=False),
        DEFAULT: Encoder(cache_dir=False),
    }


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


def interval(own: Right, other: Right, questions: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two accuracies, in points.

    Args:
        own: (seeds * questions,).
        other: The same.
        questions: How many; they are drawn, each with all of its seeds.
    """
    gain = (own.astype(float) - other.astype(float)).reshape(-1, questions).mean(axis=0)
    draws = np.random.default_rng(0).integers(0, questions, (_DRAWS, questions))
    low, high = np.quantile(gain[draws].mean(axis=1), [0.025, 0.975])
    return 100 * float(low), 100 * float(high)


def distilled(train: pd.DataFrame, test: pd.DataFrame, folder: Path) -> None:
    """Print what static encoders gain and lose."""
    print(distill(Encoder(), train["text"].tolist(), out=folder / "fitted"), flush=True)
    distill(Encoder(), out=folder / "vocabulary")
    static = {
        "static, fitted": Encoder(str(folder / "fitted")),
        "static, vocabulary alone": Encoder(str(folder / "vocabulary")),
    }
    tell_speed(speed({**engines(), **static}, test["text"].tolist()[:TEXTS]), "torch float32")
    found = accuracy({DEFAULT: Encoder(), **static}, train, test)
    for name, right_ones in found.items():
        for size, own in right_ones.items():
            low, high = interval(own, found[DEFAULT][size], len(test))
            kept = own.mean() / found[DEFAULT][size].mean()
            print(
                f"{name}, {size} examples: {100 * own.mean():.2f}, {kept:.1%} of the default's, "
                f"difference {low:+.2f} to {high:+.2f}"
            )


def quantized(train: pd.DataFrame, test: pd.DataFrame, folder: Path) -> None:
    """Print what whole numbers gain and lose."""
    texts, labels = train["text"].tolist(), train["label"].tolist()
    wide = {"most_moved": 1.0, "most_lost": 1.0}
    report = quantize(
        Encoder(backend="openvino"), texts, labels=labels, out=folder / "int8", **wide
    )
    print(report, flush=True)
    made = {
        DEFAULT: Encoder(cache_dir=False),
        "int8": Encoder(str(folder / "int8"), cache_dir=False),
    }
    tell_speed(speed(made, test["text"].tolist()[:TEXTS]), DEFAULT)


def tell_speed(rates: dict[str, list[float]], base: str) -> None:
    """Print a line a contestant; times are medians over the rounds."""
    for name, rate in rates.items():
        times = statistics.median(one / own for one, own in zip(rate, rates[base], strict=True))
        shown = ", ".join(f"{one:,.0f}" for one in rate)
        print(f"{name}: {shown} texts/s, {times:.2f} times {base}", flush=True)


def main() -> None:
    """Print all of it, or a part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", choices=("distilled", "quantized"))
    asked = parser.parse_args()
    train, test = (
        pd.read_csv(asked.data / f"{part}.csv").rename(columns={"category": "label"})
        for part in ("train", "test")
    )
    print(machine_and_versions(["torch", "openvino", "nncf", "sentence-transformers"]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for part in (distilled, quantized):
            if asked.only in (None, part.__name__):
                part(train, test, Path(folder))


if __name__ == "__main__":
    main()
