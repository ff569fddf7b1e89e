"""What saving and loading have in common for all models: index, encoder, JSON and model card."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.artifact import Artifact, read_artifact
from retrieval.encoding.encoder import Encoder
from retrieval.encoding.weights import EncoderIdentity
from retrieval.errors import ArtifactError, EncoderMismatchError, InputError
from retrieval.index import ItemIndex


def place_of(index: ItemIndex) -> dict[str, str]:
    """Say where an index is: its `uri`, without user and password, and its `collection`."""
    return {"uri": _without_user(index.uri), "collection": index.collection}


def place_in(document: Mapping[str, Any]) -> dict[str, str] | None:
    """Return what `place_of` said of a saved model's index, and nothing that stands beside it.

    Args:
        document: What was saved, with the place as `index`.

    Returns:
        None where the model holds its items itself.

    Raises:
        TypeError: A place is something else than text.
    """
    if "index" not in document:
        return None
    place = {name: document["index"][name] for name in ("uri", "collection")}
    if not all(isinstance(value, str) for value in place.values()):
        raise TypeError("the index of its items is not named in words")
    return place


def saved_place(path: Path, kind: str, what: str) -> dict[str, str] | None:
    """Return `uri` and `collection` of the index a saved model works with.

    Args:
        path: Its folder.
        kind: What it must be.
        what: The same in words, which also is the name of its document.

    Returns:
        None where it holds its items itself.

    Raises:
        ArtifactError: The folder is not a whole, untouched artifact of this kind.
    """
    artifact = read_artifact(path, kind=kind)
    with understood(artifact, what):
        return place_in(artifact.json(f"{what}.json"))


@contextmanager
def understood(artifact: Artifact, what: str) -> Iterator[None]:
    """Say of whatever goes wrong inside that the artifact is none that can be read.

    Args:
        artifact: What is being read.
        what: What it should hold, for the message.

    Raises:
        ArtifactError: Something is missing in a file, or is something else.
    """
    try:
        yield
    except (ArtifactError, MemoryError):
        raise
    except Exception as error:  # whatever the parts make of values that are something else
        raise ArtifactError(
            f"{artifact.path} holds no {what} that this version of likewise can read "
            f"({type(error).__name__}: {error}); save it anew"
        ) from error


def find_encoder(
    artifact: Artifact,
    place: dict[str, str] | None,
    index: ItemIndex | None,
    encoder: Encoder | None,
) -> Encoder | None:
    """Check the engines that a saved model is to work with.

    Args:
        artifact: The model.
        place: Where its items are, as `place_of` said; None if it holds them itself.
        index: Where its items are, given by whoever loads it.
        encoder: Turns texts into vectors; None for the one the model was saved with.

    Returns:
        The encoder of the model's own index; what was given where there is an index.

    Raises:
        EncoderMismatchError: The encoder is another one.
        InputError: An index is missing, or one too many; or the encoder is nowhere to be found.
    """
    if place is not None and index is None:
        raise InputError(
            f"the items of {artifact.path} are in collection {place['collection']!r} of "
            f"{place['uri']}; open it as an ItemIndex and pass it as index="
        )
    if place is None and index is not None:
        raise InputError(f"{artifact.path} holds its items itself; leave index= out")
    if index is None:
        encoder = encoder or _same_encoder(artifact.encoder)
    _check_encoder(artifact, encoder if index is None else index.encoder)
    return encoder


def json_ready(value: Any) -> Any:
    """Return the same of dicts, lists and Python's own numbers; infinity, no JSON, as a string."""
    if isinstance(value, Mapping):
        return {key: json_ready(one) for key, one in value.items()}
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [json_ready(one) for one in value]
    return value


def card_page(introduction: str, sections: Mapping[str, str]) -> str:
    """Return a model card as Markdown, from its sections by title."""
    body = "\n".join(f"\n## {title}\n\n{text}" for title, text in sections.items())
    return f"# Model card\n\n{introduction}\n{body}\n"


def card_list(rows: Mapping[str, str]) -> str:
    """Return names with what there is to say of each."""
    return "\n".join(f"- {name}: {value}" for name, value in rows.items())


def card_cell(name: object) -> str:
    """Return a name that cannot end a cell of a table, nor a line."""
    return " ".join(str(name).split()).replace("\\", "\\\\").replace("|", "\\|")


def card_versions(encoder: EncoderIdentity, library: str) -> str:
    """Return what made a model: encoder, likewise, the library that trained it and Python."""
    vector = f"{card_cell(encoder.name)}, revision {encoder.revision}, {encoder.dim} numbers a text"
    versions = {name: importlib.metadata.version(name) for name in ("likewise", library)}
    return card_list({"encoder": vector, **versions, "Python": platform.python_version()})


def _same_encoder(identity: EncoderIdentity) -> Encoder:
    """Return the encoder of this name, on the same engine where it is installed."""
    try:
        return Encoder(identity, backend="torch" if identity.backend == "torch" else "auto")
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
    return re.sub(r"(?s)://.*@", "://", uri)  # also where a password in it has slashes
