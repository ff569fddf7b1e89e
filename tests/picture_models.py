"""A tiny model of text and pictures, trained on the spot: it knows five colors by name."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPModel, CLIPProcessor, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

COLORS = {
    "red": (200, 30, 30),
    "green": (30, 170, 50),
    "blue": (30, 50, 200),
    "white": (240, 240, 240),
    "black": (15, 15, 15),
}
_SIDE, _STEPS, _WIDTH = 32, 60, 32


def photo(color: str, seed: int = 0, side: int = 48) -> bytes:
    """A noisy picture of one color, as JPEG."""
    noise = np.random.default_rng([seed, *color.encode()]).normal(0, 15, (side, side, 3))
    stream = io.BytesIO()
    Image.fromarray(np.clip(COLORS[color] + noise, 0, 255).astype(np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def text_and_picture_model(folder: Path) -> Path:
    """Train it, and return its folder, as sentence-transformers writes it."""
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    layer = {
        "hidden_size": _WIDTH,
        "intermediate_size": _WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, **ends}
    config = CLIPConfig(
        text_config={**layer, **words},
        vision_config={**layer, "image_size": _SIDE, "patch_size": 16},
        projection_dim=16,
    )
    size = {"height": _SIDE, "width": _SIDE}
    processor = CLIPImageProcessorPil(size={"shortest_edge": _SIDE}, crop_size=size)
    model = CLIPModel(config)
    _train(model, tokenizer, processor)
    model.eval().save_pretrained(folder / "base")
    CLIPProcessor(processor, tokenizer).save_pretrained(folder / "base")
    whole = SentenceTransformer(modules=[Transformer(str(folder / "base"))], device="cpu")
    whole.save(str(folder / "model"), create_model_card=False)
    return folder / "model"


def _tokenizer() -> PreTrainedTokenizerFast:
    words = ["<unk>", "<s>", "</s>", "a", "photo", "of", "shirt", *COLORS]
    tokenizer = Tokenizer(models.WordLevel({word: one for one, word in enumerate(words)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
        model_max_length=16,
    )


def _train(
    model: CLIPModel, tokenizer: PreTrainedTokenizerFast, processor: CLIPImageProcessorPil
) -> None:
    texts = tokenizer([f"{color} shirt" for color in COLORS], return_tensors="pt")
    texts.pop("token_type_ids", None)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(_STEPS):
        shots = [Image.open(io.BytesIO(photo(color, step + 1, _SIDE))) for color in COLORS]
        pixels = processor(shots, return_tensors="pt")["pixel_values"]
        loss = model(**texts, pixel_values=pixels, return_loss=True).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
