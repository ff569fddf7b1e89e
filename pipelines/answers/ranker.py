"""Rank facts as answers: a logistic regression over their features, learned on questions.

What ships is learned on the questions of shoppers in semiPQA (Shen et al., 2022; dev split), with
its threshold; see ``benchmarks/answers/ask.py``. `Ranker.fit` learns another on your own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from pipelines.answers.facts import Fact
from pipelines.answers.features import FEATURES, Floats, measure, similarities
from retrieval import Encoder, InputError, replacing

PRECISION = 0.9  # of the answers given, which the threshold is chosen for
_STRENGTH = 0.3  # of the regression: C in scikit-learn
_STILL = 1e-9  # standard deviation of a feature that does not vary
_FORM = "likewise answer ranker 1"


@dataclass(frozen=True)
class Example:
    """A question, what could answer it, and what does.

    Attributes:
        question: The question.
        facts: Those of one item.
        is_answer: For each, whether it answers the question; perhaps none does.
    """

    question: str
    facts: tuple[Fact, ...]
    is_answer: tuple[bool, ...]


@dataclass(frozen=True)
class Ranker:
    """A fitted ranker.

    Attributes:
        center: (features,) means of the features it was learned from.
        scale: (features,) their standard deviations.
        weights: (features,) of what is centered and scaled so.
        bias: Added to their sum.
        threshold: Probability from which an answer is given; below it none is.
        encoder: Name of the encoder whose cosines it was learned from.
        precision: Share of answers at or above the threshold that were right, out of fold.
        coverage: Share of questions that were answered so.
    """

    center: Floats
    scale: Floats
    weights: Floats
    bias: float
    threshold: float
    encoder: str
    precision: float
    coverage: float

    @classmethod
    def fit(
        cls,
        examples: Sequence[Example],
        encoder: Encoder,
        groups: Sequence[str] | None = None,
        *,
        precision: float = PRECISION,
        seed: int = 0,
    ) -> Ranker:
        """Learn from questions whose answers are known.

        Args:
            examples: The questions.
            encoder: Turns texts into vectors.
            groups: What each question belongs to, such as the kind of field that answers it; the
                threshold is chosen on questions of groups that were held out. None: the questions.
            precision: Least share of right answers among those given.
            seed: Of the folds.

        Raises:
            InputError: No question has an answer, or all facts are answers.
        """
        tables = tabulate(examples, encoder)
        named = groups if groups is not None else [one.question for one in examples]
        fitted = _fit(tables, examples, encoder.identity.name)
        scores = held_out(tables, examples, named, seed=seed)
        threshold, reached, answered = choose_threshold(examples, scores, precision)
        return replace(fitted, threshold=threshold, precision=reached, coverage=answered)

    @classmethod
    def load(cls, path: Path | None = None) -> Ranker:
        """Read a ranker from its file; None: the one that ships.

        Raises:
            InputError: The file is missing, or none of a ranker.
        """
        source = files("pipelines.answers").joinpath("ranker.json") if path is None else path
        try:
            return cls._from_dict(json.loads(source.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise InputError(f"{source}: no such ranker") from None
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise InputError(f"{source}: not a ranker of answers: {error}") from None

    @classmethod
    def _from_dict(cls, content: Mapping[str, Any]) -> Ranker:
        if not isinstance(content, dict) or content.get("form") != _FORM:
            raise ValueError(f"its form is not {_FORM!r}")
        if tuple(content["features"]) != FEATURES:
            raise ValueError("it has other features")
        arrays = {name: np.array(content[name], float) for name in ("center", "scale", "weights")}
        if any(
            one.shape != (len(FEATURES),) or not np.isfinite(one).all() for one in arrays.values()
        ):
            raise ValueError("a feature has no number")
        numbers = {
            name: float(content[name]) for name in ("bias", "threshold", "precision", "coverage")
        }
        named: dict[str, Any] = {**arrays, **numbers, "encoder": str(content["encoder"])}
        return cls(**named)

    def save(self, path: Path) -> None:
        """Write the ranker to a file, JSON that a person can read."""
        content = {
            "form": _FORM,
            "encoder": self.encoder,
            "threshold": self.threshold,
            "precision": self.precision,
            "coverage": self.coverage,
            "features": list(FEATURES),
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
            "weights": self.weights.tolist(),
            "bias": self.bias,
        }
        with replacing(path) as unfinished:
            unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def probabilities(self, features: Floats) -> Floats:
        """Return (n,) how likely each of n facts answers the question."""
        logits = (features - self.center) / self.scale @ self.weights + self.bias
        return np.asarray(expit(logits), dtype=np.float64)


def field_shares(examples: Sequence[Example]) -> dict[str, float]:
    """Return, for each field, the share of items that have it."""
    counts: dict[str, int] = {}
    for one in examples:
        for field in {fact.field for fact in one.facts}:
            counts[field] = counts.get(field, 0) + 1
    return {field: count / len(examples) for field, count in counts.items()}


def tabulate(
    examples: Sequence[Example], encoder: Encoder, shares: Mapping[str, float] | None = None
) -> list[Floats]:
    """Return the features of the facts of each question.

    Args:
        examples: The questions.
        encoder: Turns texts into vectors.
        shares: Of the fields; None: as the examples have them.
    """
    shares = field_shares(examples) if shares is None else shares
    dense = similarities(
        [one.question for one in examples], [one.facts for one in examples], encoder
    )
    pairs = zip(examples, dense, strict=True)
    return [measure(one.question, one.facts, cosines, shares) for one, cosines in pairs]


def held_out(
    tables: Sequence[Floats],
    examples: Sequence[Example],
    groups: Sequence[str],
    *,
    folds: int = 5,
    seed: int = 0,
) -> list[Floats]:
    """Return the probabilities of each question's facts by rankers that saw none of its group."""
    distinct = sorted(set(groups))
    dealt = np.random.default_rng(seed).permutation(len(distinct)) % folds
    fold = dict(zip(distinct, dealt.tolist(), strict=True))
    scores: list[Floats] = [np.empty(0)] * len(examples)
    for out in sorted(set(fold.values())):
        kept = [row for row, group in enumerate(groups) if fold[group] != out]
        ranker = _fit([tables[row] for row in kept], [examples[row] for row in kept], "")
        for row, group in enumerate(groups):
            if fold[group] == out:
                scores[row] = ranker.probabilities(tables[row])
    return scores


