"""Markets made up so that what launches will sell is known: not one course of it, but all of them.

A launch's demand is a product of what can be known before (category, price, plan, store, the
product's sales elsewhere, growth, season) and of what cannot (the luck of its group, its own, that
of its week of launch, of each calendar period). An oracle who knew the market would draw the latter
anew; that gives the probability with which an interval holds, and how wide it has to be.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.panel import Floats, Ints

START = "2022-01-03"
KINDS = {
    "oat milk": 0.0,
    "bath towel": -0.9,
    "wall clock": -0.4,
    "trail boot": 0.4,
    "wax candle": 0.9,
}
FIRST = ("plain", "gentle", "crisp", "daring", "smooth", "vivid", "calm", "dense", "clean", "noble")
SECOND = ("tall", "short", "slim", "broad", "twin", "solo", "prime", "natural", "compact")
LINES = (
    "sunny meadow",
    "iron harbor",
    "little prince",
    "desert rose",
    "northern light",
    "city garden",
    "old windmill",
    "silver river",
    "happy family",
)
COLORS = ("black", "white", "red", "blue", "green", "pink", "yellow", "brown", "gray", "purple")
ALIEN = "proceedings of the workshop on quantum gravity, volume"
ESTABLISHED = 12  # periods after which an item may lose to launches
WEEKDAYS = np.log(np.array([0.8, 0.8, 0.9, 1.0, 1.3, 1.6, 0.6]))


@dataclass(frozen=True, kw_only=True)
class Market:
    """How a market works; all that is a deviation or an effect is of the logarithm of demand.

    Attributes:
        incumbents: Groups that have always been on sale.
        launches: Groups launched before the cutoff.
        new: Groups to be launched.
        size: Items of a group.
        as_stores: They are stores, which differ in size and are known, not colors.
        followers: The second half of a group's items is launched four periods after the first,
            and the new groups have launched their first half before the cutoff.
        dates: Distinct periods of launch before the cutoff; None for any.
        level: Mean units a period of an item.
        spread: Deviation between groups of one category.
        own: Deviation between items of a group.
        cohort: Deviation that launches of one period have in common.
        calendar: Deviation that all items have in common in a period.
        growth: Of the whole market, a period.
        season: Of the whole market, its amplitude over a year.
        stockouts: Share of the periods in which an item of the best third of the launches is sold
            out, within their horizon.
        price: Effect of the logarithm of the price.
        price_known: Whether new items have a price.
        promotion: Effect of a promotion, planned in a third of all periods.
        plans_arrive: Whether new items have a plan.
        novel: Whether new items are described like nothing before.
        taken: Share of what a launch sells that it takes from items of its line and category that
            have been on sale for twelve periods.
        lines: Whether names tell of what line an item is.
        successors: Share of the launches, and all new groups, that replace an incumbent of their
            category and have its luck; the items of a group are one then. None: nobody does.
        freq: Of the sales table.
        periods: Seen.
        horizon: To forecast.
    """

    incumbents: int = 60
    launches: int = 240
    new: int = 60
    size: int = 1
    as_stores: bool = False
    followers: bool = False
    dates: int | None = None
    level: float = 20.0
    spread: float = 0.6
    own: float = 0.0
    cohort: float = 0.0
    calendar: float = 0.0
    growth: float = 0.0
    season: float = 0.0
    stockouts: float = 0.0
    price: float = 0.0
    price_known: bool = True
    promotion: float = 0.0
    plans_arrive: bool = True
    novel: bool = False
    taken: float = 0.0
    lines: bool = False
    successors: float | None = None
    freq: str = "W-MON"
    periods: int = 78
    horizon: int = 8

    def world(self, seed: int) -> World:
        """Let the market run once."""
        return _run(self, np.random.default_rng(seed))


@dataclass(frozen=True)
class Items:
    """n items.

    Attributes:
        group: (n,) what they share.
        kind: (n,) number of their category.
        launch: (n,) period; negative for incumbents.
        price: (n,) its logarithm, of mean zero.
        place: (n,) effect of the store.
        member: (n,) number within the group.
        luck: (n,) of the group.
        own: (n,) of the item.
    """

    group: Ints
    kind: Ints
    launch: Ints
    price: Floats
    place: Floats
    member: Ints
    luck: Floats
    own: Floats

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> Items:
        """Return some of the items."""
        return Items(**{name: value[rows] for name, value in vars(self).items()})


@dataclass(frozen=True)
class World:
    """A market that has run.

    Attributes:
        market: Its rules.
        items: Item table of what was there at the cutoff.
        sales: What it sold until then.
        plans: The plans of past launches; empty without any.
        new_items: Item table of the launches to come.
        new_plans: Theirs.
        cutoff: The last period seen.
        coming: What is true of the launches to come.
        planned: (n, horizon) 1 where they have a promotion.
        taken: Of what past launches sold over their horizon, the share that they took from others.
        replaced: source, relation, target: which launch replaces which incumbent.
    """

    market: Market
    items: pd.DataFrame
    sales: pd.DataFrame
    plans: pd.DataFrame
    new_items: pd.DataFrame
    new_plans: pd.DataFrame
    cutoff: pd.Timestamp
    coming: Items
    planned: Floats
    taken: float = 0.0
    replaced: pd.DataFrame = field(default_factory=pd.DataFrame)

    def courses(self, draws: int, seed: int) -> Floats:
        """(draws, n, horizon) what the launches to come may sell, given all that can be known."""
        rng = np.random.default_rng([seed, 1])
        made = [_course(self.market, self.coming, self.planned, rng) for _ in range(draws)]
        return np.stack(made)

    @cached_property
    def expected(self) -> Floats:
        """(n,) units over the horizon that an oracle expects."""
        expected: Floats = self.courses(400, 7).sum(axis=2).mean(axis=0)
        return expected


def _run(market: Market, rng: np.random.Generator) -> World:
    truth = _items(market, rng)
    old = np.full(len(truth.group), -1)
    if market.successors is not None:
        truth, old = _succeeding(market, truth, market.successors)
    grid = pd.date_range(START, periods=market.periods + 5 + market.horizon, freq=market.freq)
    periods = np.arange(len(grid))
    age = periods - np.maximum(truth.launch, 0)[:, None]
    planned = (rng.random(age.shape) < 1 / 3).astype(float) * (market.promotion > 0)
    cohort = market.cohort * rng.standard_normal(len(grid))[np.maximum(truth.launch, 0)]
    calendar = market.calendar * rng.standard_normal(len(grid))
    log_mean = (
        _known(market, truth, age, periods[None, :], planned)
        + (truth.luck + truth.own + np.where(truth.launch >= 0, cohort, 0.0))[:, None]
        + calendar
    )
    demand, taken = _taken(market, truth, np.exp(log_mean), age)
    units = rng.poisson(demand).astype(float)
    sold_out = _sold_out(market, truth, age, rng)
    units = np.where(sold_out, rng.binomial(units.astype(int), 0.3), units)
    ids = [f"item{row:05d}" for row in range(len(truth.group))]
    table = _table(market, truth, ids, grid)
    there = age >= 0
    long = pd.DataFrame(
        {
            "unique_id": np.repeat(ids, there.sum(axis=1)),
            "ds": np.broadcast_to(grid, age.shape)[there],
            "y": units[there],
            "on_shelf": ~sold_out[there],
            "promotion": planned[there],
        }
    )
    come = truth.launch >= market.periods
    cutoff = grid[market.periods - 1]
    is_new = long["unique_id"].isin(table.loc[come, "item_id"])
    columns = ["unique_id", "ds", "y", "on_shelf"]
    with_plans = ["unique_id", "ds", "promotion"]
    horizon = truth.launch[come][:, None] + np.arange(market.horizon)
    return World(
        market=market,
        items=table[~come].reset_index(drop=True),
        sales=long.loc[~is_new & (long["ds"] <= cutoff), columns].reset_index(drop=True),
        plans=long.loc[~is_new, with_plans].reset_index(drop=True),
        new_items=_described(market, table[come].reset_index(drop=True)),
        new_plans=long.loc[is_new & market.plans_arrive, with_plans].reset_index(drop=True),
        cutoff=cutoff,
        coming=truth[come],
        planned=np.take_along_axis(planned[come], horizon, axis=1),
        taken=taken,
        replaced=pd.DataFrame(
            {
                "source": np.array(ids)[old >= 0],
                "relation": "replaces",
                "target": np.array(ids)[old[old >= 0]],
            }
        ),
    )


def _succeeding(market: Market, truth: Items, share: float) -> tuple[Items, Ints]:
    """Items with the luck of what they replace, and (n,) which that is, -1 for none."""
    rng = np.random.default_rng(1)
    old = np.full(len(truth.group), -1)
    luck = truth.luck.copy()
    for one in np.flatnonzero(truth.launch >= 0):
        same = np.flatnonzero((truth.launch < 0) & (truth.kind == truth.kind[one]))
        is_new = truth.launch[one] >= market.periods
        if len(same) and (rng.random() < share or is_new):
            old[one] = rng.choice(same)
            luck[one] = luck[old[one]]
    return replace(truth, luck=luck), old


def _taken(market: Market, truth: Items, demand: Floats, age: Floats) -> tuple[Floats, float]:
    """(n, periods) demand without what launches take, and the share of theirs that they took.

    No item loses more than four fifths.
    """
    lost, wanted = np.zeros(demand.shape), 0.0
    line = truth.kind * len(LINES) + truth.group % len(LINES)
    early = (age >= 0) & (age < market.horizon)
    for one in np.flatnonzero((truth.launch >= 0) & (market.taken > 0)):
        old = np.where(truth.launch < 0, -ESTABLISHED, truth.launch)
        rivals = (line == line[one]) & (old + ESTABLISHED <= truth.launch[one])
        takes = market.taken * demand[one] * (age[one] >= 0)
        weight = demand * rivals[:, None]
        lost += takes * weight / np.maximum(weight.sum(axis=0), 1e-9)
    lost = np.minimum(lost, 0.8 * demand)
    past = (truth.launch >= 0) & (truth.launch + market.horizon <= market.periods)
    wanted = float((demand * early)[past].sum())
    periods = slice(market.periods)
    sold = float((demand * (age >= 0) * (truth.launch >= 0)[:, None])[:, periods].sum())
    return demand - lost, float(lost[:, periods].sum()) / max(sold, wanted, 1e-9)


def _items(market: Market, rng: np.random.Generator) -> Items:
    """Items in groups; what they are called depends on their number alone."""
    counts = (market.incumbents, market.launches, market.new)
    groups = sum(counts)
    kind = np.random.default_rng(0).integers(len(KINDS), size=groups)
    last = market.periods - (6 if market.followers else 0)
    dates = np.arange(6, last)
    if market.dates is not None:
        dates = np.linspace(6, last - 1, market.dates).astype(int)
    launch = np.concatenate(
        [
            np.full(market.incumbents, -1),
            rng.choice(dates, market.launches),
            market.periods
            + (-4 if market.followers else rng.integers(0, 4, market.new))
            + np.zeros(market.new, dtype=int),
        ]
    )
    place = 0.5 * rng.standard_normal(market.size) * market.as_stores
    member = np.tile(np.arange(market.size), groups)
    each = {"group": np.arange(groups), "kind": kind, "launch": launch}
    each |= {"luck": _luck(rng, market.spread, groups), "price": 0.4 * rng.standard_normal(groups)}
    spread = {name: np.repeat(value, market.size) for name, value in each.items()}
    later = market.followers & (member >= market.size // 2) & (spread["launch"] >= 0)
    spread["launch"] = spread["launch"] + np.where(later, 4 + rng.integers(0, 1), 0)
    own = _luck(rng, market.own, len(member))
    return Items(**spread, member=member, place=place[member], own=own)


def _known(market: Market, items: Items, age: Floats, period: Floats, planned: Floats) -> Floats:
    """(n, periods) logarithm of demand, as far as it can be known."""
    effects = np.array(list(KINDS.values()))[items.kind]
    base = np.log(market.level) + effects + items.place - market.price * items.price
    curve = np.where(
        items.launch[:, None] < 0, 0.0, np.log1p(0.8 * np.exp(-np.maximum(age, 0) / 3))
    )
    moved = market.growth * period + market.season * np.sin(2 * np.pi * period / 52)
    week = WEEKDAYS[period % 7] if market.freq == "D" else 0.0
    known: Floats = base[:, None] + curve + moved + week + market.promotion * planned
    return known


def _course(market: Market, items: Items, planned: Floats, rng: np.random.Generator) -> Floats:
    """(n, horizon) one course of what is to come; what cannot be known is drawn anew."""
    n, h = planned.shape
    if not market.price_known:
        items = replace(items, price=0.4 * rng.standard_normal(n))
    if market.novel:
        items = replace(items, kind=rng.integers(len(KINDS), size=n))
    if not market.plans_arrive:
        planned = (rng.random((n, h)) < 1 / 3).astype(float)
    luck = items.luck
    if not market.followers and market.successors is None:  # whose luck is seen on sale
        unique, group = np.unique(items.group, return_inverse=True)
        luck = _luck(rng, market.spread, len(unique))[group]
    start, cohort = np.unique(items.launch, return_inverse=True)
    period = items.launch[:, None] + np.arange(h)
    age = np.broadcast_to(np.arange(h), (n, h))
    log_mean = (
        _known(market, items, age, period, planned)
        + (luck + _luck(rng, market.own, n))[:, None]
        + market.cohort * rng.standard_normal(len(start))[cohort][:, None]
        + market.calendar * rng.standard_normal(int(period.max()) + 1)[period]
    )
    return rng.poisson(np.exp(log_mean)).astype(float)


def _sold_out(
    market: Market, truth: Items, age: Floats, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """(n, periods) where the shelf was empty: the best of the launches, early in their life."""
    launched = truth.launch >= 0
    best = truth.luck + truth.own + np.array(list(KINDS.values()))[truth.kind]
    is_best = launched & (best > np.quantile(best[launched], 2 / 3))
    early = (age >= 0) & (age < market.horizon)
    empty: npt.NDArray[np.bool_] = (rng.random(age.shape) < market.stockouts) & early
    return empty & is_best[:, None]


def _table(market: Market, truth: Items, ids: list[str], grid: pd.DatetimeIndex) -> pd.DataFrame:
    kinds = list(KINDS)
    names = []
    for group, kind, member in zip(truth.group, truth.kind, truth.member, strict=True):
        name = f"{FIRST[group % 10]} {SECOND[group % 9]} {kinds[kind]} no {group}"
        if market.lines:
            name = f"{LINES[group % 9]} {kinds[kind]} {FIRST[group % 10]} no {group}"
        several = market.size > 1 and not market.as_stores
        names.append(f"{name} {COLORS[member]}" if several else name)
    return pd.DataFrame(
        {
            "item_id": ids,
            "name": names,
            "category": np.array(kinds)[truth.kind],
            "group": [f"group{number:04d}" for number in truth.group],
            "member": [f"member{number}" for number in truth.member],
            "price": np.exp(1.5 + truth.price).round(2),
            "launch_date": [grid[one] if one >= 0 else pd.NaT for one in truth.launch],
        }
    )


def _described(market: Market, table: pd.DataFrame) -> pd.DataFrame:
    """Return new items as they are told of, which may be less than is known of others."""
    changed: dict[str, Any] = {}
    if market.novel:
        changed |= {"name": [f"{ALIEN} {row}" for row in range(len(table))], "category": "seminar"}
    if not market.price_known:
        changed |= {"price": np.nan}
    return table.assign(**changed)


def _luck(rng: np.random.Generator, deviation: float, n: int) -> Floats:
    """(n,) logarithms of factors whose mean is one."""
    luck: Floats = deviation * rng.standard_normal(n) - deviation**2 / 2
    return luck
