"""The model that is tuned: which of its weights move, and how it gets written."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import normalize

from retrieval.encoding.adaptation.schedule import Rows
from retrieval.encoding.backends import load_model
from retrieval.encoding.encoder import Encoder
from retrieval.encoding.packaged.folder import is_multilingual
from retrieval.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Method = Literal["lora", "full"]
_RANK = 16
_LENGTHS = 1_024  # texts that are tokenized at once


class TrainableModel:
    """A sentence-transformers model of which some weights move.

    ``"full"``: all but the table of word embeddings, which is half of a small model: few texts hold
    few words, and a word that none of them holds is to stay where its neighbors are. ``"lora"``:
    for each linear layer the product of two narrow matrices (Hu et al. 2021), merged at the end.
    Nothing is dropped out, so that a training is the same again wherever it was resumed.

    Args:
        encoder: The one to tune.
        method: Which weights move.
        seed: Of the narrow matrices.

    Raises:
        InputError: The encoder has no weights here, or peft is not installed.

    Attributes:
        moving: The weights that move, by name.
    """

    def __init__(self, encoder: Encoder, method: Method, seed: int) -> None:
        if encoder.identity.backend not in ("torch", "openvino"):
            raise InputError(
                f"encoder {encoder.name!r} has no weights here that could be tuned "
                f"(it runs on {encoder.identity.backend}); learn a map, or tune its base"
            )
        if is_multilingual(encoder._weights):
            raise InputError(
                f"encoder {encoder.name!r} is two models whose weights are not trained; learn a "
                "map (method='map')"
            )
        self._prompt = str(getattr(encoder.identity, "item_prompt", ""))
        self.model: SentenceTransformer = load_model(encoder._weights)
        longest = getattr(encoder.identity, "max_length", None)
        if longest:
            self.model.max_seq_length = longest
        self.model.eval()
        self._lora = self._with_lora(seed) if method == "lora" else None
        if self._lora is None:
            self._free_all_but_words()
        self.moving: dict[str, Tensor] = {
            name: one for name, one in self.model.named_parameters() if one.requires_grad
        }

    def lengths(self, texts: Sequence[str]) -> Rows:
        """Return how many tokens each text has, (n,)."""
        found = [np.empty(0, np.int64)]
        for start in range(0, len(texts), _LENGTHS):
            features = self._features(texts[start : start + _LENGTHS])
            found.append(features["attention_mask"].sum(dim=1).numpy())
        return np.concatenate(found)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Embed texts, (n, dim) of length 1, with gradients."""
        with _precise_enough():
            found = self.model(self._features(texts))["sentence_embedding"]
        return normalize(found.float(), dim=1)

    def save(self, folder: Path) -> None:
        """Write the model, changes merged, as a sentence-transformers folder."""
        if self._lora is not None:
            self._lora.merge_and_unload()
            self._lora = None
        self.model.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)

    def _features(self, texts: Sequence[str]) -> dict[str, Any]:
        features: dict[str, Any] = self.model.preprocess([self._prompt + one for one in texts])
        return features

    def _free_all_but_words(self) -> None:
        self.model.requires_grad_(True)
        first: Any = self.model[0]
        first.auto_model.get_input_embeddings().requires_grad_(False)

    def _with_lora(self, seed: int) -> Any:
        require_peft()
        self.model.requires_grad_(False)
        first: Any = self.model[0]
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            # peft asks transformers for what goes by a new name there; nothing a caller could mend.
            warnings.simplefilter("ignore")
            from peft import LoraConfig, get_peft_model

            torch.manual_seed(seed)
            config = LoraConfig(r=_RANK, lora_alpha=2 * _RANK, target_modules="all-linear")
            return get_peft_model(first.auto_model, config)  # changes the layers in their places


@contextmanager
def _precise_enough() -> Iterator[None]:
    """Multiply in bfloat16 where the processor does; weights, moments and losses stay in float32.

    A step of 64 texts of 14 tokens takes .21 s then and .51 s in float32 (MiniLM, one core with
    AMX). The fused attention is the slowest part of its way back in bfloat16, .37 of .46 s: the
    attention written out takes its place.
    """
    if not has_bfloat16():
        yield
        return
    with torch.autocast("cpu", dtype=torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        yield


def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16; elsewhere this is slower than float32."""
    known = torch.cpu.get_capabilities()
    return bool(known.get("amx_bf16") or known.get("avx512_bf16"))


def require_peft() -> None:
    """Refuse to go on where LoRA cannot.

    Raises:
        InputError: peft is not installed.
    """
    if importlib.util.find_spec("peft") is None:
        raise InputError("method 'lora' needs peft: pip install 'likewise[tune]'")
