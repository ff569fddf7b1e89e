"""Ask a language model about unsure items, if it was shown to make more labels right.

What it says is one more scorer: how likely its choice is right is learned from held-out items, from
the probability of its yes and from what the classifier thought of that label, and takes the place
of the latter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from classifiers.inputs import Texts
from classifiers.language.cases import Unsure, unsure_items
from classifiers.language.opinion import Opinion, Prompts, mix
from classifiers.language.verdict import LanguageVerdict
from classifiers.neighbor_classifier import NeighborClassifier
from classifiers.prediction import AsOf
from retrieval import (
    Case,
    Choice,
    InputError,
    LanguageModel,
    Usage,
    choice_request,
    choose,
    confirm_request,
)


def ask_language_model(
    classifier: NeighborClassifier,
    X: Texts,
    model: LanguageModel,
    verdict: LanguageVerdict,
    *,
    prompts: Prompts | None = None,
    examples: int = 3,
    coverage: float = 0.9,
    confidence: float = 0.5,
    as_of: AsOf | None = None,
) -> pd.DataFrame:
    """Return the labels table of items, in which a model was asked about the unsure ones.

    Those are asked about first where a right answer is likeliest to change the label, until the
    model's budget is spent. Where the verdict is against it, nothing is asked.

    Args:
        classifier: A fitted one.
        X: As of `NeighborClassifier.classify`, like `coverage`, `confidence` and `as_of`.
        model: Of the verdict.
        verdict: Of `judge_language_model`.
        prompts: Those of the verdict; None: those that ship.
        examples: Neighbors shown with each item.
        coverage: Of the label sets that are the candidates.
        confidence: Of a hierarchy.
        as_of: Only items launched up to then vote, or are shown.

    Returns:
        The table of `NeighborClassifier.classify` with `model_label`, what the model chose (None
        where it was not asked, did not answer, or found none right), `written_by` (model, prompt
        with its version, time) and `model_note` (why there is no answer, or what is odd about the
        text). `label` and `probability` are those with the model; `parts` add up to the probability
        that was there without it.

    Raises:
        InputError: The verdict is of another model or other prompts, or texts may not be sent.
    """
    prompts = prompts or Prompts.packaged()
    if (verdict.model, verdict.prompt) != (model.model, prompts.mark):
        raise InputError(
            f"the verdict is of {verdict.model} with {verdict.prompt}, not of {model.model} with "
            f"{prompts.mark}: judge it anew"
        )
    found = unsure_items(
        classifier, X, examples=examples, coverage=coverage, confidence=confidence, as_of=as_of
    )
    choices: list[Choice] = []
    if verdict.is_used and verdict.opinion is not None:
        choices = choose(model, found.cases, prompts.choose, prompts.confirm)
    return _with_choices(classifier, found, choices, verdict.opinion)


def estimate_questions(
    model: LanguageModel, cases: Sequence[Case], prompts: Prompts | None = None
) -> Usage:
    """Return what asking about items would cost at most, without asking."""
    prompts = prompts or Prompts.packaged()
    asked = [choice_request(one, prompts.choose) for one in cases]
    if prompts.confirm is not None:
        longest = [max(one.candidates, key=len) for one in cases]
        asked += [
            confirm_request(one, label, prompts.confirm)
            for one, label in zip(cases, longest, strict=True)
        ]
    return model.estimate(asked)


def _with_choices(
    classifier: NeighborClassifier,
    found: Unsure,
    choices: list[Choice],
    opinion: Opinion | None,
) -> pd.DataFrame:
    n = len(found.table)
    label: list[Any] = found.table["label"].tolist()
    probability = found.table["probability"].to_numpy(dtype=np.float64).copy()
    said: list[str | None] = [None] * n
    by: list[str | None] = [None] * n
    notes: list[str | None] = [None] * n
    names = classifier.classes_.tolist()
    for row, choice in zip(found.rows, choices, strict=False):
        told = [*choice.notes, *([choice.error] if choice.error else [])]
        notes[row] = "; ".join(told) or None
        by[row] = choice.mark or None
        if choice.label is None or opinion is None:
            continue
        said[row] = choice.label
        chosen = np.array([names.index(choice.label)])
        after = mix(found.proba[[row]], chosen, np.array([choice.confidence]), opinion)[0]
        label[row], probability[row] = names[int(after.argmax())], float(after.max())
    columns = {"model_label": said, "written_by": by, "model_note": notes}
    index = found.table.index
    made = {name: pd.Series(one, index=index, dtype=object) for name, one in columns.items()}
    labels = pd.Series(label, index=index, dtype=object)
    return found.table.assign(label=labels, probability=probability, **made)
