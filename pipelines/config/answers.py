"""The sections of the settings for questions about the catalog, and for recommendations."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat

from pipelines.config.tables import Section, TableSection


class AskSettings(Section):
    """How questions are answered.

    `ranker`: a file that `likewise ask --learn` wrote; null: the one that ships. `threshold`:
    probability below which no answer is given; null: the ranker's. `k`: sources, or items of a
    list, at most. `forecasts`: the result of `likewise forecast`, from which expected sales come.
    """

    ranker: Path | None = None
    threshold: Annotated[float | None, Field(ge=0, le=1)] = None
    k: Annotated[int, Field(ge=1, le=50)] = 5
    forecasts: Path | None = None


class HistoriesSettings(TableSection):
    """Who bought what, and when: a row a purchase.

    `quantity`: column of how much; null: 1 each.
    """

    section_name = "histories"
    customer: str = "customer_id"
    item: str = "item_id"
    time: str = "ds"
    quantity: str | None = None


class RecommendSettings(Section):
    """How items are recommended to people, and people found for items.

    `diversity`: 0: those that fit best; 1: those that are least like one another; null: 0.3 for
    like items, else 0. `half_life`: days after which a purchase counts half.
    """

    k: Annotated[int, Field(ge=1, le=1_000)] = 10
    diversity: Annotated[float | None, Field(ge=0, le=1)] = None
    half_life: PositiveFloat = 182.0
    seed: NonNegativeInt = 0
