from __future__ import annotations

import sqlite3
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

from retrieval import IN_MEMORY, Encoder, ItemIndex, ReadingCounts, UnreadTextWarning

READ = ["milk", "!!!", "12345", "iPhone 📱 case", "crème brûlée", "Привет мир"]
UNREAD = ["纯牛奶", "毛巾", "😀", "🗯️", "A" * 101, "​", "x 🍕🍕"]


@pytest.fixture
def fresh(tmp_path: Path) -> Encoder:
    return Encoder(cache_dir=tmp_path)


def test_text_of_unknown_words_is_not_read(fresh: Encoder) -> None:
    reading = fresh.read([*READ, *UNREAD, "milk"])
    assert reading.readable.tolist() == [True] * len(READ) + [False] * len(UNREAD) + [True]
    assert not reading.cut.any()
    alone = np.concatenate([fresh.read([text]).vectors for text in READ])
    np.testing.assert_array_equal(reading.vectors[: len(READ)], alone)
    assert fresh.read(["word " * 300, "word " * 200]).cut.tolist() == [True, False]


def test_the_cache_keeps_what_was_not_read(fresh: Encoder) -> None:
    first = fresh.read(["milk", "😀"])
    again = Encoder(cache_dir=fresh._cache_dir)  # type: ignore[arg-type]
    second = again.read(["milk", "😀"])
    assert again._loaded is None
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert second.readable.tolist() == [True, False]


def test_a_cache_of_an_earlier_version_is_read_and_completed(fresh: Encoder) -> None:
    first = fresh.read(["milk", "😀"])
    assert fresh._cache is not None
    with sqlite3.connect(fresh._cache.path) as connection:
        connection.execute("UPDATE vectors SET vector = substr(vector, 1, ?)", (4 * fresh.dim,))
    connection.close()
    second = fresh.read(["milk", "😀"])
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert second.readable.tolist() == [True, False]
    assert Encoder(cache_dir=fresh._cache_dir).read(["😀"]).readable.tolist() == [False]  # type: ignore[arg-type]


def test_what_is_counted_is_warned_of_with_the_first(encoder: Encoder) -> None:
    texts = ["milk", "bread", "😀", "🙂"]
    counts = ReadingCounts.of(texts, encoder.read(texts))
    assert (counts.texts, counts.unread, counts.cut, counts.alike) == (4, 2, 0, 0)
    with pytest.warns(UnreadTextWarning, match=r"items: of 4 texts 2 \(50%\) .*first: '😀', '🙂'"):
        counts.warn("items")
    both = counts + counts
    assert (both.texts, both.unread) == (8, 4)


def test_texts_that_differ_behind_the_cut_are_alike(encoder: Encoder) -> None:
    texts = ["same words " * 200 + end for end in ("one", "two")] + [
        "Milk",
        "milk ",
        "MILK",
        "é",
        "e",
    ]
    counts = ReadingCounts.of(texts, encoder.read(texts))
    assert (counts.cut, counts.alike, counts.unread) == (2, 2, 0)


def test_a_rare_symbol_is_no_matter(encoder: Encoder) -> None:
    texts = [f"item number {one}" for one in range(200)] + ["😀"]
    counts = ReadingCounts.of(texts, encoder.read(texts))
    assert counts.unread == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts.warn("items")


def test_an_index_counts_what_it_encodes(encoder: Encoder) -> None:
    index = ItemIndex(IN_MEMORY, encoder)
    items = pd.DataFrame({"item_id": ["a", "b"], "text": ["milk", "牛奶饼干"]})
    with pytest.warns(UnreadTextWarning, match="items: of 2 texts 1 "):
        counts = index.upsert(items, text="text")
    assert counts.rows() == {"new": 2, "changed": 0, "unchanged": 0, "unread": 1}
    assert index.upsert(items, text="text").rows() == {"new": 0, "changed": 0, "unchanged": 2}


def test_an_encoder_of_bytes_reads_all(tmp_path: Path) -> None:
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(["milk and bread"], vocab_size=300, special_tokens=["<|end|>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer,
        unk_token="<|end|>",
        eos_token="<|end|>",
        pad_token="<|end|>",
        model_max_length=32,
    )
    config = GPT2Config(vocab_size=300, n_positions=64, n_embd=16, n_layer=1, n_head=1)
    GPT2Model(config).save_pretrained(tmp_path / "gpt")
    tokenizer.save_pretrained(tmp_path / "gpt")
    transformer = Transformer(str(tmp_path / "gpt"))
    model = SentenceTransformer(modules=[transformer, Pooling(16)], device="cpu")
    model.save(str(tmp_path / "model"), create_model_card=False)
    encoder = Encoder(str(tmp_path / "model"), backend="torch", cache_dir=False)
    reading = encoder.read(["milk", "纯牛奶", "😀", "milk " * 100])
    assert reading.readable.all()
    assert reading.cut.tolist() == [False, False, False, True]
