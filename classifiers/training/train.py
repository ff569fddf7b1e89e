"""From examples to sources that have a say, and to a decision learned from out-of-fold answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import FloatArray, Positions, Vectors
from classifiers.decision.decision import SAME_LABEL, Decision
from classifiers.decision.label_sets import LabelSets
from classifiers.decision.like_sized import PLENTY, plenty, size_class, widest_by_size
from classifiers.decision.novelty import NEAR, Novelty, fit_novelty, nth_similarity
from classifiers.decision.thresholds import fit_thresholds
from classifiers.inputs import stored_label
from classifiers.scorers.ensemble import (
    ANY,
    ANY_SHARE,
    HEAD,
    NEIGHBORS,
    PROTOTYPES,
    SAME,
    Blend,
    Parts,
    Scorers,
)
from classifiers.scorers.temperature import Scaling, fit_scaling
from classifiers.training.cut_labels import CutAnswers, answer_as_rare
from classifiers.training.out_of_fold import OutOfFold, answer_out_of_fold
from classifiers.training.scorers import TrainingSet, learn, pairs
from retrieval import ItemIndex

# Of a size of label with fewer out-of-fold answers, larger labels that are cut down give more.
# Labels of plenty have answers enough of their own.
_FEWEST = 200
_SMALL = size_class(np.array([PLENTY]))[0]
# So many cases are taken for seen, the same item right in `SAME_LABEL` of them.
_SAME_SEEN = 10


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
    held = None
    if answers is not None:
        learned = replace(learned, scalings=answers.scalings)
        calibrated = replace(sources, scalings=answers.scalings)
        held = _held_out(calibrated, examples, answers, index, options)
    full, votes_only = (
        _decide(learned, held, outside, index, parts, options)
        for parts in (available_parts(learned), [NEIGHBORS])
    )
    return Model(learned, full, votes_only, _summary(held, full, learned))


@dataclass(frozen=True)
class _HeldOut:
    """Answers to examples that were held out.

    Attributes:
        out_of_fold: To items of labels as they are.
        sizes: (C,) how many examples each label has, or `plenty`.
        cut: To items of labels cut down; None where no label is small, or none large enough.
    """

    out_of_fold: OutOfFold
    sizes: npt.NDArray[np.int64]
    cut: CutAnswers | None


def _held_out(
    sources: Scorers, examples: TrainingSet, answers: OutOfFold, index: ItemIndex, options: Options
) -> _HeldOut:
    """Add answers of labels cut down, for sizes of which there are too few out of fold."""
    counts = np.bincount(pairs(examples.targets)[1], minlength=len(sources.names))
    cut = None
    if sources.exclusive:
        classes, answered = size_class(counts), size_class(counts[answers.targets])
        small = np.unique(classes[(counts > 0) & (classes < _SMALL)])
        few = [one for one in small if (answered == one).sum() < _FEWEST]
        sizes = np.sort(counts[np.isin(classes, few)])
        if len(sizes):
            cut = answer_as_rare(
                sources,
                examples,
                index,
                sizes.tolist(),
                k=options.k,
                with_head=options.with_head,
                seed=options.seed,
            )
    return _HeldOut(answers, np.minimum(counts, plenty(counts)), cut)


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
    held: _HeldOut | None,
    outside: Vectors | None,
    index: ItemIndex,
    parts: list[str],
    options: Options,
) -> Decision:
    """Learn shares, scaling, novelty, label sets and thresholds, in this order."""
    decision = untaught(sources, parts, options)
    if held is None:
        return decision
    answers, names = held.out_of_fold, sources.names
    said = _of(answers.parts, parts)
    if options.calibrate:
        decision = _blended(decision, said, answers.targets)
    decision = replace(decision, same_label=_same_label(decision, said, answers.targets))
    if options.calibrate:
        untilted = _proba(replace(decision, tilt=None), said, names)
        decision = replace(decision, scaling=fit_scaling(untilted, answers.targets))
    sizes = dict(zip(names.tolist(), held.sizes.tolist(), strict=True))
    decision = replace(decision, closeness=_closeness(names, answers), sizes=sizes)
    judged = _judged(decision, parts, held, names)
    hidden = _of(answers.stranger_parts, parts)
    strange = decision.features(answers.stranger_similarity, _proba(decision, hidden, names), names)
    others = _features_of(outside, decision, sources, index, parts, options.k)
    novelty = _fair_novelty(judged, strange, others, options.false_alarm_rate)
    decision = replace(decision, novelty=novelty)
    if not sources.exclusive:
        return replace(decision, thresholds=fit_thresholds(judged.proba, answers.targets, names))
    labels = names[judged.label]
    labels[judged.is_cut] = None
    widest = widest_by_size(1 - judged.proba[~judged.is_cut], answers.targets, held.sizes)
    sets = LabelSets(judged.doubts, labels, judged.sizes, widest)
    return replace(decision, label_sets=sets)


@dataclass(frozen=True)
class _Judged:
    """What a decision says of m items held out: of labels as they are, then of labels cut down.

    Attributes:
        proba: (m, C) calibrated probabilities.
        features: (m, 6) for `Novelty`.
        label: (m,) position of the true label; where items have any number of labels, of the most
            probable one.
        sizes: (m,) how many examples it has, or was cut to.
        is_cut: (m,) whether it was cut.
    """

    proba: FloatArray
    features: FloatArray
    label: Positions
    sizes: npt.NDArray[np.int64]
    is_cut: npt.NDArray[np.bool_]

    @property
    def doubts(self) -> FloatArray:
        """One minus the probability of the label, (m,)."""
        doubts: FloatArray = 1 - self.proba[np.arange(len(self.proba)), self.label]
        return doubts


def _judged(
    decision: Decision, parts: list[str], held: _HeldOut, names: npt.NDArray[np.object_]
) -> _Judged:
    answers, cut = held.out_of_fold, held.cut
    proba = _proba(decision, _of(answers.parts, parts), names)
    features = decision.features(answers.similarity, proba, names)
    label = answers.targets if decision.exclusive else proba.argmax(axis=1)
    plain = _Judged(proba, features, label, held.sizes[label], np.zeros(len(proba), dtype=bool))
    if cut is None:
        return plain
    # How near its examples are is known of a small label by what is left of it, too.
    closeness = {**decision.closeness, **_closeness(names, cut)}
    proba = _proba(decision, _of(cut.parts, parts), names)
    features = replace(decision, closeness=closeness).features(cut.similarity, proba, names)
    return _Judged(
        np.concatenate([plain.proba, proba]),
        np.concatenate([plain.features, features]),
        np.concatenate([plain.label, cut.targets]),
        np.concatenate([plain.sizes, cut.sizes]),
        np.repeat([False, True], [len(plain.proba), len(proba)]),
    )


def _fair_novelty(
    judged: _Judged, strange: FloatArray, outside: FloatArray | None, false_alarm_rate: float
) -> Novelty:
    """Learn novelty from items of labels as they are, and what is fair from all."""
    known = judged.features[~judged.is_cut]
    novelty = fit_novelty(known, strange, outside, false_alarm_rate)
    alarms = float((novelty.score(known) > novelty.threshold).mean())
    scores = novelty.score(judged.features)
    return novelty.fair_to(scores, judged.doubts, judged.sizes, max(alarms, false_alarm_rate))


def _blended(decision: Decision, said: Parts, targets: npt.NDArray[Any]) -> Decision:
    mixed = {part: proba for part, proba in said.items() if part != SAME}
    start = Blend.default(mixed, decision.blend.shares[ANY])
    return replace(decision, blend=start.improved(mixed, targets))


def _of(said: Parts, parts: Iterable[str]) -> dict[str, FloatArray]:
    """Return what these parts said, and the same items."""
    return {part: said[part] for part in (*parts, SAME) if part in said}


def _same_label(decision: Decision, said: Parts, targets: npt.NDArray[Any]) -> float:
    """Return how often the same item is right where the parts say otherwise.

    Where items have lists of labels: how much of both lists is in both.
    """
    if SAME not in said:
        return SAME_LABEL
    same = said[SAME]
    parts = decision.by_parts(said, np.ones(same.shape[1], dtype=bool))
    rows = decision.overruled(same, parts)
    votes, truth = same[rows], targets[rows]
    if targets.ndim == 1:
        agreed = votes[np.arange(len(votes)), truth]
    else:
        agreed = np.minimum(votes, truth).sum(axis=1) / np.maximum(votes, truth).sum(axis=1)
    return float((_SAME_SEEN * SAME_LABEL + agreed.sum()) / (_SAME_SEEN + len(votes)))


def _proba(decision: Decision, said: Parts, names: npt.NDArray[np.object_]) -> FloatArray:
    knows = np.ones(len(names), dtype=bool)
    return decision.probabilities(decision.contributions(said, knows), names)


def _closeness(names: npt.NDArray[np.object_], answers: OutOfFold | CutAnswers) -> dict[str, float]:
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
    near = index.voters(vectors, k, labeled=True)
    said = sources.parts(vectors, near.similarity, near.labels, places=near.places)
    proba = _proba(decision, _of(said, parts), sources.names)
    return decision.features(near.nearest(k), proba, sources.names)


def _summary(held: _HeldOut | None, decision: Decision, sources: Scorers) -> pd.DataFrame:
    """Return the out-of-fold answers in short."""
    columns = ["label", "predicted", "probability", "novelty", "known"]
    if held is None:
        return pd.DataFrame({column: [] for column in columns})
    answers = held.out_of_fold
    names = sources.names
    proba = _proba(decision, _of(answers.parts, decision.blend.shares), names)
    novelty = decision.novelty.score(decision.features(answers.similarity, proba, names))
    if sources.exclusive:
        label, predicted = names[answers.targets], names[proba.argmax(axis=1)]
    else:
        chosen = decision.chosen(proba, names)
        label, predicted = (
            np.array([stored_label(names[has].tolist()) for has in table], dtype=object)
            for table in (answers.targets, chosen)
        )
    known = decision.novelty.knows(novelty, proba, held.sizes)
    values = (label, predicted, proba.max(axis=1), novelty, known)
    return pd.DataFrame(dict(zip(columns, values, strict=True)))
