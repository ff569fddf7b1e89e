"""Fitted classifiers on disk: what they know, the items of a private index, and a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.examples import LABEL
from classifiers.knowledge import Knowledge
from classifiers.knowledge_files import json_ready, knowledge_files, read_knowledge
from classifiers.model_card import model_card
from retrieval import ArtifactError, Encoder, EncoderMismatchError, InputError, ItemIndex
from retrieval.artifact import Artifact, read_artifact, write_artifact
from retrieval.weights import EncoderIdentity

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
        document["index"] = {"uri": _without_user(index.uri), "collection": index.collection}
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
    try:
        saved, home = _parse(artifact)
    except ArtifactError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{artifact.path} holds no classifier that this version of likewise can read "
            f"({type(error).__name__}: {error}); save it anew"
        ) from error
    if home is not None and index is None:
        raise InputError(
            f"the items of {artifact.path} are in collection {home['collection']!r} of "
            f"{home['uri']}; open it as an ItemIndex and pass it as index="
        )
    if home is None and index is not None:
        raise InputError(f"{artifact.path} holds its items itself; leave index= out")
    if index is None:
        encoder = encoder or _same_encoder(artifact.encoder)
    _check_encoder(artifact, encoder if index is None else index.encoder)
    saved.parameters.update(index=index, encoder=encoder)
    return saved


def named_index(path: Path) -> dict[str, str] | None:
    """Return `uri` and `collection` of the index a saved classifier works with.

    Returns:
        None where it holds its items itself.

    Raises:
        ArtifactError: The folder is not a whole, untouched artifact of this kind.
    """
    home: dict[str, str] | None = read_artifact(path, kind=_KIND).json(_DOCUMENT).get("index")
    return home


def _parse(artifact: Artifact) -> tuple[SavedClassifier, dict[str, str] | None]:
    """Return the classifier, and the caller's index it worked with; None for its own."""
    document, knowledge = artifact.json(_DOCUMENT), read_knowledge(artifact)
    parameters = document["parameters"]
    if isinstance(parameters["prior"], list):
        parameters["prior"] = dict(parameters["prior"])
    if not knowledge.is_private:
        home = {name: document["index"][name] for name in ("uri", "collection")}
        return SavedClassifier(parameters, knowledge, None, None, {}), home
    saved = SavedClassifier(
        parameters=parameters,
        knowledge=knowledge,
        items=artifact.table(_ITEMS),
        vectors=artifact.arrays(_VECTORS)["vectors"],
        columns=document["columns"],
    )
    return saved, None


def _same_encoder(identity: EncoderIdentity) -> Encoder:
    """Return the encoder of this name, on the same engine where it is installed."""
    try:
        return Encoder(identity.name, backend="torch" if identity.backend == "torch" else "auto")
    except InputError as error:
        raise InputError(f"{error}; pass it as encoder=, from where it is now") from error


def _check_encoder(artifact: Artifact, encoder: Encoder | None) -> None:
    if encoder is not None and not artifact.encoder.same_space(encoder.identity):
        raise EncoderMismatchError(
            f"{artifact.path} was saved with encoder {artifact.encoder.describe()}, not with "
            f"{encoder.identity.describe()}: their vectors cannot be compared. Load it with that "
            "encoder, or fit anew with this one"
        )


def _without_user(uri: str) -> str:
    """Leave user and password out of an address."""
    if "://" not in uri:
        return uri
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
