"""How a forecaster's tables are read: names of columns, and what awkward rows of sales mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from forecasting.checks import check_choice

Returns = Literal["refuse", "net", "drop"]
Repeats = Literal["refuse", "sum"]
BeforeLaunch = Literal["refuse", "drop"]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns that only some tables have, and the names of those that all sales tables have.

    Args:
        delist_date: Column of last days on sale; None without one. See docs/sales-data.md for it
            and for `in_stock`.
        elsewhere: Column that names the product, where an item is a product in one store or
            channel: the same product in other places then is an analogue of its own kind.
        group: Column that names what several items are variants of (a style in several colors, a
            product in several stores, a collection) and so share in its fate. None: `elsewhere`,
            where it is named; else launches of one day whose texts share most of their words.
        covariates: Columns of the plan (``future`` in `LaunchForecaster.fit` and ``predict``):
            price, promotion, number of stores in the weeks to come.
        id_col: Column of item ids in the sales table.
        time_col: Column of periods in the sales table.
        target_col: Column of units in the sales table.
        in_stock: Column of the sales table that is false where an item was sold out.
    """

    delist_date: str | None = None
    elsewhere: str | None = None
    group: str | None = None
    covariates: Sequence[str] = ()
    id_col: str = "unique_id"
    time_col: str = "ds"
    target_col: str = "y"
    in_stock: str | None = None

    @property
    def naming(self) -> tuple[str, ...]:
        """The columns of items that name what they are or belong to."""
        both = (self.elsewhere, self.group)
        return tuple(dict.fromkeys(name for name in both if name is not None))

    @property
    def shared(self) -> str | None:
        """The column that names groups of items that share their fate; None without one."""
        return self.elsewhere if self.group is None else self.group


@dataclass(frozen=True, kw_only=True)
class SalesRules:
    """What to do with awkward rows of a sales table; docs/sales-data.md has the reasons.

    Args:
        returns: What negative units are: ``"refuse"``, ``"net"`` or ``"drop"``.
        repeats: Several rows of an item in a period: ``"refuse"`` or ``"sum"``.
        before_launch: Sales before the launch date: ``"refuse"`` or ``"drop"``.

    Raises:
        InputError: There is no such rule.
    """

    returns: Returns = "refuse"
    repeats: Repeats = "refuse"
    before_launch: BeforeLaunch = "refuse"

    def __post_init__(self) -> None:
        check_choice("returns", self.returns, get_args(Returns))
        check_choice("repeats", self.repeats, get_args(Repeats))
        check_choice("before_launch", self.before_launch, get_args(BeforeLaunch))
