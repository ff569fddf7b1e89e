"""The classifier of one tenant, which learns while it answers.

Whoever asks reads one state, which never changes. Whoever writes makes a copy, lets it learn, and
puts it in place once Milvus, or the journal, has what it learned from. What other processes write
to the same collection is found out from time to time: their items do not add up to those known.
"""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import structlog

from classifiers import (
    NeighborClassifier,
    NewLabelsError,
    named_index,
    spelled_as_known,
    spelled_like,
)
from pipelines import Settings, make_classifier, read_label_texts, taught_besides
from retrieval import InputError
from serving.problems import ApiError
from serving.runtime.label_journal import LabelJournal
from serving.runtime.shared_index import Held, SharedIndex, mark_of

_log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

# Shares, calibration and thresholds are learned anew once there are so many times the examples.
_GROWTH = 2
_FEW = 30


@dataclass(frozen=True)
class State:
    """What answers at a moment.

    Attributes:
        classifier: None where there is nothing to learn from.
        version: Names it in answers and in the audit log.
        fitted_on: Number of examples when it was fitted.
    """

    classifier: NeighborClassifier | None
    version: str
    fitted_on: int

    @property
    def is_private(self) -> bool:
        """Whether its examples are its own, and not in the index."""
        return self.classifier is not None and self.classifier.knowledge_.is_private


