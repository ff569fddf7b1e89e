"""Everything a fitted classifier knows, in one object that is replaced and never changed.

Labels and examples come and go without training: the index and the prototypes follow at once, the
head and what was learned from out-of-fold answers stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import FloatArray
from classifiers.inputs import LABEL, Examples
from classifiers.labels.prior import Prior, prior_tilt
from classifiers.labels.spelling import described_as_known, spelled_like, spelling_key
from classifiers.scorers.ensemble import ANY, Blend, Scorers
from classifiers.scorers.prototypes import Prototypes, describe
from classifiers.training.data import (
    FitRequest,
    teach,
    to_targets,
    write_descriptions,
    write_examples,
)
from classifiers.training.scorers import TrainingSet, fit_head_on, pairs
from classifiers.training.train import Model, Options, available_parts, train, untaught
from retrieval import InputError, ItemIndex

_NEEDS_PROTOTYPES = (
    "an index of yours holds items and no descriptions: describing labels takes prototypes=True"
)


@dataclass(frozen=True)
class FittedState:
    """What `fit` learned and what was added since.

    Attributes:
        classes: (C,) the labels, sorted, as the caller wrote them.
        trained: Sources that have a say, and how they are read.
        described: Label → vector (d,) of its description, for some of them or none.
        counts: (C,) number of examples of each label.
        example_ids: Ids of the examples.
        options: Of the training.
        is_private: Whether the index is the classifier's own.
    """

    classes: npt.NDArray[Any]
    trained: Model
    described: Mapping[str, FloatArray]
    counts: npt.NDArray[np.int64]
    example_ids: frozenset[str]
    options: Options
    is_private: bool

    @property
    def names(self) -> npt.NDArray[np.object_]:
        """The labels as strings, (C,)."""
        return self.trained.sources.names

    @property
    def exclusive(self) -> bool:
        """Whether an item has one label, or any number."""
        return self.trained.sources.exclusive


def acquire(
    index: ItemIndex,
    lesson: FitRequest,
    options: Options,
    *,
    is_private: bool,
    with_prototypes: bool,
    temperature: float,
    prior: Prior,
) -> FittedState:
    """Learn a lesson, writing its examples into an index.

    Raises:
        InputError: The lesson or the prior is not in order.
    """
    if lesson.described and not (is_private or with_prototypes):
        raise InputError(_NEEDS_PROTOTYPES)
    taught = teach(index, lesson, is_private=is_private)
    examples, names = taught.examples, taught.names
    counts = np.bincount(pairs(examples.targets)[1], minlength=len(names))
    options = replace(options, tilt=prior_tilt(prior, counts, taught.classes, taught.exclusive))
    sources = Scorers(names, taught.exclusive, temperature)
    if with_prototypes:
        dim = index.encoder.dim
        # Without an example nothing tells what the items share from what the labels among them do.
        center = examples.unlabeled if len(examples.ids) else None
        start = Prototypes.of(names, examples.described, dim, center)
        sources = replace(sources, prototypes=start)
    return FittedState(
        classes=taught.classes,
        trained=train(sources, examples, index, options, taught.outside),
        described=examples.described,
        counts=counts,
        example_ids=frozenset(examples.ids.tolist()),
        options=options,
        is_private=is_private,
    )


def with_label(
    knowledge: FittedState, index: ItemIndex, name: str, texts: Mapping[str, list[str]]
) -> FittedState:
    """Add a label that has a description and no example."""
    if knowledge.classes.dtype != object:
        raise InputError("labels that are no strings cannot be described; use add_examples")
    if name in knowledge.names:
        raise InputError(f"label {name!r} exists; add_examples adds to it")
    if (twin := spelled_like(name, knowledge.names)) is not None:
        raise InputError(
            f"label {name!r} exists, spelled {twin!r}; name it so, or choose one that differs in "
            "more than case, blanks and Unicode form"
        )
    if not (knowledge.is_private or knowledge.trained.sources.prototypes):
        raise InputError(_NEEDS_PROTOTYPES)
    described = describe(texts, index.encoder)
    if knowledge.is_private:
        write_descriptions(index, texts, described, exclusive=knowledge.exclusive)
    grown = _with_classes(knowledge, np.append(knowledge.classes, np.array([name], dtype=object)))
    prototypes = grown.trained.sources.prototypes
    if prototypes is not None:
        prototypes = prototypes.describing(name, described[name])
    grown = replace(grown, described={**knowledge.described, **described})
    return _with_prototypes(grown, prototypes)


def spelled_as_known(knowledge: FittedState, labels: Sequence[Any], *, every: bool) -> list[Any]:
    """Return labels, or lists of labels, in the spelling of those that are known.

    Args:
        knowledge: What is known.
        labels: As they come.
        every: False: only of labels that have no example yet, whose words they belong to.
    """
    bare = knowledge.names if every else knowledge.names[knowledge.counts == 0]
    keys = {spelling_key(name): name for name in bare.tolist()}
    known = set(knowledge.names.tolist())

    def spelled(label: Any) -> Any:
        if not isinstance(label, str) or label.strip() in known:
            return label
        return keys.get(spelling_key(label), label)

    return [
        [spelled(name) for name in one]
        if isinstance(one, (list, tuple, set, frozenset, np.ndarray))
        else spelled(one)
        for one in labels
    ]


def with_examples(knowledge: FittedState, index: ItemIndex, examples: Examples) -> FittedState:
    """Add examples, or replace those of the same ids.

    Raises:
        InputError: The labels are of another kind than those of `fit`.
    """
    if examples.exclusive != knowledge.exclusive:
        raise InputError("y: one label an item, or lists of labels, as fit was given")
    if examples.classes.dtype.kind != knowledge.classes.dtype.kind:
        raise InputError(f"y: labels must be of the kind of {knowledge.classes.tolist()[0]!r}")
    ids = examples.table[examples.item_id].astype(str).tolist()
    rest = _forgetting(knowledge, index, [one for one in ids if one in knowledge.example_ids])
    vectors = write_examples(index, examples)
    grown = _with_classes(rest, np.append(rest.classes, examples.classes))
    stored = examples.table[LABEL].to_numpy(dtype=object)
    row, label = pairs(to_targets(stored, grown.names, exclusive=grown.exclusive))
    prototypes = grown.trained.sources.prototypes
    if prototypes is not None:
        prototypes = prototypes.adding(label, vectors[row])
    counts = grown.counts + np.bincount(label, minlength=len(grown.names))
    ids_now = knowledge.example_ids | frozenset(ids)
    grown = _with_prototypes(replace(grown, counts=counts, example_ids=ids_now), prototypes)
    return _with_classes(grown, grown.classes[_has_support(grown)])


def without_examples(knowledge: FittedState, index: ItemIndex, ids: Sequence[str]) -> FittedState:
    """Remove examples; labels with neither example nor description left go, too.

    Raises:
        InputError: No label would be left; nothing was removed.
    """
    there = [one for one in dict.fromkeys(map(str, ids)) if one in knowledge.example_ids]
    rest = _forgetting(knowledge, index, there)
    stays = _has_support(rest)
    if not stays.any():
        raise InputError("removing these examples would leave no label; nothing was removed")
    index.delete(there)
    remaining = replace(rest, example_ids=knowledge.example_ids - frozenset(there))
    return _with_classes(remaining, rest.classes[stays])


def with_items(
    knowledge: FittedState,
    index: ItemIndex,
    ids: Sequence[str],
    labels: Sequence[str | None],
    vectors: npt.NDArray[np.float32],
    write: Callable[[], object],
) -> FittedState:
    """Let items of the index change, and follow: what they taught goes, what they teach comes.

    Args:
        knowledge: What was known.
        index: Of the caller.
        ids: The n items that `write` puts in or takes out.
        labels: The label each has afterwards; None where it has none, or is no longer there.
        vectors: (n, d) of the items.
        write: Changes the index.

    Raises:
        InputError: No label would be left; nothing was written.
    """
    rest = _forgetting(knowledge, index, [one for one in ids if one in knowledge.example_ids])
    named = np.array([one for one in labels if one is not None], dtype=object)
    if not len(named) and not _has_support(rest).any():
        raise InputError("this would leave no label; nothing was written")
    write()
    taught = [one for one, label in zip(ids, labels, strict=True) if label is not None]
    grown = _with_classes(rest, np.append(rest.classes, named))
    label = to_targets(named, grown.names, exclusive=True)
    prototypes = grown.trained.sources.prototypes
    if prototypes is not None and len(named):
        has = np.array([one is not None for one in labels])
        prototypes = prototypes.adding(label, vectors[has])
    counts = grown.counts + np.bincount(label, minlength=len(grown.names))
    now = (knowledge.example_ids - frozenset(ids)) | frozenset(taught)
    grown = _with_prototypes(replace(grown, counts=counts, example_ids=now), prototypes)
    return _with_classes(grown, grown.classes[_has_support(grown)])


def as_held(knowledge: FittedState, index: ItemIndex) -> FittedState:
    """Make labels, examples and prototypes those that the index holds now, whoever wrote them.

    Head, shares and calibration stay. What unlabeled items added to the prototypes goes.

    Raises:
        InputError: There is no label any more.
    """
    held = index.read(labeled=True)
    spelled = described_as_known({name: [name] for name in knowledge.described}, held.labels)
    vectors = {name: knowledge.described[first] for name, (first, *_) in spelled.items()}
    names = np.append(held.labels, np.array(list(vectors), dtype=object))
    if not len(names):
        raise InputError("the index holds no labeled item; index items with label=")
    grown = _with_classes(replace(knowledge, described=vectors), names)
    label = to_targets(held.labels, grown.names, exclusive=True)
    prototypes = grown.trained.sources.prototypes
    if prototypes is not None:
        start = Prototypes.of(grown.names, grown.described, index.encoder.dim)
        prototypes = start.adding(label, held.vectors)
    counts = np.bincount(label, minlength=len(grown.names))
    ids = frozenset(held.ids.tolist())
    return _with_prototypes(replace(grown, counts=counts, example_ids=ids), prototypes)


def with_new_head(knowledge: FittedState, index: ItemIndex) -> FittedState:
    """Fit the head on the examples there are now; all else stays, and without any the head, too."""
    held = index.read(labeled=True)
    is_item = np.array([one in knowledge.example_ids for one in held.ids.tolist()], dtype=bool)
    stored = held.labels[is_item]
    if not len(stored):
        return knowledge
    examples = TrainingSet(
        ids=held.ids[is_item],
        vectors=held.vectors[is_item],
        targets=to_targets(stored, knowledge.names, exclusive=knowledge.exclusive),
        stored=stored,
        described=knowledge.described,
    )
    sources = knowledge.trained.sources
    head = fit_head_on(sources, examples, np.arange(len(stored)), knowledge.options.seed)
    return _with_sources(knowledge, replace(sources, head=head))


def _has_support(knowledge: FittedState) -> npt.NDArray[np.bool_]:
    """Tell which labels have an example or a description, (C,)."""
    is_described = np.isin(knowledge.names.astype(str), list(knowledge.described))
    has: npt.NDArray[np.bool_] = (knowledge.counts > 0) | is_described
    return has


def _forgetting(knowledge: FittedState, index: ItemIndex, ids: list[str]) -> FittedState:
    """Take what examples added out of prototypes and counts; the index is left alone."""
    if not ids:
        return knowledge
    held = index.get(ids)
    stored = held["label"].to_numpy(dtype=object)
    row, label = pairs(to_targets(stored, knowledge.names, exclusive=knowledge.exclusive))
    counts = knowledge.counts - np.bincount(label, minlength=len(knowledge.names))
    prototypes = knowledge.trained.sources.prototypes
    if prototypes is not None:
        vectors = _vectors_of(index, held)
        prototypes = prototypes.adding(label, vectors[row], sign=-1)
    return _with_prototypes(replace(knowledge, counts=counts), prototypes)


def _vectors_of(index: ItemIndex, held: pd.DataFrame) -> npt.NDArray[np.float32]:
    if index.layout.store_text:
        return index.encoder.encode(held["text"].tolist())
    every = index.read(labeled=True)
    return every.vectors[pd.Index(every.ids).get_indexer(pd.Index(held["item_id"]))]


def _with_classes(knowledge: FittedState, classes: npt.NDArray[Any]) -> FittedState:
    """Return the same for other labels: blank where they are new."""
    classes = np.unique(classes)
    names = np.array([str(label) for label in classes.tolist()], dtype=object)
    place = pd.Index(knowledge.names).get_indexer(pd.Index(names, dtype=object))
    counts = np.where(place >= 0, knowledge.counts[place], 0)
    described = {name: one for name, one in knowledge.described.items() if name in set(names)}
    sources = knowledge.trained.sources.renamed(names)
    grown = replace(knowledge, classes=classes, counts=counts, described=described)
    return _with_sources(grown, sources)


def _with_prototypes(knowledge: FittedState, prototypes: Prototypes | None) -> FittedState:
    return _with_sources(knowledge, replace(knowledge.trained.sources, prototypes=prototypes))


def _with_sources(knowledge: FittedState, sources: Scorers) -> FittedState:
    """Return the same with other sources; defaults follow what there is."""
    trained = replace(knowledge.trained, sources=sources)
    decision, parts = trained.decision, available_parts(sources)
    if trained.answers.empty:
        decision = untaught(sources, parts, knowledge.options)
    elif not set(parts) <= set(decision.blend.shares):
        # A head that came after `fit` has earned no share yet.
        decision = replace(decision, blend=Blend.default(parts, decision.blend.shares[ANY]))
    trained = replace(trained, decision=decision)
    return replace(knowledge, trained=trained)
