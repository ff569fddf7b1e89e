"""Which pools of analogues are by demand, and which by text."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from forecasting.data.launches import Launches
from forecasting.data.panel import Ints
from forecasting.data.pools import PoolName, Similarity
from forecasting.features.demand_map import DemandMap
from forecasting.features.demand_space import DemandSpace
from forecasting.features.features import FeatureMaker
from forecasting.features.similarity_gate import SimilarityVerdict, judge

_log = logging.getLogger(__name__)

_OF_POOLS: tuple[PoolName, ...] = ("incumbent", "launch")  # siblings are among the launches
_MOST_HELD_OUT = 3_000  # launches, the latest


def with_similarity(
    describer: FeatureMaker, similarity: Similarity, rows: Launches, launched: Ints
) -> FeatureMaker:
    """Return a describer whose analogues are found as asked for; what was chosen is logged.

    Args:
        describer: Finds them by text.
        similarity: ``"text"``; ``"demand"``, in all pools; ``"auto"``: by demand in each pool in
            which that told past launches better, else by text.
        rows: The n launches of the past, each standing before its start.
        launched: (n,) their positions in the panel.
    """
    if similarity == "text":
        return describer
    space = _space(describer, {})
    asked = [name for name in _OF_POOLS if name in describer.pools]
    if space.last is None:
        reason = "because too few launches were seen to learn demand from"
        verdicts = [SimilarityVerdict(name, "text", reason) for name in asked]
    elif similarity == "demand":
        verdicts = [SimilarityVerdict(name, "demand", "as asked for") for name in asked]
    else:
        verdicts = _judged(describer, space, asked, rows, launched)
    for verdict in verdicts:
        _log.info("%s", verdict)
    return _decided(describer, verdicts, space)


def with_verdicts(
    describer: FeatureMaker, verdicts: Sequence[SimilarityVerdict], maps: Mapping[int, DemandMap]
) -> FeatureMaker:
    """Return a describer whose analogues are found as was decided before.

    Args:
        describer: Finds them by text.
        verdicts: By pool.
        maps: What had been learned of demand.
    """
    if all(verdict.used == "text" for verdict in verdicts):
        return replace(describer, verdicts=tuple(verdicts))
    return _decided(describer, verdicts, _space(describer, maps))


def _space(describer: FeatureMaker, maps: Mapping[int, DemandMap]) -> DemandSpace:
    history = describer.history
    vectors = describer.analogues.index.vectors(history.panel.ids.tolist())
    return DemandSpace(history, vectors, maps)


def _decided(
    describer: FeatureMaker, verdicts: Sequence[SimilarityVerdict], space: DemandSpace
) -> FeatureMaker:
    demand = {verdict.pool: space for verdict in verdicts if verdict.used == "demand"}
    return replace(describer, demand=demand, verdicts=tuple(verdicts))


def _judged(
    describer: FeatureMaker,
    space: DemandSpace,
    asked: list[PoolName],
    rows: Launches,
    launched: Ints,
) -> list[SimilarityVerdict]:
    over = np.isfinite(describer.history.curves[launched]).all(axis=1)
    chosen = np.flatnonzero(over & (rows.standing >= space.first))
    chosen = chosen[np.argsort(rows.period[chosen], kind="stable")][-_MOST_HELD_OUT:]
    rows, launched = rows[chosen], launched[chosen]
    text = describer.find(rows)
    demand = replace(describer, demand=dict.fromkeys(asked, space)).find(rows)
    return [
        judge(name, describer.history, rows, launched, text.named()[name], demand.named()[name])
        for name in asked
    ]
