"""Learning: from examples, descriptions and an index to knowledge, and how it changes later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from classifiers.fitted import (
    Knowledge,
    acquire,
    as_held,
    with_examples,
    with_items,
    with_label,
    with_new_head,
    without_examples,
)
from classifiers.inputs import (
    TEXT,
    Labels,
    LabelTexts,
    Texts,
    label_texts,
    labeled_examples,
    more_examples,
)
from classifiers.labels.spelling import warn_of_similar_spellings
from classifiers.labels.tree import LabelTree
from classifiers.training.data import Lesson
from classifiers.training.train import Options
from retrieval import Encoder, InputError, ItemIndex
from retrieval.private_index import Finalizer, open_private_index, remove_private_index


class Learner(BaseEstimator):  # type: ignore[misc]  # untyped base
    """The learning half of `NeighborClassifier`, which documents the parameters."""

    def __init__(
        self,
        index: ItemIndex | None = None,
        encoder: Encoder | None = None,
        k: int = 20,
        temperature: float = 0.05,
        *,
        head: Literal["linear"] | None = "linear",
        prototypes: bool | None = None,
        calibrate: bool = True,
        prior: Literal["uniform"] | Mapping[Any, float] | None = None,
        hierarchy: str | Mapping[str, str] | None = None,
        false_alarm_rate: float = 0.05,
        random_state: int = 0,
    ) -> None:
        self.index = index
        self.encoder = encoder
        self.k = k
        self.temperature = temperature
        self.head = head
        self.prototypes = prototypes
        self.calibrate = calibrate
        self.prior = prior
        self.hierarchy = hierarchy
        self.false_alarm_rate = false_alarm_rate
        self.random_state = random_state

    # --- learning --------------------------------------------------------------------------------

    def fit(
        self,
        X: Texts | None = None,
        y: Labels | None = None,
        *,
        labels: LabelTexts | None = None,
        unlabeled: Texts | None = None,
        outside: Texts | None = None,
        groups: Sequence[Any] | str | None = None,
        text: str | Sequence[str] | None = None,
        item_id: str = "item_id",
    ) -> Self:
        """Learn from examples, from label descriptions, from both, or from what an index holds.

        - ``fit(X, y)``: labeled examples. A single class is allowed; every item then gets it.
        - ``fit(labels=...)``: no example, only names or descriptions of the labels.
        - ``fit(X, y, labels=...)``: both; with few examples the descriptions help most.
        - ``fit()``: the labeled items of `index`; with X and y these are added to it first.

        Args:
            X: n texts (list, Series), or a DataFrame of items.
            y: n labels: all strings, all integers or all booleans; or n lists of strings, where an
                item has any number of labels. An index of yours stores one string an item.
            labels: Label → a description or several, or label names alone.
            unlabeled: Items without a label, whose groups sharpen the prototypes.
            outside: Items that are of none of the labels; the threshold of "none of these" is then
                learned from them instead of set by `false_alarm_rate`.
            groups: What each example belongs to (or an attribute of `index` that tells), never
                split between folds: give it where new items will be of new groups.
            text: Text columns of a DataFrame; None takes every column but the id.
            item_id: Id column of a DataFrame. Items without ids get some made from their content.

        Raises:
            InputError: The arguments do not fit together, a label or text is missing, or the index
                holds no label.
        """
        self._check_parameters()
        if (X is None) != (y is None) or (X is None and labels is None and self.index is None):
            raise InputError("fit needs X and y, or labels=, or an index of labeled items")
        described = {} if labels is None else label_texts(labels)
        examples = None
        if X is not None and y is not None:
            examples = labeled_examples(X, y, text=text, item_id=item_id)
            warn_of_similar_spellings(y, stacklevel=3)
        columns = [TEXT] if text is None else [text] if isinstance(text, str) else list(text)
        lesson = Lesson(examples, described, columns, item_id, unlabeled, outside, groups)
        if self.index is not None:
            return self._learn(self.index, lesson, None)
        index, finalizer = open_private_index(self, self.encoder)
        try:
            return self._learn(index, lesson, finalizer)
        except BaseException:
            remove_private_index(finalizer)
            raise

    def add_label(self, name: str, description: str | Sequence[str] | None = None) -> Self:
        """Let a label be named from now on, by its description.

        Args:
            name: The new label.
            description: What it is about, in one text or several; None: its name.

        Raises:
            InputError: The label exists, or the labels are no strings.
        """
        known = self._known()
        texts = label_texts([name] if description is None else {name: description})
        self._check_new_labels(known, list(texts))
        return self._now_knows(with_label(known, self.index_, next(iter(texts)), texts))

    def add_examples(self, X: Texts, y: Labels) -> Self:
        """Let more examples vote, and shape the prototypes, from now on; nothing is trained.

        The head knows nothing of them until `refit_head`, as `classify` says of new labels. Shares
        and calibration stay as they are until the next `fit`.

        Args:
            X: n texts, or a DataFrame with the columns of `fit`; an item whose id is an example
                already replaces it.
            y: n labels of the kind of `fit`; new ones are fine.
        """
        known = self._known()
        examples = more_examples(X, y, self.index_.layout)
        self._check_new_labels(known, examples.classes.tolist())
        return self._now_knows(with_examples(known, self.index_, examples))

    def remove_examples(self, ids: Sequence[str]) -> int:
        """Take examples back, by their ids; return how many of the ids there were.

        A label that loses its last example goes, unless it has a description.

        Raises:
            InputError: No label would be left; nothing was removed.
        """
        known = self._known()
        if isinstance(ids, str):
            raise InputError(f"ids must be a list of item ids, got the string {ids!r}")
        self._now_knows(without_examples(known, self.index_, ids))
        return len(known.example_ids) - len(self.knowledge_.example_ids)

    def follow(
        self,
        ids: Sequence[str],
        labels: Sequence[str | None],
        vectors: npt.NDArray[np.float32],
        write: Callable[[], object],
    ) -> Self:
        """Let items of an index of yours change, and learn their labels at once, without training.

        Args:
            ids: The n items that `write` puts in or takes out.
            labels: The label each has afterwards; None where it has none, or is no longer there.
            vectors: (n, d) of the items, made by the encoder of the index.
            write: Changes the index.

        Raises:
            InputError: No label would be left; nothing was written.
        """
        known = self._known()
        new = sorted({one for one in labels if one is not None} - set(known.classes.tolist()))
        self._check_new_labels(known, new)
        return self._now_knows(with_items(known, self.index_, ids, labels, vectors, write))

    def catch_up(self) -> Self:
        """Learn what others wrote into an index of yours since; head and certainty stay.

        Raises:
            InputError: The index holds no labeled item any more.
        """
        known = self._known()
        if known.is_private:
            return self
        self.index_.refresh()
        return self._now_knows(as_held(known, self.index_))

    def refit_head(self) -> Self:
        """Fit the head anew on the examples there are now; all else stays.

        Items without a label, if `fit` was given any, are not kept and have no part in it.

        Raises:
            InputError: The classifier was fitted without a head.
        """
        known = self._known()
        if not known.options.with_head:
            raise InputError("head=None: there is no head to fit; set head='linear' and fit again")
        return self._now_knows(with_new_head(known, self.index_))

    def __sklearn_clone__(self) -> Self:
        """Clone for scikit-learn: the index and the encoder are engines, shared and not copied."""
        return type(self)(**self.get_params(deep=False))

    # --- inside ----------------------------------------------------------------------------------

    def _learn(self, index: ItemIndex, lesson: Lesson, finalizer: Finalizer | None) -> Self:
        """Learn from an index; nothing of this object changes before all is learned."""
        knowledge = acquire(
            index,
            lesson,
            Options(
                self.k,
                self.head is not None,
                self.calibrate,
                None,
                self.false_alarm_rate,
                self.random_state,
            ),
            is_private=finalizer is not None,
            with_prototypes=self.head is not None if self.prototypes is None else self.prototypes,
            temperature=self.temperature,
            prior=self.prior,
        )
        self._grow_tree(knowledge.names, exclusive=knowledge.exclusive)
        return self._adopt(index, knowledge, finalizer)

    def _adopt(self, index: ItemIndex, knowledge: Knowledge, finalizer: Finalizer | None) -> Self:
        if finalizer is not None:
            # It answers from memory from now on: Milvus' own answers differ in the last digits with
            # the order in which items came in, and a classifier that is loaded has to answer alike.
            index.read()
        former = getattr(self, "_finalizer", None)
        self._finalizer, self.index_ = finalizer, index
        if former is not None:
            remove_private_index(former)
        return self._now_knows(knowledge)

    def _now_knows(self, knowledge: Knowledge) -> Self:
        self.tree_ = self._grow_tree(knowledge.names, exclusive=knowledge.exclusive)
        self.knowledge_, self.classes_ = knowledge, knowledge.classes
        return self

    def _known(self) -> Knowledge:
        check_is_fitted(self, "knowledge_")
        return self.knowledge_

    def _grow_tree(self, names: Iterable[Any], *, exclusive: bool) -> LabelTree | None:
        if self.hierarchy is None:
            return None
        if not exclusive:
            raise InputError("hierarchy is for items of one label, y holds lists")
        if isinstance(self.hierarchy, str):
            return LabelTree.from_paths(names, separator=self.hierarchy)
        return LabelTree.from_parents(names, self.hierarchy)

    def _check_new_labels(self, known: Knowledge, labels: list[Any]) -> None:
        """Look at labels before they are written anywhere."""
        new = [label for label in labels if label not in set(known.classes.tolist())]
        if new:
            self._grow_tree([*known.names, *new], exclusive=known.exclusive)
            warn_of_similar_spellings([*known.classes, *new], stacklevel=4)

    def _check_parameters(self) -> None:
        if not isinstance(self.k, (int, np.integer)) or isinstance(self.k, bool) or self.k < 1:
            raise InputError(f"k must be an integer of at least 1, got {self.k!r}")
        if not self.temperature > 0:
            raise InputError(f"temperature must be above 0, got {self.temperature!r}")
        if self.head not in ("linear", None):
            raise InputError(f"head must be 'linear' or None, got {self.head!r}")
        if not (self.hierarchy is None or isinstance(self.hierarchy, (str, Mapping))):
            raise InputError(
                f"hierarchy must be a separator or child → parent, got {self.hierarchy!r}"
            )
        if not 0 < self.false_alarm_rate < 1:
            raise InputError(f"false_alarm_rate must be in (0, 1), got {self.false_alarm_rate!r}")
        if self.index is not None and self.encoder not in (None, self.index.encoder):
            raise InputError("pass an index or an encoder: an index has its own encoder")
