"""What a language model's choice is worth: how likely it is right, and what a label becomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from classifiers.arrays import BoolArray, FloatArray
from retrieval import PromptTemplate, packaged_templates

_EDGE = 1e-3  # a probability is never surer than that


@dataclass(frozen=True)
class Prompts:
    """The templates of the two questions.

    Attributes:
        choose: Which label.
        confirm: Whether it is right; None: it is not asked, and less is known of how sure it is.
    """

    choose: PromptTemplate
    confirm: PromptTemplate | None

    @classmethod
    def packaged(cls) -> Prompts:
        """Return those that ship."""
        by_task = {one.task: one for one in packaged_templates()}
        return cls(by_task["choose"], by_task["confirm"])

    @property
    def mark(self) -> str:
        """Name and version of both."""
        return self.choose.mark + (f" + {self.confirm.mark}" if self.confirm else "")


@dataclass(frozen=True)
class Opinion:
    """How likely a model's choice is right, by a logistic regression.

    Attributes:
        weights: Of the log-odds of its yes, and of the probability the label had without it.
        offset: Added to these.
    """

    weights: tuple[float, float]
    offset: float

    def of(self, confidence: FloatArray, before: FloatArray) -> FloatArray:
        """Return the probability (m,) that a choice is right."""
        log_odds = _features(confidence, before) @ np.array(self.weights) + self.offset
        right: FloatArray = 1 / (1 + np.exp(-log_odds))
        return right


def learn_opinion(confidence: FloatArray, before: FloatArray, is_right: BoolArray) -> Opinion:
    """Learn how likely choices are right; one right and one wrong are added, lest it be certain.

    Args:
        confidence: (m,) probability of the model's yes; NaN where it is not known.
        before: (m,) probability of its choice without it.
        is_right: (m,) whether it was.
    """
    features = _features(confidence, before)
    middle = features.mean(axis=0)
    features = np.vstack([features, middle, middle])
    fitted = LogisticRegression(C=1.0).fit(features, np.append(is_right, [True, False]))
    first, second = fitted.coef_[0].tolist()
    return Opinion((first, second), float(fitted.intercept_[0]))


def mix(
    proba: FloatArray,
    chosen: npt.NDArray[np.int64],
    confidence: FloatArray,
    opinion: Opinion,
) -> FloatArray:
    """Return probabilities (m, C) in which a model's choice is as likely as it is right.

    A choice counts for its label, or not at all: it never makes it less probable.

    Args:
        proba: (m, C) without the model.
        chosen: (m,) position of its choice.
        confidence: (m,) probability of its yes; NaN where it is not known.
        opinion: How likely its choices are right.
    """
    rows = np.arange(len(proba))
    before = proba[rows, chosen]
    right = np.maximum(opinion.of(confidence, before), before)
    rest = np.maximum(1 - before, _EDGE)
    mixed: FloatArray = proba * ((1 - right) / rest)[:, None]
    mixed[rows, chosen] = right
    mixed /= mixed.sum(axis=1, keepdims=True)
    return mixed


def _features(confidence: FloatArray, before: FloatArray) -> FloatArray:
    """Return the log-odds (m, 2) of the model's yes, and of the label without it."""
    told = np.where(np.isnan(confidence), 0.5, confidence)
    stacked: FloatArray = np.stack(
        [logit(np.clip(one, _EDGE, 1 - _EDGE)) for one in (told, before)], axis=1
    )
    return stacked
