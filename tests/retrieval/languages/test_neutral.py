from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval import Encoder, InputError, neutralize_languages

THINGS = ["milk", "bread", "a drill", "a hammer", "cheese", "a saw", "butter", "a nail"]


def _texts(count: int) -> tuple[list[str], list[str]]:
    """Items in two registers that stand for languages: what they are about is alike in both."""
    draw = np.random.default_rng(0)
    texts, languages = [], []
    for number in range(count):
        thing, size = THINGS[draw.integers(len(THINGS))], number % 97
        texts += [f"{thing} no. {size}", f"haben Sie vielleicht noch {thing} Nummer {size}"]
        languages += ["en", "de"]
    return texts, languages


def test_neighbors_no_longer_go_by_language(encoder: Encoder, tmp_path: Path) -> None:
    texts, languages = _texts(80)
    made = neutralize_languages(encoder, texts, languages, out=tmp_path / "neutral")
    assert made.is_written and made.languages == ("de", "en")
    assert made.after.share < made.before.share - 0.1
    neutral = Encoder(str(tmp_path / "neutral"))
    assert neutral.base is not None and neutral.dim == encoder.dim
    assert neutral.identity.revision != encoder.identity.revision
    vectors = neutral.encode(texts)
    apart = vectors[::2].mean(axis=0) - vectors[1::2].mean(axis=0)
    plain = encoder.encode(texts)
    assert np.linalg.norm(apart) < 0.4 * np.linalg.norm(
        plain[::2].mean(axis=0) - plain[1::2].mean(axis=0)
    )


def test_bad_input_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    texts, languages = _texts(10)
    with pytest.raises(InputError, match=r"60 texts each are needed, there are: de \(10\), en"):
        neutralize_languages(encoder, texts, languages, out=tmp_path / "none")
    with pytest.raises(InputError, match="1 languages for 20 texts"):
        neutralize_languages(encoder, texts, ["en"], out=tmp_path / "none")
    assert not (tmp_path / "none").exists()
