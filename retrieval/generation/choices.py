"""Ask a language model to choose among labels, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, create_model

from retrieval.generation.fences import is_suspicious
from retrieval.generation.language_model import OVER_BUDGET, LanguageModel
from retrieval.generation.replies import Reply, Request
from retrieval.generation.templates import PromptTemplate, Trusted

NONE = "none"
_BLOCK = 64  # items that are asked about before the budget is looked at again
_YES, _NO = "yes", "no"


@dataclass(frozen=True)
class Case:
    """One item to choose a label for.

    Attributes:
        text: The item's.
        candidates: Labels that come into question; "none of these" always does.
        examples: Labeled items like it, (text, label) each, the most similar first.
    """

    text: str
    candidates: tuple[str, ...]
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Choice:
    """What a model chose.

    Attributes:
        label: One of the candidates; None for none of these, or where there is no answer.
        is_answered: Whether the model answered.
        confidence: Probability of a yes to the question whether it is that; NaN where the server
            does not tell probabilities, or nothing was chosen.
        mark: Who chose: model, prompt with its version, time; empty where there is no answer.
        error: Why there is no answer.
        notes: What to know beside it.
    """

    label: str | None = None
    is_answered: bool = False
    confidence: float = math.nan
    mark: str = ""
    error: str | None = None
    notes: tuple[str, ...] = field(default=())


def choose(
    model: LanguageModel,
    cases: Sequence[Case],
    template: PromptTemplate,
    confirm: PromptTemplate | None = None,
) -> list[Choice]:
    """Let a model choose a label for each item.

    Nothing but a candidate, or none of them, can come of it, whatever stands in an item's text.

    Args:
        model: It is asked, the first items first, about each to the end, within its budget.
        cases: The items.
        template: Of the question, a template of the task ``choose``.
        confirm: Of the second question, whether the label is right; None: it is not asked, and
            costs nothing.
    """
    choices: list[Choice] = []
    while len(choices) < len(cases):
        block = cases[len(choices) : len(choices) + _BLOCK]
        n = model.affordable([_questions(one, template, confirm) for one in block])
        if n == 0:
            # What is asked is answered to its end: half an answer would be paid for in vain.
            rest = len(cases) - len(choices)
            return choices + [Choice(error=OVER_BUDGET)] * rest
        choices += _chosen_of(model, block[:n], template, confirm)
    return choices


def _questions(
    case: Case, template: PromptTemplate, confirm: PromptTemplate | None
) -> list[Request]:
    """Return what may be asked about an item."""
    first = choice_request(case, template)
    if confirm is None or not case.candidates:
        return [first]
    return [first, confirm_request(case, max(case.candidates, key=len), confirm)]


def _chosen_of(
    model: LanguageModel,
    cases: Sequence[Case],
    template: PromptTemplate,
    confirm: PromptTemplate | None,
) -> list[Choice]:
    replies = model.ask([choice_request(one, template) for one in cases])
    choices = [_chosen(case, reply) for case, reply in zip(cases, replies, strict=True)]
    if confirm is None:
        return choices
    asked = [row for row, one in enumerate(choices) if one.label is not None]
    doubts = [confirm_request(cases[row], str(choices[row].label), confirm) for row in asked]
    for row, reply in zip(asked, model.ask(doubts), strict=True):
        choices[row] = _with_confidence(choices[row], reply)
    return choices


def choice_request(case: Case, template: PromptTemplate) -> Request:
    """Return the question which label an item has."""
    names = (*case.candidates, NONE)
    values = {
        "item": case.text,
        "candidates": [Trusted(one) for one in case.candidates],
        "examples": _shown(case),
    }
    most = max(len(name) for name in names) + 16  # a token has a letter at least
    return template.request(values, schema=_one_of(names), most_tokens=most)


def confirm_request(case: Case, label: str, template: PromptTemplate) -> Request:
    """Return the question whether an item has a label."""
    values = {"item": case.text, "label": Trusted(label), "examples": _shown(case)}
    return template.request(values, most_tokens=2, odds=True)


def yes_probability(odds: Mapping[str, float]) -> float:
    """Return how probable a yes is against a no; NaN where neither is among the first tokens."""
    yes, no = (
        sum(p for token, p in odds.items() if token.strip().strip('"').lower() == word)
        for word in (_YES, _NO)
    )
    return yes / (yes + no) if yes + no > 0 else math.nan


def _shown(case: Case) -> list[dict[str, Any]]:
    return [{"text": text, "label": Trusted(label)} for text, label in case.examples]


@lru_cache(maxsize=1_024)  # a question is made to be estimated, and again to be asked
def _one_of(names: tuple[str, ...]) -> type[BaseModel]:
    kind: Any = Literal[names]
    made: type[BaseModel] = create_model("Label", label=(kind, ...))
    return made


def _chosen(case: Case, reply: Reply) -> Choice:
    notes = ("its text reads like an instruction",) if is_suspicious(case.text) else ()
    if reply.error is not None or reply.value is None:
        return Choice(error=reply.error or "there is no answer", notes=notes)
    label = str(reply.value.label)
    named = label if label in case.candidates else None
    return Choice(named, True, mark=reply.mark, notes=notes)


def _with_confidence(choice: Choice, reply: Reply) -> Choice:
    if reply.error == OVER_BUDGET:
        return Choice(error=OVER_BUDGET, notes=choice.notes)
    sure = yes_probability(reply.odds)
    if math.isnan(sure) and reply.error is None:
        said = reply.text.strip().lower()
        sure = 1.0 if said.startswith(_YES) else 0.0 if said.startswith(_NO) else sure
    return replace(choice, confidence=sure)
