"""The vector cache has a ceiling."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from retrieval.encoding.cache import VectorCache
from retrieval.encoding.weights import EncoderIdentity

IDENTITY = EncoderIdentity("model", "1", "torch", 384)


def _write(cache: VectorCache, texts: list[str]) -> None:
    vectors = np.ones((len(texts), 384), dtype=np.float32)
    cache.write(texts, vectors, np.zeros(len(texts), dtype=np.uint8))


def test_the_oldest_vectors_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    unbounded = VectorCache(tmp_path, IDENTITY, "float32")
    texts = [f"text {number}" for number in range(2_000)]
    _write(unbounded, texts[:1_000])
    cache = VectorCache(tmp_path, IDENTITY, "float32", 2_000_000)
    for first in range(1_000, 2_000, 100):
        _write(cache, texts[first : first + 100])
    kept = sorted(cache.read(texts))
    assert 300 < len(kept) < 600
    assert kept == list(range(2_000 - len(kept), 2_000))
    assert "oldest" in caplog.text
    size = cache.path.stat().st_size
    for round_ in range(5):
        _write(cache, [f"more {round_} {number}" for number in range(300)])
    assert cache.path.stat().st_size <= size + 600_000


def test_a_text_written_again_is_new(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, IDENTITY, "float32", 1_500_000)
    _write(cache, ["again"])
    _write(cache, [f"a {number}" for number in range(300)])
    _write(cache, ["again"])
    _write(cache, [f"b {number}" for number in range(100)])
    assert 0 in cache.read(["again"])
