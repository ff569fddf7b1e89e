"""Jobs that wire the other packages to files, databases and schedules; the command line."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.answers.ask import ask as ask
    from pipelines.answers.catalog import Catalog as Catalog
    from pipelines.answers.ranker import Ranker as Ranker
    from pipelines.cli.app import app as app
    from pipelines.cli.options import (
        ConfigOption as ConfigOption,
        IndexOptions as IndexOptions,
    )
    from pipelines.cli.runner import (
        running as running,
        settings_of as settings_of,
        verb as verb,
    )
    from pipelines.components import (
        make_classifier as make_classifier,
        make_encoder as make_encoder,
        taught_besides as taught_besides,
    )
    from pipelines.config.sections import ItemsSettings as ItemsSettings
    from pipelines.config.serve import KeySettings as KeySettings, Scope as Scope
    from pipelines.config.settings import Settings as Settings
    from pipelines.jobs.answers import (
        read_forecasts as read_forecasts,
        read_histories as read_histories,
    )
    from pipelines.logs import timed as timed
    from pipelines.recommendations.recommender import (
        LIKE_DIVERSITY as LIKE_DIVERSITY,
        Recommender as Recommender,
    )
    from pipelines.tables.formulas import guarded as guarded
    from pipelines.tables.label_texts import read_label_texts as read_label_texts

__all__: list[str] = []

# Imported when asked for: the command line starts without what is heavy.
_HOMES = {
    "Catalog": "pipelines.answers.catalog",
    "ConfigOption": "pipelines.cli.options",
    "IndexOptions": "pipelines.cli.options",
    "ItemsSettings": "pipelines.config.sections",
    "KeySettings": "pipelines.config.serve",
    "Ranker": "pipelines.answers.ranker",
    "LIKE_DIVERSITY": "pipelines.recommendations.recommender",
    "Recommender": "pipelines.recommendations.recommender",
    "Scope": "pipelines.config.serve",
    "Settings": "pipelines.config.settings",
    "app": "pipelines.cli.app",
    "ask": "pipelines.answers.ask",
    "make_classifier": "pipelines.components",
    "make_encoder": "pipelines.components",
    "read_forecasts": "pipelines.jobs.answers",
    "read_histories": "pipelines.jobs.answers",
    "guarded": "pipelines.tables.formulas",
    "read_label_texts": "pipelines.tables.label_texts",
    "running": "pipelines.cli.runner",
    "settings_of": "pipelines.cli.runner",
    "taught_besides": "pipelines.components",
    "timed": "pipelines.logs",
    "verb": "pipelines.cli.runner",
}

if not TYPE_CHECKING:  # a name that is not there stays an error of types

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)
