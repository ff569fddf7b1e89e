"""The engine of static encoders: a text's vector is the mean of those of its tokens.

They are a hundred times faster than a transformer and know words, not sentences. Their folders are
those of sentence-transformers' ``StaticEmbedding``, of which model2vec's are, too; none of these
libraries is needed to run one.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from retrieval.encoding.reading import Reading
from retrieval.errors import InputError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_TEXTS = 8_192  # at once
_FILE = "model.safetensors"
_TENSOR = "embedding.weight"
_MOST_HEADER = 1 << 20  # bytes


def static_dimension(weights: Path) -> int:
    """Read the length of a vector, without loading any.

    Raises:
        InputError: The folder is not whole.
    """
    try:
        with (_module(weights) / _FILE).open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(size, _MOST_HEADER)))
        return int(header[_TENSOR]["shape"][1])
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise InputError(
            f"{weights} is not a static encoder that can be read ({type(error).__name__}); "
            "distill it anew"
        ) from error


@dataclass(frozen=True)
class StaticModel:
    """Vectors of tokens.

    Attributes:
        tokenizer: Makes tokens of a text.
        vectors: (tokens, dim) float32.
        letters: (tokens,) letters and digits of each token.
        unknown: The token that stands for what is not known; None where there is none.
    """

    tokenizer: Tokenizer
    vectors: npt.NDArray[np.float32]
    letters: npt.NDArray[np.int64]
    unknown: int | None

    @classmethod
    def load(cls, weights: Path) -> StaticModel:
        """Read a model's folder."""
        from safetensors.numpy import load_file

        folder = _module(weights)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        vectors = load_file(folder / _FILE)[_TENSOR].astype(np.float32)
        names = [tokenizer.id_to_token(one) or "" for one in range(len(vectors))]
        letters = np.array([sum(map(str.isalnum, one)) for one in names], dtype=np.int64)
        model = json.loads(tokenizer.to_str())["model"]
        unknown = tokenizer.token_to_id(str(model.get("unk_token") or model.get("unk_id") or ""))
        return cls(tokenizer, np.ascontiguousarray(vectors), letters, unknown)

    def read(self, texts: Sequence[str]) -> Reading:
        """Return the vectors (n, dim) of texts, and which could be read; none is cut."""
        vectors = np.empty((len(texts), self.vectors.shape[1]), dtype=np.float32)
        readable = np.empty(len(texts), dtype=bool)
        for start in range(0, len(texts), _TEXTS):
            part = slice(start, start + _TEXTS)
            vectors[part], readable[part] = self._read(texts[part])
        return Reading(vectors, readable, np.zeros(len(texts), dtype=bool))

    def _read(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        bags = token_bags(self.tokenizer, texts, len(self.vectors))
        made = np.asarray(bags @ self.vectors, dtype=np.float32)
        length = np.linalg.norm(made, axis=1, keepdims=True)
        is_blank = length[:, 0] <= 1e-12
        # Of a text that holds nothing there is no direction; any will do, since it is told.
        made[is_blank], length[is_blank] = np.eye(1, made.shape[1], dtype=np.float32), 1
        readable = self._readable(bags) & ~is_blank
        return made / length, readable

    def _readable(self, bags: csr_array) -> npt.NDArray[np.bool_]:
        """Tell of which texts half of the tokens are known, and more than single letters, (n,)."""
        starts = bags.indptr.astype(np.int64)
        content = np.diff(starts)
        if self.unknown is None:
            return np.asarray(content > 0)
        is_strange = (bags.indices == self.unknown).astype(np.int64)
        strange = _sums(is_strange, starts)
        known = _sums(self.letters[bags.indices] * (1 - is_strange), starts)
        return np.asarray(
            (content > 0) & (2 * strange <= content) & ((strange == 0) | (known > strange))
        )


def token_bags(tokenizer: Tokenizer, texts: Sequence[str], tokens: int) -> csr_array:
    """Return the share of each token in each text, (n, tokens); a token that repeats stays two."""
    from scipy.sparse import csr_array

    made = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    ids = [one.ids for one in made]
    counts = np.fromiter((len(one) for one in ids), dtype=np.int64, count=len(ids))
    starts = np.concatenate([[0], np.cumsum(counts)])
    flat = np.fromiter((one for row in ids for one in row), dtype=np.int32, count=starts[-1])
    shares = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    return csr_array((shares, flat, starts), shape=(len(ids), tokens))


def _sums(values: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the sum of each run of values, (n,)."""
    total = np.concatenate([[0], np.cumsum(values)])
    return np.asarray(total[starts[1:]] - total[starts[:-1]])


def _module(weights: Path) -> Path:
    """Return the folder of the first module."""
    modules = json.loads((weights / "modules.json").read_text())
    return weights / str(modules[0]["path"])
