"""Engines: loaded once a process, used by one thread at a time."""

import gc
import threading
from pathlib import Path

import numpy as np
import pytest

from retrieval import Encoder
from retrieval.encoding import backends
from tests.encoders import shallow_encoder

TEXTS = [f"text {number} of {number % 7} things" for number in range(40)]


@pytest.fixture
def shallow(encoder: Encoder, tmp_path: Path) -> str:
    return shallow_encoder(encoder, tmp_path / "shallow", layers=1).name


def test_encoders_of_one_model_share_it_and_threads_get_the_same_vectors(shallow: str) -> None:
    one, two = (Encoder(shallow, backend="torch", cache_dir=False) for _ in range(2))
    expected = one.encode(TEXTS)
    assert two._backend() is one._backend()
    found: list[np.ndarray] = []

    def encode(encoder: Encoder) -> None:
        found.append(encoder.encode(TEXTS))

    threads = [threading.Thread(target=encode, args=(which,)) for which in (one, two) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(threads)
    for vectors in found:
        np.testing.assert_allclose(vectors, expected, atol=backends.CLOSE)


def test_what_nobody_uses_any_more_is_let_go(shallow: str) -> None:
    encoder = Encoder(shallow, backend="torch", cache_dir=False)
    encoder.encode(TEXTS[:1])
    (key,) = [key for key, there in backends._LOADED.items() if there is encoder._loaded]
    del encoder
    gc.collect()
    assert key not in backends._LOADED
