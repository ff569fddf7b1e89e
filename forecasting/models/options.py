"""What the models of a forecaster learn from, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from forecasting.checks import check_above_zero, check_choice, check_whole
from forecasting.data.pools import POOLS, PoolName
from retrieval import InputError

Method = Literal["auto", "lightgbm", "knn"]
Courses = Literal["learned", "text"]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What few forecasts need changed; benchmarks/forecasts shows what each earns.

    Args:
        pools: Pools to learn from: ``"incumbent"``, ``"launch"``, ``"sibling"``.
        temperature: Of the softmax that turns similarity into an analogue's weight.
        courses: Which past launches the courses of a forecast are taken from: those alike as
            ``"learned"`` by a forest from how launches sold, or alike in ``"text"``.
        recency: Periods after which a past launch counts half; None: they all count alike.
        calibrate: Correct the bias and calibrate the quantiles on launches not trained on.
        monotone: Covariates and attributes that are numbers and move demand one way: 1 for up, -1
            for down, such as ``{"price": -1}``. Of a covariate the elasticity is learned then: one
            number for all launches, by half beyond the plans that were seen.
        max_lead: Largest number of unseen periods between the cutoff and a launch to prepare for.

    Raises:
        InputError: One cannot be right; the message says what it has to be.
    """

    pools: Sequence[PoolName] = POOLS
    temperature: float = 0.05
    courses: Courses = "learned"
    recency: float | None = 26.0
    calibrate: bool = True
    monotone: Mapping[str, int] = field(default_factory=dict)
    max_lead: int = 3

    def __post_init__(self) -> None:
        unknown = [name for name in self.pools if name not in POOLS]
        if unknown:
            raise InputError(f"pools: unknown {', '.join(unknown)}; there are: {', '.join(POOLS)}")
        check_above_zero("temperature", self.temperature)
        check_choice("courses", self.courses, get_args(Courses))
        if self.recency is not None:
            check_above_zero("recency", self.recency)
        for name, sign in self.monotone.items():
            if sign not in (1, -1):
                raise InputError(f"monotone: {name} must be 1 (up) or -1 (down), got {sign!r}")
        check_whole("max_lead", self.max_lead, 0)
