from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoTokenizer, BertConfig, BertModel

from retrieval.encoding.weights import find_weights


@pytest.fixture(scope="package")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of sentence-transformers that takes milliseconds: one layer, drawn by lot, once."""
    folder = tmp_path_factory.mktemp("tiny")
    words = AutoTokenizer.from_pretrained(find_weights("all-MiniLM-L6-v2"))
    config = BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)  # with weights nobody chose, how much training gains is chance, too
        BertModel(config).save_pretrained(folder / "bert")
    words.save_pretrained(folder / "bert")
    first = Transformer(str(folder / "bert"), max_seq_length=64)
    model = SentenceTransformer(modules=[first, Pooling(16)], device="cpu")
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"
