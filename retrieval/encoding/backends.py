"""The engines that run an encoder: PyTorch, and OpenVINO, some three times faster on a CPU."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from retrieval.arguments import require_choice
from retrieval.encoding.tokens import MULTIPLE, Measures, Tokens, measure, roles_of, tokenize
from retrieval.encoding.weights import EncoderIdentity
from retrieval.errors import InputError, LikewiseError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_log = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16"]
"""What an engine computes in."""

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
    """

    encode: Encode
    measure: Callable[[Sequence[str]], Measures]
    run: Callable[[Tokens], npt.NDArray[np.float32]] | None = None


_PROBE = [
    "A cordless drill with two batteries, 18 V.",
    "milk",
    "Where is my card? It has not arrived yet.",
]
_LEAST_COSINE = 0.999
# In float32 the numbers of a vector are this close whatever the processor, engine and batch (3e-7
# was the most, over 2,000 texts); in bfloat16 they are up to 0.002 apart from these.
CLOSE = 1e-5
_GRAPH = "model.xml"


def resolve_backend(backend: str) -> Literal["torch", "openvino"]:
    """Choose the engine: what was asked for, or OpenVINO where it is installed.

    Raises:
        InputError: The backend is unknown or its package is missing.
    """
    installed = importlib.util.find_spec("openvino") is not None
    require_choice(backend, "backend", ("auto", "torch", "openvino"))
    if backend == "auto":
        return "openvino" if installed else "torch"
    if backend == "torch":
        return "torch"
    if not installed:
        raise InputError("backend 'openvino' is not installed: pip install 'likewise[openvino]'")
    return "openvino"


def resolve_precision(precision: str | None, backend: str) -> Precision:
    """Choose what to compute in: what was asked for, or what the engine prefers here.

    OpenVINO prefers bfloat16 on processors that have it, where it is almost twice as fast.

    Args:
        precision: ``"auto"``, ``"float32"`` or ``"bfloat16"``; None for ``$LIKEWISE_PRECISION``,
            else auto.
        backend: The engine, as `resolve_backend` chose it.

    Raises:
        InputError: The precision is unknown, or is not to be had here.
    """
    asked = os.environ.get("LIKEWISE_PRECISION") or "auto" if precision is None else precision
    require_choice(asked, "precision", ("auto", "float32", "bfloat16"))
    has_bfloat16 = backend == "openvino" and _prefers_bfloat16()
    if asked == "bfloat16" and not has_bfloat16:
        raise InputError(
            f"precision 'bfloat16' is not to be had with {backend} on this processor; "
            "leave it out, or take 'float32'"
        )
    return "bfloat16" if has_bfloat16 and asked != "float32" else "float32"


@functools.cache
def _prefers_bfloat16() -> bool:
    openvino = _import_openvino()
    preferred = openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT")
    return bool(preferred == openvino.Type.bf16)


def _import_openvino() -> Any:
    # It reports its use over the network, from import on; without this package, to a stub.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def load_backend(
    identity: EncoderIdentity,
    weights: Path,
    cache_dir: Path | None,
    precision: Precision,
    *,
    leave_out: int = 0,
) -> Backend:
    """Load the model on the engine its identity names.

    How far its vectors are from those of other processors is logged, where it is more than `CLOSE`.

    Args:
        identity: What to load.
        weights: The model's folder.
        precision: What to compute in.
        cache_dir: Where to keep the model as OpenVINO converted it; None for nowhere.
        leave_out: How many of the folder's last modules are not of the model to load.

    Raises:
        LikewiseError: OpenVINO does not reproduce the model's own vectors.
    """
    model = _load_model(weights)
    if leave_out:
        del model[-leave_out:]
    measured = functools.partial(measure, model, roles_of(model))
    if identity.backend == "torch":
        return Backend(_torch_backend(model), measured)
    kept = None if cache_dir is None else cache_dir / f"openvino-{identity.revision}"
    run = _openvino_backend(model, kept, precision)

    def encode(texts: list[str]) -> npt.NDArray[np.float32]:
        return run(tokenize(model, texts))

    exact, made = _torch_backend(model)(_PROBE), encode(_PROBE)
    cosine = float((exact * made).sum(axis=1).min())
    if not cosine >= _LEAST_COSINE:
        raise LikewiseError(
            f"OpenVINO does not reproduce {identity.name!r} (cosine {cosine:.4f} on a probe text); "
            "use Encoder(..., backend='torch')"
        )
    apart = float(np.abs(exact - made).max())
    if apart > CLOSE:
        _tell_distance(precision, f"{apart:.4f}")
    return Backend(encode, measured, run)


@functools.cache  # once a process, however many encoders it loads
def _tell_distance(precision: Precision, apart: str) -> None:
    _log.info(
        "vectors are computed in %s on this processor: up to %s from those of others "
        "(precision float32 gives the same everywhere)",
        precision,
        apart,
    )


def _load_model(weights: Path) -> SentenceTransformer:
    with warnings.catch_warnings():
        # Third parties deprecate each other's internals at import time; nothing a caller could act
        # on.
        warnings.simplefilter("ignore", DeprecationWarning)
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

    # A bar for reading 103 tensors in 0.1 s and remarks about training are noise in a log.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    model = SentenceTransformer(str(weights), device="cpu")
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
        return _unit(np.asarray(vectors, dtype=np.float32))

    return encode


def _openvino_backend(
    model: SentenceTransformer, kept: Path | None, precision: Precision
) -> Callable[[Tokens], npt.NDArray[np.float32]]:
    openvino = _import_openvino()
    graph = _read(kept) if kept is not None else None
    if graph is None:
        graph = _convert(model)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            places = [Path(folder) / "model"] if kept is None else [kept, Path(folder) / "model"]
            saved = next((place for place in places if _keep(graph, place)), None)
            # As every other run reads it: saving changes the last digits of its vectors.
            graph = (None if saved is None else _read(saved)) or graph
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
        return _unit(compiled([tokens[name] for name in inputs])[0])

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


def _keep(graph: Any, kept: Path) -> bool:
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


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(length > 0):
        raise LikewiseError("the encoder returned a vector without direction (zero or NaN)")
    unit: npt.NDArray[np.float32] = (vectors / length).astype(np.float32, copy=False)
    return unit


def load_model(weights: Path) -> SentenceTransformer:
    """Load a model as PyTorch has it, on the processor."""
    return _load_model(weights)
