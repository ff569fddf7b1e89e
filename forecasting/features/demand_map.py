"""A low-rank map of texts and attributes, learned from how items sold: neighbors in demand.

Two sauces of nearly the same words may sell 1 and 40 a week. Past items teach which directions of
their descriptions go with demand: pairs alike in level, relative to the market, and in the shape of
their launch are to lie near each other, other pairs not. With likeness as a kernel of level and
shape that has a closed form: the singular vectors of what descriptions, whitened, and kernel have
in common (supervised principal components: Barshan et al. 2011). Nothing is encoded anew, and the
same sales teach the same map.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.linalg import eigh

from forecasting.data.history import History, ratio
from forecasting.data.panel import NEVER, Floats, Ints
from retrieval import Kind

RANK = 64
_BLOCK = 8192  # descriptions that are mapped at once
FEWEST_TEACHERS = 100  # items that a map needs
_MOST_TEACHERS = 6_000  # of each kind, the latest
_BITS = 64  # signs that stand for a category
_RIDGE = 0.1  # of the mean variance of a direction, added to each
_FREQUENCIES = 128  # of the kernel's random features
_WIDTH = 0.7  # of the kernel, in standard deviations
_SHAPE = 0.5  # how much a difference in shape counts beside one in level
_CENSORED = 0.5  # units, so that nothing has a logarithm
_GROWTH = 1.15  # of what has been seen, between two maps


@dataclass(frozen=True)
class DemandMap:
    """What items teach about descriptions at one moment.

    Attributes:
        center: (f,) mean of the descriptions.
        spread: (f,) what each is divided by.
        weights: (f, rank) the map.
    """

    center: Floats
    spread: Floats
    weights: Floats

    def of(self, described: npt.NDArray[np.float32]) -> Floats:
        """(n, rank) unit vectors of (n, f) descriptions; zeros where nothing is known."""
        mapped = np.empty((len(described), self.weights.shape[1]))
        for start in range(0, len(described), _BLOCK):
            left = (described[start : start + _BLOCK] - self.center) / self.spread
            mapped[start : start + _BLOCK] = np.nan_to_num(left) @ self.weights
        length = np.sqrt((mapped**2).sum(axis=1, keepdims=True))
        unit: Floats = np.divide(mapped, length, out=np.zeros_like(mapped), where=length > 0)
        return unit

    @classmethod
    def learn(
        cls, described: npt.NDArray[np.float32], demand: Floats, weight: Floats
    ) -> DemandMap | None:
        """Learn from n items; None where they are too few or all sold alike.

        Args:
            described: (n, f) as `describe` makes them.
            demand: (n, 2) level and shape, standardized; NaN where not known.
            weight: (n,) how much each counts.
        """
        if len(described) < FEWEST_TEACHERS:
            return None
        known = np.isfinite(described)
        count = np.maximum(known.sum(axis=0), 1)
        center = np.where(known, described, 0.0).sum(axis=0, dtype=np.float64) / count
        left = np.where(known, described - center, 0.0)
        deviation = np.sqrt((left**2).sum(axis=0) / count)
        # Coordinates of vectors keep their proportions; numbers have units of their own.
        numbers = deviation > 1.0
        spread = np.where(numbers & (deviation > 0), deviation, 1.0)
        left /= spread
        total = weight.sum()
        gram = (left * weight[:, None]).T @ left / total
        gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram) + 1e-12
        likeness = _kernel_features(demand)
        likeness -= weight @ likeness / total
        common = (left * weight[:, None]).T @ likeness / total
        values, directions = eigh(gram)
        whitened = (directions / np.sqrt(np.maximum(values, 1e-12))).T @ common
        found, strength, _ = np.linalg.svd(whitened, full_matrices=False)
        rank = min(RANK, int((strength > 1e-6 * max(strength[0], 1e-12)).sum()))
        if not rank or not strength[0] > 0:
            return None
        weights = (directions / np.sqrt(np.maximum(values, 1e-12))) @ found[:, :rank]
        return cls(center, spread, weights * strength[:rank])


def _kernel_features(demand: Floats) -> Floats:
    """(n, m) cosines whose products are about a Gaussian kernel (Rahimi and Recht 2007)."""
    rng = np.random.default_rng(0)
    frequencies = rng.normal(size=(demand.shape[1], _FREQUENCIES)) / _WIDTH
    phases = rng.uniform(0, 2 * np.pi, _FREQUENCIES)
    features: Floats = np.cos(np.nan_to_num(demand) @ frequencies + phases)
    return features


def describe(
    vectors: npt.NDArray[np.float32], attributes: pd.DataFrame, kinds: Mapping[str, Kind]
) -> npt.NDArray[np.float32]:
    """(n, f) a text's vector, signs that stand for categories, and logarithms of numbers.

    A category's signs come from its name alone, so that one never seen before has its own, and
    what is known of one item depends on no other.

    Args:
        vectors: (n, d) unit vectors of the texts.
        attributes: (n, a) of the items.
        kinds: What each attribute holds.
    """
    parts = [vectors]
    for name, kind in kinds.items():
        if kind == "number":
            number = attributes[name].to_numpy(dtype=np.float64)
            number = np.where(np.isfinite(number), number, np.nan)
            parts.append((np.sign(number) * np.log1p(np.abs(number)))[:, None])
        else:
            codes, names = pd.factorize(attributes[name])
            signs = np.array([_signs(f"{name}={one}") for one in names]).reshape(-1, _BITS)
            parts.append(np.vstack([signs, np.zeros((1, _BITS))])[codes])
    return np.hstack([part.astype(np.float32) for part in parts])


def _signs(name: str) -> Floats:
    digest = hashlib.blake2b(name.encode(), digest_size=_BITS // 8).digest()
    bits = np.unpackbits(np.frombuffer(digest, dtype=np.uint8))
    signs: Floats = (2.0 * bits - 1.0) / np.sqrt(_BITS)
    return signs


def moments(history: History) -> Ints:
    """Return the periods after which maps are learned, ascending, up to the panel's end.

    They do not depend on where the panel ends, so that a launch of the past is described by the map
    that a forecast made then would have had. Their distance grows with what there is to learn from.
    """
    found, at = [], history.horizon + history.windows.recent - 1
    while at <= history.panel.end:
        found.append(at)
        at = max(at + history.windows.recent, math.ceil(_GROWTH * at))
    return np.array(found, dtype=np.int64)


def learn_map(
    history: History, described: npt.NDArray[np.float32], moment: int
) -> DemandMap | None:
    """Learn from what had been seen by the end of a period; None where that is too little.

    Args:
        history: What items sold.
        described: (items, f) of its items.
        moment: The period.
    """
    items, demand = launch_demand(history, moment)
    others, level = incumbent_demand(history, moment)
    if len(items) < FEWEST_TEACHERS:
        return None
    teachers = np.concatenate([items, others])
    # Launches and incumbents count alike, however many there are of each.
    weight = np.concatenate([np.full(len(one), 1 / max(len(one), 1)) for one in (items, others)])
    return DemandMap.learn(described[teachers], np.vstack([demand, level]), weight)


def launch_demand(history: History, moment: int) -> tuple[Ints, Floats]:
    """Return launches seen long enough, and (n, 2) their level and shape, standardized.

    Args:
        history: What items sold.
        moment: The period up to which that had been seen.
    """
    launch = history.panel.launch
    enough = min(history.windows.recent, history.horizon)
    items = np.flatnonzero(launch <= moment - enough + 1)  # no launch date is NEVER
    items = items[np.argsort(launch[items], kind="stable")][-_MOST_TEACHERS:]
    curves = history.curve(items, np.full(len(items), moment))
    last = np.minimum(launch[items] + history.horizon - 1, moment)
    curves = curves / history.unit(last)[:, None]
    seen = np.isfinite(curves)
    known = np.flatnonzero(seen.any(axis=1))
    items, curves, seen = items[known], curves[known], seen[known]
    if not len(items):
        return items, np.empty((0, 2))
    sold = np.nan_to_num(curves)
    typical = ratio(sold.sum(axis=0), seen.sum(axis=0))
    typical = np.maximum(np.nan_to_num(typical), 1e-9)
    share = seen @ typical / typical.sum()
    level = np.log1p(sold.sum(axis=1) / share)
    first = np.log(sold[:, 0] + _CENSORED) - np.log(sold[:, 1:].sum(axis=1) + _CENSORED)
    usual = np.log(typical[0] + _CENSORED) - np.log(seen[:, 1:] @ typical[1:] + _CENSORED)
    shape = np.where(seen[:, 0], first - usual, np.nan)
    return items, np.column_stack([_standard(level), _SHAPE * _standard(shape)])


def incumbent_demand(history: History, moment: int) -> tuple[Ints, Floats]:
    """Return items without launch date, and (n, 2) their level, standardized; of no shape.

    Args:
        history: What items sold.
        moment: The period up to which that had been seen.
    """
    panel = history.panel
    items = np.flatnonzero((panel.launch == NEVER) & (panel.visible <= moment))
    items = items[:: max(1, -(-len(items) // _MOST_TEACHERS))]
    when = np.full(len(items), moment)
    level = history.level(items, when, history.windows.longer)
    known = np.isfinite(level)
    level = np.log1p(level[known] / history.unit(np.array([moment]))[0])
    return items[known], np.column_stack([_standard(level), np.zeros(known.sum())])


def _standard(values: Floats) -> Floats:
    """Values less their mean over their standard deviation; zeros where that is zero or unknown."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(len(values))
    deviation = values[known].std()
    if not deviation > 0:
        return np.zeros(len(values))
    return np.where(known, (values - values[known].mean()) / deviation, 0.0)
