"""What an order costs, and what it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasting.checks import check_whole
from forecasting.data.panel import Floats
from forecasting.data.row_rules import check_rows
from retrieval import InputError, TableError

Amount = float | str
"""A number for all items, or the column of the item table that has each item's."""

_SOURCE = "new_items"


@dataclass(frozen=True, kw_only=True)
class OrderTerms:
    """The terms of orders; numbers hold for all items, names are columns of the item table.

    Args:
        overage_cost: What a unit left over costs.
        underage_cost: What a unit that was missing costs: margin lost, and the shopper's anger.
        service_level: Instead of both: with which probability nothing is missing. Costs are then
            relative, those of a unit left over and of one missing together 1.
        lead_time: Periods from the launch that the order has to last for, until the next one
            arrives; None: the whole horizon.
        pack_size: Orders are multiples of it.
        minimum: The least that is ordered, if anything is.
        unit_cost: What a unit takes of the budget.
        budget: What all orders together may take, or those of each group of `by`, by its name.
        by: Column of the item table that names the groups.

    Raises:
        InputError: They contradict each other, or one cannot be right.
    """

    overage_cost: Amount | None = None
    underage_cost: Amount | None = None
    service_level: Amount | None = None
    lead_time: int | None = None
    pack_size: Amount = 1
    minimum: Amount = 0
    unit_cost: Amount | None = None
    budget: float | Mapping[str, float] | None = None
    by: str | None = None

    def __post_init__(self) -> None:
        both = self.overage_cost is not None and self.underage_cost is not None
        neither = self.overage_cost is None and self.underage_cost is None
        if not (both if self.service_level is None else neither):
            raise InputError(
                "give overage_cost and underage_cost, or service_level instead of both"
            )
        if self.lead_time is not None:
            check_whole("lead_time", self.lead_time, 1)
        if self.budget is not None and self.unit_cost is None:
            raise InputError("budget: give unit_cost, too, what a unit takes of it")
        if isinstance(self.budget, Mapping) and self.by is None:
            raise InputError("budget: by groups; name their column with by")

    def check_horizon(self, horizon: int) -> None:
        """Refuse orders that have to last for longer than is forecast.

        Raises:
            InputError: They have to.
        """
        if self.lead_time is not None and self.lead_time > horizon:
            raise InputError(f"lead_time: {self.lead_time} is beyond the horizon of {horizon}")

    def of(self, items: pd.DataFrame) -> Terms:
        """Return the terms of n items.

        Raises:
            TableError: A column is missing, or an item has no number there, or one out of bounds.
        """
        if self.service_level is not None:
            level = self._numbers("service_level", self.service_level, items, 0, 1)
            over, under = 1 - level, level
        else:
            assert self.overage_cost is not None
            assert self.underage_cost is not None
            over = self._numbers("overage_cost", self.overage_cost, items, 0)
            under = self._numbers("underage_cost", self.underage_cost, items, 0)
        nothing = np.zeros(len(items))
        return Terms(
            over=over,
            under=under,
            pack=self._numbers("pack_size", self.pack_size, items, 0),
            minimum=self._numbers("minimum", self.minimum, items, -1),
            unit_cost=nothing
            if self.unit_cost is None
            else self._numbers("unit_cost", self.unit_cost, items, 0),
        )

    def groups(self, items: pd.DataFrame) -> pd.Series:
        """(n,) the group of each item.

        Raises:
            TableError: There is no such column, or an item has none.
        """
        if self.by is None:
            return pd.Series("all", index=range(len(items)))
        column = self._column("by", self.by, items)
        check_rows(items, column.isna(), f"{self.by} is missing", [self.by], source=_SOURCE)
        return column.astype(str).reset_index(drop=True)

    def budgets(self, groups: pd.Series) -> dict[str, float]:
        """Return the budget of each group that has one.

        Raises:
            InputError: One is no number, or of no group there is.
        """
        if self.budget is None:
            return {}
        there = list(dict.fromkeys(groups))
        given = self.budget
        if not isinstance(given, Mapping):
            given = {"all": given} if self.by is None else dict.fromkeys(there, given)
        for name, money in given.items():
            if not money >= 0:
                raise InputError(f"budget: must be at least 0, got {money} for {name!r}")
            if str(name) not in there:
                raise InputError(f"budget: no group {name!r}; there are: {', '.join(there)}")
        return {str(name): float(money) for name, money in given.items()}

    def _numbers(
        self, name: str, given: Amount, items: pd.DataFrame, above: float, below: float = np.inf
    ) -> Floats:
        """(n,) numbers between two others, both left out."""
        bounds = f"above {above:g}" if below == np.inf else f"between {above:g} and {below:g}"
        bounds = "of at least 0" if above < 0 else bounds
        if not isinstance(given, str):
            if isinstance(given, bool) or not above < given < below:
                raise InputError(f"{name} must be {bounds}, got {given!r}")
            return np.full(len(items), float(given))
        numbers = pd.to_numeric(self._column(name, given, items), errors="coerce")
        values: Floats = numbers.to_numpy(dtype=np.float64)
        bad = ~((values > above) & (values < below) & ((above >= 0) | (values >= 0)))
        rule = f"{given} must be a number {bounds} ({name})"
        check_rows(items.reset_index(drop=True), bad, rule, [given], source=_SOURCE)
        return values

    def _column(self, name: str, column: str, items: pd.DataFrame) -> pd.Series:
        if column not in items.columns:
            there = ", ".join(map(str, items.columns))
            raise TableError(f"{_SOURCE}: no column {column!r} for {name}; there are: {there}")
        return items[column]


@dataclass(frozen=True)
class Terms:
    """The terms of n items, each (n,).

    Attributes:
        over: Cost of a unit left over.
        under: Cost of a unit missing.
        pack: Units of a pack.
        minimum: The least that is ordered, if anything is.
        unit_cost: What a unit takes of the budget.
    """

    over: Floats
    under: Floats
    pack: Floats
    minimum: Floats
    unit_cost: Floats
