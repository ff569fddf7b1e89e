"""Score people for items that nobody has bought yet: who will buy this launch?

A logistic regression over what a person bought by then, as it stands to the item: likeness of
content, how much of its groups (label, attributes that are no numbers) was bought, how much at all,
lately, and of items that were new. It is learned on the launches before the day: who bought them in
their first weeks, seen from the day before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from pipelines.recommendations.histories import HALF_LIFE, Histories
from pipelines.recommendations.kernel import Asked, Contents

WINDOW = 56  # days in which a launch finds its first buyers
COHORTS = 2  # windows before the day, whose launches are learned from
LEAST_BUYERS = 100  # of all launches learned from; fewer teach less than likeness alone
_NEGATIVES = 60  # people drawn for each launch
_STRENGTH = 0.1
_PEOPLE = 500  # at a time

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shelf:
    """The items that are bought and launched.

    Attributes:
        contents: What they hold.
        launch_day: (n,) days since 1970; an item without a date is as old as can be.
        groups: Name → (n,) codes of its values, -1 where missing.
    """

    contents: Contents
    launch_day: npt.NDArray[np.int64]
    groups: Mapping[str, npt.NDArray[np.int64]]

    def launched(self, after: int, last: int) -> Positions:
        """Return the items launched after one day, until another."""
        return np.flatnonzero((self.launch_day > after) & (self.launch_day <= last))


@dataclass(frozen=True)
class Profiles:
    """What is known of all people on a day.

    Attributes:
        day: The day.
        shelf: The items.
        pooled: (people, distinct) weights of purchases by content.
        grouped: Group → (people, values) log(1 + what was bought of it).
        habits: (people, 3) how much, how much lately, and how many new items, as log(1 + n).
    """

    day: int
    shelf: Shelf
    pooled: sp.csr_matrix
    grouped: Mapping[str, Floats]
    habits: Floats

    @classmethod
    def on(
        cls, histories: Histories, shelf: Shelf, day: int, half_life: float = HALF_LIFE
    ) -> Profiles:
        """Sum up what was bought until a day."""
        known = histories.until(day)
        weights = known.weights(day, half_life)
        counts = known.weights(day, half_life)
        counts.data = np.expm1(counts.data)
        grouped = {name: _by_group(counts, codes) for name, codes in shelf.groups.items()}
        return cls(day, shelf, shelf.contents.pooled(weights), grouped, _habits(known, shelf, day))

    def features(self, people: Positions, items: Positions, asked: Asked | None = None) -> Floats:
        """Return (people, items, features).

        Args:
            people: Positions of people.
            items: Positions of items.
            asked: The items as compared with what these people hold, where that is at hand.
        """
        pooled = self.pooled[people]
        if asked is None:
            asked = Asked.of(self.shelf.contents, items, pooled)
        columns = [np.log1p(asked.likeness(pooled)), asked.nearest(pooled)]
        for name, table in self.grouped.items():
            codes = self.shelf.groups[name][items]
            columns.append(np.where(codes >= 0, table[people][:, np.maximum(codes, 0)], 0.0))
        columns += [
            np.repeat(self.habits[people, at][:, None], len(items), axis=1)
            for at in range(self.habits.shape[1])
        ]
        return np.stack(columns, axis=-1).astype(np.float32)

    def blocks(self, items: Positions) -> Iterator[tuple[Positions, Floats]]:
        """Yield people, some at a time, with their features."""
        everyone = np.arange(len(self.habits))
        asked = Asked.of(self.shelf.contents, items, self.pooled)
        for start in range(0, len(everyone), _PEOPLE):
            people = everyone[start : start + _PEOPLE]
            yield people, self.features(people, items, asked)


@dataclass(frozen=True)
class Affinity:
    """What makes people buy a launch.

    Attributes:
        weights: (features,) of what `Profiles.features` gives; of likeness alone where too few
            launches could be learned from.
        bias: Added, so that the sum is a logit.
        launches: How many launches it was learned from.
        buyers: How many purchases of them.
    """

    weights: Floats
    bias: float
    launches: int
    buyers: int

    @classmethod
    def learn(
        cls,
        histories: Histories,
        shelf: Shelf,
        day: int,
        *,
        window: int = WINDOW,
        half_life: float = HALF_LIFE,
        seed: int = 0,
    ) -> Affinity:
        """Learn from launches whose first weeks had passed by a day.

        Args:
            histories: Purchases; those after the day are not seen.
            shelf: The items.
            day: The day.
            window: Days after a launch in which its buyers count.
            half_life: Of purchases.
            seed: Of the people drawn who did not buy.
        """
        features, bought, launches = [], [], 0
        generator = np.random.default_rng(seed)
        for cohort in range(COHORTS, 0, -1):
            start = day - cohort * window
            items = shelf.launched(start, start + window)
            if not len(items):
                continue
            buyers = histories.within(start, start + window).bought()[:, items]
            profiles = Profiles.on(histories, shelf, start, half_life)
            rows, answers = _sample(profiles, items, buyers, generator)
            features.append(rows)
            bought.append(answers)
            launches += int((buyers.getnnz(axis=0) > 0).sum())
        n = int(sum(one.sum() for one in bought))
        if n < LEAST_BUYERS:
            width = 2 + len(shelf.groups) + 3
            alone = np.eye(1, width, dtype=np.float32)[0]
            return cls(alone, 0.0, 0, n)
        weights, bias = _fit(np.concatenate(features), np.concatenate(bought))
        return cls(weights, bias, launches, n)

    def scores(self, profiles: Profiles, items: Positions) -> Floats:
        """Return (people, items) logits that a person buys an item; higher is likelier."""
        parts = [table @ self.weights + self.bias for _, table in profiles.blocks(items)]
        return np.concatenate(parts) if parts else np.empty((0, len(items)), np.float32)


def _sample(
    profiles: Profiles,
    items: Positions,
    buyers: sp.csr_matrix,
    generator: np.random.Generator,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the features of all who bought, and of some who did not."""
    n = buyers.shape[0]
    drawn = generator.integers(n, size=(_NEGATIVES, len(items)))
    is_drawn = np.zeros((n, len(items)), dtype=bool)
    np.put_along_axis(is_drawn, drawn, True, axis=0)
    is_buyer = buyers.toarray() > 0
    rows, answers = [], []
    for people, table in profiles.blocks(items):
        chosen = is_drawn[people] | is_buyer[people]
        rows.append(table[chosen])
        answers.append(is_buyer[people][chosen])
    return np.concatenate(rows), np.concatenate(answers)


def _fit(features: Floats, bought: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression

    center, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale < 1e-9] = 1.0
    model = LogisticRegression(C=_STRENGTH, max_iter=1_000)
    model.fit((features - center) / scale, bought)
    weights = (model.coef_[0] / scale).astype(np.float32)
    return weights, float(model.intercept_[0] - weights @ center)


def _by_group(counts: sp.csr_matrix, codes: npt.NDArray[np.int64]) -> Floats:
    there = np.flatnonzero(codes >= 0)
    shape = (len(codes), int(codes.max(initial=-1)) + 1)
    members = sp.csr_matrix((np.ones(len(there)), (there, codes[there])), shape=shape)
    return np.log1p(np.asarray((counts @ members).todense(), dtype=np.float32))


def _habits(known: Histories, shelf: Shelf, day: int) -> Floats:
    n = len(known.people)
    is_late = known.day > day - WINDOW
    age = known.day - shelf.launch_day[known.item]
    is_new = (age >= 0) & (age < WINDOW)
    columns = [
        np.bincount(known.person[some], minlength=n) for some in (slice(None), is_late, is_new)
    ]
    return np.log1p(np.column_stack(columns)).astype(np.float32)
