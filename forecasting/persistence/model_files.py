"""What an engine has learned, as LightGBM's own text, arrays and JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from forecasting.data.history import History
from forecasting.features.analogues import AnalogueIndex
from forecasting.features.features import FeatureMaker
from forecasting.models.fitted import FittedForecaster
from forecasting.models.forest import LaunchForest
from forecasting.models.knn import LaunchVotes
from forecasting.models.launch_model import LaunchModel, Trained
from forecasting.models.novelty import Novelty
from forecasting.models.plan_effect import PlanEffect
from forecasting.models.quantile_calibration import Calibration
from forecasting.models.shared_fate import SharedFate
from forecasting.persistence.booster_text import read_booster
from retrieval import Artifact, json_ready

_DOCUMENT = "engine.json"
_ARRAYS = "engine.npz"
_BOOSTER = "booster.txt"
_FOREST = "forest.txt"
_SETTINGS = ("pools", "k", "temperature", "recency", "quantiles")
_OPTIONS = ("quantiles", "seed", "n_jobs", "recency", "calibrate", "similarity")
_NUMBERS = ("temperature", "recency")
_LEARNED = ("names", "counts", "bias")

Arrays = Mapping[str, npt.NDArray[Any]]
_OfArrays = TypeVar("_OfArrays", Calibration, PlanEffect)


@dataclass(frozen=True)
class SavedEngine:
    """An engine as it was read, without the index in which it finds analogues.

    Attributes:
        settings: Of the describer.
        votes: The launches, ready to vote.
        model: Trained on them, or None.
        novelty: How unlike anything known past launches were.
        calibration: At which levels quantiles are read.
        teachers: The group of each launch that was learned from.
    """

    settings: dict[str, Any]
    votes: LaunchVotes
    model: LaunchModel | None
    novelty: Novelty
    calibration: Calibration
    teachers: npt.NDArray[np.int64]

    def over(self, history: History, analogues: AnalogueIndex) -> FittedForecaster:
        """Return the engine, ready to answer."""
        return FittedForecaster(
            describer=FeatureMaker(history=history, analogues=analogues, **self.settings),
            votes=self.votes,
            model=self.model,
            novelty=self.novelty,
            calibration=self.calibration,
            teachers=self.teachers,
        )


def engine_files(engine: FittedForecaster) -> dict[str, Any]:
    """Return file name → content, as `retrieval.artifact` writes them."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "votes.level": engine.votes.level,
        "novelty.known": engine.novelty.known,
        "teachers": engine.teachers,
        **_arrays_of("calibration", engine.calibration),
    }
    document: dict[str, Any] = {
        "settings": {name: getattr(engine.describer, name) for name in _SETTINGS}
    }
    files: dict[str, Any] = {}
    model = engine.model
    if model is not None:
        document["options"] = {name: getattr(model, name) for name in _OPTIONS}
        document["learned"] = {name: getattr(model, name) for name in _LEARNED}
        document["fate"] = asdict(model.fate)
        trained = model.trained
        arrays |= {
            "model.items": model.items,
            "model.curves": trained.curves,
            "model.vectors": trained.vectors,
            "model.weight": trained.weight,
            **_arrays_of("effect", model.effect),
        }
        files[_BOOSTER] = trained.booster.model_to_string()
        if trained.forest is not None:
            files[_FOREST] = trained.forest.booster.model_to_string()
            arrays |= {"forest.leaves": trained.forest.leaves}
            arrays |= {"forest.weight": trained.forest.weight}
    return {_DOCUMENT: json_ready(document), _ARRAYS: arrays, **files}


def read_engine(artifact: Artifact, history: History) -> SavedEngine:
    """Read what `engine_files` returned.

    Raises:
        ArtifactError: A file is missing or is none of its kind.
        KeyError: Something in a file is missing; TypeError or ValueError: it is something else.
        LightGBMError: A model is none of LightGBM's.
    """
    document, arrays = artifact.json(_DOCUMENT), artifact.arrays(_ARRAYS)
    calibration = _from_arrays(Calibration, "calibration", arrays)
    model = None
    if "options" in document:
        model = LaunchModel(**read_settings(document["options"]))
        for name in _LEARNED:
            setattr(model, name, document["learned"][name])
        model.fate = SharedFate(**document["fate"])
        model.items = arrays["model.items"]
        model.effect = _from_arrays(PlanEffect, "effect", arrays)
        model.calibration = calibration
        model.trained = Trained(
            forest=_read_forest(artifact, arrays),
            booster=read_booster(artifact.text(_BOOSTER)),
            curves=arrays["model.curves"],
            vectors=arrays["model.vectors"],
            weight=arrays["model.weight"],
        )
    settings = read_settings(document["settings"])
    return SavedEngine(
        settings={name: settings[name] for name in _SETTINGS},
        votes=LaunchVotes(history, arrays["votes.level"]),
        model=model,
        novelty=Novelty(arrays["novelty.known"]),
        calibration=calibration,
        teachers=arrays["teachers"],
    )


def read_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with lists as tuples, and with infinity where `json_ready` wrote a string."""
    read: dict[str, Any] = {}
    for name, value in settings.items():
        if name in _NUMBERS and value is not None:
            value = float(value)
        read[name] = tuple(value) if isinstance(value, list) else value
    return read


def _read_forest(artifact: Artifact, arrays: Arrays) -> LaunchForest | None:
    if "forest.leaves" not in arrays:
        return None
    booster = read_booster(artifact.text(_FOREST))
    return LaunchForest(booster, arrays["forest.leaves"], arrays["forest.weight"])


def _arrays_of(name: str, part: Calibration | PlanEffect) -> dict[str, npt.NDArray[Any]]:
    return {f"{name}.{one.name}": getattr(part, one.name) for one in fields(part)}


def _from_arrays(kind: type[_OfArrays], name: str, arrays: Arrays) -> _OfArrays:
    return kind(**{one.name: arrays[f"{name}.{one.name}"] for one in fields(kind)})
