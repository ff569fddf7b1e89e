"""How well are photos labeled, with every training photo and with ten of each class?

    python -m benchmarks.labels.pictures DATA_DIR                    # on the validation photos
    python -m benchmarks.labels.pictures DATA_DIR --on test
    python -m benchmarks.labels.pictures DATA_DIR --speed 256        # photos a second, uncached

DATA_DIR holds items.csv (image, label, split) and images/: alexeygrigorev/clothing-dataset-small
(CC0), shrunk to 160 pixels. Nothing is downloaded.

"10 neighbors" vote by similarity, and "linear head" is scikit-learn's logistic regression, on the
same vectors. "a ± b" is mean and standard deviation over the draws of the ten photos; where nothing
is drawn, the interval is a bootstrap of the photos judged. "strange" is the AUROC of novelty, two
classes held out in turn.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.labels.score_table import interval, over_seeds
from benchmarks.measuring.circumstances import machine_and_versions
from classifiers import NeighborClassifier
from classifiers.evaluation.metrics import calibration_error
from retrieval import Encoder, read_pictures

ENGINES = ["numpy", "scikit-learn", "torch", "openvino", "pillow"]
ENCODER = "efficientnet-lite0 + efficientnet-lite2"
SHOTS, DRAWS, NEIGHBORS, TEMPERATURE = 10, (0, 1, 2), 10, 0.05
_STRANGE, _RESAMPLES = 2, 2_000

Array = npt.NDArray[np.float32]
Proba = tuple[npt.NDArray[np.object_], npt.NDArray[np.float64]]
"""Classes, and the probability (n, C) of each."""


@dataclass(frozen=True)
class Photos:
    """Photos, what they show, and their vectors."""

    words: pd.Series
    labels: npt.NDArray[np.object_]
    vectors: Array

    def __getitem__(self, rows: npt.NDArray[np.intp]) -> Photos:
        return Photos(self.words.iloc[rows], self.labels[rows], self.vectors[rows])


def read(folder: Path, encoder: Encoder, split: str, most: int | None = None) -> Photos:
    """Read the photos of a split, and encode them."""
    items = pd.read_csv(folder / "items.csv")
    items = items[items["split"] == split][:most]
    words = read_pictures(items["image"], folder=folder / "images")
    return Photos(words, items["label"].to_numpy(dtype=object), encoder.encode(words.tolist()))


def likewise(train: Photos, test: Photos, encoder: Encoder) -> Proba:
    """Answer as `NeighborClassifier` does, as it comes."""
    clf = NeighborClassifier(encoder=encoder, random_state=0).fit(train.words, train.labels)
    return np.asarray(clf.classes_, dtype=object), clf.predict_proba(test.words)


def linear_head(train: Photos, test: Photos, _: Encoder) -> Proba:
    """Answer by a logistic regression on the vectors."""
    head = LogisticRegression(C=30, max_iter=1_000).fit(train.vectors, train.labels)
    return head.classes_, head.predict_proba(test.vectors)


def neighbors(train: Photos, test: Photos, _: Encoder) -> Proba:
    """Let the nearest photos vote."""
    similarity = test.vectors @ train.vectors.T
    near = np.argsort(-similarity, axis=1)[:, :NEIGHBORS]
    weight = np.exp(np.take_along_axis(similarity, near, axis=1) / TEMPERATURE)
    classes = np.unique(train.labels)
    votes = np.stack([((train.labels[near] == one) * weight).sum(1) for one in classes], axis=1)
    return classes, votes / votes.sum(axis=1, keepdims=True)


METHODS: dict[str, Callable[[Photos, Photos, Encoder], Proba]] = {
    "likewise": likewise,
    "linear head": linear_head,
    f"{NEIGHBORS} neighbors": neighbors,
}


def accuracy_table(train: Photos, test: Photos, encoder: Encoder, shots: int | None) -> None:
    """Print accuracy and calibration of every method."""
    print(f"\n{'all training photos' if shots is None else f'{shots} photos a class'}:")
    drawn = [None] if shots is None else DRAWS
    for name, method in METHODS.items():
        right, error = [], []
        for seed in drawn:
            known = train if seed is None else train[_draw(train.labels, shots or 0, seed)]
            classes, proba = method(known, test, encoder)
            hit = classes[proba.argmax(axis=1)] == test.labels
            right.append(hit)
            error.append(calibration_error(proba.max(axis=1), hit))
        accuracy = over_seeds([100 * float(one.mean()) for one in right])
        edges = interval(_bootstrap(right[0])) if shots is None else ""
        print(f"  {name:14s} accuracy {accuracy}{edges}  ECE {over_seeds(error, 3)}")


def novelty_table(train: Photos, test: Photos, encoder: Encoder) -> None:
    """Print how well photos of classes that nobody learned stand out."""
    classes = np.unique(train.labels)
    scores = []
    for first in range(0, len(classes), _STRANGE):
        strange = np.isin(train.labels, classes[first : first + _STRANGE])
        known = train[np.flatnonzero(~strange)]
        clf = NeighborClassifier(encoder=encoder, random_state=0).fit(known.words, known.labels)
        is_strange = np.isin(test.labels, classes[first : first + _STRANGE])
        scores.append(float(roc_auc_score(is_strange, clf.novelty(test.words))))
    print(f"\nstrange: AUROC {over_seeds(scores, 3)} over {len(scores)} pairs of classes held out")


def speed(folder: Path, name: str, count: int) -> None:
    """Print how many photos are read and encoded in a second, nothing cached."""
    encoder = Encoder(name, cache_dir=False)
    read(folder, encoder, "validation", 2)
    begin, used = time.perf_counter(), time.process_time()
    read(folder, encoder, "validation", count)
    wall, spent = time.perf_counter() - begin, time.process_time() - used
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(
        f"{count / wall:.1f} photos a second ({count / spent:.1f} a second of processor time), "
        f"{threads} threads"
    )


def _draw(labels: npt.NDArray[np.object_], shots: int, seed: int) -> npt.NDArray[np.intp]:
    """Return the rows of so many photos of each label."""
    table = pd.DataFrame({"label": labels})
    return table.groupby("label").sample(shots, random_state=seed).index.to_numpy()


def _bootstrap(right: npt.NDArray[np.bool_]) -> list[float]:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(right), (_RESAMPLES, len(right)))
    return [float(one) for one in np.quantile(100 * right[drawn].mean(axis=1), [0.025, 0.975])]


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default=ENCODER)
    parser.add_argument("--on", choices=["validation", "test"], default="validation")
    parser.add_argument("--shots-only", action="store_true", help="leave out all training photos")
    parser.add_argument("--speed", type=int, metavar="PHOTOS")
    args = parser.parse_args()
    print(machine_and_versions(ENGINES))
    if args.speed:
        speed(args.folder, args.encoder, args.speed)
        return
    encoder = Encoder(args.encoder)
    print(f"encoder {args.encoder}, judged on {args.on}")
    if args.shots_only:
        train, test = _few(args.folder, encoder), read(args.folder, encoder, args.on)
    else:
        train, test = (read(args.folder, encoder, one) for one in ("train", args.on))
    accuracy_table(train, test, encoder, SHOTS)
    if not args.shots_only:
        accuracy_table(train, test, encoder, None)
        novelty_table(train, test, encoder)


def _few(folder: Path, encoder: Encoder) -> Photos:
    """Read the photos that are drawn, and encode no other."""
    items = pd.read_csv(folder / "items.csv")
    labels = items.loc[items["split"] == "train", "label"].to_numpy(dtype=object)
    names = items.loc[items["split"] == "train", "image"].to_numpy(dtype=object)
    rows = np.unique(np.concatenate([_draw(labels, SHOTS, seed) for seed in DRAWS]))
    words = pd.Series([""] * len(labels))
    words[rows] = read_pictures(names[rows], folder=folder / "images").to_numpy()
    vectors = np.zeros((len(labels), encoder.dim), dtype=np.float32)
    vectors[rows] = encoder.encode(words[rows].tolist())
    return Photos(words, labels, vectors)


if __name__ == "__main__":
    main()
