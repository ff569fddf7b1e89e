"""Other encoders than the default one, made from its weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

from retrieval import Encoder


def shallow_encoder(encoder: Encoder, folder: Path, *, layers: int = 3) -> Encoder:
    """The first layers only: another space, not quite as good."""
    return _saved(encoder, folder, layers)


def scrambled_encoder(encoder: Encoder, folder: Path) -> Encoder:
    """Random weights in one layer: a space in which little is like anything."""
    return _saved(encoder, folder, 1, is_random=True)


def _saved(encoder: Encoder, folder: Path, layers: int, *, is_random: bool = False) -> Encoder:
    model = SentenceTransformer(str(encoder._weights), device="cpu")
    transformer = model[0].auto_model
    transformer.encoder.layer = transformer.encoder.layer[:layers]
    transformer.config.num_hidden_layers = layers
    if is_random:
        torch.manual_seed(0)
        for weight in transformer.parameters():
            torch.nn.init.normal_(weight, std=0.5)
    model.save(str(folder), create_model_card=False)
    return Encoder(str(folder), backend="torch")


def small_vocabulary_encoder(encoder: Encoder, folder: Path, *, tokens: int = 4_000) -> Encoder:
    """One layer, and the first tokens of the vocabulary only: quick to encode one by one."""
    shallow_encoder(encoder, folder, layers=1)
    file = folder / "tokenizer.json"
    told = json.loads(file.read_text())
    vocabulary = {name: one for name, one in told["model"]["vocab"].items() if one < tokens}
    told["model"]["vocab"] = vocabulary
    file.write_text(json.dumps(told))
    return Encoder(str(folder), backend="openvino")
