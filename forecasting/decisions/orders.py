"""How much to order: the newsvendor's answer, from the courses that a launch may take.

A unit left over costs something, one that was missing costs something else; the order that costs
least on average is the quantile of demand at underage / (underage + overage) (Arrow, Harris and
Marschak 1951). Packs and minimums leave the best of the quantities that can be ordered. Under a
budget, every unit also pays the price of the budget, the lowest at which the orders keep to it
(Hadley and Whitin 1963).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecasting.data.panel import Floats, Ints
from forecasting.decisions.terms import OrderTerms, Terms
from forecasting.forecasts import Forecasts
from forecasting.models.sample_paths import Paths

_HALVINGS = 60


@dataclass(frozen=True)
class Demand:
    """What n launches may sell until the next delivery.

    Attributes:
        units: (n, m) ascending.
        weight: (n, m) their probabilities; sums to 1.
    """

    units: Floats
    weight: Floats

    @classmethod
    def of(cls, paths: Paths, forecasts: Forecasts, levels: Floats, periods: int) -> Demand:
        """Read demand from courses, as likely as the forecast's quantiles say.

        The quantiles of totals are calibrated: they are not read at their own level of the courses.
        The same holds for what is sold in fewer periods.

        Args:
            paths: The courses.
            forecasts: What was read from them.
            levels: (q,) those of its quantiles, ascending.
            periods: How many the demand is of.
        """
        totals, weight = paths.totals(), paths.weight
        first = replace(paths, curves=paths.curves[:, :periods], scale=paths.scale[:, :periods])
        found = first.totals()
        order = np.argsort(found, axis=1, kind="stable")
        units = np.take_along_axis(found, order, axis=1)
        reached = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
        reached /= reached[:, -1:]
        meant = np.empty_like(reached)
        for row in range(len(units)):
            cut = forecasts.total_quantiles[row][:, None]
            # Courses tie: a quantile on a tie is at any of the levels of the tie.
            below = ((totals[row] < cut - 1e-9) * weight[row]).sum(axis=1)
            up_to = ((totals[row] <= cut + 1e-9) * weight[row]).sum(axis=1)
            read = np.maximum.accumulate(np.clip(levels, below, up_to))
            meant[row] = np.interp(reached[row], np.r_[0.0, read, 1.0], np.r_[0.0, levels, 1.0])
        return cls(units, np.diff(meant, axis=1, prepend=0.0))

    @property
    def mean(self) -> Floats:
        """(n,) expected demand."""
        mean: Floats = (self.units * self.weight).sum(axis=1)
        return mean

    def quantile(self, level: Floats) -> Floats:
        """(n,) the least demand whose probability, with all below it, reaches a level."""
        reached = np.cumsum(self.weight, axis=1)
        at = (reached < level[:, None] - 1e-9).sum(axis=1).clip(max=reached.shape[1] - 1)
        found: Floats = np.take_along_axis(self.units, at[:, None], axis=1)[:, 0]
        return found

    def left(self, quantity: Floats) -> Floats:
        """(n,) units expected to be left over."""
        left: Floats = (np.maximum(quantity[:, None] - self.units, 0) * self.weight).sum(axis=1)
        return left

    def missing(self, quantity: Floats) -> Floats:
        """(n,) units expected to be missing."""
        short: Floats = (np.maximum(self.units - quantity[:, None], 0) * self.weight).sum(axis=1)
        return short

    def cost(self, quantity: Floats, terms: Terms) -> Floats:
        """(n,) expected cost of orders."""
        cost: Floats = terms.over * self.left(quantity) + terms.under * self.missing(quantity)
        return cost


def order_table(
    terms: OrderTerms,
    items: pd.DataFrame,
    paths: Paths,
    forecasts: Forecasts,
    levels: Sequence[float],
) -> pd.DataFrame:
    """Return the orders of n launches and what they cost, beside those of who orders the mean.

    Args:
        terms: Of the orders.
        items: The launches' rows of the item table.
        paths: Their courses.
        forecasts: What was read from them.
        levels: Of its quantiles.
    """
    periods = terms.lead_time or forecasts.mean.shape[1]
    own, groups = terms.of(items), terms.groups(items)
    budgets = terms.budgets(groups)
    demand = Demand.of(paths, forecasts, np.asarray(levels, dtype=np.float64), periods)
    mean: Floats = forecasts.mean[:, :periods].sum(axis=1)
    orders = within_budgets(demand, own, groups, budgets)
    naive = mean_within_budgets(mean_orders(mean, own), own, groups, budgets)
    table = pd.DataFrame(
        {
            "quantity": orders,
            "mean": mean,
            "left": demand.left(orders),
            "missing": demand.missing(orders),
            "cost": demand.cost(orders, own),
            "naive_quantity": naive,
            "naive_cost": demand.cost(naive, own),
        }
    )
    if terms.by is not None:
        table.insert(0, "group", groups.astype("str"))
    return table


def best_orders(demand: Demand, terms: Terms, price: float = 0.0) -> Floats:
    """(n,) the quantities of least expected cost among those that can be ordered.

    Args:
        demand: Of the n items.
        terms: Theirs.
        price: What one unit of money of the budget is worth.
    """
    ratio = (terms.under - price * terms.unit_cost) / (terms.under + terms.over)
    wanted = np.where(ratio > 0, demand.quantile(np.maximum(ratio, 0.0)), 0.0)
    least = _packs(terms.minimum, terms, up=True)
    # Cost is convex: the best is next to where it would be lowest, or nothing.
    choices = [np.zeros(len(wanted))]
    choices += [np.maximum(_packs(wanted, terms, up=up), least) for up in (False, True)]
    paid = [demand.cost(one, terms) + price * terms.unit_cost * one for one in choices]
    best: Floats = np.choose(np.argmin(np.round(paid, 9), axis=0), choices)
    return best


def mean_orders(mean: Floats, terms: Terms) -> Floats:
    """(n,) what who orders the mean orders: whole packs, and no less than the minimum."""
    packs = np.round(mean / terms.pack) * terms.pack
    return np.where(packs > 0, np.maximum(packs, _packs(terms.minimum, terms, up=True)), 0.0)


def within_budgets(
    demand: Demand, terms: Terms, groups: pd.Series, budgets: dict[str, float]
) -> Floats:
    """(n,) the best orders of which those of a group together keep to its budget."""
    orders = best_orders(demand, terms)
    for name, money in budgets.items():
        rows = np.flatnonzero((groups == name).to_numpy())
        if (orders * terms.unit_cost)[rows].sum() > money:
            orders[rows] = _affordable(*_taken(demand, terms, rows), money)
    return orders


def mean_within_budgets(
    orders: Floats, terms: Terms, groups: pd.Series, budgets: dict[str, float]
) -> Floats:
    """(n,) orders cut down alike, in whole packs, where a group's budget is too small."""
    out = orders.copy()
    for name, money in budgets.items():
        rows = (groups == name).to_numpy()
        spent = float((orders * terms.unit_cost)[rows].sum())
        if spent > money:
            cut = np.floor(orders * money / spent / terms.pack) * terms.pack
            cut = np.where(cut >= terms.minimum, cut, 0.0)
            out[rows] = cut[rows]
    return out


