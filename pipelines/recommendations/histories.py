"""Who bought what, and when: a table of purchases, as it was known on a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from retrieval import InputError, parse_dates

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int64]

HALF_LIFE = 182.0  # days after which a purchase counts half


@dataclass(frozen=True)
class Histories:
    """Purchases, a row each, sorted by day.

    Attributes:
        people: Ids of the people, sorted.
        items: Ids of the items, in the order of the catalog they are bought from.
        person: (n,) position of who bought.
        item: (n,) position of what was bought.
        day: (n,) days since 1970.
        quantity: (n,) how much, above 0.
        strangers: How many rows named an item that the catalog does not have; they are left out.
    """

    people: tuple[str, ...]
    items: tuple[str, ...]
    person: Ints
    item: Ints
    day: Days
    quantity: Floats
    strangers: int = 0

    @classmethod
    def of(
        cls,
        table: pd.DataFrame,
        items: Sequence[str],
        *,
        person: str = "customer_id",
        item: str = "item_id",
        time: str = "ds",
        quantity: str | None = None,
    ) -> Histories:
        """Read purchases.

        Args:
            table: A row a purchase.
            items: Ids of the catalog's items.
            person: Column of who bought.
            item: Column of what was bought.
            time: Column of the day.
            quantity: Column of how much; None: 1 each.

        Raises:
            InputError: A column is missing, or a row has no person, item or day, or a quantity that
                is not above 0.
        """
        columns = [person, item, time, *([] if quantity is None else [quantity])]
        for name in columns:
            if name not in table:
                there = ", ".join(map(str, table.columns))
                raise InputError(f"histories: no column {name!r} (there are: {there})")
        _require(table[columns].notna().all(axis=1), "a person, an item and a day are needed")
        days = parse_dates(table[time])
        _require(pd.Series(days.notna()), f"{time!r} is no date")
        amounts = np.ones(len(table))
        if quantity is not None:
            numbers = pd.to_numeric(table[quantity], errors="coerce")
            _require(numbers.gt(0) & np.isfinite(numbers), f"{quantity!r} must be above 0")
            amounts = numbers.to_numpy(dtype=np.float64)
        rows = pd.Index(items).get_indexer(pd.Index(table[item].astype(str)))
        codes, people = pd.factorize(table[person].astype(str), sort=True)
        moments = days.to_numpy().astype("datetime64[D]").astype(np.int64)
        known = np.flatnonzero(rows >= 0)
        order = known[np.lexsort((rows[known], codes[known], moments[known]))]
        return cls(
            people=tuple(map(str, people)),
            items=tuple(items),
            person=codes[order].astype(np.int64),
            item=rows[order].astype(np.int64),
            day=moments[order],
            quantity=amounts[order],
            strangers=len(table) - len(known),
        )

    def __len__(self) -> int:
        """Return the number of purchases."""
        return len(self.person)

    def until(self, day: int) -> Histories:
        """Return what was known at the end of a day; who has bought nothing by then stays."""
        return self._part(slice(0, int(np.searchsorted(self.day, day, side="right"))))

    def within(self, after: int, last: int) -> Histories:
        """Return the purchases after one day, until another."""
        ends = np.searchsorted(self.day, [after, last], side="right")
        return self._part(slice(int(ends[0]), int(ends[1])))

    @property
    def last_day(self) -> int:
        """The day of the last purchase; 0 where there is none."""
        return int(self.day[-1]) if len(self.day) else 0

    @cached_property
    def positions(self) -> dict[str, int]:
        """Person → position."""
        return {one: row for row, one in enumerate(self.people)}

    def counts(self) -> sp.csr_matrix:
        """(people, items) how much each has bought."""
        return self._matrix(self.quantity)

    def bought(self) -> sp.csr_matrix:
        """(people, items) 1 where it was bought at all."""
        matrix = self._matrix(np.ones(len(self)))
        matrix.data[:] = 1.0
        return matrix

    def weights(self, day: int, half_life: float = HALF_LIFE) -> sp.csr_matrix:
        """(people, items) log(1 + quantity), of which each purchase fades with its age.

        Args:
            day: From which ages are counted.
            half_life: Days after which a purchase counts half.
        """
        matrix = self._matrix(self.quantity * 0.5 ** ((day - self.day) / half_life))
        matrix.data = np.log1p(matrix.data)
        return matrix

    def _matrix(self, values: Floats) -> sp.csr_matrix:
        shape = (len(self.people), len(self.items))
        return sp.csr_matrix((values, (self.person, self.item)), shape=shape)

    def _part(self, rows: slice) -> Histories:
        person, item, day = self.person[rows], self.item[rows], self.day[rows]
        return Histories(self.people, self.items, person, item, day, self.quantity[rows])


def _require(holds: pd.Series, problem: str) -> None:
    bad = np.flatnonzero(~holds.to_numpy(dtype=bool))
    if len(bad):
        raise InputError(f"histories: row {int(bad[0]) + 1}: {problem} ({len(bad):,} such rows)")


def day_of(moment: pd.Timestamp) -> int:
    """Return a date as the number of days since 1970."""
    return int(np.datetime64(moment.date(), "D").astype(np.int64))
