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
import pandas as pd
from pandas.api.extensions import ExtensionArray
from tqdm.auto import tqdm

from retrieval.arguments import require_characters, require_count
from retrieval.encoding.backends import (
    Backend,
    Precision,
    load_backend,
    resolve_backend,
    resolve_precision,
)
from retrieval.encoding.cache import (
    UNMARKED,
    CacheUnusableError,
    CacheWarning,
    VectorCache,
    default_cache_dir,
)
from retrieval.encoding.reading import Reading
from retrieval.encoding.tokens import Measures
from retrieval.encoding.tuned import MAP_MODULES, read_map, read_record
from retrieval.encoding.weights import EncoderIdentity, file_digests, find_weights, identify
from retrieval.errors import InputError
from retrieval.guarding import Guard, Lock, guarded, unguarded

DEFAULT_ENCODER = "all-MiniLM-L6-v2"

# Encoding fewer texts than this takes a few seconds at most: no progress bar.
_LONG_WORK = 4_000
_UNREAD, _CUT = 1, 2  # marks

# Vectors reach the cache in chunks, so that a killed run loses little work.
_CHUNK = 2_048


class Encoder:
    """A sentence-transformers model that turns texts into unit vectors.

    Texts are deduplicated, looked up in a content-hash cache on disk, and only the rest is
    embedded, in batches of texts of like length. A text's vector does not depend on the others: on
    OpenVINO to the last bit, on torch to the sixth digit. An encoder that is a linear map of
    another one's vectors takes these from the cache: what that has encoded costs it nothing.

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
        cache_mb: Megabytes that the vectors of this encoder may take there; beyond them those that
            were made first go.
        keep_vectors: False: the cache's folder has the model as OpenVINO converted it, no vectors.

    Raises:
        InputError: The name is neither a folder nor a known model, or the backend or precision is
            not available.
        ArtifactError: The folder of a tuned encoder was changed after it was written.

    Attributes:
        precision: What it computes in: ``"float32"`` or ``"bfloat16"``.
        guard: Entered around `encode`, to time it, or to let one thread in at a time. Threads may
            share an encoder without: they take turns, batch by batch.
    """

    def __init__(
        self,
        name: str = DEFAULT_ENCODER,
        *,
        backend: Literal["auto", "torch", "openvino"] = "auto",
        precision: Literal["auto", "float32", "bfloat16"] | None = None,
        batch_size: int = 64,
        cache_dir: str | Path | Literal[False] | None = None,
        cache_mb: float = 8_192.0,
        keep_vectors: bool = True,
    ) -> None:
        require_count(batch_size, "batch_size")
        if not isinstance(name, (str, Path)):
            raise InputError(f"name must be a model's name or folder, got {name!r}")
        self.name = name = str(name)
        self.batch_size = batch_size
        self.guard: Guard = unguarded
        self._lock = Lock()  # neither engine may be asked by two threads at a time
        self._weights = find_weights(name)
        # Whoever is told the name may work in another folder.
        known_as = str(Path(name).absolute()) if Path(name).is_dir() else name
        self._files = file_digests(self._weights)
        record = read_record(self._weights, self._files)
        self.identity: EncoderIdentity = identify(
            known_as, self._weights, resolve_backend(backend), self._files
        )
        self.precision: Precision = resolve_precision(precision, self.identity.backend)
        # The vectors of a mapped encoder are made of its base's, which are what the cache has.
        self._map = read_map(self._weights, record, self.identity)
        self._run: EncoderIdentity = self.identity if self._map is None else self._map.base
        self._cache_dir = None if cache_dir is False else Path(cache_dir or default_cache_dir())
        self._cache = None
        if self._cache_dir is not None and keep_vectors:
            self._cache = VectorCache(self._cache_dir, self._run, self.precision, cache_mb * 1e6)
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
        return self._read(texts, progress).vectors

    @guarded
    def read(self, texts: Sequence[str], *, progress: bool | None = None) -> Reading:
        """Embed texts, and tell which of them could be read.

        Args:
            texts: n non-empty strings.
            progress: As in `encode`.

        Raises:
            InputError: As in `encode`.
        """
        return self._read(texts, progress)

    def _read(self, texts: Sequence[str], progress: bool | None) -> Reading:
        unique, inverse = _deduplicate(texts)
        vectors = np.empty((len(unique), self._run.dim), dtype=np.float32)
        marks = np.full(len(unique), UNMARKED, dtype=np.uint8)
        missing = self._from_cache(unique, vectors, marks)
        if missing:
            self._embed(unique, missing, vectors, marks, progress=progress)
        unmarked = np.flatnonzero(marks == UNMARKED)
        if len(unmarked):
            some = [unique[one] for one in unmarked.tolist()]
            with self._lock:
                marks[unmarked] = _marks(self._backend().measure(some))
            self._keep(some, vectors[unmarked], marks[unmarked])
        if self._map is not None:
            vectors = self._map(vectors)
        marks = marks[inverse]
        return Reading(vectors[inverse], (marks & _UNREAD) == 0, (marks & _CUT) > 0)

    def _from_cache(
        self, unique: list[str], vectors: npt.NDArray[np.float32], marks: npt.NDArray[np.uint8]
    ) -> list[int]:
        """Fill in what is known on disk; return the positions still to embed."""
        if self._cache is None:
            return list(range(len(unique)))
        known: dict[int, tuple[npt.NDArray[np.float32], int]] = {}
        with self._sparing_the_work():
            known = self._cache.read(unique)
        for position, (vector, mark) in known.items():
            vectors[position], marks[position] = vector, mark
        return [position for position in range(len(unique)) if position not in known]

    def _embed(
        self,
        unique: list[str],
        missing: list[int],
        vectors: npt.NDArray[np.float32],
        marks: npt.NDArray[np.uint8],
        *,
        progress: bool | None,
    ) -> None:
        backend = self._backend()
        with self._lock:
            measures = backend.measure([unique[one] for one in missing])
        tokens = dict(zip(missing, measures.lengths.tolist(), strict=True))
        place = {position: row for row, position in enumerate(missing)}
        marks[missing] = _marks(measures)
        # Longest first: the widest batch comes at once, so that running out of memory shows early.
        order = sorted(missing, key=lambda position: (-tokens[position], unique[position]))
        with progress_bar(len(order), "encode", "text", progress, long=_LONG_WORK) as bar:
            for start in range(0, len(order), _CHUNK):
                chunk = order[start : start + _CHUNK]
                for batch in _batches(chunk, tokens, self.batch_size):
                    ready = measures.tokens_of([place[position] for position in batch])
                    with self._lock:
                        if backend.run is not None and ready is not None:
                            vectors[batch] = backend.run(ready)
                        else:
                            vectors[batch] = backend.encode([unique[one] for one in batch])
                    bar.update(len(batch))
                some = [unique[position] for position in chunk]
                self._keep(some, vectors[chunk], marks[chunk])

    def _keep(
        self,
        texts: list[str],
        vectors: npt.NDArray[np.float32],
        marks: npt.NDArray[np.uint8],
    ) -> None:
        with self._sparing_the_work():
            if self._cache is not None:
                self._cache.write(texts, vectors, marks)

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
        with self._lock:
            if self._loaded is None:
                self._loaded = load_backend(
                    self._run,
                    self._weights,
                    self._cache_dir,
                    self.precision,
                    leave_out=0 if self._map is None else MAP_MODULES,
                )
            return self._loaded

    def __repr__(self) -> str:
        """Name, backend and dimension."""
        return f"Encoder({self.name!r}, backend={self.identity.backend!r}, dim={self.dim})"

    def __sklearn_clone__(self) -> Encoder:
        """Share the loaded model between clones of an estimator: an encoder has no fitted state."""
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> Encoder:
        """Share the loaded model between copies of what uses it, as between clones."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Travel to a worker process without the loaded model; it is loaded there on first use."""
        return {**self.__dict__, "_loaded": None}


