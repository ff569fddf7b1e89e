"""Text to vectors: one encoder, whatever runs it, and a cache that remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from retrieval.arguments import require_count
from retrieval.encoding.backends import Backend, shared_backend, unit
from retrieval.encoding.batches import (
    batches,
    deduplicate,
    progress_bar as progress_bar,
)
from retrieval.encoding.cache import (
    UNMARKED,
    SparingCache,
    VectorCache,
)
from retrieval.encoding.devices import (
    Precision,
    require_processor,
    resolve_backend,
    resolve_device,
    resolve_precision,
    rows_that_fit,
)
from retrieval.encoding.endpoint import (
    Endpoint,
    EndpointClient,
    Usage,
    identify_endpoint,
    named_endpoint,
    refuse_local_options,
    require_same_model,
)
from retrieval.encoding.pictures.fused import fused_backend, fused_identity, fused_parts
from retrieval.encoding.pictures.packaged import picture_encoders
from retrieval.encoding.prompts import Prompts, Side, resolve_prompts
from retrieval.encoding.reading import Reading
from retrieval.encoding.tokens import Measures, unmeasured
from retrieval.encoding.tuned import MAP_MODULES, LinearMap, read_map, read_record
from retrieval.encoding.weights import (
    EncoderIdentity,
    file_digests,
    find_weights,
    identify,
    kind_of,
    resolve_length,
    resolve_truncation,
)
from retrieval.errors import InputError
from retrieval.files import default_cache_dir
from retrieval.guarding import Guard, Lock, guarded, unguarded
from retrieval.pictures.content import has_picture, text_of

DEFAULT_ENCODER = "all-MiniLM-L6-v2"

# Encoding fewer texts than this takes a few seconds at most: no progress bar.
_LONG_WORK = 4_000
_UNREAD, _CUT = 1, 2  # marks

_ROWS = 64  # in one forward pass on a processor, and in one call of an endpoint

# Vectors reach the cache in chunks, so that a killed run loses little work.
_CHUNK = 2_048
_SHOTS = 256  # of pictures


class Encoder:
    """A model that turns texts into unit vectors: one of sentence-transformers, or an endpoint's.

    Some read pictures, which stand among texts as `read_pictures` returns them.

    Texts are deduplicated, looked up in a content-hash cache on disk, and only the rest is
    embedded, in batches of texts of like length. A text's vector does not depend on the others: on
    OpenVINO to the last bit, on torch to the sixth digit, on an endpoint as that has it. An encoder
    that is a linear map of another one's vectors takes these from the cache: what that has encoded
    costs it nothing.

    Args:
        name: A sentence-transformers model name or the path of a model folder, such as
            `retrieval.distill`, `retrieval.quantize` or sentence-transformers write; with
            `endpoint` the model as the server calls it. The default ships as a Python package and
            needs no network. ``"TEXT + PICTURES"`` is two at once, side by side; a number before
            the second is its weight. Or the identity of an encoder, which is made again with its
            options.
        backend: ``"torch"``, ``"openvino"``, or ``"auto"``: OpenVINO where it is installed and
            `device` is the processor, else torch.
        precision: ``"float32"``, the same numbers on every processor to the fifth digit;
            ``"bfloat16"``, up to 0.002 from these and almost twice as fast, for OpenVINO on
            processors that have it, and for accelerators; ``"float16"``, for accelerators;
            ``"auto"``, the fastest. None: ``$LIKEWISE_PRECISION``, else auto.
        batch_size: Texts in one forward pass, or in one call of an endpoint. None: 64, and on an
            accelerator as many as fit.
        cache_dir: Folder of the vector cache; None for the user's cache directory, False for no
            cache. Static encoders have none: they are faster than it.
        cache_mb: Megabytes that the vectors of this encoder may take there; beyond them those that
            were made first go.
        keep_vectors: False: the cache's folder has the model as OpenVINO converted it, no vectors.
        prompts: What is put before a text, ``{"query": ..., "item": ...}``: a query is what an
            index is asked, all else is an item. ``"model"``: the model's own. None: nothing.
        device: ``"cpu"``, ``"cuda"`` (or ``"cuda:1"``), ``"mps"``, or ``"auto"``: an accelerator
            where there is one, unless `backend` is OpenVINO.
        truncate_dim: How many numbers of a vector to keep, of models that were trained for it
            (Matryoshka). None: all.
        max_length: Tokens to read of a text; None: as many as the model's own settings say.
        endpoint: Address of an OpenAI-compatible embeddings API, or an `Endpoint` with a time limit
            and more. The key is read from ``$LIKEWISE_ENCODER__KEY``.

    Raises:
        InputError: The name is neither a folder nor a known model, an option does not suit the
            model or the machine, or the endpoint refuses.
        ArtifactError: The folder of a tuned encoder was changed after it was written.
        EndpointError: The endpoint does not answer.

    Attributes:
        parts: The two that it is, where it reads text with the one and pictures with the other.
        reads_pictures: Whether it does.
        precision: What it computes in: ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        device: Where it computes.
        identity: What must agree for vectors to be comparable: model, prompts, truncation, length.
        guard: Entered around `encode`, to time it, or to let one thread in at a time. Threads may
            share an encoder without: they take turns, batch by batch.
    """

    def __init__(
        self,
        name: str | EncoderIdentity = DEFAULT_ENCODER,
        *,
        backend: Literal["auto", "torch", "openvino"] = "auto",
        precision: Literal["auto", "float32", "bfloat16", "float16"] | None = None,
        batch_size: int | None = None,
        cache_dir: str | Path | Literal[False] | None = None,
        cache_mb: float = 8_192.0,
        keep_vectors: bool = True,
        prompts: Mapping[str, str] | Literal["model"] | None = None,
        device: str = "auto",
        truncate_dim: int | None = None,
        max_length: int | None = None,
        endpoint: str | Endpoint | None = None,
    ) -> None:
        if batch_size is not None:
            require_count(batch_size, "batch_size")
        if isinstance(name, EncoderIdentity):
            prompts = {"query": name.query_prompt, "item": name.item_prompt}
            truncate_dim, max_length = name.truncate_dim, name.max_length
            if name.endpoint is not None and endpoint is None:
                endpoint = named_endpoint(name.endpoint)
            name = name.name
        if not isinstance(name, (str, Path)):
            raise InputError(f"name must be a model's name or folder, got {name!r}")
        self.name = name = str(name)
        self.batch_size = batch_size or _ROWS
        self.guard: Guard = unguarded
        self._lock = Lock()  # no engine may be asked by two threads at a time
        self._client: EndpointClient | None = None
        self._weights, self._files = Path(), dict[str, bytes]()
        self._map: LinearMap | None = None
        self._base: EncoderIdentity | None = None
        self._prompts = Prompts()
        self.parts: tuple[Encoder, Encoder] | None = None
        if endpoint is None and (parts := fused_parts(name)) is not None:
            options = {"backend": backend, "precision": precision, "device": device}
            whole = self._join(parts, {**options, "cache_dir": cache_dir, "cache_mb": cache_mb})
            keep_vectors = False  # the parts do
        elif endpoint is None:
            whole = self._find(name, backend, precision, device, max_length)
        else:
            refuse_local_options(backend, precision, device, max_length)
            whole = self._connect(name, endpoint)
        self._fits = self.device != "cpu" and batch_size is None
        if prompts is not None:  # else those that a tuned encoder was tuned with, or none
            self._prompts = resolve_prompts(prompts, name, None if endpoint else self._weights)
        cut = resolve_truncation(truncate_dim, whole.dim, name)
        self.identity: EncoderIdentity = replace(
            whole,
            dim=cut or whole.dim,
            query_prompt=self._prompts.query,
            item_prompt=self._prompts.item,
            truncate_dim=cut,
        )
        # As the engine makes vectors, and the cache keeps them: whole, of texts as they are sent.
        self._run: EncoderIdentity = whole if self._map is None else self._map.base
        self._cache_dir = None if cache_dir is False else Path(cache_dir or default_cache_dir())
        kept = None
        if self._cache_dir is not None and keep_vectors and self._run.backend != "static":
            kept = VectorCache(self._cache_dir, self._run, self.precision, cache_mb * 1e6)
        self._cache = SparingCache(kept)
        self._loaded: Backend | None = None
        if self._client is not None and kept is not None:
            with self._cache.sparing():
                self.identity = require_same_model(kept, self.identity, self._probe)

    def _find(
        self,
        name: str,
        backend: str,
        precision: str | None,
        device: str,
        max_length: int | None,
    ) -> EncoderIdentity:
        self._weights = find_weights(name)
        # Whoever is told the name may work in another folder.
        known_as = str(Path(name).absolute()) if Path(name).is_dir() else name
        self._files = file_digests(self._weights)
        record = read_record(self._weights, self._files)
        kind = kind_of(self._weights)
        self.reads_pictures = kind in ("pictures", "multimodal")
        is_anywhere = kind in ("transformer", "multimodal")
        on = resolve_device(device, backend) if is_anywhere else require_processor(device)
        chosen = resolve_backend(backend, on, kind)
        self.device = on
        # What is not in whole numbers of an int8 model is as far off in bfloat16 as all else is; of
        # pictures' vectors the cosine would be .99.
        asked = "float32" if kind in ("int8", "pictures") else precision
        self.precision: Precision = resolve_precision(asked, chosen, on)
        whole = identify(known_as, self._weights, chosen, self._files)
        length = resolve_length(max_length, self._weights, name)
        if record is not None:
            self._base = record.base
            length = length or record.base.max_length
            self._prompts = Prompts(record.base.query_prompt, record.base.item_prompt)
        whole = replace(whole, max_length=length)
        # The vectors of a mapped encoder are made of its base's, which are what the cache has.
        self._map = read_map(self._weights, record, whole)
        return whole

    def _join(self, parts: tuple[str, str, float], options: dict[str, Any]) -> EncoderIdentity:
        text, picture = Encoder(parts[0], **options), Encoder(parts[1], **options)
        if not picture.reads_pictures:
            raise InputError(f"encoder {self.name!r}: {picture.name!r} reads no pictures")
        self.parts, self._weight, self.reads_pictures = (text, picture), parts[2], True
        self.device, self.precision = text.device, text.precision
        return fused_identity(self.name, text.identity, picture.identity, parts[2])

    def _connect(self, name: str, endpoint: str | Endpoint) -> EncoderIdentity:
        there = endpoint if isinstance(endpoint, Endpoint) else Endpoint(endpoint)
        self._client = EndpointClient(there, name, self.batch_size)
        self.reads_pictures = False
        self.device, self.precision = "cpu", "float32"
        self._probe = self._client.probe()
        return identify_endpoint(self._client, self._probe)

    @property
    def usage(self) -> Usage | None:
        """What an endpoint was asked so far, by this object; None where there is none."""
        return None if self._client is None else self._client.usage

    @property
    def base(self) -> EncoderIdentity | None:
        """What it was tuned from; None where it is no tuned encoder."""
        return self._base

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return self.identity.dim

    @guarded
    def encode(
        self, texts: Sequence[str], *, progress: bool | None = None, side: Side = "item"
    ) -> npt.NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: n non-empty strings.
            progress: Show a progress bar; None shows it for long work only.
            side: What the texts are, which decides on the prompt: ``"item"`` or ``"query"``.

        Returns:
            Array of shape (n, dim), float32, every row of length 1.

        Raises:
            InputError: A text is not a string or holds nothing but white space.
        """
        return self._read(texts, progress, side).vectors

    @guarded
    def read(
        self, texts: Sequence[str], *, progress: bool | None = None, side: Side = "item"
    ) -> Reading:
        """Embed texts, and tell which of them could be read.

        Args:
            texts: n non-empty strings.
            progress: As in `encode`.
            side: As in `encode`.

        Raises:
            InputError: As in `encode`.
        """
        return self._read(texts, progress, side)

    def remapped_from(
        self, other: EncoderIdentity
    ) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]] | None:
        """Return what makes vectors of this encoder of those of another, without the texts.

        Args:
            other: The encoder that made the vectors.

        Returns:
            Takes (n, other.dim), gives (n, dim), both of length 1; None where only texts will do.
        """
        return self._map if self._map is not None and self._map.base.same_space(other) else None

    def _read(self, texts: Sequence[str], progress: bool | None, side: Side) -> Reading:
        prompt = self._prompts.of(side)
        unique, inverse = deduplicate(texts)
        if not self.reads_pictures and any(map(has_picture, unique)):
            raise InputError(
                f"encoder {self.name!r} reads no pictures; one that does is a model of text and "
                f"pictures, such as clip-ViT-B-32, {' or '.join(picture_encoders())}, or two at "
                f"once: '{DEFAULT_ENCODER} + {picture_encoders()[-1]}'"
            )
        vectors = np.empty((len(unique), self._run.dim), dtype=np.float32)
        marks = np.full(len(unique), UNMARKED, dtype=np.uint8)
        missing = self._cache.fill(unique, prompt, vectors, marks)
        if missing:
            self._embed(unique, prompt, missing, vectors, marks, progress=progress)
        unmarked = np.flatnonzero(marks == UNMARKED)
        if len(unmarked):
            some = [unique[one] for one in unmarked.tolist()]
            marks[unmarked] = _marks(self._measured(self._backend(), some, prompt))
            self._cache.keep(some, prompt, vectors[unmarked], marks[unmarked])
        if self._map is not None:
            vectors = self._map(vectors)
        if self.identity.truncate_dim is not None:
            vectors = unit(vectors[:, : self.identity.truncate_dim])
        marks = marks[inverse]
        return Reading(vectors[inverse], (marks & _UNREAD) == 0, (marks & _CUT) > 0)

    def _measured(self, backend: Backend, texts: list[str], prompt: str) -> Measures:
        """Measure texts behind their prompt; whether they can be read, without it."""
        with self._lock:
            measures = backend.measure([prompt + text for text in texts])
            if not prompt:
                return measures
            return replace(measures, readable=backend.measure(texts).readable)

    def _embed(
        self,
        unique: list[str],
        prompt: str,
        missing: list[int],
        vectors: npt.NDArray[np.float32],
        marks: npt.NDArray[np.uint8],
        *,
        progress: bool | None,
    ) -> None:
        backend = self._backend()
        if backend.read is not None:
            self._embed_whole(unique, prompt, missing, vectors, marks, progress=progress)
            return
        measures = self._measured(backend, [unique[one] for one in missing], prompt)
        tokens = dict(zip(missing, measures.lengths.tolist(), strict=True))
        place = {position: row for row, position in enumerate(missing)}
        marks[missing] = _marks(measures)
        # Longest first: the widest batch comes at once, so that running out of memory shows early.
        order = sorted(missing, key=lambda position: (-tokens[position], unique[position]))
        with progress_bar(len(order), "encode", "text", progress, long=_LONG_WORK) as bar:
            for start in range(0, len(order), _CHUNK):
                chunk = order[start : start + _CHUNK]
                for batch in batches(chunk, tokens, self._rows):
                    ready = measures.tokens_of([place[position] for position in batch])
                    with self._lock:
                        if backend.run is not None and ready is not None:
                            vectors[batch] = backend.run(ready)
                        else:
                            vectors[batch] = backend.encode([prompt + unique[one] for one in batch])
                    bar.update(len(batch))
                some = [unique[position] for position in chunk]
                self._cache.keep(some, prompt, vectors[chunk], marks[chunk])

    def _embed_whole(
        self,
        unique: list[str],
        prompt: str,
        missing: list[int],
        vectors: npt.NDArray[np.float32],
        marks: npt.NDArray[np.uint8],
        *,
        progress: bool | None,
    ) -> None:
        """Embed with an engine that takes contents as they are."""
        read = self._backend().read
        assert read is not None
        size, long = (_SHOTS, _SHOTS) if self.reads_pictures else (_CHUNK, _LONG_WORK)
        # What only shows something has no text that a prompt could stand before.
        sent = [prompt + one if text_of(one).strip() else one for one in unique]
        with progress_bar(len(missing), "encode", "item", progress, long=long) as bar:
            for start in range(0, len(missing), size):
                chunk = missing[start : start + size]
                with self._lock:
                    reading = read([sent[one] for one in chunk])
                    bare = read([unique[one] for one in chunk]) if prompt else reading
                vectors[chunk] = reading.vectors
                marks[chunk] = ~bare.readable * _UNREAD + reading.cut * _CUT
                some = [unique[one] for one in chunk]
                self._cache.keep(some, prompt, vectors[chunk], marks[chunk])
                bar.update(len(chunk))

    def _rows(self, tokens: int) -> int:
        """Return how many texts of so many tokens make a batch."""
        if self._client is not None:
            return self.batch_size * self._client.endpoint.connections
        return rows_that_fit(tokens) if self._fits else self.batch_size

    def _backend(self) -> Backend:
        with self._lock:
            if self._loaded is None and self.parts is not None:
                text, picture = self.parts
                dims = (text.dim, picture.dim)
                self._loaded = fused_backend(
                    text.read, picture.read, dims, self._weight, both_see=text.reads_pictures
                )
            if self._loaded is None and self._client is not None:
                ask = self._client.embed
                self._loaded = Backend(lambda texts: unit(ask(texts)), unmeasured)
            if self._loaded is None:
                self._loaded = shared_backend(
                    self._run,
                    self._weights,
                    self._cache_dir,
                    self.precision,
                    device=self.device,
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


MakeEncoder = Callable[[Any], Encoder]
"""Makes an encoder of what `asked_by` returned: its name, or its identity where it has options."""


def _marks(measures: Measures) -> npt.NDArray[np.uint8]:
    """Return what the cache keeps of measures, (n,)."""
    marks: npt.NDArray[np.uint8] = (~measures.readable * _UNREAD + measures.cut * _CUT).astype(
        np.uint8
    )
    return marks
