"""Answer questions from the fields of items: quoted, with their sources, or not at all.

Nothing is written here that does not stand in a field. A question about one item is answered by
the fact that the ranker finds likeliest, if it is likely enough; one that asks which items there
are, by the items that meet its conditions, most like the question first. Numbers are compared here,
by the conditions that were understood, which the answer names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipelines.answers.catalog import Catalog, Mask, View
from pipelines.answers.conditions import LAUNCH, Condition, Stated, read_conditions
from pipelines.answers.facts import Fact
from pipelines.answers.features import measure, similarities
from pipelines.answers.ranker import Ranker
from pipelines.answers.words import terms_of, words_of
from retrieval import InputError, Where, parse_date, parse_where, to_mask

MOST_CHARACTERS = 2_000
MOST_SOURCES = 50
_ITEMS = 3  # found for a question about one, whose facts are ranked
_LIKE = 0.2  # cosine below which an item without a word in common is like nothing asked
_LISTS = re.compile(
    r"^\W*(?:list|show|find|name|give me|how many|are there|is there)\b"
    r"|\b(?:which|what)\b[^?]*\b(?:items|products|launches|articles|ones|things)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Source:
    """What an answer rests on.

    Attributes:
        item_id: The item.
        field: Its column.
        value: What stands there.
        probability: That it answers the question; None where it shows an item that was listed.
    """

    item_id: str
    field: str
    value: str
    probability: float | None = None


@dataclass(frozen=True)
class Answer:
    """One answer, or why there is none.

    Attributes:
        question: As it was asked.
        answer: What the sources say; None where nothing is likely enough.
        probability: That it is right; None for a list of items.
        items: The items it is about, the likeliest first.
        sources: What it rests on, or, without an answer, what came nearest.
        conditions: Those that were applied, in words.
        notes: What to know beside it, such as a condition that was not understood.
        as_of: The day whose knowledge it is; None: all that is known.
        catalog: Stands for the items that were visible: an equal one gives the same answer.
    """

    question: str
    answer: str | None
    probability: float | None
    items: tuple[str, ...]
    sources: tuple[Source, ...]
    conditions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    as_of: str | None = None
    catalog: str = field(default="", compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "abstained": self.answer is None}


@dataclass(frozen=True)
class _Asked:
    """A question that was checked."""

    question: str
    view: View
    ranker: Ranker
    threshold: float
    k: int
    stated: Stated
    mask: Mask
    notes: tuple[str, ...]


def ask(
    catalog: Catalog,
    question: str,
    *,
    item: str | None = None,
    where: Where | None = None,
    as_of: object = None,
    k: int = 5,
    ranker: Ranker | None = None,
    threshold: float | None = None,
    today: object = None,
) -> Answer:
    """Answer a question.

    Args:
        catalog: The items.
        question: In the encoder's language; conditions in it are understood in English.
        item: Id of the item it is about; None: it is found.
        where: Conditions, as of `ItemIndex.neighbors`; those the question states hold as well.
        as_of: A day: what was launched or forecast later is not known.
        k: How many sources, or items of a list, at most.
        ranker: Of facts; None: the one that ships.
        threshold: Probability below which no answer is given; None: the ranker's.
        today: What ``next month`` is counted from; None: `as_of`, or else the day of the call.

    Raises:
        InputError: The question is empty or too long, or the item, a column or a date is unknown.
    """
    _check(question, k, threshold)
    view = catalog.as_of(as_of)
    moment = today if today is not None else as_of
    now = pd.Timestamp.now().normalize() if moment is None else parse_date(moment, "today")
    ranker = ranker or Ranker.load()
    floor = ranker.threshold if threshold is None else threshold
    stated = (
        read_conditions(question, view.kinds, now) if item is None else Stated((), (), question)
    )
    mask = _visible(view, where, stated.conditions)
    notes = _notes(view, ranker, stated)
    asked = _Asked(question, view, ranker, floor, k, stated, mask, notes)
    if item is not None:
        return _about(asked, [(_row_of(view, item, mask), 1.0)])
    if stated.conditions or _LISTS.search(question):
        return _listed(asked)
    found = view.search(question, _ITEMS, mask)
    return _about(asked, found) if found else _nothing(asked)


def _check(question: object, k: int, threshold: float | None) -> None:
    if not isinstance(question, str) or not words_of(question):
        raise InputError("question: has no word in it")
    if len(question) > MOST_CHARACTERS:
        raise InputError(
            f"question: {len(question):,} characters, where {MOST_CHARACTERS:,} may be"
        )
    if not 1 <= k <= MOST_SOURCES:
        raise InputError(f"k: must be between 1 and {MOST_SOURCES}, got {k}")
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"threshold: must be between 0 and 1, got {threshold}")


def _visible(view: View, where: Where | None, conditions: Sequence[Condition]) -> Mask:
    named = to_mask(parse_where(where or {}, view.kinds), view.columns)
    mask = np.ones(len(view.items), dtype=bool) if named is None else named
    for one in conditions:
        mask = mask & one.mask(view.items)
    return mask


def _notes(view: View, ranker: Ranker, stated: Stated) -> tuple[str, ...]:
    notes = [
        f"{words!r} was not understood: no number column of the items is named with it"
        for words in stated.unclear
    ]
    launches = [one for one in stated.conditions if one.column == LAUNCH]
    if view.when is not None and any(
        isinstance(one.low, pd.Timestamp) and one.low > view.when for one in launches
    ):
        notes.append(f"items launched after {view.when.date()} are not known as of that day")
    if ranker.encoder and ranker.encoder != view.encoder.identity.name:
        notes.append(
            f"the ranker was learned with the encoder {ranker.encoder!r}; with another one its "
            "probabilities are not calibrated"
        )
    return tuple(notes)


def _row_of(view: View, item: str, mask: Mask) -> int:
    row = view.positions.get(item)
    if row is None:
        known = "" if view.when is None else f" as of {view.when.date()}"
        raise InputError(f"item: there is no item {item!r}{known}")
    if not mask[row]:
        raise InputError(f"item: {item!r} does not meet the conditions")
    return row


def _about(asked: _Asked, found: Sequence[tuple[int, float]]) -> Answer:
    """Answer by a fact of the first of the items; the others' facts stand beside it."""
    ranked: list[list[Source]] = []
    for row, _ in found:
        facts = asked.view.facts(row)
        question = (
            _field_part(asked.question, asked.view, row) if len(found) > 1 else asked.question
        )
        ranked.append(_ranked(asked, question, facts))
    first = ranked[0]
    if not first:
        return _nothing(asked)
    others = [sources[0] for sources in ranked[1:] if sources]
    best = first[0]
    is_sure = best.probability is not None and best.probability >= asked.threshold
    shown = first[: max(asked.k - len(others), 1)] + others
    return _answer(
        asked,
        best.value if is_sure else None,
        best.probability,
        [asked.view.id_of(row) for row, _ in found],
        shown[: asked.k],
    )


