"""Recommend like items that differ, items for a person, people for an item; tell why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.answers.catalog import Catalog, Mask, View
from pipelines.recommendations.diversity import choose_diverse
from pipelines.recommendations.histories import HALF_LIFE, Histories, day_of
from pipelines.recommendations.kernel import TEMPERATURE, Contents
from pipelines.recommendations.known import KnownItems
from pipelines.recommendations.launches import WINDOW, Affinity, Profiles, Shelf
from pipelines.recommendations.tastes import Tastes, find_tastes
from retrieval import InputError, Where, parse_date, parse_where, to_mask

MOST = 1_000  # recommendations of one call
LIKE_DIVERSITY = 0.3  # of like items, which else are one product in many sizes
_REASONS = 3
_POOL = 5  # times as many candidates as are asked for, among which the diverse are chosen
_LEAST_POOL = 50
_ALWAYS = -(10**6)  # launch day of an item that has no date

Kind = Literal["known", "new"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Reason:
    """An item that a recommendation rests on.

    Attributes:
        item_id: The item, bought by the person it is about.
        similarity: Cosine of the two items.
        share: Of all that speaks for the recommendation.
    """

    item_id: str
    similarity: float
    share: float


@dataclass(frozen=True)
class Recommendation:
    """One item for a person, or one person for an item.

    Attributes:
        id: Of the item, or the person.
        score: Higher fits better; comparable within one call.
        because: What it rests on, the strongest first.
    """

    id: str
    score: float
    because: tuple[Reason, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


class Recommender:
    """Recommends from a catalog and, where there are any, histories.

    Args:
        catalog: The items.
        histories: Purchases of them; None: only like items can be recommended.
        half_life: Days after which a purchase counts half.
        seed: Of what is drawn.
    """

    def __init__(
        self,
        catalog: Catalog,
        histories: Histories | None = None,
        *,
        half_life: float = HALF_LIFE,
        seed: int = 0,
    ) -> None:
        self.catalog = catalog
        self.histories = histories
        self.half_life = half_life
        self.seed = seed
        self.shelf = shelf_of(catalog)
        self._made: dict[tuple[str, int], Any] = {}

    def like(
        self,
        item: str,
        k: int = 10,
        *,
        where: Where | None = None,
        exclude: Collection[str] = (),
        as_of: object = None,
        diversity: float = 0.3,
    ) -> list[Recommendation]:
        """Return items like one, which differ from one another.

        Args:
            item: Id of the item.
            k: How many.
            where: Conditions, as of `ItemIndex.neighbors`: a price band is a `Between`.
            exclude: Ids that must not come.
            as_of: A day: what was launched later is not known.
            diversity: 0: the most like ones; 1: those least like one another.

        Raises:
            InputError: The item, a column or the date is unknown.
        """
        _check(k, diversity)
        view = self.catalog.as_of(as_of)
        row = _known(view.positions, item, "item", "there is no item")
        cosines = view.vectors @ view.vectors[row]
        mask = _allowed(view, where, {item, *exclude})
        chosen = _diverse(cosines, view.vectors, mask, k, diversity)
        return [Recommendation(view.id_of(at), round(float(cosines[at]), 6)) for at in chosen]

    def for_person(
        self,
        person: str,
        k: int = 10,
        *,
        kind: Kind = "known",
        again: bool = False,
        where: Where | None = None,
        exclude: Collection[str] = (),
        as_of: object = None,
        diversity: float = 0.0,
    ) -> list[Recommendation]:
        """Return items for a person.

        Args:
            person: Whose purchases tell.
            k: How many.
            kind: `known`: items that somebody has bought; `new`: those that nobody has yet,
                launched lately or planned.
            again: Whether what the person has bought may come again.
            where: Conditions, as of `ItemIndex.neighbors`: a price band is a `Between`.
            exclude: Ids that must not come.
            as_of: A day: what was bought later is not known.
            diversity: As of `like`.

        Raises:
            InputError: The person has bought nothing by then, or a column or the date is unknown.
        """
        _check(k, diversity)
        day = self._day(as_of)
        row = self._person(person, day)
        scores, allowed = self._scores(row, kind, day, again=again)
        everything = self.catalog.as_of(None)
        allowed &= _allowed(everything, where, exclude)
        if kind == "known":
            allowed &= self.shelf.launch_day <= day
        chosen = _diverse(scores, self.catalog.vectors, allowed, k, diversity)
        return [self._told(everything.id_of(at), scores[at], row, at, day) for at in chosen]

    def for_item(
        self, item: str, k: int = 50, *, as_of: object = None, again: bool = False
    ) -> list[Recommendation]:
        """Return people for an item: of a launch, who will buy it.

        Args:
            item: Id of the item; one that nobody has bought by then is scored as a launch.
            k: How many people.
            as_of: A day: what was bought later is not known.
            again: Whether people who have bought it may come again.

        Raises:
            InputError: The item or the date is unknown, or nobody has bought anything by then.
        """
        _check(k, 0.0)
        day = self._day(as_of)
        at = _known(self.catalog.as_of(None).positions, item, "item", "there is no item")
        histories = self._histories
        known = self._of("known", day, lambda: histories.until(day))
        has_bought = (
            np.bincount(known.person[known.item == at], minlength=len(histories.people)) > 0
        )
        is_customer = np.bincount(known.person, minlength=len(histories.people)) > 0
        if not is_customer.any():
            raise InputError("histories: nobody has bought anything by then")
        scores = self._for_known(at, day, again) if has_bought.any() else self._for_launch(at, day)
        allowed = is_customer & (True if again else ~has_bought)
        order = np.lexsort((np.arange(len(scores)), -scores))
        chosen = [row for row in order.tolist() if allowed[row]][:k]
        return [self._told(histories.people[row], scores[row], row, at, day) for row in chosen]

    def tastes(self, person: str, *, as_of: object = None) -> list[tuple[float, list[str]]]:
        """Return the tastes of a person: the share of each, and the items it is nearest to.

        Raises:
            InputError: The person has bought nothing by then, or the date is none.
        """
        day = self._day(as_of)
        items, tastes = self._tastes(self._person(person, day), day)
        view = self.catalog.as_of(None)
        told = []
        for taste, share in enumerate(tastes.shares.tolist()):
            mine = items[tastes.member == taste]
            near = self.catalog.vectors[mine] @ tastes.centers[taste]
            best = mine[np.argsort(-near, kind="stable")[:_REASONS]]
            told.append((round(share, 6), [view.id_of(int(at)) for at in best]))
        return told

    # --- what is learned, once for each day ------------------------------------------------------

    @property
    def _histories(self) -> Histories:
        if self.histories is None or not len(self.histories):
            raise InputError("histories: there are no purchases of the catalog's items")
        return self.histories

    def _of(self, what: str, day: int, make: Callable[[], _T]) -> _T:
        key = (what, day)
        if key not in self._made:
            for old in [one for one in self._made if one[0] == what and one[1] != day]:
                del self._made[old]  # one day at a time: they are large
            self._made[key] = make()
        made: _T = self._made[key]
        return made

    def _learned(self, day: int) -> KnownItems:
        def learn() -> KnownItems:
            weights = self._histories.until(day).weights(day, self.half_life)
            return KnownItems.learn(weights, self.shelf.contents, self.seed)

        return self._of("items", day, learn)

    def _profiles(self, day: int) -> Profiles:
        return self._of(
            "profiles",
            day,
            lambda: Profiles.on(self._histories, self.shelf, day, self.half_life),
        )

    def _affinity(self, day: int) -> Affinity:
        return self._of(
            "affinity",
            day,
            lambda: Affinity.learn(
                self._histories, self.shelf, day, half_life=self.half_life, seed=self.seed
            ),
        )

    def _day(self, as_of: object) -> int:
        return self._histories.last_day if as_of is None else day_of(parse_date(as_of, "as_of"))

    def _person(self, person: str, day: int) -> int:
        row = _known(
            self._histories.positions, person, "customer", "nothing is known to be bought by"
        )
        if not (self._of("known", day, lambda: self._histories.until(day)).person == row).any():
            raise InputError(f"customer: {person!r} has bought nothing by then")
        return row

    # --- scores ----------------------------------------------------------------------------------

    def _scores(
        self, row: int, kind: Kind, day: int, *, again: bool
    ) -> tuple[npt.NDArray[np.float32], Mask]:
        """Return (items,) scores for a person, and which items have one."""
        scores = np.full(len(self.catalog.items), -np.inf, dtype=np.float32)
        learned = self._learned(day)
        if kind == "known":
            scores[learned.items] = learned.scores(np.array([row]), again=again)[0]
            if not again:
                scores[learned.items[learned.weights[[row]].indices]] = -np.inf
        else:
            fresh = np.setdiff1d(self.shelf.launched(day - WINDOW, day + 10**6), learned.items)
            if len(fresh):
                features = self._profiles(day).features(np.array([row]), fresh)[0]
                affinity = self._affinity(day)
                scores[fresh] = features @ affinity.weights + affinity.bias
        return scores, np.isfinite(scores)

    def _for_launch(self, at: int, day: int) -> npt.NDArray[np.float32]:
        scores = self._affinity(day).scores(self._profiles(day), np.array([at]))
        return scores[:, 0]

    def _for_known(self, at: int, day: int, again: bool) -> npt.NDArray[np.float32]:
        """Return (people,) scores of an item that people have bought."""
        learned = self._learned(day)
        column = int(np.searchsorted(learned.items, at))
        return learned.scores_of(column, again=again)

    def _tastes(self, row: int, day: int) -> tuple[npt.NDArray[np.int64], Tastes]:
        learned = self._learned(day)
        mine = learned.weights[[row]]
        items = learned.items[mine.indices]
        return items, find_tastes(self.catalog.vectors[items], mine.data, seed=self.seed)

    def _told(self, name: str, score: float, row: int, at: int, day: int) -> Recommendation:
        """Return a recommendation with the purchases that speak for it most."""
        learned = self._learned(day)
        mine = learned.weights[[row]]
        items = learned.items[mine.indices]
        cosines = self.catalog.vectors[items] @ self.catalog.vectors[at]
        votes = mine.data * np.exp((cosines - 1) / TEMPERATURE)
        votes[items == at] = 0.0
        view = self.catalog.as_of(None)
        best = np.argsort(-votes, kind="stable")[:_REASONS]
        total = float(votes.sum()) or 1.0
        because = tuple(
            Reason(
                view.id_of(int(items[one])),
                round(float(cosines[one]), 6),
                round(float(votes[one]) / total, 6),
            )
            for one in best.tolist()
            if votes[one] > 0
        )
        return Recommendation(name, round(float(score), 6), because)


def shelf_of(catalog: Catalog) -> Shelf:
    """Return the items of a catalog as launches need them.

    Groups are the label, the attributes that are no numbers, and the label with each of these.
    """
    items = catalog.items
    days = pd.to_datetime(items["launch_date"]).to_numpy().astype("datetime64[D]")
    launch_day = np.where(np.isnat(days), _ALWAYS, days.astype(np.int64))
    named = [one for one, kind in catalog.fields.attributes.items() if kind == "string"]
    columns = {one: items[one] for one in named}
    label = items["label"]
    if label.notna().any():
        crossed = {f"label, {one}": label + "\0" + column for one, column in columns.items()}
        columns = {"label": label, **columns, **crossed}
    groups = {name: pd.factorize(column)[0].astype(np.int64) for name, column in columns.items()}
    return Shelf(Contents.of(catalog.vectors), launch_day, groups)


def recommendations_table(asked: Sequence[tuple[str, Sequence[Recommendation]]]) -> pd.DataFrame:
    """Return recommendations as a table: query, rank, id, score, and what each rests on."""
    rows = [
        (query, rank, one.id, one.score, [asdict(reason) for reason in one.because])
        for query, found in asked
        for rank, one in enumerate(found, start=1)
    ]
    return pd.DataFrame(rows, columns=["query", "rank", "id", "score", "because"])


def _check(k: int, diversity: float) -> None:
    if not 1 <= k <= MOST:
        raise InputError(f"k: must be between 1 and {MOST:,}, got {k}")
    if not 0 <= diversity <= 1:
        raise InputError(f"diversity: must be between 0 and 1, got {diversity}")


def _known(positions: dict[str, int], name: str, what: str, problem: str) -> int:
    if name not in positions:
        raise InputError(f"{what}: {problem} {name!r}")
    return positions[name]


def _allowed(view: View, where: Where | None, exclude: Collection[str]) -> Mask:
    named = to_mask(parse_where(where or {}, view.kinds), view.columns)
    mask = np.ones(len(view.items), dtype=bool) if named is None else named.copy()
    mask[[view.positions[one] for one in exclude if one in view.positions]] = False
    return mask


def _diverse(
    scores: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.float32],
    allowed: Mask,
    k: int,
    diversity: float,
) -> list[int]:
    rows = np.flatnonzero(allowed)
    order = rows[np.lexsort((rows, -scores[rows]))]
    if diversity == 0:
        return [int(one) for one in order[:k]]
    # Items that are described alike differ in nothing that could be chosen by: one stands for all.
    distinct: dict[bytes, int] = {}
    for one in order.tolist():
        distinct.setdefault(vectors[one].tobytes(), one)
        if len(distinct) >= max(_POOL * k, _LEAST_POOL):
            break
    best = np.array(list(distinct.values()), dtype=np.int64)
    return [int(best[one]) for one in choose_diverse(scores[best], vectors[best], k, diversity)]
