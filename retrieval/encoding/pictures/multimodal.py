"""Models of text and pictures in one space, as CLIP and SigLIP are, of sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from retrieval.encoding.reading import Reading
from retrieval.pictures.content import pictures_of, text_of
from retrieval.pictures.decoding import open_jpeg

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_ROWS = 32  # texts or pictures in one forward pass


def reads_pictures(weights: Path) -> bool:
    """Whether a model's folder holds one of text and pictures."""
    return "vision_config" in _first_config(weights)


def shared_dimension(weights: Path) -> int | None:
    """Return how long the vectors of both are; None where the folder does not tell."""
    config = _first_config(weights)
    text = config.get("text_config") or {}
    found = config.get("projection_dim") or text.get("projection_size") or text.get("hidden_size")
    return None if found is None else int(found)


def _first_config(weights: Path) -> dict[str, Any]:
    try:
        modules = json.loads((weights / "modules.json").read_text(encoding="utf-8"))
        path = weights / str(modules[0]["path"]) / "config.json"
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError):
        return {}


class TextAndPictures:
    """A loaded model that reads contents: their text, their pictures, or both.

    What has both gets the mean of the two directions, which are of one space; so do several
    pictures of one item.

    Args:
        model: That reads images, too.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model

    def read(self, contents: Sequence[str]) -> Reading:
        """Return the vectors of n contents (n, dim), and which of them say or show something."""
        texts = [(row, text) for row, one in enumerate(contents) if (text := text_of(one).strip())]
        shots = [(row, jpeg) for row, one in enumerate(contents) for jpeg in pictures_of(one)]
        said = self._encoded([text for _, text in texts])
        seen = [
            self._encoded([open_jpeg(jpeg) for _, jpeg in shots[start : start + _ROWS]])
            for start in range(0, len(shots), _ROWS)
        ]
        dim = next(one.shape[1] for one in (said, *seen) if len(one))
        vectors, shown = np.zeros((2, len(contents), dim), dtype=np.float32)
        np.add.at(shown, [row for row, _ in shots], np.concatenate([np.zeros((0, dim)), *seen]))
        shown /= np.maximum(np.linalg.norm(shown, axis=1, keepdims=True), 1e-9)
        if texts:
            vectors[[row for row, _ in texts]] = said
        vectors += shown
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        readable = length[:, 0] > 0
        vectors[~readable, 0], length[~readable] = 1, 1
        return Reading(vectors / length, readable, np.zeros(len(contents), dtype=bool))

    def _encoded(self, what: list[Any]) -> npt.NDArray[np.float32]:
        if not what:
            return np.zeros((0, 0), dtype=np.float32)
        made = self._model.encode(
            what,
            batch_size=_ROWS,
            convert_to_numpy=True,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(made, dtype=np.float32)
