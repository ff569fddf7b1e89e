"""Fitted forecasters on disk: what they had seen and learned, and a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting.decisions.cannibalization import Cannibalization
from forecasting.features.analogues import AnalogueIndex
from forecasting.models.fitted import FittedForecaster
from forecasting.parameters import GROUPS
from forecasting.persistence.knowledge_files import (
    SavedKnowledge,
    knowledge_files,
    read_knowledge,
)
from forecasting.persistence.model_card import model_card
from forecasting.persistence.model_files import (
    SavedEngine,
    engine_files,
    read_engine,
    read_settings,
)
from forecasting.persistence.panel_files import SeenItems, panel_files, read_panel
from retrieval import (
    Artifact,
    Encoder,
    InputError,
    ItemIndex,
    json_ready,
    place_in,
    place_of,
    read_artifact,
    saved_place,
    write_artifact,
)

_KIND = "LaunchForecaster"
_WHAT = "forecaster"
_DOCUMENT = f"{_WHAT}.json"
_VECTORS = "vectors.npz"
_TAKEN = "cannibalization.npz"
_CARD = "README.md"
_ENGINES = ("index", "encoder")


@dataclass(frozen=True)
class SavedForecaster:
    """What a forecaster knew, as it was read; without the index in which it finds analogues.

    It has all that forecasts are made of, and nothing that only baselines learn from.

    Attributes:
        seen: The items it had seen, and what they had sold.
        engine: What it had learned.
        vectors: (items, d) of the items; None where an index of the caller's has them.
        place: `uri` and `collection` of that index; None where the items are here.
        cannibalization: What launches take from others, where that had been estimated.
        known: What a graph had said of the items; None without one.
    """

    seen: SeenItems
    engine: SavedEngine
    vectors: npt.NDArray[np.float32] | None
    place: dict[str, str] | None
    cannibalization: Cannibalization | None
    known: SavedKnowledge | None

    def over(self, index: ItemIndex | None, encoder: Encoder | None) -> FittedForecaster:
        """Return what it knew, ready to answer.

        Args:
            index: Where the items' vectors are, if they were in an index of the caller's; those of
                items that are no longer there are made anew.
            encoder: Turns texts into vectors, where there is no index.
        """
        seen, panel = self.seen, self.seen.history.panel
        analogues = AnalogueIndex(index, encoder, panel, seen.texts, seen.products, self.vectors)
        engine = self.engine.over(seen.history, analogues)
        return engine if self.known is None else self.known.over(engine, index)


def write_forecaster(
    path: Path,
    parameters: Mapping[str, Any],
    engine: FittedForecaster,
    cannibalization: Cannibalization | None,
    *,
    standalone: bool,
) -> None:
    """Write a fitted forecaster, in place of the one that may be there.

    The vectors of the panel's items are saved with it, or an index of the caller's is named.

    Args:
        path: The folder to write.
        parameters: Of the forecaster.
        engine: What it knows.
        cannibalization: What launches take from others, where that has been estimated.
        standalone: Save the vectors in any case.

    Raises:
        InputError: `path` is something else than an artifact.
    """
    analogues = engine.describer.analogues
    document: dict[str, Any] = {
        "parameters": {
            name: asdict(one) if name in GROUPS else one
            for name, one in parameters.items()
            if name not in _ENGINES
        }
    }
    files: dict[str, Any] = {}
    if cannibalization is not None:
        numbers = asdict(cannibalization)
        files[_TAKEN] = {name: np.asarray(value) for name, value in numbers.items()}
        document["cannibalization"] = _TAKEN
    collection = None if standalone else analogues.collection
    if collection is None:
        files[_VECTORS] = {"vectors": _vectors(analogues)}
    else:
        document["index"] = place_of(collection)
    write_artifact(
        path,
        kind=_KIND,
        encoder=analogues.index.encoder.identity,
        files={
            _DOCUMENT: json_ready(document),
            **panel_files(engine.describer.history, analogues),
            **engine_files(engine),
            **knowledge_files(engine),
            **files,
            _CARD: model_card(engine, parameters, collection),
        },
    )


def open_forecaster(path: Path) -> Artifact:
    """Check the folder of a saved forecaster.

    Raises:
        ArtifactError: The folder is not a whole, untouched artifact of this kind.
    """
    return read_artifact(path, kind=_KIND)


def read_parameters(artifact: Artifact) -> dict[str, Any]:
    """Read the parameters of a saved forecaster, all but index and encoder.

    Raises:
        InputError: There are no groups: whoever saved it did not know of them.
        KeyError: Something is missing; TypeError or ValueError: it is something else.
    """
    parameters = read_settings(artifact.json(_DOCUMENT)["parameters"])
    missing = [name for name in GROUPS if name not in parameters]
    if missing:
        raise InputError(f"its parameters are of another version, without {', '.join(missing)}")
    groups = {name: kind(**read_settings(parameters[name])) for name, kind in GROUPS.items()}
    return parameters | groups


def read_fitted(artifact: Artifact) -> SavedForecaster:
    """Read what a saved forecaster knew.

    Raises:
        ArtifactError: A file is missing or is none of its kind.
        KeyError: Something in a file is missing; TypeError or ValueError: it is something else.
    """
    place = place_in(artifact.json(_DOCUMENT))
    seen = read_panel(artifact)
    return SavedForecaster(
        seen=seen,
        engine=read_engine(artifact, seen.history),
        vectors=None if place is not None else artifact.arrays(_VECTORS)["vectors"],
        place=place,
        cannibalization=_read_cannibalization(artifact),
        known=read_knowledge(artifact),
    )


def _read_cannibalization(artifact: Artifact) -> Cannibalization | None:
    if "cannibalization" not in artifact.json(_DOCUMENT):
        return None
    numbers = artifact.arrays(_TAKEN)
    draws = np.asarray(numbers.pop("draws"), dtype=np.float64)
    launches = int(numbers.pop("launches"))
    shares = {name: float(value) for name, value in numbers.items()}
    return Cannibalization(**shares, launches=launches, draws=draws)


def named_index(path: Path) -> dict[str, str] | None:
    """Return `uri` and `collection` of a saved forecaster's index, as `saved_place` does."""
    return saved_place(path, _KIND, _WHAT)


def _vectors(analogues: AnalogueIndex) -> npt.NDArray[np.float32]:
    """(items, d) vectors of the panel's items; an index that is shared holds more."""
    return analogues.index.vectors(analogues.panel.ids.tolist())
