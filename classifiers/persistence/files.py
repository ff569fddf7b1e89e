"""Fitted classifiers on disk: what they know, the items of a private index, and a model card.

What a classifier knows is arrays, tables and JSON. Infinity is not JSON: a novelty threshold of
None stands for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.decision.decision import Decision
from classifiers.decision.label_sets import LabelSets
from classifiers.decision.novelty import Novelty
from classifiers.fitted import FittedState
from classifiers.inputs import LABEL
from classifiers.labels.prior import shares_of
from classifiers.persistence.model_card import model_card
from classifiers.scorers.ensemble import Blend, Scorers
from classifiers.scorers.linear_head import LinearHead
from classifiers.scorers.prototypes import Prototypes
from classifiers.scorers.temperature import Scaling
from classifiers.training.train import Model, Options
from retrieval import (
    Artifact,
    Encoder,
    ItemIndex,
    find_encoder,
    json_ready,
    place_of,
    read_artifact,
    saved_place,
    understood,
    write_artifact,
)

_KIND = "NeighborClassifier"
_WHAT = "classifier"
_DOCUMENT = f"{_WHAT}.json"
_ITEMS = "items.parquet"
_VECTORS = "vectors.npz"
_CARD = "README.md"
_ENGINES = ("index", "encoder")

_STATE_DOCUMENT = "knowledge.json"
_ARRAYS = "knowledge.npz"
_ANSWERS = "answers.parquet"
_EXAMPLES = "examples.parquet"
_LABEL_SETS = "label_sets.parquet"
_DECISIONS = ("decision", "votes_decision")
_PROTOTYPES = tuple(one.name for one in fields(Prototypes) if one.name != "names")

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class SavedClassifier:
    """A classifier as it was read.

    Attributes:
        parameters: Of the constructor, index and encoder included.
        knowledge: What it knows.
        items: `item_id`, `text` and `label` of all items of its private index; None where the items
            are in an index of the caller's.
        vectors: (n, d) of the same.
        columns: `item_id` and `text`: names of the id column, and of the text columns.
    """

    parameters: dict[str, Any]
    knowledge: FittedState
    items: pd.DataFrame | None
    vectors: npt.NDArray[np.float32] | None
    columns: Mapping[str, Any]

    def refill(self, index: ItemIndex) -> None:
        """Write the items into a new private index."""
        assert self.items is not None
        # The joined text stands in the first column; what it was joined of is not needed again.
        first, *others = self.columns["text"]
        table = pd.DataFrame(
            {
                self.columns["item_id"]: self.items["item_id"],
                first: self.items["text"],
                **dict.fromkeys(others),
                LABEL: self.items["label"],
            }
        )
        index.upsert(
            table,
            text=[first, *others],
            item_id=self.columns["item_id"],
            label=LABEL,
            vectors=self.vectors,
        )


def write_classifier(
    path: Path, parameters: Mapping[str, Any], knowledge: FittedState, index: ItemIndex
) -> None:
    """Write a classifier, in place of the one that may be there.

    Args:
        path: The folder to write.
        parameters: Of the constructor.
        knowledge: What it knows.
        index: Where its items are. A private index is saved with its items; any other one is named.

    Raises:
        InputError: `path` is something else than an artifact.
    """
    kept = {name: value for name, value in parameters.items() if name not in _ENGINES}
    shares = None if kept["prior"] is None else shares_of(kept["prior"])
    if isinstance(shares, dict):
        kept["prior"] = list(shares.items())  # its keys need not be strings
    document: dict[str, Any] = {"parameters": kept}
    files: dict[str, Any] = {}
    if knowledge.is_private:
        held = index.read()
        document["columns"] = {"item_id": index.layout.item_id, "text": index.layout.text}
        files = {
            _ITEMS: index.get(held.ids.tolist())[["item_id", "text", "label"]],
            _VECTORS: {"vectors": held.vectors},
        }
    else:
        document["index"] = place_of(index)
    write_artifact(
        path,
        kind=_KIND,
        encoder=index.encoder.identity,
        files={
            _DOCUMENT: json_ready(document),
            **knowledge_files(knowledge),
            **files,
            _CARD: model_card(knowledge, index, kept),
        },
    )


def read_classifier(
    path: Path, index: ItemIndex | None, encoder: Encoder | None
) -> SavedClassifier:
    """Read a classifier, and find the engines it works with.

    Args:
        path: The folder.
        index: Where the items are, if they were in an index of the caller's.
        encoder: Turns texts into vectors; None: the one the classifier was saved with.

    Raises:
        ArtifactError: The folder is not a whole, untouched artifact of this kind.
        EncoderMismatchError: The encoder is another one.
        InputError: An index is missing, or one too many; or the encoder is nowhere to be found.
    """
    artifact = read_artifact(path, kind=_KIND)
    with understood(artifact, _WHAT):
        saved, place = _parse(artifact)
    encoder = find_encoder(artifact, place, index, encoder)
    saved.parameters.update(index=index, encoder=encoder)
    return saved


def named_index(path: Path) -> dict[str, str] | None:
    """Return `uri` and `collection` of a saved classifier's index, as `saved_place` does."""
    return saved_place(path, _KIND, _WHAT)


