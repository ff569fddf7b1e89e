"""What a tokenizer makes of texts: their length, and whether it knows their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MULTIPLE = 8
"""Texts are padded to a multiple of so many tokens."""
_TEXTS = 2_048  # tokenized at once

Tokens = dict[str, npt.NDArray[np.int64]]
"""What a model takes of n texts, each (n, tokens)."""


@dataclass(frozen=True)
class Measures:
    """What a tokenizer made of n texts.

    Attributes:
        lengths: (n,) how many tokens, padded.
        readable: (n,) whether it knows most of what the text holds.
        cut: (n,) whether there are as many tokens as the model takes.
        arrays: What the model takes, (n, most tokens) each; None of very many texts, or where it is
            not padded at the end.
    """

    lengths: npt.NDArray[np.int64]
    readable: npt.NDArray[np.bool_]
    cut: npt.NDArray[np.bool_]
    arrays: Tokens | None

    def tokens_of(self, rows: Sequence[int]) -> Tokens | None:
        """Return what the model takes for some texts of one padded length; None: not kept."""
        if self.arrays is None:
            return None
        length = int(self.lengths[rows[0]])
        return {
            name: np.ascontiguousarray(one[list(rows), :length])
            for name, one in self.arrays.items()
        }


def measure(model: SentenceTransformer, roles: Roles, texts: Sequence[str]) -> Measures:
    """Tokenize texts: each once, and where they are few, for good."""
    parts = []
    for start in range(0, len(texts), _TEXTS):
        parts.append(_part(model, roles, list(texts[start : start + _TEXTS])))
    if len(parts) == 1:
        return parts[0]
    return Measures(
        np.concatenate([one.lengths for one in parts]),
        np.concatenate([one.readable for one in parts]),
        np.concatenate([one.cut for one in parts]),
        None,
    )


def unmeasured(texts: Sequence[str]) -> Measures:
    """Say of texts that nothing is known of their tokens: that all are read, to their end."""
    every = np.ones(len(texts), dtype=bool)
    return Measures(np.zeros(len(texts), np.int64), every, ~every, None)


def _part(model: SentenceTransformer, roles: Roles, texts: list[str]) -> Measures:
    arrays = tokenize(model, texts)
    mask, ids = arrays.get("attention_mask"), arrays.get("input_ids")
    if mask is None or ids is None:  # a model without one takes no padding
        return unmeasured(texts)
    count = mask.sum(axis=1)
    multiple = MULTIPLE if getattr(model[0], "processing_kwargs", None) else 1
    lengths = -(-count // multiple) * multiple
    at_end = mask.astype(bool) == (np.arange(mask.shape[1]) < count[:, None])
    is_kept = all(one.shape == mask.shape for one in arrays.values()) and bool(at_end.all())
    longest = model.max_seq_length or np.inf
    readable = _is_readable(model, roles, ids, mask)
    return Measures(lengths, readable, count >= longest, arrays if is_kept else None)


@dataclass(frozen=True)
class Roles:
    """Tokens that are no words.

    Attributes:
        unknown: What stands for a word that is not known; None where there is no such token.
        special: What stands around the words.
    """

    unknown: int | None
    special: tuple[int, ...]


def roles_of(model: SentenceTransformer) -> Roles:
    """Look up which tokens are no words; it takes longer than to tokenize a text."""
    tokenizer = getattr(model, "tokenizer", None)
    special = set(getattr(tokenizer, "all_special_ids", None) or [])
    unknown = getattr(tokenizer, "unk_token_id", None)
    # Where it stands for something else, too, as with tokenizers of bytes, nothing is unknown.
    others = {
        getattr(tokenizer, f"{role}_token_id", None)
        for role in ("bos", "eos", "pad", "cls", "sep", "mask")
    }
    if unknown in others:
        unknown = None
    return Roles(unknown, tuple(sorted(special - {unknown})))


def _is_readable(
    model: SentenceTransformer,
    roles: Roles,
    ids: npt.NDArray[np.int64],
    mask: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Tell of which texts the tokenizer knows half of the tokens, and more than single letters."""
    held, unknown = mask.astype(bool), roles.unknown
    for one in roles.special:
        held &= ids != one
    content = held.sum(axis=1)
    readable: npt.NDArray[np.bool_] = content > 0
    if unknown is None:
        return readable
    is_strange = held & (ids == unknown)
    strange = is_strange.sum(axis=1)
    readable &= 2 * strange <= content
    # A single letter it has seen somewhere does not make a text of another script readable.
    rows = np.flatnonzero(readable & (strange > 0))
    if len(rows):
        kinds, place = np.unique(ids[rows], return_inverse=True)
        tokens = model.tokenizer.convert_ids_to_tokens(kinds.tolist())
        letters = np.array([sum(map(str.isalnum, one)) for one in tokens])
        known = held[rows] & ~is_strange[rows]
        told = (letters[place].reshape(known.shape) * known).sum(axis=1)
        readable[rows] = told > strange[rows]
    return readable


def tokenize(model: SentenceTransformer, texts: list[str]) -> Tokens:
    """Tokenize to the arrays the transformer takes, in a fixed order."""
    features: dict[str, Any] = model.preprocess(texts)
    arrays = {key: value.numpy() for key, value in features.items() if hasattr(value, "numpy")}
    return dict(sorted(arrays.items()))
