"""What the models of a forecaster learn from, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from forecasting.checks import check_above_zero, check_choice, check_whole
from forecasting.data.pools import POOLS, PoolName
from retrieval import InputError

Method = Literal["auto", "lightgbm", "knn"]
Similarity = Literal["learned", "text"]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What few forecasts need changed; benchmarks/forecasts shows what each earns.

    Args:
        pools: Pools to learn from: ``"incumbent"``, ``"launch"``, ``"sibling"``.
        temperature: Of the softmax that turns similarity into an analogue's weight.
        similarity: Which past launches the courses of a forecast are taken from: ``"learned"``
            from how launches sold, or ``"text"``.
        recency: Periods after which a past launch counts half; None: they all count alike.
        calibrate: Correct the bias and calibrate the quantiles on launches not trained on.
        max_lead: Largest number of unseen periods between the cutoff and a launch to prepare for.

    Raises:
        InputError: One cannot be right; the message says what it has to be.
    """

    pools: Sequence[PoolName] = POOLS
    temperature: float = 0.05
    similarity: Similarity = "learned"
    recency: float | None = 26.0
    calibrate: bool = True
    max_lead: int = 3

    def __post_init__(self) -> None:
        unknown = [name for name in self.pools if name not in POOLS]
        if unknown:
            raise InputError(f"pools: unknown {', '.join(unknown)}; there are: {', '.join(POOLS)}")
        check_above_zero("temperature", self.temperature)
        check_choice("similarity", self.similarity, get_args(Similarity))
        if self.recency is not None:
            check_above_zero("recency", self.recency)
        check_whole("max_lead", self.max_lead, 0)
