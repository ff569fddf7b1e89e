"""What the machine says of items in review: the likeliest labels, and how sure it is of them.

Runs in the thread of the label lane, in small batches, so that other callers have their turns.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers import NeighborClassifier, uncertainty
from serving.handlers.tables import plain
from serving.runtime.tenants import Tenant

CHOICES = 5
NEIGHBORS = 8


@dataclass(frozen=True)
class Score:
    """What the machine says of one item.

    Attributes:
        label: The likeliest one; None where it knows no label, or says none of these.
        probability: Of the likeliest label.
        unsure: In [0, 1].
        novelty: Higher for less like anything known.
        known: False: none of these.
        sure: Whether the label set, at the precision wanted, holds one label.
        choices: The likeliest labels with their probabilities.
        label_set: The labels among which the right one is, as often as wanted.
        neighbors: Those that voted, as in the labels table.
    """

    label: str | None
    probability: float | None
    unsure: float
    novelty: float | None
    known: bool
    sure: bool
    choices: tuple[tuple[str, float], ...] = ()
    label_set: tuple[str, ...] | None = None
    neighbors: tuple[dict[str, Any], ...] = ()


NOTHING = Score(None, None, 1.0, None, known=False, sure=False)
"""What is said where no label is known yet."""


@dataclass(frozen=True)
class ScoreCall:
    """Items of which the machine is to say what they are.

    Attributes:
        tenant: Whose items they are.
        items: Their ids.
        vectors: (n, d) of them.
        precision: Wanted of what the machine is sure of.
    """

    tenant: Tenant
    items: Sequence[str]
    vectors: npt.NDArray[np.float32]
    precision: float

    @property
    def owner(self) -> Hashable:
        """The tenant's name."""
        return self.tenant.name

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the items."""
        return frozenset(self.items)

    @property
    def rows(self) -> int:
        """How many items."""
        return len(self.items)

    @property
    def group(self) -> Hashable:
        """Tenant and precision."""
        return type(self), id(self.tenant), self.precision


def score(calls: Sequence[ScoreCall]) -> list[list[Score]]:
    """Say what the items of several calls of one group are."""
    tenant, precision = calls[0].tenant, calls[0].precision
    items = [one for call in calls for one in call.items]
    vectors = np.concatenate([call.vectors for call in calls])
    if tenant.labeler.state.classifier is None:
        return [[NOTHING] * call.rows for call in calls]

    def ask(classifier: NeighborClassifier) -> tuple[list[str], pd.DataFrame, Any]:
        found = classifier.classify_vectors(vectors, items, neighbors=NEIGHBORS, coverage=precision)
        return [str(one) for one in classifier.classes_.tolist()], *found

    with tenant.metrics.engine("classify"):
        (names, table, proba), _ = tenant.labeler.answer(ask)
    unsure = uncertainty(proba, table["known"].to_numpy(dtype=bool))
    scores = [
        _score(names, row, own, float(doubt))
        for row, own, doubt in zip(table.to_dict("records"), proba, unsure, strict=True)
    ]
    shared, start = [], 0
    for call in calls:
        shared.append(scores[start : start + call.rows])
        start += call.rows
    return shared


def _score(names: Sequence[str], row: dict[Any, Any], proba: Any, unsure: float) -> Score:
    best = np.argsort(-proba, kind="stable")[:CHOICES]
    inside = row["label_set"]
    known = bool(row["known"])
    seen = row["label"] is not None
    # What may be taken without a person: known, and no other label in the set.
    sure = known and inside is not None and len(inside) == 1
    return Score(
        label=names[int(best[0])] if seen and known else None,
        probability=float(proba[best[0]]) if seen else None,
        unsure=unsure,
        novelty=plain(row["novelty"]),
        known=known,
        sure=sure,
        choices=tuple((names[int(one)], float(proba[one])) for one in best) if seen else (),
        label_set=None if inside is None else tuple(map(str, inside)),
        neighbors=tuple(row["neighbors"]),
    )


def why_unsure(one: Score, *, given: str | None = None) -> list[str]:
    """Say in words why an item is worth a look."""
    if not one.choices:
        return ["No label is known yet: the first items teach the machine."]
    words = []
    if given is not None:
        words.append(f"Those like it say otherwise than its label, {given}.")
    if not one.known:
        words.append("It is unlike anything known: it may be none of these labels.")
    if len(one.choices) > 1 and one.choices[0][1] - one.choices[1][1] < 0.2:
        (first, most), (second, next_most) = one.choices[:2]
        words.append(f"Two labels are close: {first} {most:.0%}, {second} {next_most:.0%}.")
    if one.label_set is not None and len(one.label_set) > 1:
        words.append(f"{len(one.label_set)} labels come into question.")
    said = {near["label"] for near in one.neighbors}
    if len(said) > 2:
        words.append(f"The {len(one.neighbors)} items most like it have {len(said)} labels.")
    if one.sure and not words:
        words.append("The machine is sure; this is a check.")
    return words
