"""Fitted forecasters on disk: what they had seen and learned, and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from forecasting.features.analogues import AnalogueIndex, same_text
from forecasting.forecaster import check_parameters
from forecasting.persistence.model_card import model_card
from forecasting.persistence.model_files import engine_files, read_engine, read_settings
from forecasting.persistence.panel_files import panel_files, read_panel
from retrieval import (
    Encoder,
    ItemIndex,
    find_encoder,
    json_ready,
    place_in,
    place_of,
    read_artifact,
    saved_place,
    understood,
    write_artifact,
)

if TYPE_CHECKING:
    from forecasting.forecaster import LaunchForecaster

_KIND = "LaunchForecaster"
_WHAT = "forecaster"
_DOCUMENT = f"{_WHAT}.json"
_VECTORS = "vectors.npz"
_CARD = "README.md"
_ENGINES = ("index", "encoder")

_Forecaster = TypeVar("_Forecaster", bound="LaunchForecaster")


def write_forecaster(path: Path, forecaster: LaunchForecaster, *, standalone: bool) -> None:
    """Write a fitted forecaster, in place of the one that may be there.

    The vectors of the panel's items are saved with it, or an index of the caller's is named.

    Args:
        path: The folder to write.
        forecaster: A fitted one.
        standalone: Save the vectors in any case.

    Raises:
        InputError: `path` is something else than an artifact.
    """
    engine, history = forecaster.engine_, forecaster.history_
    analogues = engine.describer.analogues
    parameters = forecaster.get_params(deep=False)
    document: dict[str, Any] = {
        "parameters": {name: one for name, one in parameters.items() if name not in _ENGINES}
    }
    files: dict[str, Any] = {}
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
            **panel_files(history, analogues),
            **engine_files(engine),
            **files,
            _CARD: model_card(engine, parameters, collection),
        },
    )


def read_forecaster(
    cls: type[_Forecaster], path: Path, index: ItemIndex | None, encoder: Encoder | None
) -> _Forecaster:
    """Read a forecaster.

    It has all that forecasts are made of, and nothing that only baselines learn from: a backtest
    fits its clone anew.

    Args:
        cls: What to make.
        path: The folder.
        index: Where the items are, if they were in an index of the caller's; vectors are read out
            of it, and made anew of items that are no longer there.
        encoder: Turns texts into vectors; None: the one the forecaster was saved with.

    Raises:
        ArtifactError: The folder is not a whole, untouched artifact of this kind.
        EncoderMismatchError: The encoder is another one.
        InputError: An index is missing, or one too many; or the encoder is nowhere to be found.
    """
    artifact = read_artifact(path, kind=_KIND)
    with understood(artifact, _WHAT):
        document = artifact.json(_DOCUMENT)
        place = place_in(document)
        forecaster = cls(**read_settings(document["parameters"]))
        check_parameters(forecaster)
        seen = read_panel(artifact)
        engine = read_engine(artifact, seen.history)
        vectors = None if place is not None else artifact.arrays(_VECTORS)["vectors"]
    encoder = find_encoder(artifact, place, index, encoder)
    check_parameters(forecaster.set_params(index=index, encoder=encoder))
    panel = seen.history.panel
    if index is not None:
        same_text(index, forecaster.text)
    analogues = AnalogueIndex(index, encoder, panel, seen.texts, seen.products, vectors)
    forecaster.panel_ = panel
    forecaster.cutoff_ = panel.grid.dates(np.array([panel.end]))[0]
    forecaster.history_ = seen.history
    forecaster.engine_ = engine.over(seen.history, analogues)
    return forecaster


def named_index(path: Path) -> dict[str, str] | None:
    """Return `uri` and `collection` of a saved forecaster's index, as `saved_place` does."""
    return saved_place(path, _KIND, _WHAT)


def _vectors(analogues: AnalogueIndex) -> npt.NDArray[np.float32]:
    """(items, d) vectors of the panel's items; an index that is shared holds more."""
    return analogues.index.vectors(analogues.panel.ids.tolist())
