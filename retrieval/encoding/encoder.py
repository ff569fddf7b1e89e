"""Text to vectors: one encoder, two inference engines, and a cache that remembers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from retrieval.encoding.backends import (
    Backend,
    Precision,
    load_backend,
    resolve_backend,
    resolve_precision,
)
from retrieval.encoding.cache import (
    CacheUnusableError,
    CacheWarning,
    VectorCache,
    default_cache_dir,
)
from retrieval.encoding.weights import EncoderIdentity, find_weights, identify
from retrieval.errors import InputError
from retrieval.guarding import Guard, guarded, unguarded

DEFAULT_ENCODER = "all-MiniLM-L6-v2"

# Encoding fewer texts than this takes a few seconds at most: no progress bar.
_LONG_WORK = 4_000
# Vectors reach the cache in chunks, so that a killed run loses little work.
_CHUNK = 2_048


class Encoder:
    """A sentence-transformers model that turns texts into unit vectors.

    Texts are deduplicated, looked up in a content-hash cache on disk, and only the rest is
    embedded, in batches of texts of like length. A text's vector does not depend on the others: on
    OpenVINO to the last bit, on torch to the sixth digit.

    Args:
        name: A sentence-transformers model name or the path of a model folder. The default ships as
            a Python package and needs no network.
        backend: ``"torch"``, ``"openvino"``, or ``"auto"``: OpenVINO where it is installed, else
            torch.
        precision: ``"float32"``, the same numbers on every processor to the fifth digit;
            ``"bfloat16"``, up to 0.002 from these and almost twice as fast, for OpenVINO on
            processors that have it; ``"auto"``, the fastest. None: ``$LIKEWISE_PRECISION``,
            else auto.
        batch_size: Texts in one forward pass.
        cache_dir: Folder of the vector cache; None for the user's cache directory, False for no
            cache.
        keep_vectors: False: the cache's folder has the model as OpenVINO converted it, no vectors.

    Raises:
        InputError: The name is neither a folder nor a known model, or the backend or precision is
            not available.

    Attributes:
        precision: What it computes in: ``"float32"`` or ``"bfloat16"``.
        guard: Entered around `encode`; an encoder that threads share needs one that locks.
    """

    def __init__(
        self,
        name: str = DEFAULT_ENCODER,
        *,
        backend: Literal["auto", "torch", "openvino"] = "auto",
        precision: Literal["auto", "float32", "bfloat16"] | None = None,
        batch_size: int = 64,
        cache_dir: str | Path | Literal[False] | None = None,
        keep_vectors: bool = True,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        self.name = name
        self.batch_size = batch_size
        self.guard: Guard = unguarded
        self._weights = find_weights(name)
        # Whoever is told the name may work in another folder.
        known_as = str(Path(name).absolute()) if Path(name).is_dir() else name
        self.identity: EncoderIdentity = identify(known_as, self._weights, resolve_backend(backend))
        self.precision: Precision = resolve_precision(precision, self.identity.backend)
        self._cache_dir = None if cache_dir is False else Path(cache_dir or default_cache_dir())
        self._cache = None
        if self._cache_dir is not None and keep_vectors:
            self._cache = VectorCache(self._cache_dir, self.identity, self.precision)
        self._loaded: Backend | None = None

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return self.identity.dim

    @guarded
    def encode(
        self, texts: Sequence[str], *, progress: bool | None = None
    ) -> npt.NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: n non-empty strings.
            progress: Show a progress bar; None shows it for long work only.

        Returns:
            Array of shape (n, dim), float32, every row of length 1.

        Raises:
            InputError: A text is not a string or holds nothing but white space.
        """
        unique, inverse = _deduplicate(texts)
        vectors = np.empty((len(unique), self.dim), dtype=np.float32)
        missing = self._from_cache(unique, vectors)
        if missing:
            self._embed(unique, missing, vectors, progress=progress)
        return vectors[inverse]

    def _from_cache(self, unique: list[str], vectors: npt.NDArray[np.float32]) -> list[int]:
        """Fill in the vectors known on disk; return the positions still to embed."""
        if self._cache is None:
            return list(range(len(unique)))
        known: dict[int, npt.NDArray[np.float32]] = {}
        with self._sparing_the_work():
            known = self._cache.read(unique)
        for position, vector in known.items():
            vectors[position] = vector
        return [position for position in range(len(unique)) if position not in known]

    def _embed(
        self,
        unique: list[str],
        missing: list[int],
        vectors: npt.NDArray[np.float32],
        *,
        progress: bool | None,
    ) -> None:
        backend = self._backend()
        tokens = {missing[0]: 0}  # one text makes one batch, however long
        if len(missing) > 1:
            counts = backend.tokens([unique[one] for one in missing])
            tokens = dict(zip(missing, counts.tolist(), strict=True))
        # Longest first: the widest batch comes at once, so that running out of memory shows early.
        order = sorted(missing, key=lambda position: (-tokens[position], unique[position]))
        with progress_bar(len(order), "encode", "text", progress, long=_LONG_WORK) as bar:
            for start in range(0, len(order), _CHUNK):
                chunk = order[start : start + _CHUNK]
                for batch in _batches(chunk, tokens, self.batch_size):
                    vectors[batch] = backend.encode([unique[position] for position in batch])
                    bar.update(len(batch))
                with self._sparing_the_work():
                    if self._cache is not None:
                        self._cache.write([unique[position] for position in chunk], vectors[chunk])

    @contextmanager
    def _sparing_the_work(self) -> Iterator[None]:
        """Go on without the cache where it cannot be used: it only saves time."""
        try:
            yield
        except CacheUnusableError as error:
            self._cache = None
            warnings.warn(
                f"vectors are not kept: {error}; free the disk, set LIKEWISE_CACHE_DIR, or switch "
                "the cache off",
                CacheWarning,
                stacklevel=2,
            )

    def _backend(self) -> Backend:
        if self._loaded is None:
            self._loaded = load_backend(
                self.identity, self._weights, self._cache_dir, self.precision
            )
        return self._loaded

    def __repr__(self) -> str:
        """Name, backend and dimension."""
        return f"Encoder({self.name!r}, backend={self.identity.backend!r}, dim={self.dim})"

    def __sklearn_clone__(self) -> Encoder:
        """Share the loaded model between clones of an estimator: an encoder has no fitted state."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Travel to a worker process without the loaded model; it is loaded there on first use."""
        return {**self.__dict__, "_loaded": None}