def _parse(artifact: Artifact) -> tuple[SavedClassifier, dict[str, str] | None]:
    """Return the classifier, and the caller's index it worked with; None for its own."""
    document, knowledge = artifact.json(_DOCUMENT), read_knowledge(artifact)
    parameters = document["parameters"]
    parameters["temperature"] = float(parameters["temperature"])  # `json_ready` writes "inf"
    if isinstance(parameters["prior"], list):
        parameters["prior"] = dict(parameters["prior"])
    if not knowledge.is_private:
        place = {name: document["index"][name] for name in ("uri", "collection")}
        return SavedClassifier(parameters, knowledge, None, None, {}), place
    saved = SavedClassifier(
        parameters=parameters,
        knowledge=knowledge,
        items=artifact.table(_ITEMS),
        vectors=artifact.arrays(_VECTORS)["vectors"],
        columns=document["columns"],
    )
    return saved, None


def knowledge_files(knowledge: FittedState) -> dict[str, Any]:
    """Return file name → content, as `retrieval.artifact` writes them."""
    trained = knowledge.trained
    sources = trained.sources
    arrays: dict[str, npt.NDArray[Any]] = {"counts": knowledge.counts}
    if knowledge.described:
        arrays["described"] = np.stack(list(knowledge.described.values()))
    if sources.prototypes is not None:
        arrays |= {f"prototypes.{one}": getattr(sources.prototypes, one) for one in _PROTOTYPES}
    if sources.head is not None:
        arrays |= {"head.coef": sources.head.coef, "head.intercept": sources.head.intercept}
    for name in _DECISIONS:
        arrays[f"{name}.novelty"] = getattr(trained, name).novelty.coef
    document = {
        # Labels may end in any character, which numpy's strings of fixed width do not.
        "classes": knowledge.classes.tolist(),
        "dtype": knowledge.classes.dtype.str,
        "described": list(knowledge.described),
        "head": None if sources.head is None else sources.head.names.tolist(),
        "exclusive": sources.exclusive,
        "temperature": sources.temperature,
        "scalings": {part: asdict(one) for part, one in sources.scalings.items()},
        "decisions": {name: _decision_document(getattr(trained, name)) for name in _DECISIONS},
        "options": asdict(knowledge.options),
        "is_private": knowledge.is_private,
    }
    return {
        _STATE_DOCUMENT: json_ready(document),
        _ARRAYS: arrays,
        _ANSWERS: trained.answers,
        _EXAMPLES: pd.DataFrame({"item_id": sorted(knowledge.example_ids)}, dtype="str"),
        _LABEL_SETS: _label_set_table(trained),
    }


