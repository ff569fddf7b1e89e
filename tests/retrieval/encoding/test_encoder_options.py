from __future__ import annotations

import json
import shutil
import sqlite3
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from classifiers import NeighborClassifier
from retrieval import Encoder, EncoderMismatchError, InputError
from retrieval.encoding.backends import _in_half, _torch_backend, open_model
from retrieval.encoding.devices import (
    Precision,
    halving,
    resolve_backend,
    resolve_device,
    resolve_precision,
    rows_that_fit,
)
from retrieval.encoding.weights import find_weights

TEXTS = ["whole milk 1 gal", "potato chips", "AA batteries, 4 pack"]
LONG = "milk " * 300


def test_vectors_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    """The key is the hash of the text alone, the value its numbers, with or without a mark."""
    encoder = Encoder(cache_dir=tmp_path)
    vector = np.eye(1, 384, dtype="<f4")
    encoder.encode(["anything"])
    (file,) = tmp_path.glob("*.sqlite")
    with sqlite3.connect(file) as connection:
        key = blake2b(b"milk", digest_size=16).digest()
        connection.execute("INSERT INTO vectors VALUES (?, ?)", (key, vector.tobytes()))
    connection.close()
    np.testing.assert_array_equal(Encoder(cache_dir=tmp_path).encode(["milk"]), vector)
    # Behind a prompt it is another text, whatever the cache has of it.
    prompted = Encoder(cache_dir=tmp_path, prompts={"item": "a "})
    assert not np.array_equal(prompted.encode(["milk"]), vector)


def test_truncated_vectors_are_the_first_numbers_of_the_whole_ones(tmp_path: Path) -> None:
    whole = Encoder(cache_dir=tmp_path).encode(TEXTS)
    short = Encoder(cache_dir=tmp_path, truncate_dim=64)
    vectors = short.encode(TEXTS)
    assert vectors.shape == (3, 64) and short.dim == short.identity.dim == 64
    assert short._loaded is None  # the whole ones were in the cache
    expected = whole[:, :64] / np.linalg.norm(whole[:, :64], axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert not short.identity.same_space(Encoder(truncate_dim=32).identity)
    assert Encoder(truncate_dim=384).identity == Encoder().identity
    with pytest.raises(InputError, match=r"truncate_dim is 385, but vectors of .* have 384"):
        Encoder(truncate_dim=385)


def test_longer_texts_are_read_to_their_end(tmp_path: Path) -> None:
    usual, longer = Encoder(cache_dir=tmp_path), Encoder(cache_dir=tmp_path, max_length=512)
    assert usual.read([LONG]).cut.all() and not longer.read([LONG]).cut.any()
    ends = [f"{LONG} batteries", f"{LONG} shampoo"]
    assert np.array_equal(*usual.encode(ends))
    assert not np.array_equal(*longer.encode(ends))
    np.testing.assert_allclose(longer.encode(TEXTS), usual.encode(TEXTS), atol=0.005)
    assert not longer.identity.same_space(usual.identity)
    assert Encoder(max_length=256).identity == usual.identity
    with pytest.raises(InputError, match="can read 512 tokens at most"):
        Encoder(max_length=513)


def test_a_saved_model_finds_its_encoder_again_and_refuses_another(tmp_path: Path) -> None:
    encoder = Encoder(prompts={"item": "product: "}, truncate_dim=64, max_length=128)
    texts = ["whole milk", "skimmed milk", "potato chips", "corn chips"]
    labels = ["milk", "milk", "chips", "chips"]
    classifier = NeighborClassifier(encoder=encoder, k=2).fit(texts, labels)
    classifier.save(tmp_path / "model")
    loaded = NeighborClassifier.load(tmp_path / "model")
    assert loaded.index_.encoder.identity == encoder.identity
    pd.testing.assert_frame_equal(loaded.classify(["oat milk"]), classifier.classify(["oat milk"]))
    with pytest.raises(EncoderMismatchError, match="cut to 64, up to 128 tokens"):
        NeighborClassifier.load(tmp_path / "model", encoder=Encoder())


def test_a_manifest_without_options_is_as_it_was(tmp_path: Path) -> None:
    NeighborClassifier(k=1).fit(["milk", "chips"], ["a", "b"]).save(tmp_path / "model")
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    assert list(manifest["encoder"]) == ["name", "revision", "backend", "dim"]


def test_code_that_a_model_brings_is_never_run(tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(find_weights("all-MiniLM-L6-v2"), copy)
    modules = json.loads((copy / "modules.json").read_text())
    modules[0]["type"] = "custom_st.Transformer"
    (copy / "modules.json").write_text(json.dumps(modules))
    (copy / "custom_st.py").write_text("raise SystemExit('was run')")
    with pytest.raises(InputError, match=r"needs code of its own, 'custom_st.Transformer'"):
        Encoder(str(copy))


def test_devices_that_are_not_there_are_refused() -> None:
    assert resolve_device("auto", "openvino") == resolve_device("cpu", "auto") == "cpu"
    with pytest.raises(InputError, match="unknown device 'gpu'; there are: auto, cpu, cuda, mps"):
        Encoder(device="gpu")
    with pytest.raises(InputError, match="'openvino' computes on the processor, not on 'cuda'"):
        Encoder(device="cuda", backend="openvino")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="device 'cuda' is not to be had here"):
            Encoder(device="cuda")
        assert Encoder().device == "cpu"


def test_batches_shrink_until_they_fit() -> None:
    sizes: list[int] = []

    def encode(texts: list[str]) -> np.ndarray:
        sizes.append(len(texts))
        if len(texts) > 3:
            raise torch.OutOfMemoryError("too many")
        return np.array([[float(text)] for text in texts], dtype=np.float32)

    fitting = halving(encode)
    numbers = [str(number) for number in range(10)]
    assert fitting(numbers)[:, 0].tolist() == list(range(10))
    assert sizes == [10, 5, 2, 2, 2, 2, 2]
    fitting(numbers)
    assert max(sizes[7:]) == 2  # and is not tried again
    assert rows_that_fit(8) > rows_that_fit(512) > 1


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_is_close_enough_to_the_models_own(precision: Precision) -> None:
    """As on an accelerator, on the processor; `load_backend` asks the same of each model there."""
    identity = Encoder(backend="torch").identity
    model = open_model(identity, find_weights(identity.name))
    exact = _torch_backend(model)(TEXTS)
    half = _torch_backend(_in_half(model, precision))(TEXTS)
    assert half.dtype == np.float32
    assert np.abs(half - exact).max() > 1e-6 and (half * exact).sum(axis=1).min() > 0.999
    with pytest.raises(InputError, match=f"'{precision}' is not to be had with torch"):
        Encoder(backend="torch", precision=precision)
    assert resolve_precision("auto", "torch", "cuda") == "float16"
    assert resolve_precision(precision, "torch", "cuda:1") == precision
    assert resolve_backend("auto", "cuda") == "torch"
