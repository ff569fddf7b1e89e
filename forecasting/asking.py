"""Launches that somebody asks about: read, described, and with the courses that they may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecasting.checks import tell
from forecasting.concepts.kin import with_variants
from forecasting.data.launches import Launches
from forecasting.data.panel import Ints
from forecasting.features.features import Description
from forecasting.forecasts import Forecasts, curve_table, total_table
from forecasting.models.fitted import FittedForecaster
from forecasting.models.sample_paths import Paths
from forecasting.reader import Reader
from forecasting.updates.adjustments import Adjustments

_HERE = 4  # frames from `tell` to the method of the forecaster that was called


@dataclass(frozen=True)
class Asked:
    """Launches that were asked about.

    Attributes:
        engine: Who answers.
        described: What is known about the n launches.
        paths: Their courses.
        origin: (curves,) which launch of the panel each curve of the courses is of.
    """

    engine: FittedForecaster
    described: Description
    paths: Paths
    origin: Ints

    @property
    def rows(self) -> Launches:
        """The launches."""
        return self.described.rows

    def remarks(self, doubts: Sequence[str], *, planned: bool) -> dict[str, Any]:
        """Return what is said of each launch beside its numbers, by column.

        Args:
            doubts: What was not known of each, or empty.
            planned: Whether there are plans to be told of.
        """
        novelty = self.engine.novelty.of(self.described.pools.best_similarity)
        more: dict[str, Any] = {
            "novelty": novelty,
            "novel": self.engine.novelty.is_novel(novelty),
            "method": self.engine.method,
            "warnings": doubts,
        }
        return {**more, "planned": self.engine.planned(self.rows)} if planned else more

    def read(self) -> Forecasts:
        """Return mean and quantiles of every age and of the total."""
        return self.engine.read(self.paths, self.rows)


@dataclass(frozen=True)
class Asking:
    """Who reads what is asked, and who answers.

    Attributes:
        reader: Reads tables.
        engine: What was learned.
    """

    reader: Reader
    engine: FittedForecaster

    def launches(self, new_items: pd.DataFrame, future: pd.DataFrame | None = None) -> Launches:
        """Validate new items and stand them at the cutoff."""
        return self._read(new_items, future)[0]

    def _read(
        self, new_items: pd.DataFrame, future: pd.DataFrame | None
    ) -> tuple[Launches, FittedForecaster]:
        """Return launches, and who answers: with what somebody has said of them since."""
        describer = self.engine.describer
        encoder, history = describer.analogues.index.encoder, describer.history
        rows = self.reader.new_launches(new_items, history, encoder, future)
        engine = self.engine.renewed(rows.ids)
        knowledge = engine.describer.knowledge
        if knowledge is None:
            return rows, engine
        group = with_variants(knowledge, rows.ids, rows.group, history.panel.end)
        return replace(rows, group=group), engine

    def ask(
        self,
        new_items: pd.DataFrame,
        future: pd.DataFrame | None = None,
        adjustments: Adjustments | None = None,
    ) -> Asked:
        """Return the launches with their courses, as a planner wants them."""
        if adjustments is None:
            rows, engine = self._read(new_items, future)
            described = engine.describer.describe(rows)
            courses = engine.courses(described)
            return Asked(engine, described, courses, engine.origin(courses))
        changed = adjustments.changed(new_items, self.reader.item_id)
        rows, engine = self._read(changed, future)
        hand = adjustments.on(rows.ids, engine.describer.history)
        described = engine.describer.describe(rows, hand.edit)
        courses, votes = engine.courses(described), engine.vote(described)
        paths, origin = hand.paths(
            courses,
            votes,
            engine.origin(courses),
            engine.voters(votes),
            voted=engine.model is None,
        )
        return Asked(engine, described, paths, origin)

    def ask_planned(
        self,
        new_items: pd.DataFrame,
        future: pd.DataFrame | None,
        adjustments: Adjustments | None,
        *,
        further: int = 0,
    ) -> Asked:
        """Return the same, with a warning of launches whose plans did not arrive.

        Args:
            new_items: The launches.
            future: Their plans.
            adjustments: What a planner knows better.
            further: Frames by which whoever is warned is further away than the caller's caller.
        """
        asked = self.ask(new_items, future, adjustments)
        self._tell_of_plans(asked.rows, future, further)
        return asked

    def missing_plans(self, rows: Launches, future: pd.DataFrame | None) -> list[str]:
        """Say which launches have no plan, or a part of one, and what the plan spoke of instead."""
        used, panel = self.engine.planned(rows), self.engine.describer.history.panel
        return self.reader.missing_plans(rows, used, panel, future)

    def tables(
        self, rows: Launches, forecasts: Forecasts, quantiles: Sequence[float]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the forecasts table, by age, and that of the totals."""
        panel = self.engine.describer.history.panel
        cutoff = panel.grid.dates(np.array([panel.end]))[0]
        return (
            curve_table(forecasts, rows.ids, rows.period, panel.grid, cutoff, quantiles),
            total_table(forecasts, rows.ids, cutoff, quantiles),
        )

    def _tell_of_plans(self, rows: Launches, future: pd.DataFrame | None, further: int) -> None:
        level = _HERE + further
        if self.engine.model is None:
            if future is not None:
                tell("future: plans do not move a vote of analogues", stacklevel=level)
            return
        for said in self.missing_plans(rows, future):
            tell(f"{said}; such a forecast is one that knows no plans", stacklevel=level)
        if self.engine.unplanned is not None:
            used = rows[np.flatnonzero(self.engine.planned(rows))]
            known = self.engine.unplanned.known
            for said in known.beyond(used, self.reader.columns.covariates):
                tell(said, stacklevel=level)
