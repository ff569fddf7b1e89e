"""Launches to be forecast, each from a moment of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.panel import Floats, Ints


@dataclass(frozen=True)
class Launches:
    """n launches to forecast, each from its own standing period.

    Attributes:
        ids: (n,) item ids.
        vectors: (n, d) unit vectors of their texts.
        period: (n,) period of launch.
        standing: (n,) last period seen; before ``period``.
        attributes: (n, a) numbers, and categories as strings.
        first_share: (n,) share of the launch period the item is on sale.
        product: (n,) what the item is, wherever it is sold; None where that is not told.
        plan: (n, horizon, c) known-future covariates by age, NaN where not planned.
        group: (n,) the same number for launches that share their fate; by default none do.
    """

    ids: npt.NDArray[np.object_]
    vectors: npt.NDArray[np.float32]
    period: Ints
    standing: Ints
    attributes: pd.DataFrame
    first_share: Floats = field(default_factory=lambda: np.array(1.0))
    product: npt.NDArray[np.object_] = field(default_factory=lambda: np.array(None, dtype=object))
    plan: Floats = field(default_factory=lambda: np.empty((1, 1, 0)))
    group: Ints = field(default_factory=lambda: np.array(-1))

    def __post_init__(self) -> None:
        """Spread what holds for all rows alike."""
        n = len(self.ids)
        shapes = {"first_share": (n,), "product": (n,), "plan": (n, *self.plan.shape[1:])}
        for name, shape in shapes.items():
            object.__setattr__(self, name, np.broadcast_to(getattr(self, name), shape))
        if not self.group.ndim:
            object.__setattr__(self, "group", pd.factorize(self.ids)[0].astype(np.int64))

    def __len__(self) -> int:
        """Return the number of launches."""
        return len(self.ids)

    def __getitem__(self, rows: slice | Ints) -> Launches:
        """Return some of the rows."""
        return Launches(
            self.ids[rows],
            self.vectors[rows],
            self.period[rows],
            self.standing[rows],
            self.attributes.iloc[rows].reset_index(drop=True),
            self.first_share[rows],
            self.product[rows],
            self.plan[rows],
            self.group[rows],
        )
