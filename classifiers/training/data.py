"""What `fit` is given, written into the index and turned into arrays to learn from."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import FloatArray, Vectors
from classifiers.inputs import LABEL, Examples, Texts, as_queries, stored_label, stored_names
from classifiers.labels.spelling import (
    described_as_known,
    warn_of_other_spellings,
    warn_of_similar_spellings,
)
from classifiers.scorers.prototypes import describe
from classifiers.training.scorers import TrainingSet
from retrieval import (
    InputError,
    ItemIndex,
    ReadingCounts,
    as_label_list,
    content_ids,
    item_texts,
    require_characters,
    to_vectors,
)

# In a private index a label's description is an item like any other, and votes. An index of the
# caller's holds items only.
_DESCRIPTION = "label: "

# Whose line a warning shows: here, `teach`, `acquire`, `_learn`, `fit` and whoever called it.
_CALLER_OF_FIT = 7


@dataclass(frozen=True)
class FitRequest:
    """What `fit` is given.

    Attributes:
        examples: Labeled items; None if there are none.
        described: Label → the texts that describe it; may be empty.
        text: Text columns of a private index without examples.
        item_id: Its id column.
        unlabeled: Items without a label; None if there are none.
        outside: Items of none of the labels; None if there are none.
        groups: What each example belongs to, or the attribute of the index that tells.
    """

    examples: Examples | None
    described: dict[str, list[str]]
    text: Sequence[str]
    item_id: str
    unlabeled: Texts | None
    outside: Texts | None
    groups: Sequence[Any] | str | None


@dataclass(frozen=True)
class TrainingData:
    """The same as arrays.

    Attributes:
        classes: (C,) the labels, sorted, as the caller wrote them.
        names: (C,) the same as strings.
        exclusive: Whether an item has one label, or any number.
        examples: To learn from, the descriptions included.
        outside: (o, d) vectors; None if there are none.
    """

    classes: npt.NDArray[Any]
    names: npt.NDArray[np.object_]
    exclusive: bool
    examples: TrainingSet
    outside: Vectors | None


def teach(index: ItemIndex, lesson: FitRequest, *, is_private: bool) -> TrainingData:
    """Write a lesson into an index, and return it as arrays.

    Raises:
        InputError: The parts of the lesson do not go together.
    """
    examples = lesson.examples
    if examples is not None and lesson.described and examples.classes.dtype != object:
        raise InputError("labels= describes labels that are strings; convert y to strings")
    if not is_private and examples is not None:
        _check_shareable(examples)
    ids, stored, vectors, contents = _examples_in(index, lesson, is_private=is_private)
    exclusive = examples is None or examples.exclusive
    if not is_private:
        exclusive = not are_label_lists(stored)
    lesson = replace(lesson, described=_spelled_as_examples(lesson, stored, exclusive=exclusive))
    names = sorted(lesson.described)
    described = describe(lesson.described, index.encoder) if names else {}
    if is_private:
        known = np.array([], dtype=object) if examples is None else examples.classes
        if described:
            _describe_privately(index, lesson, described)
    else:
        known = np.unique(np.array(stored if exclusive else _names_in(stored), dtype=object))
    classes = np.unique(np.append(known, np.array(names, dtype=object))) if names else known
    if not len(classes):
        raise InputError("the index holds no labeled item; index items with label=")
    class_names = np.array([str(label) for label in classes.tolist()], dtype=object)
    training_set = TrainingSet(
        ids=ids,
        vectors=vectors,
        targets=to_targets(stored, class_names, exclusive=exclusive),
        stored=stored,
        described=described,
        unlabeled=_optional_vectors(index, lesson.unlabeled, "unlabeled"),
        groups=_groups(index, ids, lesson.groups, is_private=is_private),
    )
    outside = _optional_vectors(index, lesson.outside, "outside")
    ordered = _sorted(training_set, contents)
    return TrainingData(classes, class_names, exclusive, ordered, outside)


def write_examples(index: ItemIndex, examples: Examples) -> Vectors:
    """Upsert examples; return their vectors, (n, d).

    Raises:
        InputError: The index keeps more of its items than examples tell.
    """
    label = LABEL
    if index.count():
        if index.layout.launch_date or index.layout.attributes:
            raise InputError(
                "the index keeps dates or attributes of its items, which X and y do not tell: "
                "index.upsert the items with their labels, and call fit() without X and y"
            )
        label = index.layout.label or LABEL
    texts = item_texts(examples.table, examples.text).tolist()
    reading = index.encoder.read(texts)
    vectors = reading.vectors
    ReadingCounts.of(texts, reading).warn("examples", stacklevel=7)
    index.upsert(
        examples.table.rename(columns={LABEL: label}),
        text=examples.text,
        item_id=examples.item_id,
        label=label,
        vectors=vectors,
    )
    return vectors


def write_descriptions(
    index: ItemIndex,
    texts: Mapping[str, Sequence[str]],
    vectors: Mapping[str, FloatArray],
    *,
    exclusive: bool,
    columns: tuple[Sequence[str], str] | None = None,
) -> None:
    """Upsert one item a label that stands for its description.

    Args:
        index: A private index.
        texts: Label → the texts that describe it.
        vectors: Label → vector (d,) of its description.
        exclusive: Whether an item has one label, or any number.
        columns: Text columns and id column of the index; None: those it has.
    """
    text, item_id = columns or (index.layout.text, index.layout.item_id)
    names = list(texts)
    table = pd.DataFrame(
        {
            item_id: [_DESCRIPTION + name for name in names],
            text[0]: ["; ".join(texts[name]) for name in names],
            **dict.fromkeys(text[1:]),
            LABEL: [name if exclusive else stored_label([name]) for name in names],
        }
    )
    stacked = np.array([vectors[name] for name in names], dtype=np.float32)
    index.upsert(table, text=list(text), item_id=item_id, label=LABEL, vectors=stacked)


def to_targets(
    stored: npt.NDArray[np.object_], names: npt.NDArray[np.object_], *, exclusive: bool
) -> npt.NDArray[Any]:
    """Return the position of each example's label, (n,); or whether it has each, (n, C).

    Raises:
        InputError: A label in the index came after `fit`.
    """
    position = pd.Index(names)
    if exclusive:
        targets = position.get_indexer(pd.Index(stored, dtype=object))
        unknown = stored[targets < 0]
        if len(unknown):
            raise InputError(f"the index has labels that came after fit: {unknown[0]!r}; fit again")
        return targets
    targets = np.zeros((len(stored), len(names)), dtype=bool)
    for row, one in enumerate(stored):
        targets[row, position.get_indexer(pd.Index(stored_names(one), dtype=object))] = True
    return targets


def to_rows(index: ItemIndex, X: Texts) -> tuple[Vectors, npt.NDArray[np.object_]]:
    """Return vectors (n, d) and ids (n,), None where there is none, of texts or items."""
    queries = as_queries(
        X,
        text=index.layout.text,
        item_id=index.layout.item_id,
        image=index.layout.image,
    )
    return to_vectors(queries, None, index.layout, index.encoder)


def _examples_in(
    index: ItemIndex, lesson: FitRequest, *, is_private: bool
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_], Vectors, npt.NDArray[Any]]:
    """Write the examples, if there are any; return all there are now.

    Returns:
        Ids, labels, vectors (n, d), and what each item says.
    """
    examples = lesson.examples
    made = None if examples is None else write_examples(index, examples)
    if not is_private:
        held = index.read(labeled=True)
        return held.ids, held.labels, held.vectors, held.contents
    if examples is None or made is None:
        none = np.array([], dtype=object)
        return none, none, np.empty((0, index.encoder.dim), dtype=np.float32), none
    ids = examples.table[examples.item_id].astype(str).to_numpy(dtype=object)
    contents = item_texts(examples.table, examples.text).to_numpy(dtype=object)
    return ids, examples.table[LABEL].to_numpy(dtype=object), made, contents


def _describe_privately(
    index: ItemIndex, lesson: FitRequest, described: Mapping[str, FloatArray]
) -> None:
    examples = lesson.examples
    columns = (lesson.text, lesson.item_id)
    write_descriptions(
        index,
        lesson.described,
        described,
        exclusive=examples is None or examples.exclusive,
        columns=columns if examples is None else (examples.text, examples.item_id),
    )


def _spelled_as_examples(
    lesson: FitRequest, stored: npt.NDArray[np.object_], *, exclusive: bool
) -> dict[str, list[str]]:
    """Return the labels in words as the examples spell them, and warn where one had to be changed.

    What the examples themselves spell in several ways is warned of, too, and stays.
    """
    if lesson.examples is not None and lesson.examples.classes.dtype != object:
        return lesson.described
    labels = stored if exclusive else [stored_names(one) for one in stored]
    warn_of_other_spellings(lesson.described, labels, stacklevel=_CALLER_OF_FIT)
    described = described_as_known(lesson.described, labels)
    warn_of_similar_spellings([*labels, *([name] for name in described)], stacklevel=_CALLER_OF_FIT)
    return described


def are_label_lists(stored: npt.NDArray[np.object_]) -> bool:
    """Whether the items of an index have lists of labels.

    Raises:
        InputError: Some have, and others one label.
    """
    lists = [as_label_list(one) == one for one in stored]
    if any(lists) and not all(lists):
        one = stored[lists.index(False)]
        raise InputError(
            f"some items of the index have lists of labels, and others one, such as {one!r}; "
            "index them all as lists"
        )
    return bool(lists) and all(lists)


def _names_in(stored: npt.NDArray[np.object_]) -> list[str]:
    return [name for one in stored for name in stored_names(one)]


def _sorted(examples: TrainingSet, contents: npt.NDArray[Any]) -> TrainingSet:
    """Sort the examples, so that neither order nor ids decide on a fold or a sample.

    Args:
        examples: The examples.
        contents: (n,) what each says. Those that say the same and have one label change places
            without a difference.
    """
    both = zip(examples.stored.tolist(), contents.tolist(), strict=True)
    order = np.argsort(np.array(content_ids(f"{label}\0{one}" for label, one in both), dtype=str))
    return replace(
        examples,
        ids=examples.ids[order],
        vectors=examples.vectors[order],
        targets=examples.targets[order],
        stored=examples.stored[order],
        groups=None if examples.groups is None else examples.groups[order],
    )


def _check_shareable(examples: Examples) -> None:
    if not examples.exclusive:
        raise InputError("an index of yours stores one label an item; leave index= out for lists")
    if examples.classes.dtype != object:
        raise InputError("an index stores labels as strings; convert y to strings")


def _groups(
    index: ItemIndex,
    ids: npt.NDArray[np.object_],
    groups: Sequence[Any] | str | None,
    *,
    is_private: bool,
) -> npt.NDArray[Any] | None:
    if groups is None:
        return None
    if isinstance(groups, str):
        if groups not in index.layout.attributes:
            there = ", ".join(index.layout.attributes) or "none"
            raise InputError(f"groups: the index has no attribute {groups!r} (there are: {there})")
        return index.get(ids.tolist())[groups].to_numpy()
    if not is_private:
        raise InputError("groups: with an index of yours, name the attribute that tells the group")
    is_table = isinstance(groups, (pd.DataFrame, np.ndarray)) and groups.ndim != 1
    if is_table or not isinstance(groups, Collection) or isinstance(groups, (bytes, Mapping)):
        raise InputError(f"groups must be a value for each example, got {type(groups).__name__}")
    if len(groups) != len(ids):
        raise InputError(f"groups holds {len(groups)} values for {len(ids)} examples")
    for row, one in enumerate(groups, start=1):
        if not isinstance(one, Hashable):
            raise InputError(f"groups: row {row} is not one value: {one!r}")
        if isinstance(one, str):
            require_characters(one, f"groups: row {row}")
    return pd.Series(list(groups), dtype=object).to_numpy()


def _optional_vectors(index: ItemIndex, X: Texts | None, name: str) -> Vectors | None:
    if X is None:
        return None
    vectors, _ = to_rows(index, X)
    if not len(vectors):
        raise InputError(f"{name} is empty; leave it out")
    return vectors
