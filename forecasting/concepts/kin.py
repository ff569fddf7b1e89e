"""What relations say of a launch's level: whom it replaces, and of what it is a variant.

A relation is somebody's word, and counts as it is told: the level of whoever is replaced is the
level to be expected, as far as past successors took over theirs. How far that is, is learned from
past launches of which the same was said, and is a guess where there are few of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from forecasting.concepts.knowledge import Knowledge
from forecasting.data.history import History, ratio
from forecasting.data.launches import Launches
from forecasting.data.panel import NEVER, Floats, Ints

REPLACES, VARIANT_OF = "replaces", "variant_of"
# Of the logarithm of the level, which part is the kin's, before any past launch has told: as much
# as if kin differed by a third of a factor (0.35), and launches told by likeness by 0.7.
GUESSED: Mapping[str, float] = {REPLACES: 0.8, VARIANT_OF: 0.5}
KIN = tuple(GUESSED)
_PRIOR = 10.0  # past launches that count as much as the guess
_FURTHEST = 20.0  # times by which a level may be moved
_FEWEST_SETTLED = 20  # launches that tell what a launch settles at
_NARROWEST = 0.3  # of the spread
_FLOOR = 0.05  # units of the market a period, below which two levels do not differ


@dataclass(frozen=True)
class Kin:
    """The levels of what n launches are related to, by relation.

    Attributes:
        level: Relation → (n,) units of the market a period; NaN where nothing is related so.
    """

    level: Mapping[str, Floats]

    def __getitem__(self, rows: slice | Ints) -> Kin:
        """Return some of the rows."""
        return Kin({word: level[rows] for word, level in self.level.items()})

    @property
    def is_any(self) -> bool:
        """Whether any launch is related to anything."""
        return any(np.isfinite(level).any() for level in self.level.values())


def find_kin(history: History, knowledge: Knowledge, rows: Launches) -> Kin:
    """Return the levels of kin, as of the standing period of each launch.

    What is replaced by one launch adds up; of variants the mean counts.

    Args:
        history: What had been sold.
        knowledge: Has the relations.
        rows: The launches.
    """
    out = {}
    for word in KIN:
        at, item = kin_of(history, knowledge, rows, word)
        sold = _last_level(history, item, rows.standing[at])
        known = np.isfinite(sold)
        total = np.bincount(at[known], sold[known], len(rows))
        count = np.bincount(at[known], minlength=len(rows)).astype(np.float64)
        mean = ratio(total.astype(np.float64), count)
        out[word] = mean if word == VARIANT_OF else np.where(count > 0, total, np.nan)
    return Kin(out)


def kin_of(history: History, knowledge: Knowledge, rows: Launches, word: str) -> tuple[Ints, Ints]:
    """Rows, and the positions in the panel of what they replace, or are variants of.

    Of what was visible at the end of each row's standing period.
    """
    at, names = knowledge.related(rows.ids, rows.standing, word)
    if word == VARIANT_OF:  # which is said of either
        turned = knowledge.turned(VARIANT_OF)
        back, others = turned.related(rows.ids, rows.standing, VARIANT_OF)
        at, names = np.concatenate([at, back]), np.concatenate([names, others])
    position = pd.Index(history.panel.ids, dtype=object)
    item = position.get_indexer(pd.Index(names, dtype=object)).astype(np.int64)
    visible = history.panel.visible[np.maximum(item, 0)] <= rows.standing[at]
    return at[(item >= 0) & visible], item[(item >= 0) & visible]


def _last_level(history: History, items: Ints, standing: Ints) -> Floats:
    """(m,) units a period in the last weeks on sale, in units of the market of that time.

    An item that has sold nothing of late has ended: its last weeks are those before. One that was
    launched lately is told by what it sold since.
    """
    panel, windows = history.panel, history.windows
    if not len(items):
        return np.empty(0)
    units = np.nan_to_num(panel.units[items]) > 0
    seen = units & (np.arange(units.shape[1]) <= standing[:, None])
    last = np.where(seen.any(axis=1), units.shape[1] - 1 - seen[:, ::-1].argmax(axis=1), standing)
    ended = (standing - last >= windows.recent) | (panel.delisted[items] <= standing)
    when = np.where(ended, last, standing)
    level: Floats = history.level(items, when, windows.longer) / history.unit(when)
    return level


@dataclass(frozen=True)
class Inheritance:
    """How far launches take over the level of their kin.

    Attributes:
        weight: Relation → the part of the logarithm of the level that is the kin's, 0 to 1.
        launches: Relation → how many past launches have told.
        premium: What launches sell over their horizon, as times of what they sell afterwards: kin
            are told by the latter.
    """

    weight: Mapping[str, float] = field(default_factory=lambda: dict(GUESSED))
    launches: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(GUESSED, 0))
    premium: float = 1.0

    @classmethod
    def learn(cls, kin: Kin, expected: Floats, came: Floats, premium: float = 1.0) -> Inheritance:
        """Learn from n past launches, as forecast by who had not seen them.

        Args:
            kin: Of each, as of before it.
            expected: (n,) units of the market a period as forecast without its kin.
            came: (n,) as it came.
            premium: As `launch_premium` tells.
        """
        weight, launches = {}, {}
        for word, guessed in GUESSED.items():
            level = kin.level[word]
            told = np.isfinite(level) & np.isfinite(came) & np.isfinite(expected)
            apart = _log(premium * level[told]) - _log(expected[told])
            moved = _log(came[told]) - _log(expected[told])
            spread = (apart**2).sum()
            slope = (apart * moved).sum() / spread if spread > 0 else guessed
            n = int(told.sum())
            trust = n / (n + _PRIOR)
            weight[word] = float(np.clip(trust * slope + (1 - trust) * guessed, 0.0, 1.0))
            launches[word] = n
        return cls(weight, launches, premium)

    def factor(self, kin: Kin, expected: Floats) -> Floats:
        """(n,) by what to multiply forecasts; 1 where a launch has no kin.

        Args:
            kin: Of each launch.
            expected: (n,) units of the market a period as forecast.
        """
        log = np.zeros(len(expected))
        is_moved = np.zeros(len(expected), dtype=bool)
        for word in GUESSED:  # whoever replaces something is moved by that alone
            level = kin.level[word]
            mine = np.isfinite(level) & ~is_moved
            apart = _log(self.premium * level[mine]) - _log(expected[mine])
            log[mine] = self.weight[word] * apart
            is_moved |= mine
        return np.clip(np.exp(log), 1 / _FURTHEST, _FURTHEST)

    def spread(self, kin: Kin) -> Floats:
        """(n,) how much of the spread is left, in logarithms; 1 where a launch has no kin.

        Two sources that are weighted by how sure they are leave this much of the one's variance.
        """
        left = np.ones(len(kin.level[REPLACES]))
        for word in reversed(KIN):  # whoever replaces something is moved by that alone
            left[np.isfinite(kin.level[word])] = np.sqrt(1 - self.weight[word])
        return np.maximum(left, _NARROWEST)


def launch_premium(history: History) -> float:
    """Return what launches sold over their horizon, as times of what they sold right afterwards.

    Both in units of the market of their time; of launches that have been on sale for long enough.
    """
    panel, windows, horizon = history.panel, history.windows, history.horizon
    latest = panel.end - horizon - windows.longer
    items = np.flatnonzero((panel.launch != NEVER) & (panel.launch <= latest))
    if len(items) < _FEWEST_SETTLED:
        return 1.0
    end = panel.launch[items] + horizon - 1
    first = history.level(items, end, horizon) / history.unit(end)
    then = end + windows.longer
    later = history.level(items, then, windows.longer) / history.unit(then)
    known = np.isfinite(first) & np.isfinite(later)
    sold = later[known].sum()
    return float(np.clip(first[known].sum() / sold, 0.5, 2.0)) if sold > 0 else 1.0


def with_variants(
    knowledge: Knowledge, ids: npt.NDArray[np.object_], group: Ints, standing: int
) -> Ints:
    """(n,) the groups with variants of one thing joined: they share their fate.

    Args:
        knowledge: Has the relations.
        ids: (n,) items.
        group: (n,) the same number for items of one group.
        standing: Last period seen.
    """
    held = knowledge.relations.holding(VARIANT_OF, standing)
    if not held.any() or not len(ids):
        return group
    names = pd.Index([*ids, *knowledge.relations.source[held], *knowledge.relations.target[held]])
    codes, unique = pd.factorize(names)
    n, told = len(ids), int(held.sum())
    base = group.max(initial=-1) + 1
    # Groups and items are nodes: an item hangs on its group, a variant on what it is one of.
    one = np.concatenate([codes[:n] + base, codes[n : n + told] + base])
    other = np.concatenate([group, codes[n + told :] + base])
    size = base + len(unique)
    joined = sp.coo_matrix((np.ones(len(one)), (one, other)), shape=(size, size))
    found = connected_components(joined, directed=False)[1]
    return np.asarray(found[codes[:n] + base], dtype=np.int64)


def _log(level: Floats) -> Floats:
    return np.log(np.maximum(level, 0.0) + _FLOOR)
