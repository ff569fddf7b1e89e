"""What orders by each method's forecasts would have cost, as a backtest's page and JSON have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from forecasting import FORECASTER, NO_DIFFERENCE, WORSE, BacktestResult
from pipelines.reports.words import known


@dataclass(frozen=True)
class CostOfOrders:
    """Orders of a backtest in money.

    Attributes:
        terms: What a unit left over and one missing cost, and the pack size.
        methods: A row a method, as `forecasting.BacktestResult.order_costs` has it.
    """

    terms: dict[str, float]
    methods: list[dict[str, Any]]

    @classmethod
    def of(
        cls, result: BacktestResult, terms: Mapping[str, Any], seed: int = 0
    ) -> CostOfOrders | None:
        """Return what orders would have cost; None where nobody said what units cost.

        Args:
            result: The backtest.
            terms: As arguments of `forecasting.BacktestResult.order_costs`; empty without costs.
            seed: Of the bootstrap.
        """
        if not terms:
            return None
        costs = result.order_costs(**terms, seed=seed)
        rows = [
            {str(key): value for key, value in row.items()}
            for row in costs.reset_index().to_dict("records")
        ]
        return cls({"pack_size": 1.0, **terms}, rows)

    @property
    def level(self) -> float:
        """The quantile that is ordered."""
        over, under = self.terms["overage_cost"], self.terms["underage_cost"]
        return under / (under + over)

    @property
    def as_json(self) -> dict[str, Any]:
        """The terms, the level ordered, and a row a method."""
        return {**self.terms, "level": self.level, "methods": self.methods}

    @property
    def bars(self) -> list[dict[str, Any]]:
        """The rows with ``share``: percent of the dearest method's cost, how long a bar is."""
        most = max(row["cost"] for row in self.methods)
        return [{**row, "share": 100 * row["cost"] / most if most else 0.0} for row in self.methods]

    @property
    def headline(self) -> str:
        """Say in words what ours cost beside the cheapest other and beside its own mean."""
        ours = next(row for row in self.methods if row["method"] == FORECASTER)
        others = [row for row in self.methods if row["method"] != FORECASTER]
        rival = min(others, key=lambda row: float(row["cost"]))
        more = rival["cost"] - ours["cost"]
        verdict = rival["verdict"]
        judged = {WORSE: "shown to be dearer", NO_DIFFERENCE: "a difference is not shown"}
        sure = f" ({judged.get(verdict, 'shown to be cheaper')})" if known(rival["low"]) else ""
        return (
            f"By our forecasts {ours['cost']:,.0f}, and {ours['naive_cost']:,.0f} if the mean is "
            f"ordered. Of the others, {rival['method']} would have cost least: "
            f"{rival['cost']:,.0f}, {abs(more):,.0f} {'more' if more >= 0 else 'less'}{sure}."
        )
