from __future__ import annotations

import numpy as np
import pytest

from retrieval import InputError, language_preference


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_vectors_that_go_by_language_are_told_from_those_that_do_not() -> None:
    draw = np.random.default_rng(0)
    codes = draw.choice(["de", "en"], 400, p=[0.25, 0.75])
    meaning = draw.normal(size=(400, 16))
    free = language_preference(_unit(meaning), codes.tolist())
    assert free.lift == pytest.approx(1, abs=0.05)
    meaning[codes == "de", 0] += 20
    bound = language_preference(_unit(meaning), codes.tolist())
    assert bound.share > 0.95 > 0.7 > bound.chance
    assert bound.by_language["de"][0] == pytest.approx(1, abs=0.01)
    assert "of the same language" in str(bound)


def test_too_few_items_are_refused() -> None:
    with pytest.raises(InputError, match="3 items have no 10 neighbors each"):
        language_preference(np.eye(3, dtype=np.float32), ["de", "en", "de"])
    with pytest.raises(InputError, match="1 languages for 3 vectors"):
        language_preference(np.eye(3, dtype=np.float32), ["de"], k=1)
