"""From examples to sources that have a say, and to a decision learned from out-of-fold answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import FloatArray, Vectors
from classifiers.decision.decision import Decision
from classifiers.decision.label_sets import LabelSets
from classifiers.decision.novelty import NEAR, Novelty, fit_novelty, nth_similarity
from classifiers.decision.thresholds import fit_thresholds
from classifiers.inputs import stored_label
from classifiers.scorers.ensemble import (
    ANY,
    ANY_SHARE,
    HEAD,
    NEIGHBORS,
    PROTOTYPES,
    Blend,
    Parts,
    Scorers,
)
from classifiers.scorers.temperature import Scaling, fit_scaling
from classifiers.training.out_of_fold import OutOfFold, answer_out_of_fold
from classifiers.training.scorers import TrainingSet, learn, pairs
from retrieval import ItemIndex


@dataclass(frozen=True)
class Model:
    """What `fit` learned.

    Attributes:
        sources: All that has a say.
        decision: For answers that rest on all of them.
        votes_decision: For answers that rest on the neighbors' votes alone.
        answers: Out-of-fold answers in short, for the model card; empty where there are none.
    """

    sources: Scorers
    decision: Decision
    votes_decision: Decision
    answers: pd.DataFrame


@dataclass(frozen=True)
class Options:
    """Parameters of the training.

    Attributes:
        k: Neighbors that vote.
        with_head: Whether to fit a head.
        calibrate: Whether to learn shares and scaling from out-of-fold answers.
        tilt: Label → factor of its probability; None for none.
        false_alarm_rate: Share of known items that may be called unknown.
        seed: Of folds and samples.
    """

    k: int
    with_head: bool
    calibrate: bool
    tilt: Mapping[str, float] | None
    false_alarm_rate: float
    seed: int


def train(
    sources: Scorers,
    examples: TrainingSet,
    index: ItemIndex,
    options: Options,
    outside: Vectors | None = None,
) -> Model:
    """Learn from examples that are in an index.

    Args:
        sources: The names, and prototypes that know the descriptions; None leaves them out.
        examples: The examples; may be none where there are descriptions.
        index: Holds the examples.
        options: Parameters.
        outside: (o, d) items that are of none of the labels; None if there are none.
    """
    answers = None
    if len(examples.ids):
        answers = answer_out_of_fold(
            sources,
            examples,
            index,
            k=options.k,
            with_head=options.with_head,
            seed=options.seed,
        )
    every = np.arange(len(examples.ids))
    learned = learn(sources, examples, every, with_head=options.with_head, seed=options.seed)
    if answers is not None:
        learned = replace(learned, scalings=answers.scalings)
    full, votes_only = (
        _decide(learned, answers, outside, index, parts, options)
        for parts in (available_parts(learned), [NEIGHBORS])
    )
    return Model(learned, full, votes_only, _summary(answers, full, learned))


def available_parts(sources: Scorers) -> list[str]:
    """Name the parts that have a say."""
    there = {NEIGHBORS: True, PROTOTYPES: sources.prototypes, HEAD: sources.head}
    return [part for part, what in there.items() if what]


def untaught(sources: Scorers, parts: Sequence[str], options: Options) -> Decision:
    """Return what to decide by where there are no out-of-fold answers to learn from."""
    prototypes = sources.prototypes
    has_examples = prototypes is None or bool(prototypes.counts.any())
    floor = ANY_SHARE if options.calibrate and sources.exclusive else 0.0
    blend = Blend.default(parts, floor, has_examples=has_examples, is_drawn=sources.is_drawn)
    scaling = Scaling(exclusive=sources.exclusive)
    nothing = Novelty.unlearned()
    return Decision(sources.exclusive, blend, scaling, nothing, closeness={}, tilt=options.tilt)


def _decide(
    sources: Scorers,
    answers: OutOfFold | None,
    outside: Vectors | None,
    index: ItemIndex,
    parts: list[str],
    options: Options,
) -> Decision:
    """Learn shares, scaling, novelty, label sets and thresholds, in this order."""
    decision = untaught(sources, parts, options)
    if answers is None:
        return decision
    said = {part: answers.parts[part] for part in parts if part in answers.parts}
    if options.calibrate:
        decision = _calibrated(decision, said, answers.targets, sources.names)
    proba = _proba(decision, said, sources.names)
    hidden = {part: answers.stranger_parts[part] for part in said}
    strange = _proba(decision, hidden, sources.names)
    closeness = _closeness(sources.names, answers)
    decision = replace(decision, closeness=closeness)
    novelty = fit_novelty(
        decision.features(answers.similarity, proba, sources.names),
        decision.features(answers.stranger_similarity, strange, sources.names),
        _features_of(outside, decision, sources, index, parts, options.k),
        options.false_alarm_rate,
    )
    decision = replace(decision, novelty=novelty)
    if not sources.exclusive:
        return replace(decision, thresholds=fit_thresholds(proba, answers.targets, sources.names))
    of_truth = proba[np.arange(len(proba)), answers.targets]
    sets = LabelSets(1 - of_truth, sources.names[answers.targets])
    return replace(decision, label_sets=sets)


def _calibrated(
    decision: Decision, said: Parts, targets: npt.NDArray[Any], names: npt.NDArray[np.object_]
) -> Decision:
    start = Blend.default(said, decision.blend.shares[ANY])
    decision = replace(decision, blend=start.improved(said, targets))
    untilted = _proba(replace(decision, tilt=None), said, names)
    return replace(decision, scaling=fit_scaling(untilted, targets))


def _proba(decision: Decision, said: Parts, names: npt.NDArray[np.object_]) -> FloatArray:
    knows = np.ones(len(names), dtype=bool)
    return decision.probabilities(decision.contributions(said, knows), names)


def _closeness(names: npt.NDArray[np.object_], answers: OutOfFold) -> dict[str, float]:
    """Return how similar the examples of each label are to their 5th neighbor."""
    near = nth_similarity(answers.similarity, NEAR)
    row, label = pairs(answers.targets)
    means = pd.Series(near[row]).groupby(names[label]).mean()
    return {str(name): float(value) for name, value in means.items()}


def _features_of(
    vectors: Vectors | None,
    decision: Decision,
    sources: Scorers,
    index: ItemIndex,
    parts: list[str],
    k: int,
) -> FloatArray | None:
    """Describe items that are of none of the labels, as `classify` would."""
    if vectors is None:
        return None
    near = index.neighbors(vectors, k, labeled=True)
    said = sources.parts(vectors, near.similarity, near.labels)
    proba = _proba(decision, {part: said[part] for part in parts}, sources.names)
    return decision.features(near.similarity, proba, sources.names)


def _summary(answers: OutOfFold | None, decision: Decision, sources: Scorers) -> pd.DataFrame:
    """Return the out-of-fold answers in short: label, predicted, probability, novelty."""
    columns = ["label", "predicted", "probability", "novelty"]
    if answers is None:
        return pd.DataFrame({column: [] for column in columns})
    parts = {part: proba for part, proba in answers.parts.items() if part in decision.blend.shares}
    names = sources.names
    proba = _proba(decision, parts, names)
    novelty = decision.novelty.score(decision.features(answers.similarity, proba, names))
    if sources.exclusive:
        label, predicted = names[answers.targets], names[proba.argmax(axis=1)]
    else:
        chosen = decision.chosen(proba, names)
        label, predicted = (
            np.array([stored_label(names[has].tolist()) for has in table], dtype=object)
            for table in (answers.targets, chosen)
        )
    values = (label, predicted, proba.max(axis=1), novelty)
    return pd.DataFrame(dict(zip(columns, values, strict=True)))
