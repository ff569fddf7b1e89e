"""Write tuned encoders as folders that sentence-transformers loads without us."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from retrieval.encoding.encoder import Encoder
from retrieval.encoding.tuned import MAP_MODULES, MAP_WEIGHT, RECORD, write_record
from retrieval.errors import InputError
from retrieval.files import replacing_folder

CARD = "README.md"
_MODULES = "modules.json"
_DENSE = "sentence_transformers.models.Dense"
_NORMALIZE = "sentence_transformers.models.Normalize"


def check_out(out: Path, *, overwrite: bool = False) -> None:
    """Refuse a place where a tuned encoder must not be written, before any work.

    Args:
        out: The folder.
        overwrite: Whether a tuned encoder that lies there may be replaced.

    Raises:
        InputError: There is something else, or a tuned encoder that must stay.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir() or not (out / RECORD).is_file():
        raise InputError(f"{out} is there already and is no tuned encoder; name another folder")
    if not overwrite:
        raise InputError(f"{out} holds a tuned encoder already; name another folder, or overwrite")


def check_tunable(encoder: Encoder) -> None:
    """Refuse an encoder that cannot be written with anything behind it.

    Raises:
        InputError: It is an endpoint, or cuts its vectors.
    """
    identity = encoder.identity
    if identity.truncate_dim is not None or identity.endpoint is not None:
        raise InputError(
            f"{identity.describe()} cannot be tuned: its vectors were cut, or are made elsewhere; "
            "take a model's folder, and all of its numbers"
        )


def write_mapped(
    out: Path, encoder: Encoder, matrix: npt.NDArray[np.float32], card: str = ""
) -> None:
    """Write an encoder followed by a linear map: its own modules, a dense layer, a normalization.

    Args:
        out: The folder; it appears whole or not at all.
        encoder: The one whose vectors the map takes. Where it is itself a mapped one, the two maps
            become one.
        matrix: (dim, encoder.dim) the map.
        card: The model card.

    Raises:
        InputError: The encoder is an endpoint, or cuts its vectors.
    """
    check_tunable(encoder)
    identity, first = encoder.identity, encoder._map
    base = replace(
        encoder._run, query_prompt=identity.query_prompt, item_prompt=identity.item_prompt
    )
    base_files: Mapping[str, bytes] = encoder._files
    modules = json.loads((encoder._weights / _MODULES).read_text(encoding="utf-8"))
    if first is not None:
        matrix, base_files = matrix @ first.matrix, first.base_files
        modules = modules[:-MAP_MODULES]
    dense = f"{len(modules)}_Dense"
    added = ((dense, _DENSE), (f"{len(modules) + 1}_Normalize", _NORMALIZE))
    with replacing_folder(out) as folder:
        _copy(encoder._weights, folder, base_files)
        for path, kind in added:
            modules.append(
                {"idx": len(modules), "name": str(len(modules)), "path": path, "type": kind}
            )
        _write_json(folder / _MODULES, modules)
        _write_dense(folder / dense, matrix)
        (folder / added[1][0]).mkdir()
        _write_json(folder / added[1][0] / "config.json", {})
        (folder / CARD).write_text(card, encoding="utf-8")
        write_record(folder, "map", base, base_files, dense)


def _copy(weights: Path, folder: Path, files: Mapping[str, bytes]) -> None:
    for name in files:
        if name not in (RECORD, _MODULES):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(weights / name, folder / name)


def _write_dense(folder: Path, matrix: npt.NDArray[np.float32]) -> None:
    folder.mkdir()
    wide, narrow = matrix.shape[1], matrix.shape[0]
    config = {
        "in_features": wide,
        "out_features": narrow,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    _write_json(folder / "config.json", config)
    save_file(
        {MAP_WEIGHT: np.ascontiguousarray(matrix, dtype=np.float32)}, folder / "model.safetensors"
    )


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
