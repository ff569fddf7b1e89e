"""Questions of shoppers and the product attributes that may answer them: semiPQA.

Shen et al., 2022, "semiPQA: A Study on Product Question Answering over Semi-structured Data"
(amazon-science/contextual-product-qa, CDLA-Sharing-1.0). Attributes are nested JSON there; here
they are read as a catalog's cell would say it, for all methods alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.answers.facts import Fact
from pipelines.answers.ranker import Example

COLUMNS = ("qid", "question", "candidate", "label")
_RULES = (
    (r"normalized_value:\{[^{}]*\},?", ""),  # the same in other units
    (r"standardized_values:\[[^\]]*\],?", ""),  # the same in other words
    (r"unit:([\w.]+)\s*,\s*value:([^,}\]]+)", r"\2 \1"),
    (r"\bvalue:", ""),
    (r'[{}\[\]"]', " "),
    (r";", ","),
    (r"(\w)_(?=\w)", r"\1 "),
    (r"(\w):", r"\1 "),
    (r"\s*,[\s,]*", ", "),
    (r"\s+", " "),
)


@dataclass(frozen=True)
class Split:
    """One split.

    Attributes:
        examples: The questions, each with the attributes of its product.
        kinds: For each, the attribute that answers it; the question itself, where none does.
    """

    examples: list[Example]
    kinds: list[str]

    @property
    def answerable(self) -> np.ndarray:
        """Whether each question has an answer."""
        return np.array([any(one.is_answer) for one in self.examples])


def read_split(path: Path) -> Split:
    """Read a split from its tab-separated file."""
    rows = pd.read_csv(path, sep="\t", dtype={"qid": str, "candidate": str, "question": str})
    missing = [name for name in COLUMNS if name not in rows]
    if missing:
        raise SystemExit(f"{path}: no column {missing[0]!r}")
    examples, kinds = [], []
    for qid, asked in rows.groupby("qid", sort=False):
        facts = tuple(_fact(str(qid), text) for text in asked["candidate"])
        answers = tuple((asked["label"] == 1).tolist())
        question = str(asked["question"].iloc[0])
        examples.append(Example(question, facts, answers))
        right = [fact.field for fact, yes in zip(facts, answers, strict=True) if yes]
        kinds.append(right[0] if right else f"none: {question}")
    return Split(examples, kinds)


def _fact(item: str, candidate: str) -> Fact:
    field, _, value = candidate.partition(":")
    for pattern, written in _RULES:
        value = re.sub(pattern, written, value)
    return Fact(item, field.strip('" '), value.strip(" ,\"'") or "unknown")
