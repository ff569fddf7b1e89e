"""Plain fine-tuning: the same encoder with a classification head, all of it trained by log loss.

A peer of `adaptation.py`, on the same examples and seeds:

    python -m benchmarks.labels.plain_fine_tuning DATA_DIR --shots 10 --on test

Mean pooling, dropout, a linear head; AdamW, rates that rise over a tenth of the way and fall to
zero, bfloat16 where the processor has it. The rate and the passes are the best of those that
``--rate`` and ``--passes`` were tried at on train.csv.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from benchmarks.labels.banking77 import Setting, Task, few_shot_task, full_task
from benchmarks.labels.score_table import over_seeds
from benchmarks.measuring.circumstances import machine_and_versions
from retrieval.encoding.weights import find_weights

ENGINES = ["torch", "transformers", "sentence-transformers"]
BATCH = 32
_WARM_UP = 0.1
_DROPPED = 0.1


class Classifier(torch.nn.Module):
    """An encoder and a linear head."""

    def __init__(self, n_labels: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = SentenceTransformer(str(find_weights("all-MiniLM-L6-v2")), device="cpu")
        self.head = torch.nn.Linear(384, n_labels)

    def forward(self, texts: list[str]) -> torch.Tensor:
        """Return the logits of texts, (n, n_labels)."""
        features = self.encoder.preprocess(texts)
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            words: Any = self.encoder[0](features)["token_embeddings"]
        is_word = features["attention_mask"][:, :, None].float()
        mean = (words.float() * is_word).sum(1) / is_word.sum(1)
        logits: torch.Tensor = self.head(torch.nn.functional.dropout(mean, _DROPPED, self.training))
        return logits


def answers(task: Task, seed: int, rate: float, n_passes: int) -> npt.NDArray[np.object_]:
    """Train on a task's examples; return the labels of what is judged."""
    model = Classifier(len(task.labels), seed)
    texts = task.train["text"].tolist()
    numbers = torch.tensor([task.labels.index(one) for one in task.train["label"]])
    optimizer = torch.optim.AdamW(
        [
            {"params": model.encoder.parameters(), "lr": rate},
            {"params": model.head.parameters(), "lr": 1e-2},
        ]
    )
    total = -(-len(texts) // BATCH) * n_passes
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (_WARM_UP * total), 1 - step / total, 1.0)
    )
    lot = torch.Generator().manual_seed(seed)
    model.train()
    for _ in range(n_passes):
        order = torch.randperm(len(texts), generator=lot)
        for start in range(0, len(texts), BATCH):
            rows = order[start : start + BATCH]
            loss = cross_entropy(model([texts[row] for row in rows.tolist()]), numbers[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    model.eval()
    asked = task.test["text"].tolist()
    by_length = sorted(range(len(asked)), key=lambda row: len(asked[row]))
    said = np.empty(len(asked), dtype=object)
    with torch.no_grad():
        for start in range(0, len(asked), 64):
            some = by_length[start : start + 64]
            best = model([asked[row] for row in some]).argmax(dim=1)
            said[some] = [task.labels[one] for one in best.tolist()]
    return said


def main() -> None:
    """Train and judge, a seed at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_DIR", help="train.csv and test.csv")
    parser.add_argument("--on", choices=["train", "test"], default="train", help="what is judged")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shots", type=int, default=10, help="examples a label; 0: all")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--passes", type=int, default=20)
    given = parser.parse_args()
    print(machine_and_versions(ENGINES))
    setting = Setting(
        given.data, given.on, tuple(given.seeds), False, None, 0, Path(tempfile.gettempdir())
    )
    right = []
    for seed in given.seeds:
        task = few_shot_task(setting, given.shots, seed) if given.shots else full_task(setting)
        start = time.perf_counter()
        said = answers(task, seed, given.rate, given.passes)
        right.append(100 * float((said == task.test["label"].to_numpy(dtype=object)).mean()))
        print(f"seed {seed}: {right[-1]:.2f} %, {time.perf_counter() - start:,.0f} s", flush=True)
    print(f"{given.shots or 'all'} examples a label: {over_seeds(right, 2)} % on {given.on}")


if __name__ == "__main__":
    main()
