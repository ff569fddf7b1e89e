"""What an engine has learned, as LightGBM's own text, arrays and JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from forecasting.data.history import History
from forecasting.data.plans import KnownPlans
from forecasting.features.analogues import AnalogueIndex
from forecasting.features.demand_map import DemandMap
from forecasting.features.features import FeatureMaker
from forecasting.features.similarity import with_verdicts
from forecasting.features.similarity_gate import SimilarityVerdict
from forecasting.models.fitted import FittedForecaster, Unplanned
from forecasting.models.forest import LaunchForest
from forecasting.models.knn import LaunchVotes
from forecasting.models.launch_model import LaunchModel, Trained
from forecasting.models.novelty import Novelty
from forecasting.models.plan_effect import Elasticity, PlanEffect
from forecasting.models.quantile_calibration import Calibration
from forecasting.models.same_product import SameProduct
from forecasting.models.shared_fate import SharedFate
from forecasting.persistence.booster_text import read_booster
from retrieval import Artifact, json_ready

_DOCUMENT = "engine.json"
_ARRAYS = "engine.npz"
_BOOSTER = "booster.txt"
_FOREST = "forest.txt"
_SETTINGS = ("pools", "k", "temperature", "recency", "quantiles")
_OPTIONS = (
    "quantiles",
    "seed",
    "n_jobs",
    "recency",
    "calibrate",
    "courses",
    "monotone",
    "elastic",
)
_NUMBERS = ("temperature", "recency")
_UNPLANNED = "unplanned_"
_LEARNED = ("names", "counts", "bias")

Arrays = Mapping[str, npt.NDArray[Any]]
_OfArrays = TypeVar(
    "_OfArrays", Calibration, PlanEffect, Elasticity, KnownPlans, DemandMap, SameProduct
)


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
        unplanned: Who answers where a plan is not known, or None.
        verdicts: Why each pool of analogues is by what it is by.
        maps: The map of demand for new launches, by the period after which it was learned.
    """

    settings: dict[str, Any]
    votes: LaunchVotes
    model: LaunchModel | None
    novelty: Novelty
    calibration: Calibration
    teachers: npt.NDArray[np.int64]
    unplanned: Unplanned | None
    verdicts: tuple[SimilarityVerdict, ...]
    maps: Mapping[int, DemandMap]

    def over(self, history: History, analogues: AnalogueIndex) -> FittedForecaster:
        """Return the engine, ready to answer."""
        describer = FeatureMaker(history=history, analogues=analogues, **self.settings)
        if self.verdicts:
            describer = with_verdicts(describer, self.verdicts, self.maps)
        return FittedForecaster(
            describer=describer,
            votes=self.votes,
            model=self.model,
            novelty=self.novelty,
            calibration=self.calibration,
            teachers=self.teachers,
            unplanned=self.unplanned,
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
        "settings": {name: getattr(engine.describer, name) for name in _SETTINGS},
        "similarity": [asdict(verdict) for verdict in engine.describer.verdicts],
    }
    for space in engine.describer.demand.values():  # pools by demand share one
        document["demand_map_of"], learned = space.last or (None, None)
        if learned is not None:
            arrays |= _arrays_of("demand", learned)
    files: dict[str, Any] = {}
    models = {"": engine.model}
    if engine.unplanned is not None:
        models[_UNPLANNED] = engine.unplanned.model
        arrays |= _arrays_of(_UNPLANNED + "calibration", engine.unplanned.model.calibration)
        arrays |= _arrays_of(_UNPLANNED + "known", engine.unplanned.known)
    for kind, model in models.items():
        if model is not None:
            document[kind + "options"] = {name: getattr(model, name) for name in _OPTIONS}
            document[kind + "learned"] = {name: getattr(model, name) for name in _LEARNED}
            document[kind + "fate"] = asdict(model.fate)
            arrays |= _model_arrays(kind, model)
            files |= _model_texts(kind, model)
    return {_DOCUMENT: json_ready(document), _ARRAYS: arrays, **files}


