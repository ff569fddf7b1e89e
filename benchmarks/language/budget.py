"""What does asking a language model about unsure labels bring, and what does it cost? BANKING77.

    python -m benchmarks.language.budget DATA_DIR --picture build/budget.svg
    python -m benchmarks.language.budget DATA_DIR --url http://127.0.0.1:8135/v1 --model NAME

DATA_DIR holds train.csv; test.csv is not read. A classifier with a few examples a label judges the
model on held-out examples (the gate of `likewise classify`), and labels other questions of
train.csv with it, those first where most is to gain.

Without ``--url`` a scripted server answers, which is right about a known share of the questions and
knows nothing of language: the curve shows what budget, order and calibration do with a model as
good as that, **not how good any model is**. Answers of a real one are cached: a second run is free.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from classifiers import NeighborClassifier, ask_language_model, judge_language_model
from classifiers.evaluation.bootstrap import intervals
from retrieval import LanguageModel
from tests.chat_server import language_server

BUDGETS = (0, 25, 50, 100, 200, 400, 800)


def main() -> None:
    """Judge a model, and draw accuracy over what is asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--url")
    parser.add_argument("--model", default="script")
    parser.add_argument("--rate", type=float, default=0.9, help="of the script")
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--held-out", type=int, default=200)
    parser.add_argument("--new", type=int, default=400, help="questions to label")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    print(machine_and_versions(["openai", "milvus-lite", "scikit-learn"]))
    rows = pd.read_csv(asked.data / "train.csv").sample(frac=1, random_state=asked.seed)
    known = rows.groupby("category").head(asked.shots)
    new = rows.drop(index=known.index).head(asked.new)
    print(f"{asked.shots} examples a label, seed {asked.seed}, {len(new)} other questions")
    with _model(asked, rows) as model:
        verdict = judge_language_model(
            NeighborClassifier(),
            known["text"].tolist(),
            known["category"].tolist(),
            model,
            most=asked.held_out,
            seed=asked.seed,
        )
        print(verdict)
        for key, value in verdict.__dict__.items():
            print(f"  {key}: {value}")
        if not verdict.is_used:
            return
        fitted = NeighborClassifier().fit(known["text"].tolist(), known["category"].tolist())
        table = _curve(fitted, new, model, verdict)
        print(table.to_string(index=False))
        if asked.picture is not None:
            _draw(table, asked.picture, model.model, asked.rate)


@contextmanager
def _model(asked: argparse.Namespace, rows: pd.DataFrame) -> Iterator[LanguageModel]:
    options = {"send_text": True, "connections": 2, "timeout": 600.0}
    if asked.url is not None:
        yield LanguageModel(asked.url, asked.model, cache_dir=asked.cache, **options)
        return
    truth = dict(zip(rows["text"], rows["category"], strict=True))
    with language_server(truth=truth, rate=asked.rate) as server:
        model = LanguageModel(server.url, "script", cache_dir=asked.cache or False, **options)
        yield model
        model.close()


def _curve(fitted, new, model, verdict) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    """Return accuracy by how many items are asked about, the most valuable first.

    All are asked once; a smaller budget would have asked the first of them.
    """
    from classifiers import unsure_items

    texts, truth = new["text"].tolist(), new["category"].to_numpy()
    before = model.usage
    asked = ask_language_model(fitted, texts, model, verdict)
    spent = model.usage - before
    order = unsure_items(fitted, texts, examples=0).rows
    plain = fitted.classify(texts)["label"].to_numpy() == truth
    with_it = asked["label"].to_numpy() == truth
    rows = []
    for n in [*(one for one in BUDGETS if one < len(order)), len(order)]:
        right = plain.copy()
        right[order[:n]] = with_it[order[:n]]
        gain = right.astype(float) - plain
        (interval,) = intervals(
            {"gain": lambda weights, gain=gain: float(np.average(gain, weights=weights))}, len(gain)
        ).values()
        rows.append(
            {
                "asked": n,
                "calls": round(spent.calls * n / max(len(order), 1)),
                "accuracy": right.mean(),
                "gain": gain.mean(),
                "low": interval[0],
                "high": interval[1],
            }
        )
    return pd.DataFrame(rows)


def _draw(table: pd.DataFrame, path: Path, model: str, rate: float) -> None:
    from matplotlib import pyplot

    figure, ax = pyplot.subplots(figsize=(6.5, 3.6), layout="constrained")
    base = float(table["accuracy"].iloc[0])
    ax.fill_between(
        table["asked"], base + table["low"], base + table["high"], color="#1f6f8b", alpha=0.15
    )
    ax.plot(table["asked"], table["accuracy"], color="#1f6f8b", marker="o", ms=4)
    ax.axhline(base, color="#7a5c9e", lw=1, ls="--")
    ax.text(table["asked"].iloc[-1], base, "not asked", ha="right", va="bottom", color="#7a5c9e")
    ax.set_xlabel("items asked about, those first where most is to gain")
    ax.set_ylabel("share labeled rightly")
    said = f"a script that is right about {rate:.0%}, no model" if model == "script" else model
    ax.set_title(f"Accuracy by budget: {said}", loc="left", fontsize=10, fontweight="bold")
    ax.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
