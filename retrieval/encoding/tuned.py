"""What a tuned encoder's folder tells of itself: what it was made of, and that nobody changed it.

A linear map lies in such a folder as a dense layer after the modules of the encoder it was learned
for, its base. Vectors of the base, which may be in the cache, become those of the tuned encoder by
one multiplication.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from retrieval.encoding.weights import EncoderIdentity, file_digests, revision_of
from retrieval.errors import ArtifactError, first_few

RECORD = "likewise.json"
MAP_MODULES = 2
"""The dense layer of a map, and the normalization after it."""
MAP_WEIGHT = "linear.weight"
_FORMAT: Final = "likewise-encoder"
_OWN = ("modules.json", RECORD)  # files of the base that a mapped encoder has in its own version

_Module = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$")]
_Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """What a tuned encoder's folder tells of itself; its fields are those of `write_record`."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["likewise-encoder"] = _FORMAT
    version: Literal[1] = 1
    method: str
    base: EncoderIdentity
    map: _Module | None
    files: dict[str, _Digest]
    base_files: dict[str, _Digest]


@dataclass(frozen=True)
class LinearMap:
    """A linear map of the unit vectors of an encoder.

    Attributes:
        base: The encoder.
        base_files: Hash of each file of that.
        matrix: (dim, base.dim) float32.
    """

    base: EncoderIdentity
    base_files: Mapping[str, bytes]
    matrix: npt.NDArray[np.float32]

    def __call__(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map unit vectors (n, base.dim) to unit vectors (n, dim).

        In 64 bits: so that the rounded numbers do not depend on how many vectors there are.
        """
        mapped = vectors.astype(np.float64) @ self.matrix.T.astype(np.float64)
        length = np.linalg.norm(mapped, axis=1, keepdims=True)
        unit: npt.NDArray[np.float32] = (mapped / np.maximum(length, 1e-12)).astype(np.float32)
        return unit


def write_record(
    folder: Path,
    method: str,
    base: EncoderIdentity,
    base_files: Mapping[str, bytes],
    map_module: str | None,
) -> None:
    """Write down, last of all, what a folder of a tuned encoder holds.

    Args:
        folder: A sentence-transformers folder, complete.
        method: How it was tuned.
        base: What was tuned.
        base_files: Hash of each file of that.
        map_module: The folder in it that holds a linear map of the base's vectors; None where the
            encoder itself was changed.
    """
    record = Record(
        method=method,
        base=base,
        map=map_module,
        files=_hexadecimal(file_digests(folder)),
        base_files={name: digest.hex() for name, digest in base_files.items()},
    )
    (folder / RECORD).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_record(weights: Path, files: Mapping[str, bytes]) -> Record | None:
    """Read what a tuned encoder's folder tells of itself, and check that it is as written.

    Args:
        weights: The encoder's folder.
        files: Hash of each file in it.

    Returns:
        The record; None of any other encoder.

    Raises:
        ArtifactError: The folder was changed after it was written.
    """
    if RECORD not in files:
        return None
    record, found = _read(weights / RECORD), _hexadecimal(files)
    changed = _unlike(found, record.files)
    if record.map is not None:
        # What the cache has of the base is read, and written, by whoever has exactly its weights.
        theirs = {name: one for name, one in record.base_files.items() if name not in _OWN}
        changed |= _unlike({name: found.get(name) for name in theirs}, theirs)
        if revision_of(_digests(record.base_files)) != record.base.revision:
            changed.add(RECORD)
    if changed:
        raise ArtifactError(
            f"the tuned encoder {weights} was changed after it was written "
            f"({', '.join(first_few(sorted(changed)))}); tune it anew or restore its folder"
        )
    return record


def read_map(weights: Path, record: Record | None, identity: EncoderIdentity) -> LinearMap | None:
    """Return the linear map that an encoder is, its base with the engine of `identity`.

    Args:
        weights: The encoder's folder.
        record: What that tells of itself.
        identity: Of the encoder.

    Returns:
        The map; None of an encoder that is none.

    Raises:
        ArtifactError: The folder holds something else than its record says.
    """
    if record is None or record.map is None:
        return None
    if record.base.truncate_dim is not None or record.base.endpoint is not None:
        raise ArtifactError(f"{weights} maps vectors that were cut, or an endpoint's; tune it anew")
    # The engine takes texts as they are sent, with their prompts.
    base = replace(
        record.base,
        backend=identity.backend,
        max_length=identity.max_length,
        query_prompt="",
        item_prompt="",
    )
    matrix = _read_matrix(weights, record.map, (identity.dim, base.dim))
    return LinearMap(base, _digests(record.base_files), matrix)


def _hexadecimal(digests: Mapping[str, bytes]) -> dict[str, str]:
    return {name: digest.hex() for name, digest in digests.items() if name != RECORD}


def _digests(files: Mapping[str, str]) -> dict[str, bytes]:
    return {name: bytes.fromhex(digest) for name, digest in files.items()}


def _unlike(some: Mapping[str, str | None], others: Mapping[str, str | None]) -> set[str]:
    return {name for name in some.keys() | others.keys() if some.get(name) != others.get(name)}


def _read(path: Path) -> Record:
    try:
        return Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactError(
            f"{path} does not tell how the encoder was tuned ({type(error).__name__}); "
            "tune it anew or restore its folder"
        ) from error


def _read_matrix(weights: Path, module: str, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    path = weights / module / "model.safetensors"
    try:
        matrix = load_file(path)[MAP_WEIGHT]
    except (OSError, KeyError, SafetensorError) as error:
        raise ArtifactError(f"{path} holds no linear map ({type(error).__name__})") from error
    if matrix.shape != shape or matrix.dtype != np.float32 or not np.isfinite(matrix).all():
        raise ArtifactError(f"{path} holds no linear map of {shape[1]} to {shape[0]} numbers")
    held: npt.NDArray[np.float32] = matrix
    return held