def _marks(measures: Measures) -> npt.NDArray[np.uint8]:
    """Return what the cache keeps of measures, (n,)."""
    marks: npt.NDArray[np.uint8] = (~measures.readable * _UNREAD + measures.cut * _CUT).astype(
        np.uint8
    )
    return marks


def _batches(order: list[int], tokens: Mapping[int, int], size: int) -> Iterator[list[int]]:
    """At most `size` positions each, of one number of tokens."""
    for _, alike in groupby(order, key=tokens.__getitem__):
        positions = list(alike)
        for start in range(0, len(positions), size):
            yield positions[start : start + size]


def _deduplicate(texts: Sequence[str]) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Return the distinct texts, in order of appearance, and each text's position among them."""
    is_column = isinstance(texts, (Sequence, pd.Series, pd.Index, np.ndarray, ExtensionArray))
    is_flat = not isinstance(texts, np.ndarray) or texts.ndim == 1
    if isinstance(texts, (str, bytes)) or not is_column or not is_flat:
        raise InputError(f"texts must be a list of strings, got {type(texts).__name__}")
    positions: dict[str, int] = {}
    inverse = np.empty(len(texts), dtype=np.intp)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"text {row} is of type {type(text).__name__}, expected a string")
        if not text.strip():
            raise InputError(f"text {row} is empty")
        require_characters(text, f"text {row}")
        inverse[row] = positions.setdefault(text, len(positions))
    return list(positions), inverse


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