class LiveClassifier:
    """Labels items of one tenant.

    Args:
        settings: `classify` says how, `items` names the columns.
        shared: The tenant's items.
        journal: Its labels in words.
        model: A saved classifier to begin with; None: fitted on the index.
    """

    def __init__(
        self, settings: Settings, shared: SharedIndex, journal: LabelJournal, model: Path | None
    ) -> None:
        self._settings = settings
        self._shared, self._index = shared, shared.index
        self._journal = journal
        self._model = model
        self._lock = threading.RLock()
        self._is_behind = False
        self._follows = shared.is_shared and (model is None or named_index(model) is not None)
        self._mark = 0
        self._stamp, self._changes = "", 0
        self._origin: NeighborClassifier | None = None
        self.learn()

    @property
    def state(self) -> State:
        """What answers now."""
        return self._state

    @property
    def wants_fit(self) -> bool:
        """Whether there is so much more to learn from that certainty should be learned anew."""
        state = self._state
        if self._model is not None or state.classifier is None:
            return False
        examples = len(state.classifier.knowledge_.example_ids)
        return examples >= max(_GROWTH * state.fitted_on, _FEW)

    def learn(self) -> None:
        """Fit, or load, from what there is."""
        with self._lock:
            self._mark = self._read_mark()
            # A copy of a classifier of words alone uses the index of the first, which goes with it.
            self._origin = _of_one_label(self._learned())
            self._stamp, self._changes = datetime.now(UTC).strftime("%Y%m%dT%H%M%S"), 0
            if self._model is not None:
                self._stamp += f"-{version_of(self._model)}"
            examples = 0 if self._origin is None else len(self._origin.knowledge_.example_ids)
            self._state = State(self._origin, self._version(), examples)
            self._is_behind = False

    def answer(self, ask: Callable[[NeighborClassifier], T]) -> tuple[T, str]:
        """Let the classifier answer; return what it says, and the version that said it.

        Raises:
            ApiError: There is nothing to answer from.
        """
        if self._is_behind:
            self.catch_up()
        state = self._state
        try:
            return ask(_existing(state)), state.version
        except NewLabelsError:
            with self._lock:
                if self._state is state:
                    self.catch_up()
            state = self._state
            return ask(_existing(state)), state.version

    def write(
        self,
        ids: Sequence[str],
        labels: Sequence[str | None],
        vectors: npt.NDArray[np.float32],
        action: Callable[[], object],
    ) -> tuple[dict[str, Held], dict[str, Held]]:
        """Change items of the index, and learn from it at once.

        Args:
            ids: The items that the action puts in or takes out.
            labels: The label each has afterwards; None where none.
            vectors: (n, d) of the items.
            action: Changes the index.

        Returns:
            Those of the items that were there before, and those that are afterwards.
        """
        with self._lock:
            before = self._shared.held(ids)
            if self._is_behind or self._is_new(before):
                self.catch_up()
            state = self._state
            try:
                if state.classifier is None or state.is_private:
                    action()
                    if self._model is None:
                        self.learn()
                elif self._leaves_none(state.classifier, ids, labels):
                    action()
                    self.learn()
                else:
                    later = copy.copy(state.classifier)
                    later.follow(ids, labels, vectors, action)
                    self._put(later)
                    after = self._shared.held(ids)
                    self._mark += mark_of(after) - mark_of(before)
                    return before, after
                return before, self._shared.held(ids)
            except BaseException:
                self._is_behind = True  # how much of it Milvus has is not known
                raise

    def spelled(self, labels: Sequence[str | None]) -> list[str | None]:
        """Return labels of items to come in the spelling of those that they are taken for.

        Those are labels in words that have no example yet; all, where the settings say so.
        """
        classifier = self._state.classifier
        if classifier is None or (self._model is not None and self._state.is_private):
            return list(labels)
        every = self._settings.classify.normalize_labels
        return spelled_as_known(classifier.knowledge_, labels, every=every)

    def labels(self) -> list[str]:
        """Return the labels that exist: of examples, and in words."""
        classifier = self._state.classifier
        known = [] if classifier is None else classifier.classes_.tolist()
        return list(dict.fromkeys([*map(str, known), *self._journal.labels]))

    def add_label(self, name: str, descriptions: Sequence[str]) -> bool:
        """Let a label be named by its description; return whether it is new.

        Raises:
            ApiError: The label exists, otherwise described, or nothing can be added.
            InputError: The classifier knows no descriptions.
        """
        texts = list(descriptions) or [name.replace("_", " ")]
        with self._lock:
            if self._journal.labels.get(name) == texts:
                return False
            state = self._state
            if self._model is not None and state.is_private:
                raise ApiError(409, "read-only", "the saved classifier holds its examples itself")
            if (known := self._known_as(name)) is not None:
                spelled = "" if known == name else f", spelled {known!r}"
                raise ApiError(409, "conflict", f"label {name!r} exists{spelled}")
            if state.classifier is None:
                self._journal.add(name, texts)
                self.learn()
                return True
            later = copy.copy(state.classifier)
            later.add_label(name, texts)
            self._journal.add(name, texts)
            self._put(later)
            return True

    def catch_up(self) -> None:
        """Learn what others wrote, or what a write that failed left behind."""
        with self._lock:
            mark = self._read_mark()
            self._put_caught_up(_caught_up(self._state), mark)
            self._is_behind = False

    def follow(self) -> float:
        """Learn what other processes have written since, if they have.

        Whoever asks or writes meanwhile does not wait, unless a write overtakes it.

        Returns:
            Seconds it took to find out.
        """
        start, state = perf_counter(), self._state
        mark, seconds = self._read_mark(), perf_counter() - start
        if mark == self._mark:
            return seconds
        later = _caught_up(state)
        with self._lock:
            if self._state is state:
                self._put_caught_up(later, mark)
            elif self._read_mark() != self._mark:
                self.catch_up()
        return seconds

    # --- inside ----------------------------------------------------------------------------------

    def _put_caught_up(self, later: NeighborClassifier | None, mark: int) -> None:
        if later is None:
            self.learn()
            return
        self._put(later)
        self._mark = mark
        _log.info("caught up with the index", examples=len(later.knowledge_.example_ids))

    def _read_mark(self) -> int:
        """Add up the labeled items of the index; of no use where nobody else writes."""
        return self._shared.mark() if self._follows else self._mark

    def _is_new(self, held: Mapping[str, Held]) -> bool:
        """Whether others have given one of these items a label that is not known here."""
        classifier = self._state.classifier
        if classifier is None or self._state.is_private:
            return False
        known = {"", *map(str, classifier.classes_.tolist())}
        return any(one.label not in known for one in held.values())

    def _put(self, classifier: NeighborClassifier) -> None:
        self._changes += 1
        self._state = State(classifier, self._version(), self._state.fitted_on)

    def _version(self) -> str:
        return f"{self._index.version}@{self._stamp}+{self._changes}"

    def _known_as(self, name: str) -> str | None:
        """Return the label that a name stands for, however spelled; None: it is new."""
        known = self.labels()
        return name if name in known else spelled_like(name, known)

    @staticmethod
    def _leaves_none(
        classifier: NeighborClassifier, ids: Sequence[str], labels: Sequence[str | None]
    ) -> bool:
        known = classifier.knowledge_
        stay = known.example_ids - set(ids)
        return not stay and not known.described and all(label is None for label in labels)

    def _learned(self) -> NeighborClassifier | None:
        if self._model is not None:
            return self._loaded(self._model)
        options, columns = self._settings.classify, self._settings.items
        described = self._settings.label_texts
        words = {} if described is None else dict(read_label_texts(described))
        words |= self._journal.labels
        if self._index.count():
            if not words and not self._index.labels():
                return None
            classifier = make_classifier(self._settings, self._index)
            layout = self._index.layout
            more = taught_besides(self._settings, layout.text, layout.item_id)
            return classifier.fit(labels=words or None, groups=options.groups, **more)
        if not words:
            return None
        classifier = NeighborClassifier(
            encoder=self._index.encoder,
            k=options.k,
            temperature=options.temperature,
            normalize_labels=options.normalize_labels,
        )
        return classifier.fit(labels=words, text=list(columns.text or ("text",)))

    def _loaded(self, model: Path) -> NeighborClassifier:
        if named_index(model) is None:
            return NeighborClassifier.load(model, encoder=self._index.encoder)
        classifier = NeighborClassifier.load(model, index=self._index).catch_up()
        for name, texts in self._journal.labels.items():
            known = classifier.classes_.tolist()
            if name not in known and spelled_like(name, known) is None:
                classifier.add_label(name, texts)
        return classifier


def version_of(folder: Path) -> str:
    """Return a saved model's name, and a short hash of its manifest, which has all its files'."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.json")):
        digest.update(path.read_bytes())
    return f"{folder.name}@{digest.hexdigest()[:12]}"


def _of_one_label(classifier: NeighborClassifier | None) -> NeighborClassifier | None:
    if classifier is not None and not classifier.knowledge_.exclusive:
        raise InputError("the API gives one label an item, and here items have lists of labels")
    return classifier


def _caught_up(state: State) -> NeighborClassifier | None:
    """Return the classifier as the index teaches it now; None where one has to be fitted."""
    if state.classifier is None or state.is_private:
        return None
    try:
        return copy.copy(state.classifier).catch_up()
    except InputError:  # no labeled item is left
        return None


def _existing(state: State) -> NeighborClassifier:
    if state.classifier is None:
        raise ApiError(
            409, "nothing-learned", "no label is known: add labeled items, or labels in words"
        )
    return state.classifier
