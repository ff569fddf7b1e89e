"""The engines that run an encoder: PyTorch, and OpenVINO, some three times faster on a CPU.

Beside these a static encoder has an engine of its own (`retrieval.encoding.static`), and another's
server is asked (`retrieval.encoding.endpoint`).
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from retrieval.encoding.devices import Precision, halving, import_openvino
from retrieval.encoding.packaged.folder import is_multilingual
from retrieval.encoding.pictures.multimodal import TextAndPictures
from retrieval.encoding.pictures.packaged import PictureModel, is_packaged
from retrieval.encoding.reading import Reading
from retrieval.encoding.static import StaticModel
from retrieval.encoding.tokens import (
    MULTIPLE,
    Measures,
    Tokens,
    measure,
    roles_of,
    tokenize,
    unmeasured,
)
from retrieval.encoding.weights import INT8, EncoderIdentity, kind_of
from retrieval.errors import LikewiseError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_log = logging.getLogger(__name__)

_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")

Encode = Callable[[list[str]], npt.NDArray[np.float32]]
"""A batch of texts in, unit vectors (n, dim) out."""


@dataclass(frozen=True)
class Backend:
    """A loaded model.

    What an engine computes for a text depends, in the last digits and in bfloat16 in the fourth, on
    how far the text was padded. A text is therefore padded by its own length alone, and only texts
    of one padded length share a batch. What is left is how many of them there are:

    - OpenVINO adds up each text's numbers in one order, however many there are: its vectors do not
      depend on what else is encoded, to the last bit. So measured in float32 and in bfloat16, on
      AMD (AVX-512) and Intel (AMX), with 1, 2 and 8 threads.
    - torch leaves the order to the math library, which on some processors (Intel's MKL with AMX)
      goes by the size of the batch: 1.8e-7 apart there. Within `CLOSE` is what can be promised.

    Attributes:
        encode: Texts of one padded length in, unit vectors (n, dim) out.
        measure: What the tokenizer makes of texts.
        run: The same as `encode` of what `Measures.tokens_of` returned; None where there is none.
        read: All of it at once, of texts of any length; None where there is none.
    """

    encode: Encode
    measure: Callable[[Sequence[str]], Measures]
    run: Callable[[Tokens], npt.NDArray[np.float32]] | None = None
    read: Callable[[list[str]], Reading] | None = None


_PROBE = [
    "A cordless drill with two batteries, 18 V.",
    "milk",
    "Where is my card? It has not arrived yet.",
]
_LEAST_COSINE = 0.999
# In whole numbers vectors are others; whether labels are, was asked when the model was made.
_LEAST_COSINE_INT8 = 0.9
# In float32 the numbers of a vector are this close whatever the processor, engine and batch (3e-7
# was the most, over 2,000 texts); in bfloat16 they are up to 0.002 apart from these.
CLOSE = 1e-5
_GRAPH = "model.xml"


def shared_backend(
    identity: EncoderIdentity,
    weights: Path,
    cache_dir: Path | None,
    precision: Precision,
    *,
    device: str = "cpu",
    leave_out: int = 0,
) -> Backend:
    """Return the model that an encoder of this process has loaded already, else load it.

    A model takes a second to load and 200 MB to keep, and jobs, tenants and notebooks make many
    encoders of one. They use it one at a time.

    Args:
        identity: As in `load_backend`, and so the others.
        weights: The model's folder.
        cache_dir: Where to keep what OpenVINO made of it.
        precision: What to compute in.
        device: Where torch computes.
        leave_out: How many of the folder's last modules to leave out.
    """
    threads = os.environ.get("OMP_NUM_THREADS")
    key = (identity, weights, cache_dir, precision, device, leave_out, threads)
    with _LOADING:
        there = _LOADED.get(key)
        if there is None:
            alone = load_backend(
                identity, weights, cache_dir, precision, device=device, leave_out=leave_out
            )
            there = _LOADED[key] = _one_at_a_time(alone)
        return there


_LOADING = threading.Lock()
_LOADED: WeakValueDictionary[tuple[Any, ...], Backend] = WeakValueDictionary()


def _one_at_a_time(backend: Backend) -> Backend:
    """Let threads wait for each other: neither tokenizers nor compiled models may be shared."""
    lock = threading.RLock()

    def waiting(use: Callable[_Given, _Made]) -> Callable[_Given, _Made]:
        @functools.wraps(use)
        def used(*given: _Given.args, **named: _Given.kwargs) -> _Made:
            with lock:
                return use(*given, **named)

        return used

    return replace(
        backend,
        encode=waiting(backend.encode),
        measure=waiting(backend.measure),
        run=None if backend.run is None else waiting(backend.run),
        read=None if backend.read is None else waiting(backend.read),
    )


def load_backend(
    identity: EncoderIdentity,
    weights: Path,
    cache_dir: Path | None,
    precision: Precision,
    *,
    device: str = "cpu",
    leave_out: int = 0,
) -> Backend:
    """Load the model on the engine its identity names.

    How far its vectors are from those of other processors is logged, where it is more than `CLOSE`.

    Args:
        identity: What to load.
        weights: The model's folder.
        precision: What to compute in.
        cache_dir: Where to keep the model as OpenVINO converted it; None for nowhere.
        device: Where torch computes.
        leave_out: How many of the folder's last modules are not of the model to load.

    Raises:
        LikewiseError: OpenVINO, or half precision, does not reproduce the model's own vectors.
    """
    if identity.backend == "static":
        static = StaticModel.load(weights)
        return Backend(lambda texts: static.read(texts).vectors, unmeasured, read=static.read)
    if is_packaged(weights):
        pictures = PictureModel(weights, identity.backend, precision)
        return Backend(lambda one: pictures.read(one).vectors, unmeasured, read=pictures.read)
    model = _load_model(weights, device, identity.max_length)
    if kind_of(weights) == "multimodal":
        both = TextAndPictures(model)
        return Backend(lambda one: both.read(one).vectors, unmeasured, read=both.read)
    if leave_out:
        del model[-leave_out:]
    measured = functools.partial(measure, model, roles_of(model))
    probe = [*_PROBE, "so " * (identity.max_length or 0)] if identity.max_length else _PROBE
    if identity.backend == "torch" and device == "cpu":
        return Backend(_torch_backend(model), measured)
    exact = _torch_backend(model)(probe)
    if identity.backend == "torch":
        backend = Backend(halving(_torch_backend(_in_half(model, precision))), measured)
    else:
        backend = _on_openvino(identity, weights, cache_dir, precision, model, measured)
    made = np.concatenate([backend.encode([text]) for text in probe])
    cosine = float((exact * made).sum(axis=1).min())
    if not cosine >= (_LEAST_COSINE_INT8 if kind_of(weights) == "int8" else _LEAST_COSINE):
        engine = "OpenVINO" if identity.backend == "openvino" else f"precision {precision}"
        hint = "backend='torch'" if identity.backend == "openvino" else "precision='float32'"
        raise LikewiseError(
            f"{engine} does not reproduce {identity.name!r} (cosine {cosine:.4f} on a probe text); "
            f"use Encoder(..., {hint})"
        )
    apart = float(np.abs(exact - made).max())
    if apart > CLOSE:
        _tell_distance(precision, f"{apart:.4f}")
    return backend


def _on_openvino(
    identity: EncoderIdentity,
    weights: Path,
    cache_dir: Path | None,
    precision: Precision,
    model: SentenceTransformer,
    measured: Callable[[Sequence[str]], Measures],
) -> Backend:
    if kind_of(weights) == "int8":
        graph = _read(weights / INT8)
        if graph is None:
            raise LikewiseError(f"{weights / INT8} cannot be read; quantize the model anew")
    else:
        graph = graph_of(identity, model, cache_dir)
    run = _compiled(model, graph, precision)
    return Backend(lambda texts: run(tokenize(model, texts)), measured, run)


def open_model(identity: EncoderIdentity, weights: Path) -> SentenceTransformer:
    """Load a model as sentence-transformers has it, on the processor."""
    return _load_model(weights, "cpu", identity.max_length)


def graph_of(identity: EncoderIdentity, model: SentenceTransformer, cache_dir: Path | None) -> Any:
    """Return a model as OpenVINO has it: as it was kept, or converted now."""
    return _converted(
        model, None if cache_dir is None else cache_dir / f"openvino-{identity.revision}"
    )


def _in_half(model: SentenceTransformer, precision: Precision) -> SentenceTransformer:
    import torch

    kinds = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
    return model.to(kinds[precision])


@functools.cache  # once a process, however many encoders it loads
def _tell_distance(precision: Precision, apart: str) -> None:
    _log.info(
        "vectors are computed in %s on this processor: up to %s from those of others "
        "(precision float32 gives the same everywhere)",
        precision,
        apart,
    )


def _load_model(
    weights: Path, device: str = "cpu", max_length: int | None = None
) -> SentenceTransformer:
    with warnings.catch_warnings():
        # Third parties deprecate each other's internals at import time; nothing a caller could act
        # on.
        warnings.simplefilter("ignore", DeprecationWarning)
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

    # A bar for reading 103 tensors in 0.1 s and remarks about training are noise in a log.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    if is_multilingual(weights):
        from retrieval.encoding.packaged.multilingual import modules_of

        model = SentenceTransformer(modules=modules_of(weights), device=device)
    else:
        model = SentenceTransformer(str(weights), device=device, trust_remote_code=False)
    if max_length is not None:
        model.max_seq_length = max_length
    if _pads_to_multiples(model):
        first: Any = model[0]
        first.processing_kwargs = {"text": {"pad_to_multiple_of": MULTIPLE}}
    return model


def _pads_to_multiples(model: SentenceTransformer) -> bool:
    """Whether the tokenizer can; else only texts of one length share a batch."""
    longest = model.max_seq_length
    return getattr(model[0], "processing_kwargs", None) == {} and bool(
        longest and longest % MULTIPLE == 0
    )


def _torch_backend(model: SentenceTransformer) -> Encode:
    def encode(texts: list[str]) -> npt.NDArray[np.float32]:
        vectors = model.encode(
            texts, batch_size=len(texts), convert_to_numpy=True, show_progress_bar=False
        )
        return unit(np.asarray(vectors, dtype=np.float32))

    return encode


def _converted(model: SentenceTransformer, kept: Path | None) -> Any:
    graph = _read(kept) if kept is not None else None
    if graph is None:
        graph = _convert(model)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            places = [Path(folder) / "model"] if kept is None else [kept, Path(folder) / "model"]
            saved = next((place for place in places if keep_graph(graph, place)), None)
            # As every other run reads it: saving changes the last digits of its vectors.
            graph = (None if saved is None else _read(saved)) or graph
    return graph


def _compiled(
    model: SentenceTransformer, graph: Any, precision: Precision
) -> Callable[[Tokens], npt.NDArray[np.float32]]:
    openvino = import_openvino()
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": openvino.Type.bf16
        if precision == "bfloat16"
        else openvino.Type.f32,
    }
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads):  # OpenVINO does not read it itself
        options["INFERENCE_NUM_THREADS"] = int(threads)
    compiled = openvino.compile_model(graph, "CPU", options)
    inputs = list(tokenize(model, _PROBE))

    def run(tokens: Tokens) -> npt.NDArray[np.float32]:
        return unit(compiled([tokens[name] for name in inputs])[0])

    return run


def _convert(model: SentenceTransformer) -> Any:
    """Make one graph of the whole model: transformer, pooling and what follows."""
    import openvino
    import torch

    tokens = tokenize(model, _PROBE)

    class Pipeline(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            features = self.model(dict(zip(tokens, tensors, strict=True)))
            vectors: torch.Tensor = features["sentence_embedding"]
            return vectors

    example = tuple(torch.from_numpy(array) for array in tokens.values())
    with torch.no_grad(), warnings.catch_warnings():
        # Tracing warns about every Python branch of the model; the probe in `load_backend` is the
        # real check.
        warnings.simplefilter("ignore")
        try:
            return openvino.convert_model(Pipeline().eval(), example_input=example)
        except Exception as error:  # the converter raises anything, with whole tensors as message
            raise LikewiseError(
                f"OpenVINO cannot convert this model ({type(error).__name__}); "
                "use Encoder(..., backend='torch')"
            ) from None


def _read(kept: Path) -> Any | None:
    """Read a converted model; None where there is none, or none that can be read."""
    import openvino

    if not (kept / _GRAPH).is_file():
        return None
    try:
        return openvino.Core().read_model(kept / _GRAPH)
    except RuntimeError:
        return None


def keep_graph(graph: Any, kept: Path) -> bool:
    """Save a converted model: a folder that appears whole or not at all; say whether it could."""
    import openvino

    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, ignore_cleanup_errors=True) as folder:
            openvino.save_model(graph, Path(folder) / _GRAPH, compress_to_fp16=False)
            shutil.rmtree(kept, ignore_errors=True)
            # Another process may have been quicker; its model is the same.
            with contextlib.suppress(OSError):
                Path(folder).rename(kept)
    except (OSError, RuntimeError):  # the disk is full, or may not be written
        return False
    return True


def unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return vectors (n, dim) made of length 1.

    Raises:
        LikewiseError: One of them has no direction.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(length > 0):
        raise LikewiseError("the encoder returned a vector without direction (zero or NaN)")
    made: npt.NDArray[np.float32] = (vectors / length).astype(np.float32, copy=False)
    return made


def load_model(weights: Path) -> SentenceTransformer:
    """Load a model as PyTorch has it, on the processor."""
    return _load_model(weights)