def _field_part(question: str, view: View, row: int) -> str:
    """Return a question without the words that name the item, if others are left."""
    named = set(terms_of(view.text_of(row)))
    rest = [one for one in question.split() if not named.intersection(terms_of(one))]
    return " ".join(rest) if terms_of(" ".join(rest)) else question


def _ranked(asked: _Asked, question: str, facts: Sequence[Fact]) -> list[Source]:
    if not facts:
        return []
    dense = similarities([question], [facts], asked.view.encoder)[0]
    features = measure(question, facts, dense, asked.view.field_shares)
    likely = asked.ranker.probabilities(features)
    return [
        Source(facts[at].item, facts[at].field, facts[at].value, round(float(likely[at]), 6))
        for at in np.argsort(-likely, kind="stable").tolist()
    ]


def _listed(asked: _Asked) -> Answer:
    """Answer by the items that meet the conditions."""
    view, conditions = asked.view, asked.stated.conditions
    rest = asked.stated.rest if words_of(asked.stated.rest) else asked.question
    found = view.search(rest, asked.k, asked.mask)
    if not conditions:
        terms = set(terms_of(rest))
        found = [
            (row, cosine)
            for row, cosine in found
            if cosine >= _LIKE or terms & set(terms_of(view.text_of(row)))
        ]
    if not found:
        return _nothing(asked)
    shown = dict.fromkeys((view.fields.text, *(_name(view, one.column) for one in conditions)))
    sources = [
        Source(fact.item, fact.field, fact.value)
        for row, _ in found
        for fact in view.facts(row)
        if fact.field in shown
    ]
    told = "; ".join(view.text_of(row) or view.id_of(row) for row, _ in found)
    total = int(asked.mask.sum())
    meet = "item meets" if total == 1 else "items meet"
    head = f"{total:,} {meet} the conditions, most like the question: " if conditions else ""
    ids = [view.id_of(row) for row, _ in found]
    return _answer(asked, head + told, None, ids, sources)


def _name(view: View, column: str) -> str:
    return (view.fields.launch_date or column) if column == LAUNCH else column


def _nothing(asked: _Asked) -> Answer:
    met = "no item is known" if not len(asked.view.items) else "no item meets the conditions"
    reason = met if not asked.mask.any() else "nothing that is known is like the question"
    return _answer(asked, None, None, [], [], reason)


def _answer(
    asked: _Asked,
    answer: str | None,
    probability: float | None,
    items: Sequence[str],
    sources: Sequence[Source],
    *more: str,
) -> Answer:
    when = asked.view.when
    return Answer(
        question=asked.question,
        answer=answer,
        probability=probability,
        items=tuple(map(str, items)),
        sources=tuple(sources),
        conditions=tuple(map(str, asked.stated.conditions)),
        notes=(*asked.notes, *more),
        as_of=None if when is None else str(when.date()),
        catalog=asked.view.digest,
    )


def answers_table(answers: Sequence[Answer]) -> pd.DataFrame:
    """Return answers as a table: a row for each source, one without for an answer without."""
    rows: list[Mapping[str, Any]] = []
    for number, one in enumerate(answers):
        head = {
            "query": number,
            "question": one.question,
            "answer": one.answer,
            "probability": one.probability,
            "as_of": one.as_of,
        }
        for rank, source in enumerate(one.sources or (Source("", "", ""),), start=1):
            told = {f"source_{key}": value for key, value in asdict(source).items()}
            rows.append(
                {**head, "rank": rank, **{key: value or None for key, value in told.items()}}
            )
    names = ("query", "question", "answer", "probability", "as_of", "rank")
    sources = ("source_item_id", "source_field", "source_value", "source_probability")
    return pd.DataFrame(rows, columns=[*names, *sources])
