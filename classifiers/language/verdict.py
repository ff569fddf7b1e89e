"""Does a language model make more labels right? A verdict on items that were held out.

Labels with and without it are compared by a paired interval; where that does not
lie above 0, the model is not asked about new items at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from classifiers.arrays import FloatArray
from classifiers.evaluation.bootstrap import intervals
from classifiers.evaluation.cross_validation import fold_rows
from classifiers.evaluation.predictions import as_rows, one_label_each
from classifiers.evaluation.selective import risk_coverage
from classifiers.inputs import Labels, Texts
from classifiers.language.cases import unsure_items
from classifiers.language.opinion import Opinion, Prompts, learn_opinion, mix
from classifiers.neighbor_classifier import NeighborClassifier
from retrieval import Case, Choice, LanguageModel, Usage, choose, require_count

FEWEST = 30
"""Held-out answers, fewer of which tell too little to judge a model by."""

_PRECISION = 0.9
_PARTS = 5


@dataclass(frozen=True)
class LanguageVerdict:
    """Whether a language model makes more labels right, on items that were held out.

    Attributes:
        is_used: Whether it does for sure: new items are asked about only then.
        reason: Why, or why not, in words.
        model: As the server calls it.
        prompt: Templates with their versions.
        n: Unsure items that were held out and asked about.
        answered: Those of them that it chose a label for.
        model_right: The share of these that it was right about, alone.
        accuracy_without: Share of the n labeled rightly without it.
        accuracy_with: And with it.
        interval: 95 %, of the difference; paired.
        coverage_without: Share of the n that could be labeled without a person at a precision of
            90 %, without it.
        coverage_with: And with it.
        usage: What asking about them cost, of a second time nothing.
        opinion: How likely its choices are right.
    """

    is_used: bool
    reason: str
    model: str
    prompt: str
    n: int = 0
    answered: int = 0
    model_right: float = math.nan
    accuracy_without: float = math.nan
    accuracy_with: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    coverage_without: float = math.nan
    coverage_with: float = math.nan
    usage: Usage = field(default_factory=Usage)
    opinion: Opinion | None = None

    def __str__(self) -> str:
        """Return it in one line, as a person reads it."""
        used = "is used" if self.is_used else "is not used"
        return f"{self.model} {used}: {self.reason}"


@dataclass(frozen=True)
class _HeldOut:
    """Held-out unsure items: what they were labeled, what they are, what the model chose."""

    rows: npt.NDArray[np.int64]
    proba: FloatArray
    truth: npt.NDArray[np.int64]
    choices: list[Choice]
    chosen: npt.NDArray[np.int64]


def judge_language_model(
    classifier: NeighborClassifier,
    X: Texts,
    y: Labels,
    model: LanguageModel,
    *,
    prompts: Prompts | None = None,
    examples: int = 3,
    most: int = 200,
    folds: int = 5,
    groups: Sequence[Any] | None = None,
    coverage: float = 0.9,
    seed: int = 0,
    **columns: Any,
) -> LanguageVerdict:
    """Find out on labeled items whether a language model makes more labels right.

    The items of each fold are labeled by a classifier that learned from the other folds, and the
    model is asked about those of which more than one label may be right, at most `most` of them,
    drawn at random. How sure it is is learned on other items than those it is judged by.

    Args:
        classifier: Its parameters are used; it is neither fitted nor changed.
        X: n texts, or a table of items.
        y: n labels, strings.
        model: Asked within its budget.
        prompts: Templates; None: those that ship.
        examples: Neighbors shown with each item.
        most: Items to ask about.
        folds: How many.
        groups: (n,) what each item belongs to; never split between folds, drawn as a whole.
        coverage: Of the label sets that are the candidates.
        seed: Of folds, lot and interval.
        **columns: `text` and `item_id`, as of `NeighborClassifier.fit`.

    Raises:
        InputError: Nothing can be held out, or texts may not be sent to the model.
    """
    require_count(examples, "examples", least=0)
    require_count(most, "most")
    prompts = prompts or Prompts.packaged()
    before = model.usage
    table, truth = as_rows(X), one_label_each(X, y)
    parts = fold_rows(truth, folds, groups=groups, seed=seed)
    shown = {"examples": examples, "coverage": coverage}
    unsure = _unsure(classifier, table, truth, parts, shown, columns)
    drawn = np.random.default_rng(seed).permutation(len(unsure))[:most]
    held = _asked([unsure[one] for one in drawn], truth, model, prompts)
    kinds = np.array([row if groups is None else groups[row] for row in held.rows])
    spent = model.usage - before
    named: dict[str, Any] = {"model": model.model, "prompt": prompts.mark, "usage": spent}
    answered = held.chosen >= 0
    if answered.sum() < FEWEST:
        failed = next((one.error for one in held.choices if one.error), None)
        why = f"; {failed}" if failed else ""
        reason = f"it chose a label for {int(answered.sum())} held-out items, {FEWEST} are needed"
        return LanguageVerdict(
            False, reason + why, n=len(held.truth), answered=int(answered.sum()), **named
        )
    return _judged(held, kinds, seed, named)


def _unsure(
    classifier: NeighborClassifier,
    table: pd.DataFrame | pd.Series,
    truth: npt.NDArray[Any],
    parts: Iterable[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]],
    shown: Mapping[str, Any],
    columns: Mapping[str, Any],
) -> list[tuple[int, Case, FloatArray]]:
    """Return the unsure items as who learned from the other folds sees them.

    Returns:
        Row, what to ask, and the probability of each of the C labels there are.
    """
    names = np.unique(truth.astype(str))
    found = []
    for train, test in parts:
        fitted = _alike(classifier).fit(table.iloc[train], truth[train], **columns)
        unsure = unsure_items(fitted, table.iloc[test], **shown)
        place = np.searchsorted(names, fitted.classes_.astype(str))
        for row, case in zip(unsure.rows, unsure.cases, strict=True):
            proba = np.zeros(len(names))
            proba[place] = unsure.proba[row]
            found.append((int(test[row]), case, proba))
    return found


def _asked(
    unsure: Sequence[tuple[int, Case, FloatArray]],
    truth: npt.NDArray[Any],
    model: LanguageModel,
    prompts: Prompts,
) -> _HeldOut:
    """Ask the model about items."""
    names = np.unique(truth.astype(str))
    rows = np.array([row for row, _, _ in unsure], dtype=np.int64)
    choices = choose(model, [case for _, case, _ in unsure], prompts.choose, prompts.confirm)
    return _HeldOut(
        rows,
        np.array([proba for _, _, proba in unsure]).reshape(len(rows), len(names)),
        np.searchsorted(names, truth[rows].astype(str)),
        choices,
        np.array([_place(names, one) for one in choices], dtype=np.int64),
    )


def _alike(classifier: NeighborClassifier) -> NeighborClassifier:
    """Return an unfitted classifier with the same parameters and a private index."""
    made: NeighborClassifier = clone(classifier)
    if made.index is not None:
        made.encoder, made.index = made.index.encoder, None
    return made


def _place(names: npt.NDArray[Any], choice: Choice) -> int:
    return -1 if choice.label is None else int(np.searchsorted(names, choice.label))


def _judged(
    held: _HeldOut, kinds: npt.NDArray[Any], seed: int, named: dict[str, Any]
) -> LanguageVerdict:
    """Compare labels with and without the model, each item by what was learned from others."""
    chosen = np.flatnonzero(held.chosen >= 0)
    is_right = held.chosen == held.truth
    codes, groups = pd.factorize(pd.Series(kinds))
    part = np.random.default_rng(seed).permutation(len(groups))[codes] % _PARTS
    after = held.proba.copy()
    for number in range(_PARTS):
        learned = chosen[part[chosen] != number]
        judged = chosen[part[chosen] == number]
        opinion = _learn(held, learned, is_right)
        after[judged] = _mixed(held, judged, opinion)
    without, with_it = (one.argmax(axis=1) == held.truth for one in (held.proba, after))
    gain = with_it.astype(float) - without
    (interval,) = intervals(
        {"gain": lambda weights: float(np.average(gain, weights=weights))},
        len(gain),
        groups=kinds.tolist(),
        seed=seed,
    ).values()
    low, high = interval
    told = (
        f"{gain.mean():+.1%} of {len(gain)} unsure held-out items right [{low:+.1%}, {high:+.1%}]"
    )
    return LanguageVerdict(
        is_used=low > 0,
        reason=told if low > 0 else f"{told}: not shown to help",
        n=len(gain),
        answered=len(chosen),
        model_right=float(is_right[chosen].mean()),
        accuracy_without=float(without.mean()),
        accuracy_with=float(with_it.mean()),
        interval=interval,
        coverage_without=_coverage(held.proba, without),
        coverage_with=_coverage(after, with_it),
        opinion=_learn(held, chosen, is_right),
        **named,
    )


def _coverage(proba: FloatArray, is_right: npt.NDArray[np.bool_]) -> float:
    """Return the largest share that can be labeled at the precision wanted."""
    curve = risk_coverage(proba.max(axis=1), is_right)
    precise = curve.loc[curve["precision"] >= _PRECISION, "coverage"]
    return float(precise.max()) if len(precise) else 0.0


def _learn(held: _HeldOut, rows: npt.NDArray[np.int64], is_right: npt.NDArray[np.bool_]) -> Opinion:
    return learn_opinion(
        np.array([held.choices[row].confidence for row in rows]),
        held.proba[rows, held.chosen[rows]],
        is_right[rows],
    )


def _mixed(held: _HeldOut, rows: npt.NDArray[np.int64], opinion: Opinion) -> FloatArray:
    confidence = np.array([held.choices[row].confidence for row in rows])
    return mix(held.proba[rows], held.chosen[rows], confidence, opinion)
