"""Where, with what and how exactly an encoder computes: device, engine and precision."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import logging
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from retrieval.arguments import require_choice
from retrieval.errors import InputError

_log = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16", "float16"]
"""What an engine computes in."""

# What a batch holds on an accelerator, padding included: a few GB of a base model in half
# precision. Where that is too much, batches are halved (`halving`).
_TOKENS = 131_072
_MOST_ROWS = 4_096
_BACKENDS = ("auto", "torch", "openvino")
# What an NVIDIA, an AMD and, under Windows, any graphics card leave in the system.
_CARDS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def resolve_device(device: str, backend: str) -> str:
    """Choose where to compute: what was asked for, or the accelerator there is, else ``"cpu"``.

    Args:
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``, or one of several such as
            ``"cuda:1"``.
        backend: The engine asked for. OpenVINO computes on the processor.

    Raises:
        InputError: There is no such device, or the engine cannot use it.
    """
    kind = device.partition(":")[0] if isinstance(device, str) else ""
    if kind not in ("auto", "cpu", "cuda", "mps"):
        raise InputError(f"unknown device {device!r}; there are: auto, cpu, cuda, mps")
    require_choice(backend, "backend", _BACKENDS)
    if backend == "openvino":
        if kind not in ("auto", "cpu"):
            raise InputError(f"backend 'openvino' computes on the processor, not on {device!r}")
        return "cpu"
    if kind == "auto":
        return next((one for one in ("cuda", "mps") if _is_there(one)), "cpu")
    if kind != "cpu" and not _is_there(device):
        raise InputError(
            f"device {device!r} is not to be had here: this machine has none, or torch was "
            "installed without it; take 'auto' or 'cpu'"
        )
    return device


def require_processor(device: str) -> str:
    """Return where static and whole-number encoders compute.

    Raises:
        InputError: Another device was asked for.
    """
    if not isinstance(device, str) or device not in ("auto", "cpu"):
        raise InputError(f"this encoder computes on the processor, not on {device!r}")
    return "cpu"


def _is_there(device: str) -> bool:
    if not _may_be():  # importing torch takes seconds, which a cached run can do without
        return False
    import torch

    kind, _, number = device.partition(":")
    if kind == "mps":
        return torch.backends.mps.is_available()
    is_number = not number or (number.isdecimal() and int(number) < torch.cuda.device_count())
    return torch.cuda.is_available() and is_number


def _may_be() -> bool:
    """Whether torch has to be asked for an accelerator."""
    if importlib.metadata.version("torch").endswith("+cpu"):
        return False
    return platform.system() == "Darwin" or any(Path(one).exists() for one in _CARDS)


def resolve_backend(
    backend: str, device: str = "cpu", kind: str = "transformer"
) -> Literal["torch", "openvino", "static"]:
    """Choose the engine: what was asked for, or what is fastest where the model is to run.

    Args:
        backend: What was asked for.
        device: Where to compute. An accelerator takes torch, the processor OpenVINO where that is
            installed.
        kind: What the model is, as `kind_of` says.

    Raises:
        InputError: The backend is unknown, its package is missing, or it cannot run the model.
    """
    installed = importlib.util.find_spec("openvino") is not None
    require_choice(backend, "backend", _BACKENDS)
    if kind == "static":
        if backend == "openvino":
            raise InputError("a static encoder has an engine of its own; leave backend out")
        return "torch" if backend == "torch" else "static"
    if kind == "multimodal":
        if backend == "openvino":
            raise InputError("a model of text and pictures runs on torch; leave backend out")
        return "torch"
    if kind == "int8" and (backend == "torch" or device != "cpu"):
        raise InputError(
            "an encoder in whole numbers runs on OpenVINO and on the processor alone; leave "
            "backend and device out"
        )
    if backend == "auto" and kind != "int8":
        return "openvino" if installed and device == "cpu" else "torch"
    if backend == "torch":
        return "torch"
    if not installed:
        raise InputError("backend 'openvino' is not installed: pip install 'likewise[openvino]'")
    return "openvino"


def resolve_precision(precision: str | None, backend: str, device: str = "cpu") -> Precision:
    """Choose what to compute in: what was asked for, or what the engine prefers here.

    OpenVINO prefers bfloat16 on processors that have it, where it is almost twice as fast; an
    accelerator prefers float16.

    Args:
        precision: ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``; None for
            ``$LIKEWISE_PRECISION``, else auto.
        backend: The engine, as `resolve_backend` chose it.
        device: Where it computes.

    Raises:
        InputError: The precision is unknown, or is not to be had here.
    """
    asked = os.environ.get("LIKEWISE_PRECISION") or "auto" if precision is None else precision
    require_choice(asked, "precision", ("auto", "float32", "bfloat16", "float16"))
    if device != "cpu":
        return "float16" if asked == "auto" else asked  # type: ignore[return-value]
    has_bfloat16 = backend == "openvino" and _prefers_bfloat16()
    if asked == "float16" or (asked == "bfloat16" and not has_bfloat16):
        raise InputError(
            f"precision {asked!r} is not to be had with {backend} on this processor; "
            "leave it out, or take 'float32'"
        )
    return "bfloat16" if has_bfloat16 and asked != "float32" else "float32"


@functools.cache
def _prefers_bfloat16() -> bool:
    openvino = import_openvino()
    preferred = openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT")
    return bool(preferred == openvino.Type.bf16)


def import_openvino() -> Any:
    """Import OpenVINO, and let it send nothing."""
    # It reports its use over the network, from import on; without this package, to a stub.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def rows_that_fit(tokens: int) -> int:
    """Return how many texts of so many tokens are one batch on an accelerator."""
    return max(1, min(_MOST_ROWS, _TOKENS // max(tokens, 1)))


def halving(
    encode: Callable[[list[str]], npt.NDArray[np.float32]],
) -> Callable[[list[str]], npt.NDArray[np.float32]]:
    """Encode in halves what does not fit the memory of an accelerator, and so from then on.

    Args:
        encode: Texts in, vectors (n, dim) out; raises `torch.OutOfMemoryError`.

    Raises:
        torch.OutOfMemoryError: A single text does not fit.
    """
    most: int | None = None

    def fitting(texts: list[str]) -> npt.NDArray[np.float32]:
        nonlocal most
        import torch

        size = len(texts) if most is None else min(most, len(texts))
        parts: list[npt.NDArray[np.float32]] = []
        start = 0
        while start < len(texts):
            try:
                parts.append(encode(texts[start : start + size]))
                start += size
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size = most = size // 2
                _log.info(
                    "batches of %d texts do not fit the device; %d from here on", 2 * size, size
                )
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
        return np.concatenate(parts)

    return fitting
