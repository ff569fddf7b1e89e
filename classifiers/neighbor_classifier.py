"""A classifier from no example to full data: neighbors vote, prototypes and a head join in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    Self,
    TypeVar,
)

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from classifiers.arrays import FloatArray, Vectors
from classifiers.explanation import contributions_table, plot_contributions
from classifiers.fitted import (
    FittedState,
    acquire,
    as_held,
    spelled_as_known,
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
    query_ids,
    share_right,
    told_labels,
)
from classifiers.labels.candidates import Candidates
from classifiers.labels.prior import shares_of
from classifiers.labels.spelling import (
    described_as_known,
    normalize_labels as with_one_spelling,
    warn_of_other_spellings,
    warn_of_similar_spellings,
)
from classifiers.labels.tree import LabelTree
from classifiers.labels_table import labels_table
from classifiers.persistence.files import read_classifier, write_classifier
from classifiers.prediction import AsOf, Prediction, Query, answers
from classifiers.scorers.ensemble import NewLabelsError
from classifiers.training.data import FitRequest
from classifiers.training.train import Options
from retrieval import (
    IN_MEMORY,
    Encoder,
    InputError,
    ItemIndex,
    Lock,
    Where,
    column_name,
    column_names,
    item_ids,
    require_count,
    require_kind,
    require_number,
    require_path,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Probability that the label of a hierarchy must reach.
_CONFIDENCE = 0.5

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class _Now:
    """What answers at a moment, whatever is added meanwhile."""

    knowledge: FittedState
    tree: LabelTree | None
    index: ItemIndex


def _alone(
    method: Callable[Concatenate[NeighborClassifier, P], T],
) -> Callable[Concatenate[NeighborClassifier, P], T]:
    """Let one thread at a time change what is known."""

    @wraps(method)
    def inside(self: NeighborClassifier, /, *args: P.args, **options: P.kwargs) -> T:
        with self._lock:
            return method(self, *args, **options)

    return inside


class NeighborClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """Label items by the labeled items most like them, with as many examples as there are.

    Three parts have a say, and each answer tells how much of it came from which:

    - **neighbors**: the k labeled items nearest in cosine similarity vote, weighted by
      ``exp(similarity / temperature)``;
    - **prototypes**: what each label looks like, from its examples and its description;
    - **head**: a logistic regression on the vectors.

    Their shares, the calibration of the probabilities, the threshold of "none of these" and the
    label sets are learned from out-of-fold answers to the examples; with too few of them defaults
    stand in. Examples and labels can be added and removed at any time without training.

    Answers ``as_of`` a date or ``where`` a filter holds rest on neighbors alone, because prototypes
    and head have learned from all items. So do answers about items that are examples themselves.
    Calibration and thresholds still come from all items: for what could have been said at a date,
    fit on the items there were, or take ``calibrate=False`` and the votes as they are.

    Threads may share a fitted classifier. Those that change it (`add_examples`, `add_label`,
    `remove_examples`, `refit_head`, `follow`, `catch_up`) take turns; an answer is that of one
    moment, before or after a change. A pickle or deep copy has a private index, if there is one,
    and a lock of its own; with an index in Milvus a copy shares it, and `save` and `load` take the
    place of a pickle. Two classifiers on one index of yours do not follow each other: `catch_up`.

    Labels that differ only in case, blanks, Unicode form or characters nobody sees are told by a
    `LabelSpellingWarning`. Labels in words then take the spelling of the examples; examples among
    themselves count as different labels, unless `normalize_labels`.

    Args:
        index: The labeled items. None keeps the examples in a private one, in memory, that
            goes with the classifier.
        encoder: Turns texts into vectors for the private index; None is the default encoder. An
            index of yours brings its own.
        k: How many neighbors vote. Where more tie for the last of these places than there are, as
            examples of one text do, they share them. Raise it (100-200) where many examples are
            nearly the same text.
        temperature: How fast a vote fades, in units of cosine similarity. The default is the result
            of cross-validation on groceries of unseen types and on questions to a bank: at k = 20,
            0.05 was within half a percentage point of the best accuracy on both.
        head: ``"linear"``, or None for pure neighbors. Past some 1,200 labels it is fitted by
            sampling among them; where items have any number of labels, there is none then.
        prototypes: Whether prototypes have a say; None: where there is a head.
        calibrate: Whether shares and calibration are learned; False leaves the defaults.
        prior: How frequent labels are among the items to come: None as among the examples,
            ``"uniform"`` all alike, or label → share, also as a Series.
        hierarchy: Labels that form a tree: the separator of paths (``" > "`` for ``"Grocery >
            Snacks > Chips"``), or child → parent. `classify` then names the deepest label that
            is certain enough.
        normalize_labels: Whether labels that differ only in spelling are made one, the most
            frequent spelling, or that of labels known before; without a warning. What an index of
            yours holds stays as it is spelled.
        false_alarm_rate: Share of items of known labels that may be called unknown, the same for
            frequent labels and for rare ones.
        random_state: Seed of folds and samples.

    Attributes:
        classes_: The labels, sorted; what they were in `y`: strings, integers or booleans.
        index_: The index that is searched.
        knowledge_: What was learned.
        tree_: The tree of the labels; None without `hierarchy`.
    """

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
        prior: Literal["uniform"] | Mapping[Any, float] | pd.Series | None = None,
        hierarchy: str | Mapping[str, str] | None = None,
        normalize_labels: bool = False,
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
        self.normalize_labels = normalize_labels
        self.false_alarm_rate = false_alarm_rate
        self.random_state = random_state
        self._lock = Lock()

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
                item has any number of labels, or an indicator matrix (n, C), whose columns are the
                labels. An index of yours stores one string an item.
            labels: Label → a description or several, also as a Series, or label names alone.
            unlabeled: Items without a label, whose groups sharpen the prototypes. Where there is no
                example, those that are to be labeled: what is learned is about them.
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
        if y is not None:
            y = told_labels(y, stacklevel=3)
        if self.normalize_labels:
            held = [] if self.index is None else self.index.labels()
            y = None if y is None else with_one_spelling(y, held)
            described = described_as_known(described, [*held, *(y or [])], every=True)
        examples = None
        if X is not None and y is not None:
            examples = labeled_examples(X, y, text=text, item_id=item_id)
        columns = [TEXT] if text is None else column_names(text, "text")
        item_id = column_name(item_id, "item_id")
        lesson = FitRequest(examples, described, columns, item_id, unlabeled, outside, groups)
        return self._learn(self.index or ItemIndex(IN_MEMORY, self.encoder), lesson)

    @_alone
    def add_label(self, name: str, description: str | Sequence[str] | None = None) -> Self:
        """Let a label be named from now on, by its description.

        Args:
            name: The new label.
            description: What it is about, in one text or several; None: its name.

        Raises:
            InputError: The label exists, in this spelling or another, or the labels are no
                strings.
        """
        known = self._known()
        texts = label_texts([name] if description is None else {name: description})
        self._grow_tree([*known.names, *texts], exclusive=known.exclusive)
        return self._now_knows(with_label(known, self.index_, next(iter(texts)), texts))

    @_alone
    def add_examples(self, X: Texts, y: Labels) -> Self:
        """Let more examples vote, and shape the prototypes, from now on; nothing is trained.

        The head knows nothing of them until `refit_head`, as `classify` says of new labels. Shares
        and calibration stay as they are until the next `fit`.

        Args:
            X: n texts, or a DataFrame with the columns of `fit`; an item whose id is an example
                already replaces it.
            y: n labels of the kind of `fit`; new ones are fine. Examples of a label that is known
                in words alone take its spelling.
        """
        known = self._known()
        told = told_labels(y, stacklevel=4)  # past the lock
        examples = more_examples(X, self._spelled(known, told), self.index_.layout)
        self._check_new_labels(known, examples.classes.tolist())
        return self._now_knows(with_examples(known, self.index_, examples))

    @_alone
    def remove_examples(self, ids: Sequence[str]) -> int:
        """Take examples back, by their ids; return how many of the ids there were.

        A label that loses its last example goes, unless it has a description.

        Raises:
            InputError: No label would be left; nothing was removed.
        """
        known = self._known()
        ids = item_ids(ids)
        self._now_knows(without_examples(known, self.index_, ids))
        return len(known.example_ids) - len(self.knowledge_.example_ids)

    @_alone
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

    @_alone
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

    @_alone
    def refit_head(self) -> Self:
        """Fit the head anew on the examples there are now; all else stays.

        Items without a label, if `fit` was given any, are not kept and have no part in it. Where
        there is no example, the head stays as it is.

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

    def __getstate__(self) -> dict[str, Any]:
        """Be copied or pickled with a lock of its own."""
        return {**super().__getstate__(), "_lock": Lock()}

    # --- inside ----------------------------------------------------------------------------------

    def _learn(self, index: ItemIndex, lesson: FitRequest) -> Self:
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
            is_private=self.index is None,
            with_prototypes=self.head is not None if self.prototypes is None else self.prototypes,
            temperature=self.temperature,
            prior=self.prior,
        )
        self._grow_tree(knowledge.names, exclusive=knowledge.exclusive)
        return self._adopt(index, knowledge)

    @_alone
    def _adopt(self, index: ItemIndex, knowledge: FittedState) -> Self:
        self.index_ = index
        return self._now_knows(knowledge)

    def _now_knows(self, knowledge: FittedState) -> Self:
        self.tree_ = self._grow_tree(knowledge.names, exclusive=knowledge.exclusive)
        self.knowledge_, self.classes_ = knowledge, knowledge.classes
        return self

    @_alone
    def _now(self) -> _Now:
        return _Now(self._known(), self.tree_, self.index_.as_now())

    def _known(self) -> FittedState:
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

    def _check_new_labels(self, known: FittedState, labels: list[Any]) -> None:
        """Look at labels before they are written anywhere."""
        new = [label for label in labels if label not in set(known.classes.tolist())]
        if new:
            self._grow_tree([*known.names, *new], exclusive=known.exclusive)
            warn_of_similar_spellings([*known.classes, *new], stacklevel=5)

    def _spelled(self, known: FittedState, y: Labels) -> list[Any]:
        """Return labels in the spelling of those they are taken for."""
        told = list(y)
        spelled = spelled_as_known(known, told, every=self.normalize_labels)
        if not self.normalize_labels:
            bare = known.names[known.counts == 0].tolist()
            changed = [one for one, now in zip(told, spelled, strict=True) if one is not now]
            each = [name for one in changed for name in ([one] if isinstance(one, str) else one)]
            names = [name for name in each if isinstance(name, str)]
            warn_of_other_spellings(names, bare, stacklevel=5)
        return spelled

    def _check_parameters(self) -> None:
        require_count(self.k, "k")
        require_number(self.temperature, "temperature", 0, closed=True)
        require_count(self.random_state, "random_state", least=0)
        if self.head is not None and not (isinstance(self.head, str) and self.head == "linear"):
            raise InputError(f"head must be 'linear' or None, got {self.head!r}")
        if not (self.hierarchy is None or isinstance(self.hierarchy, (str, Mapping))):
            raise InputError(
                f"hierarchy must be a separator or child → parent, got {self.hierarchy!r}"
            )
        require_number(self.false_alarm_rate, "false_alarm_rate", 0, below=1)
        for name in ("prototypes", "calibrate", "normalize_labels"):
            require_kind(getattr(self, name), name, bool, np.bool_, or_none=name == "prototypes")
        if self.prior is not None:
            shares_of(self.prior)
        require_kind(self.index, "index", ItemIndex, or_none=True)
        require_kind(self.encoder, "encoder", Encoder, or_none=True)
        if self.index is not None and self.encoder not in (None, self.index.encoder):
            raise InputError("pass an index or an encoder: an index has its own encoder")

    def predict(
        self,
        X: Texts,
        *,
        as_of: AsOf | None = None,
        where: Where | None = None,
        candidates: Candidates | None = None,
    ) -> npt.NDArray[Any]:
        """Return the most probable label of each item, shape (n,); see `predict_proba`.

        Where items have any number of labels, an array of lists of labels, empty ones included.
        """

        def named(answer: Prediction, now: _Now) -> npt.NDArray[Any]:
            if now.knowledge.exclusive:
                best: npt.NDArray[Any] = answer.classes[answer.proba.argmax(axis=1)]
                return best
            lists: npt.NDArray[Any] = _table(answer, now)["label"].to_numpy(dtype=object)
            return lists

        return np.concatenate(self._answers(named, X, as_of, where, candidates))

    def score(self, X: Texts, y: Labels, sample_weight: Any = None) -> float:
        """Return the share of items that get their label; where they have any number, all of them.

        Args:
            X: As in `predict_proba`.
            y: n labels, or n lists of labels, as `fit` takes them.
            sample_weight: (n,) how much each item counts; None: alike.

        Raises:
            InputError: Lengths differ, or `y` is not of the kind of `fit`.
        """
        truth, predicted = told_labels(y, stacklevel=3), self.predict(X)
        return share_right(truth, predicted, sample_weight, exclusive=self._known().exclusive)

    def predict_proba(
        self,
        X: Texts,
        *,
        as_of: AsOf | None = None,
        where: Where | None = None,
        candidates: Candidates | None = None,
    ) -> FloatArray:
        """Return the probability of each label.

        Args:
            X: n texts, or a DataFrame with the text columns of `fit` (or of the index). An item
                that is itself in the index, by its id, does not vote on itself.
            as_of: Only items launched up to then vote; a date, or one for each item.
            where: Only items that pass this filter on the index' attributes vote.
            candidates: Labels that come into question, or a list of them for each item; of a
                hierarchy also a node, for all labels below it.

        Returns:
            (n, n_classes), columns in the order of `classes_`. Rows sum to 1, unless items have any
            number of labels. Where no neighbor is visible, and neighbors alone may answer, every
            label is equally likely.

        Raises:
            sklearn.exceptions.NotFittedError: `fit` was not called.
            InputError: X is not made of texts, a candidate is no label, or the index has labels
                that came after `fit`.
        """
        return np.concatenate(
            self._answers(lambda answer, _: answer.proba, X, as_of, where, candidates)
        )

    def novelty(
        self, X: Texts, *, as_of: AsOf | None = None, where: Where | None = None
    ) -> FloatArray:
        """Return how unlike anything known each item is, (n,), higher for less like.

        A score to rank by, without unit; `classify` tells from which value on an item is unknown.
        """
        return np.concatenate(self._answers(lambda answer, _: answer.novelty, X, as_of, where))

    def predict_set(
        self,
        X: Texts,
        coverage: float = 0.9,
        *,
        per_label: bool = False,
        as_of: AsOf | None = None,
        where: Where | None = None,
        candidates: Candidates | None = None,
    ) -> list[list[Any]]:
        """Return for each item the labels among which the true one is, as often as wanted.

        Args:
            X: As in `predict_proba`, like the other arguments.
            coverage: Share of sets that hold the true label, for items drawn like the examples. A
                set may be empty where the classifier is right more often than that.
            per_label: Let coverage hold within each label that has enough examples. It holds over
                the labels of like size (as many examples, up to a factor of two) anyway.
            as_of: Only items launched up to then vote.
            where: Only items that pass this filter vote.
            candidates: Labels that come into question.

        Raises:
            InputError: The coverage is not between 0 and 1, there are too few examples for it, or
                items have any number of labels.
        """
        if not self._known().exclusive:
            raise InputError("predict_set is for items of one label; predict returns sets as it is")
        require_number(coverage, "coverage", 0, below=1)
        asked = {"coverage": coverage, "per_label": per_label, "must_cover": True}

        def sets(answer: Prediction, now: _Now) -> list[list[Any]]:
            found: list[list[Any]] = _table(answer, now)["label_set"].tolist()
            return found

        batches = self._answers(sets, X, as_of, where, candidates, **asked)
        return [one for batch in batches for one in batch]

    def classify(
        self,
        X: Texts,
        *,
        as_of: AsOf | None = None,
        where: Where | None = None,
        candidates: Candidates | None = None,
        neighbors: int = 20,
        coverage: float = 0.9,
        confidence: float = _CONFIDENCE,
    ) -> pd.DataFrame:
        """Return the labels table: one row an item, with what its label rests on.

        Args:
            X: As in `predict_proba`, like the other arguments.
            as_of: Only items launched up to then vote.
            where: Only items that pass this filter vote.
            candidates: Labels that come into question, or a list of them for each item.
            neighbors: How many of those that vote to list, the most similar ones.
            coverage: Of the label set.
            confidence: Probability the label of a hierarchy must reach; the deepest that does is
                named.

        Returns:
            One row an item, in the order given, of columns

            - `item_id`: the item's id; else its label in the pandas index, else its position.
            - `label` and its `probability`. Where nothing is visible None and NaN. Where items have
              any number of labels, lists.
            - `known`: False for "none of these", and of a text that the encoder cannot read;
              `novelty`: see `novelty`. `probability` compares the labels with each other and does
              not count that it may be none: `why` says in words why `known` is False, else None.
            - `label_set`: see `predict_set`; None where there are too few examples for one. Where
              items have any number of labels, those labels.
            - `assured`: whether the sets of items of this label hold it as often as promised. False
              where too few held-out answers tell: of a rare label without labels of like size, or
              one that came after `fit`.
            - `neighbors`: a list of {item_id, label, similarity, weight, count}, most similar
              first; `weight` is the share of the whole vote. Items as similar as each other (to six
              digits: of one text, as a rule) and of one label are one line; `count` is how many.
            - `parts`: how much each part added to the probability. None for the head where it does
              not know the label yet; `refit_head` teaches it.
        """
        neighbors = require_count(neighbors, "neighbors", least=0)
        require_number(coverage, "coverage", 0, below=1)
        require_number(confidence, "confidence", 0, below=1, closed=True)

        def table(answer: Prediction, now: _Now) -> pd.DataFrame:
            return _table(answer, now, neighbors, confidence)

        return _as_one(X, self._answers(table, X, as_of, where, candidates, coverage=coverage))

    def classify_with_proba(
        self,
        X: Texts,
        *,
        as_of: AsOf | None = None,
        neighbors: int = 20,
        coverage: float = 0.9,
        confidence: float = _CONFIDENCE,
        tells_unread: bool = True,
    ) -> tuple[pd.DataFrame, FloatArray]:
        """Return what `classify` and what `predict_proba` return, for the work of one.

        Args:
            X: As in `classify`, like the other arguments.
            as_of: Only items launched up to then vote.
            neighbors: How many to list.
            coverage: Of the label sets.
            confidence: Of a hierarchy.
            tells_unread: Whether texts that the encoder cannot read are warned of, as `fit` does.
        """
        asked = {"coverage": coverage, "tells_unread": tells_unread}
        table, proba = self._with_proba(X, neighbors, confidence, as_of=as_of, **asked)
        return _as_one(X, [table]), proba

    def classify_vectors(
        self,
        vectors: Vectors,
        ids: Sequence[str],
        *,
        neighbors: int = 20,
        coverage: float = 0.9,
    ) -> tuple[pd.DataFrame, FloatArray]:
        """Return what `classify` and what `predict_proba` return, of items already embedded.

        Args:
            vectors: (n, d) unit rows, of the encoder of the index, made as those of its items are.
            ids: Of the n items; none votes on itself.
            neighbors: As in `classify`.
            coverage: As there.
        """
        return self._with_proba(vectors, neighbors, _CONFIDENCE, ids=ids, coverage=coverage)

    def explain(self, X: Texts, *, labels: int = 3, **options: Any) -> pd.DataFrame:
        """Return what each part adds to the most probable labels of each item.

        Args:
            X: As in `predict_proba`.
            labels: How many labels an item.
            **options: `as_of`, `where`, `candidates` as in `predict_proba`.

        Returns:
            One row an item, label and part, of `item_id`, `rank` (of the label, from 1), `label`,
            `probability`, `part`, `contribution` (NaN where the head does not know the label).
        """
        labels = require_count(labels, "labels")
        unknown = sorted(set(options) - {"as_of", "where", "candidates"})
        if unknown:
            raise InputError(f"explain: {unknown[0]!r} is none of as_of, where, candidates")
        parts = self._answers(lambda answer, _: contributions_table(answer, labels), X, **options)
        ids = query_ids(X, np.concatenate([own for own, _ in parts]))
        tables = pd.concat([table for _, table in parts], ignore_index=True)
        return tables.assign(item_id=np.repeat(ids, len(tables) // max(len(ids), 1)))

    def plot_explanation(self, x: str, *, labels: int = 5, ax: Axes | None = None) -> Axes:
        """Draw why an item gets its label: what each part adds to the most probable ones.

        Args:
            x: One text.
            labels: How many labels to draw.
            ax: Where to draw; None makes a figure.
        """
        require_count(labels, "labels")
        (answer,) = self._answers(lambda answer, _: answer, [x])
        return plot_contributions(answer, x, labels, ax)

    @_alone
    def save(self, path: str | Path) -> None:
        """Write the classifier to a folder: arrays, tables and JSON with checksums, and a card.

        An index of yours is not copied, only named; a private one is saved with its vectors and
        texts. The classifier that is loaded answers as this one does from now on, to the last
        digit: examples and labels that came after `fit` are first read into memory.

        Raises:
            InputError: The folder is there and is something else than a saved model.
        """
        write_classifier(
            require_path(path), self.get_params(deep=False), self._known(), self.index_
        )

    @classmethod
    def load(
        cls, path: str | Path, *, index: ItemIndex | None = None, encoder: Encoder | None = None
    ) -> Self:
        """Read what `save` wrote.

        Args:
            path: The folder.
            index: Where the items are, if they were in an index of yours.
            encoder: Turns texts into vectors; None: the one the classifier was saved with.

        Raises:
            ArtifactError: The folder is not a whole, untouched artifact of this kind.
            EncoderMismatchError: The encoder is another one.
            InputError: An index is missing, or one too many, or the encoder cannot be found.
        """
        saved = read_classifier(require_path(path), index, encoder)
        classifier = cls(**saved.parameters)
        classifier._check_parameters()
        if index is None:
            index = ItemIndex(IN_MEMORY, classifier.encoder)
            saved.refill(index)
        return classifier._adopt(index, saved.knowledge)

    def _with_proba(
        self, X: Texts | Vectors, neighbors: int, confidence: float, **asked: Any
    ) -> tuple[pd.DataFrame, FloatArray]:
        def both(answer: Prediction, now: _Now) -> tuple[pd.DataFrame, FloatArray]:
            return _table(answer, now, neighbors, confidence), answer.proba

        tables, probabilities = zip(*self._answers(both, X, **asked), strict=True)
        return pd.concat(list(tables), ignore_index=True), np.concatenate(probabilities)

    def _answers(
        self,
        read: Callable[[Prediction, _Now], T],
        X: Texts | Vectors,
        as_of: AsOf | None = None,
        where: Where | None = None,
        candidates: Candidates | None = None,
        **sets: Any,
    ) -> list[T]:
        """Return what is read from the answer to each batch of items, all of one moment."""
        now = self._now()
        question = Query(X, as_of, where, candidates, tree=now.tree, **sets)
        try:
            return [read(one, now) for one in answers(question, now.knowledge, now.index)]
        except NewLabelsError:
            # Examples that another thread adds are in Milvus before they are known: wait for it.
            later = self._now()
            if later.knowledge is now.knowledge:
                raise
            question = replace(question, tree=later.tree)
            return [read(one, later) for one in answers(question, later.knowledge, later.index)]


def _table(
    answer: Prediction, now: _Now, listed: int = 0, confidence: float = _CONFIDENCE
) -> pd.DataFrame:
    return labels_table(
        answer,
        listed=listed,
        exclusive=now.knowledge.exclusive,
        tree=now.tree,
        confidence=confidence,
    )


def _as_one(X: Texts, batches: list[pd.DataFrame]) -> pd.DataFrame:
    """Join the labels tables of all batches, each item named."""
    table = pd.concat(batches, ignore_index=True)
    return table.assign(item_id=query_ids(X, table["item_id"].to_numpy(dtype=object)))