def _affordable(demand: Demand, terms: Terms, money: float) -> Floats:
    """Find the price of money at which the orders fit; what is left buys packs, the best first."""
    low, high = 0.0, float((terms.under / terms.unit_cost).max())
    for _ in range(_HALVINGS):
        price = (low + high) / 2
        fits = (best_orders(demand, terms, price) * terms.unit_cost).sum() <= money
        low, high = (low, price) if fits else (price, high)
    orders = best_orders(demand, terms, high)
    if (orders * terms.unit_cost).sum() > money:  # not even a minimum fits
        orders = np.zeros(len(orders))
    left = money - float((orders * terms.unit_cost).sum())
    gains = [one for row in range(len(orders)) if (one := _gain(demand, terms, orders, row))]
    heapq.heapify(gains)
    while gains:
        _, row, more = heapq.heappop(gains)
        if more * terms.unit_cost[row] <= left + 1e-9:
            orders[row] += more
            left -= more * terms.unit_cost[row]
            if (one := _gain(demand, terms, orders, row)) is not None:
                heapq.heappush(gains, one)
    return orders


def _gain(
    demand: Demand, terms: Terms, orders: Floats, row: int
) -> tuple[float, int, float] | None:
    """Say what the next pack of an item saves for its money, negative; None where it saves none."""
    own, own_terms = _taken(demand, terms, np.array([row]))
    more = (
        own_terms.pack
        if orders[row]
        else np.maximum(own_terms.pack, _packs(own_terms.minimum, own_terms, up=True))
    )
    before, after = (own.cost(orders[[row]] + one, own_terms)[0] for one in (0.0, more))
    saved = float(before - after)
    size = float(more[0])
    return (-saved / (size * own_terms.unit_cost[0]), row, size) if saved > 1e-9 else None


def _packs(units: Floats, terms: Terms, *, up: bool) -> Floats:
    whole = units / terms.pack
    rounded: Floats = np.ceil(whole - 1e-9) if up else np.floor(whole + 1e-9)
    return rounded * terms.pack


def _taken(demand: Demand, terms: Terms, rows: Ints) -> tuple[Demand, Terms]:
    own = {name: getattr(terms, name)[rows] for name in terms.__dataclass_fields__}
    return Demand(demand.units[rows], demand.weight[rows]), Terms(**own)
