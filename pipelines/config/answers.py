"""The section of the settings for questions about the catalog."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipelines.config.tables import Section


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
