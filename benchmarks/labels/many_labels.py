"""Fit a classifier of very many labels: seconds, memory, and accuracy beside votes alone.

    python -m benchmarks.labels.many_labels --data FOLDER --labels 10000 --per-label 10

FOLDER holds categories.csv of Google's product taxonomy (category_id, parent_id, name). A label is
a category for one kind of buyer; its texts are made of the words of the category, some of them left
out, its parent's name, a brand and other words that tell nothing. It is a test of size on made
texts: how much better than votes a head is differs from data to data.

The texts are encoded first, and remembered on disk; the fit is timed without that.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.own_process import alone, peak_memory
from classifiers import NeighborClassifier
from retrieval import Encoder

ENGINES = ["scikit-learn", "faiss-cpu", "openvino", "numpy"]
TEST = 5_000
BUYERS = (("for home use", "home", "family"), ("for professionals", "trade", "professional"))
WORDS = ("new", "best price", "sale", "small", "large", "black", "blue", "set of 2", "original")
SYLLABLES = ("bar", "do", "lex", "mi", "nor", "tan", "vel", "zu", "ka", "ri")


@dataclass(frozen=True)
class Size:
    """How many labels, how many examples of each, and the seed of the texts."""

    labels: int
    per_label: int
    seed: int = 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of categories.csv")
    parser.add_argument("--labels", type=int, default=10_000)
    parser.add_argument("--per-label", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("build/many_labels"))
    chosen = parser.parse_args()
    size = Size(chosen.labels, chosen.per_label, chosen.seed)
    print(machine_and_versions(ENGINES))
    print(f"{size.labels:,} labels, {size.per_label} made texts each, seed {size.seed}", flush=True)
    spent = alone(encode, chosen.data, size, chosen.work)
    print(f"texts encoded, or read back: {spent:.0f} s", flush=True)
    rows = {}
    for name, head in (("votes alone", None), ("votes, prototypes, head", "linear")):
        rows[name] = alone(measure, chosen.data, size, chosen.work, head)
        print(pd.DataFrame(rows).T.round(3).to_string(), flush=True)


def encode(data: Path, size: Size, work: Path) -> float:
    """Encode all texts, so that the fit finds them remembered; return the seconds."""
    begun = time.perf_counter()
    train, test = make_texts(data, size)
    Encoder(cache_dir=work).encode([*train["text"], *test["text"]])
    return time.perf_counter() - begun


def measure(data: Path, size: Size, work: Path, head: str | None) -> dict[str, float]:
    """Fit and judge in this process: seconds, CPU seconds, peak MiB, accuracy."""
    train, test = make_texts(data, size)
    encoder = Encoder(cache_dir=work)
    encoder.encode(test["text"].tolist()[:10])
    begun, busy, before = time.perf_counter(), time.process_time(), peak_memory()
    classifier = NeighborClassifier(encoder=encoder, head=head, random_state=size.seed)
    classifier.fit(train["text"].tolist(), train["label"].tolist())
    fitted = {
        "fit: seconds": time.perf_counter() - begun,
        "fit: CPU seconds": time.process_time() - busy,
        "peak MiB": peak_memory(),
        "of it before": before,
    }
    named = classifier.predict(test["text"].tolist())
    right = named == test["label"].to_numpy()
    return {**fitted, "accuracy": float(right.mean()), "items": len(test)}


def make_texts(data: Path, size: Size) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the texts to learn from and those to judge by: columns `text` and `label`."""
    categories = pd.read_csv(data / "categories.csv")
    names = categories.set_index("category_id")["name"]
    parents = categories["parent_id"].map(names).fillna("")
    if size.labels > len(BUYERS) * len(categories):
        raise SystemExit(f"there are {len(BUYERS) * len(categories):,} labels at most")
    rng = np.random.default_rng(size.seed)
    chosen = rng.permutation(len(BUYERS) * len(categories))[: size.labels]
    judged = -(-TEST // size.labels)
    rows = []
    for one in chosen.tolist():
        category, buyer = divmod(one, len(BUYERS))
        label = f"{categories['category_id'][category]} {BUYERS[buyer][0]}"
        for number in range(size.per_label + judged):
            text = _text(categories["name"][category], parents[category], BUYERS[buyer], rng)
            rows.append((text, label, number >= size.per_label))
    table = pd.DataFrame(rows, columns=["text", "label", "is_judged"])
    held = table["is_judged"]
    return table[~held].reset_index(drop=True), table[held].sample(TEST, random_state=size.seed)


def _text(name: str, parent: str, buyer: tuple[str, ...], rng: np.random.Generator) -> str:
    words = name.replace("&", "").replace(",", "").lower().split()
    kept = [word for word in words if len(words) == 1 or rng.random() > 0.25] or words[:1]
    brand = "".join(_one_of(SYLLABLES, rng) for _ in range(2)).capitalize()
    parts = [brand, " ".join(kept), _one_of(buyer, rng), _one_of(WORDS, rng)]
    if rng.random() < 0.5:
        parts.append(parent.lower())
    return " ".join(np.array(parts, dtype=object)[rng.permutation(len(parts))])


def _one_of(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


if __name__ == "__main__":
    main()