def _batches(order: list[int], tokens: Mapping[int, int], size: int) -> Iterator[list[int]]:
    """At most `size` positions each, of one number of tokens."""
    for _, alike in groupby(order, key=tokens.__getitem__):
        positions = list(alike)
        for start in range(0, len(positions), size):
            yield positions[start : start + size]


def _deduplicate(texts: Sequence[str]) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Return the distinct texts, in order of appearance, and each text's position among them."""
    positions: dict[str, int] = {}
    inverse = np.empty(len(texts), dtype=np.intp)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"text {row} is of type {type(text).__name__}, expected a string")
        if not text.strip():
            raise InputError(f"text {row} is empty")
        if not text.isascii() and _has_surrogate(text):
            raise InputError(
                f"text {row} holds half a character (a lone surrogate); decode it anew"
            )
        inverse[row] = positions.setdefault(text, len(positions))
    return list(positions), inverse


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def progress_bar(total: int, what: str, unit: str, wanted: bool | None, *, long: int) -> tqdm[Any]:
    """Make a progress bar.

    Args:
        total: Units of work.
        what: Shown in front.
        unit: What is counted.
        wanted: True shows it, False hides it, None shows it on a terminal or in a notebook where
            the work is long.
        long: How many units that takes.
    """
    # tqdm itself decides on None: it hides the bar where nobody watches, as in a log file.
    by_itself = None if total >= long else True
    return tqdm(
        total=total, desc=what, unit=unit, disable=by_itself if wanted is None else not wanted
    )