def choose_threshold(
    examples: Sequence[Example], scores: Sequence[Floats], precision: float = PRECISION
) -> tuple[float, float, float]:
    """Return the lowest threshold that keeps a precision, what it keeps, and the share answered.

    Args:
        examples: The questions, those without an answer too.
        scores: Probabilities of the facts of each.
        precision: To be kept; where it cannot be, the most precise threshold is taken.
    """
    best = np.array([float(one.max()) if len(one) else 0.0 for one in scores])
    right = np.array(
        [
            bool(len(one)) and example.is_answer[int(one.argmax())]
            for example, one in zip(examples, scores, strict=True)
        ]
    )
    order = np.argsort(-best, kind="stable")
    kept = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(kept >= precision)
    last = int(enough[-1]) if len(enough) else int(kept.argmax())
    return float(best[order[last]]), float(kept[last]), (last + 1) / len(order)


def _fit(tables: Sequence[Floats], examples: Sequence[Example], encoder: str) -> Ranker:
    from sklearn.linear_model import LogisticRegression

    features = np.concatenate([np.empty((0, len(FEATURES))), *tables])
    answers: npt.NDArray[np.bool_] = np.array([yes for one in examples for yes in one.is_answer])
    if not answers.any() or answers.all():
        raise InputError("to learn what answers questions takes facts that do, and others")
    center, scale = features.mean(0), features.std(0)
    scale[scale < _STILL] = 1.0
    model = LogisticRegression(C=_STRENGTH, max_iter=3_000)
    model.fit((features - center) / scale, answers)
    weights, bias = model.coef_[0].astype(float), float(model.intercept_[0])
    return Ranker(center, scale, weights, bias, 0.5, encoder, float("nan"), float("nan"))
