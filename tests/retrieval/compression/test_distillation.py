from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retrieval import Distillation, Encoder, InputError, distill
from retrieval.encoding.adaptation.folder import write_mapped
from tests.encoders import small_vocabulary_encoder

ASKED = ["whole milk 1 gal", "potato chips", "AA batteries, 4 pack", "skimmed milk"]


@pytest.fixture(scope="module")
def teacher(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return small_vocabulary_encoder(encoder, tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def texts(products: pd.DataFrame) -> list[str]:
    return (products["product_type"] + " " + products["product_category"].fillna("")).tolist()


@pytest.fixture(scope="module")
def distilled(
    teacher: Encoder, texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Distillation]:
    folder = tmp_path_factory.mktemp("static") / "model"
    return folder, distill(teacher, texts, out=folder)


def test_a_static_encoder_is_close_to_its_teacher(
    teacher: Encoder, texts: list[str], distilled: tuple[Path, Distillation], tmp_path: Path
) -> None:
    folder, report = distilled
    static = Encoder(str(folder))
    assert static.identity.backend == "static" and static.dim == teacher.dim == report.dim
    assert report.fitted_to == len(set(texts)) and report.cosine is not None
    plain = distill(teacher, out=tmp_path / "plain")
    assert (plain.fitted_to, plain.cosine) == (0, None)
    taught = teacher.encode(texts)
    near, far = (
        float((Encoder(str(one)).encode(texts) * taught).sum(axis=1).mean())
        for one in (folder, tmp_path / "plain")
    )
    assert near > max(far, 0.9)


def test_its_vectors_are_those_of_sentence_transformers(
    distilled: tuple[Path, Distillation],
) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(distilled[0]), device="cpu")
    own = model.encode(ASKED, normalize_embeddings=True)
    static = Encoder(str(distilled[0]))
    np.testing.assert_allclose(static.encode(ASKED), own, atol=1e-5)
    np.testing.assert_allclose(
        Encoder(str(distilled[0]), backend="torch").encode(ASKED), own, atol=1e-5
    )
    np.testing.assert_array_equal(static.encode(ASKED)[2:3], static.encode(ASKED[2:3]))


def test_what_it_cannot_read_is_told(distilled: tuple[Path, Distillation]) -> None:
    reading = Encoder(str(distilled[0])).read(["milk", "🥛🥛🥛", "\u200b\u200b.", "milk " * 5_000])
    assert reading.readable.tolist()[:2] == [True, False]
    assert not reading.cut.any()
    assert np.linalg.norm(reading.vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_it_keeps_no_vectors_and_is_another_encoder(
    teacher: Encoder, distilled: tuple[Path, Distillation], tmp_path: Path
) -> None:
    static = Encoder(str(distilled[0]), cache_dir=tmp_path, prompts={"query": "find "})
    whole = static.encode(["milk", "find milk"])
    np.testing.assert_allclose(static.encode(["milk"], side="query")[0], whole[1], atol=1e-6)
    assert not list(tmp_path.iterdir())
    assert not static.identity.same_space(teacher.identity)
    assert Encoder(str(distilled[0]), truncate_dim=64).encode(["milk"]).shape == (1, 64)


def test_a_map_may_follow_it(distilled: tuple[Path, Distillation], tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    static = Encoder(str(distilled[0]))
    matrix = np.random.default_rng(0).normal(size=(16, static.dim)).astype(np.float32)
    write_mapped(tmp_path / "mapped", static, matrix)
    mapped = Encoder(str(tmp_path / "mapped"))
    assert (mapped.identity.backend, mapped.dim) == ("static", 16)
    model = SentenceTransformer(str(tmp_path / "mapped"), device="cpu")
    own = static.encode(ASKED) @ matrix.T
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    np.testing.assert_allclose(mapped.encode(ASKED), own, atol=1e-5)
    assert model.encode(ASKED).shape == (4, 16)


def test_what_cannot_be_distilled_is_refused(
    teacher: Encoder, distilled: tuple[Path, Distillation], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="is there already"):
        distill(teacher, out=distilled[0])
    static = Encoder(str(distilled[0]))
    with pytest.raises(InputError, match="is static already"):
        distill(static, out=tmp_path / "again")
    with pytest.raises(InputError, match="reads all of a text"):
        Encoder(str(distilled[0]), max_length=64)
    with pytest.raises(InputError, match="an engine of its own"):
        Encoder(str(distilled[0]), backend="openvino")
    with pytest.raises(InputError, match="strength"):
        distill(teacher, out=tmp_path / "zero", strength=0)
    (distilled[0] / "model.safetensors").rename(tmp_path / "moved")
    with pytest.raises(InputError, match="not a static encoder that can be read"):
        Encoder(str(distilled[0]))
    (tmp_path / "moved").rename(distilled[0] / "model.safetensors")
