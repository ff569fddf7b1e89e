"""Fitted classifiers on disk: what they know, the items of a private index, and a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.fitted import Knowledge
from classifiers.inputs import LABEL
from classifiers.knowledge_files import json_ready, knowledge_files, read_knowledge
from classifiers.persistence.model_card import model_card
from retrieval import Encoder, ItemIndex
from retrieval.artifact import Artifact, read_artifact, write_artifact
from retrieval.saved_model import find_encoder, place_in, place_of, understood

_KIND = "NeighborClassifier"
_DOCUMENT = "classifier.json"
_ITEMS = "items.parquet"
_VECTORS = "vectors.npz"
_CARD = "README.md"
_ENGINES = ("index", "encoder")


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
    knowledge: Knowledge
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
    path: Path, parameters: Mapping[str, Any], knowledge: Knowledge, index: ItemIndex
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
    if isinstance(kept["prior"], Mapping):
        kept["prior"] = list(kept["prior"].items())  # its keys need not be strings
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
    with understood(artifact, "classifier"):
        saved, place = _parse(artifact)
    encoder = find_encoder(artifact, place, index, encoder)
    saved.parameters.update(index=index, encoder=encoder)
    return saved


def named_index(path: Path) -> dict[str, str] | None:
    """Return `uri` and `collection` of the index a saved classifier works with.

    Returns:
        None where it holds its items itself.

    Raises:
        ArtifactError: The folder is not a whole, untouched artifact of this kind.
    """
    artifact = read_artifact(path, kind=_KIND)
    with understood(artifact, "classifier"):
        return place_in(artifact.json(_DOCUMENT))


def _parse(artifact: Artifact) -> tuple[SavedClassifier, dict[str, str] | None]:
    """Return the classifier, and the caller's index it worked with; None for its own."""
    document, knowledge = artifact.json(_DOCUMENT), read_knowledge(artifact)
    parameters = document["parameters"]
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