def read_engine(artifact: Artifact, history: History) -> SavedEngine:
    """Read what `engine_files` returned.

    Raises:
        ArtifactError: A file is missing or is none of its kind.
        KeyError: Something in a file is missing; TypeError or ValueError: it is something else.
        LightGBMError: A model is none of LightGBM's.
    """
    document, arrays = artifact.json(_DOCUMENT), artifact.arrays(_ARRAYS)
    settings = read_settings(document["settings"])
    unplanned = _read_model(_UNPLANNED, artifact, document, arrays)
    known = None
    if unplanned is not None:
        known = Unplanned(unplanned, _from_arrays(KnownPlans, _UNPLANNED + "known", arrays))
    return SavedEngine(
        settings={name: settings[name] for name in _SETTINGS},
        votes=LaunchVotes(history, arrays["votes.level"]),
        model=_read_model("", artifact, document, arrays),
        novelty=Novelty(arrays["novelty.known"]),
        calibration=_from_arrays(Calibration, "calibration", arrays),
        unplanned=known,
        teachers=arrays["teachers"],
        verdicts=tuple(SimilarityVerdict(**one) for one in document["similarity"]),
        maps=_read_maps(document, arrays),
    )


def _read_maps(document: Mapping[str, Any], arrays: Arrays) -> dict[int, DemandMap]:
    if document.get("demand_map_of") is None:
        return {}
    return {int(document["demand_map_of"]): _from_arrays(DemandMap, "demand", arrays)}


def read_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with lists as tuples, and with infinity where `json_ready` wrote a string."""
    read: dict[str, Any] = {}
    for name, value in settings.items():
        if name in _NUMBERS and value is not None:
            value = float(value)
        read[name] = tuple(value) if isinstance(value, list) else value
    return read


def _model_arrays(kind: str, model: LaunchModel) -> dict[str, npt.NDArray[Any]]:
    trained = model.trained
    arrays: dict[str, npt.NDArray[Any]] = {
        f"{kind}model.items": model.items,
        f"{kind}model.curves": trained.curves,
        f"{kind}model.vectors": trained.vectors,
        f"{kind}model.weight": trained.weight,
        **_arrays_of(kind + "effect", model.effect),
        **_arrays_of(kind + "elasticity", model.elasticity),
        **_arrays_of(kind + "same_product", model.same_product),
    }
    if trained.forest is not None:
        arrays[kind + "forest.leaves"] = trained.forest.leaves
        arrays[kind + "forest.weight"] = trained.forest.weight
    return arrays


def _model_texts(kind: str, model: LaunchModel) -> dict[str, str]:
    trees = {_BOOSTER: model.trained.booster}
    if model.trained.forest is not None:
        trees[_FOREST] = model.trained.forest.booster
    return {kind + name: booster.model_to_string() for name, booster in trees.items()}


def _read_model(
    kind: str, artifact: Artifact, document: Mapping[str, Any], arrays: Arrays
) -> LaunchModel | None:
    if kind + "options" not in document:
        return None
    model = LaunchModel(**read_settings(document[kind + "options"]))
    for name in _LEARNED:
        setattr(model, name, document[kind + "learned"][name])
    model.fate = SharedFate(**document[kind + "fate"])
    model.items = arrays[kind + "model.items"]
    model.effect = _from_arrays(PlanEffect, kind + "effect", arrays)
    model.elasticity = _from_arrays(Elasticity, kind + "elasticity", arrays)
    model.calibration = _from_arrays(Calibration, kind + "calibration", arrays)
    model.same_product = SameProduct.none()
    if kind + "same_product.rate" in arrays:  # folders of earlier versions have none
        model.same_product = _from_arrays(SameProduct, kind + "same_product", arrays)
    forest = None
    if kind + "forest.leaves" in arrays:
        forest = LaunchForest(
            read_booster(artifact.text(kind + _FOREST)),
            arrays[kind + "forest.leaves"],
            arrays[kind + "forest.weight"],
        )
    model.trained = Trained(
        forest=forest,
        booster=read_booster(artifact.text(kind + _BOOSTER)),
        curves=arrays[kind + "model.curves"],
        vectors=arrays[kind + "model.vectors"],
        weight=arrays[kind + "model.weight"],
    )
    return model


def _arrays_of(
    name: str,
    part: Calibration | PlanEffect | Elasticity | KnownPlans | DemandMap | SameProduct,
) -> dict[str, npt.NDArray[Any]]:
    return {f"{name}.{one.name}": getattr(part, one.name) for one in fields(part)}


def _from_arrays(kind: type[_OfArrays], name: str, arrays: Arrays) -> _OfArrays:
    return kind(**{one.name: arrays[f"{name}.{one.name}"] for one in fields(kind)})