def read_knowledge(artifact: Artifact) -> FittedState:
    """Read what `knowledge_files` returned.

    Raises:
        ArtifactError: A file is missing or is none of its kind.
        KeyError: Something in a file is missing; TypeError or ValueError: it is something else.
    """
    document, arrays = artifact.json(_STATE_DOCUMENT), artifact.arrays(_ARRAYS)
    classes = np.array(document["classes"], dtype=np.dtype(document["dtype"]))
    names = _names([str(label) for label in classes.tolist()])
    sets = artifact.table(_LABEL_SETS)
    decisions = {
        name: _read_decision(
            document["decisions"][name],
            arrays[f"{name}.novelty"],
            sets[sets["decision"] == name],
            exclusive=document["exclusive"],
        )
        for name in _DECISIONS
    }
    answers = artifact.table(_ANSWERS)
    if "known" not in answers:  # of a classifier saved by 0.1: it knows no sizes of labels
        threshold = decisions["decision"].novelty.threshold
        answers["known"] = answers["novelty"] <= threshold
    sources = Scorers(
        names=names,
        exclusive=document["exclusive"],
        temperature=float(document["temperature"]),
        prototypes=_read_prototypes(names, arrays),
        head=_read_head(document, arrays),
        scalings={part: Scaling(**one) for part, one in document["scalings"].items()},
    )
    described = document["described"]
    return FittedState(
        classes=classes,
        trained=Model(sources=sources, answers=answers, **decisions),
        described=dict(zip(described, arrays["described"], strict=True)) if described else {},
        counts=arrays["counts"],
        example_ids=frozenset(artifact.table(_EXAMPLES)["item_id"].tolist()),
        options=Options(**document["options"]),
        is_private=document["is_private"],
    )


def _decision_document(decision: Decision) -> dict[str, Any]:
    threshold = decision.novelty.threshold
    return {
        "shares": decision.blend.shares,
        "scaling": asdict(decision.scaling),
        "novelty": {
            "intercept": decision.novelty.intercept,
            "threshold": None if math.isinf(threshold) else threshold,
            "doubts": list(decision.novelty.doubts.items()),
        },
        "closeness": decision.closeness,
        "sizes": decision.sizes,
        "widest": list(decision.label_sets.widest.items()) if decision.label_sets else [],
        "thresholds": decision.thresholds,
        "tilt": decision.tilt,
        "same_label": decision.same_label,
    }


def _read_decision(
    document: dict[str, Any], coef: npt.NDArray[Any], sets: pd.DataFrame, *, exclusive: bool
) -> Decision:
    novelty = document["novelty"]
    threshold = math.inf if novelty["threshold"] is None else novelty["threshold"]
    label_sets = None
    if len(sets):
        label_sets = LabelSets(
            scores=sets["score"].to_numpy(),
            labels=sets["label"].astype(object).where(sets["label"].notna(), None).to_numpy(),
            sizes=np.asarray(sets.get("size", np.zeros(len(sets))), dtype=np.int64),
            widest=dict(document.get("widest", [])),
        )
    return Decision(
        exclusive=exclusive,
        blend=Blend(document["shares"]),
        scaling=Scaling(**document["scaling"]),
        novelty=Novelty(coef, novelty["intercept"], threshold, dict(novelty.get("doubts", []))),
        closeness=document["closeness"],
        sizes=document.get("sizes", {}),
        label_sets=label_sets,
        thresholds=document["thresholds"],
        tilt=document["tilt"],
        same_label=document.get("same_label", 0.0),  # one saved before answers as it did
    )


def _label_set_table(trained: Model) -> pd.DataFrame:
    """Return one row a held-out answer of each decision: decision, label, size, score."""
    found = [(name, getattr(trained, name).label_sets) for name in _DECISIONS]
    tables = [
        pd.DataFrame(
            {"decision": name, "label": sets.labels, "size": sets.sizes, "score": sets.scores}
        )
        for name, sets in found
        if sets is not None
    ]
    if not tables:
        return pd.DataFrame(columns=["decision", "label", "size", "score"])
    return pd.concat(tables, ignore_index=True)


def _read_prototypes(names: npt.NDArray[np.object_], arrays: Arrays) -> Prototypes | None:
    if "prototypes.sums" not in arrays:
        return None
    return Prototypes(names=names, **{one: arrays[f"prototypes.{one}"] for one in _PROTOTYPES})


def _read_head(document: dict[str, Any], arrays: Arrays) -> LinearHead | None:
    if document["head"] is None:
        return None
    return LinearHead(
        names=_names(document["head"]),
        coef=arrays["head.coef"],
        intercept=arrays["head.intercept"],
        exclusive=document["exclusive"],
    )


def _names(values: list[str]) -> npt.NDArray[np.object_]:
    return np.array(values, dtype=object)
