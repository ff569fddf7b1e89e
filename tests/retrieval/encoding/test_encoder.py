from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from retrieval import CacheWarning, Encoder, InputError, LikewiseError
from retrieval.encoding import backends
from retrieval.encoding.backends import CLOSE
from retrieval.encoding.weights import find_weights

TEXTS = ["whole milk 1 gal", "potato chips", "AA batteries, 4 pack", "a"]


def test_vectors_have_length_one_and_follow_the_texts(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (4, encoder.dim) == (4, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    milk, chips = encoder.encode(["skimmed milk", "tortilla crisps"])
    assert milk @ vectors[0] > milk @ vectors[1]
    assert chips @ vectors[1] > chips @ vectors[0]


def test_no_text_gives_no_row(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


@pytest.mark.digits
@given(order=st.permutations(range(6)))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_and_repetition_change_nothing(encoder: Encoder, order: list[int]) -> None:
    texts = [*TEXTS, TEXTS[0], TEXTS[2]]
    shuffled = encoder.encode([texts[position] for position in order])
    np.testing.assert_array_equal(shuffled, encoder.encode(texts)[order])


@pytest.fixture(scope="module")
def engines() -> dict[str, Encoder]:
    """Each engine once, without a cache."""
    return {
        "torch": Encoder(backend="torch", cache_dir=False),
        "openvino": Encoder(backend="openvino", cache_dir=False),
        "float32": Encoder(backend="openvino", precision="float32", cache_dir=False),
    }


@pytest.mark.digits
@pytest.mark.parametrize(("engine", "apart"), [("torch", 1e-6), ("openvino", 0), ("float32", 0)])
def test_a_vector_does_not_depend_on_what_else_is_encoded(
    products: pd.DataFrame,
    engines: dict[str, Encoder],
    engine: str,
    apart: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On torch all but: its math library decides in which order it adds up."""
    texts = [
        *(products["product_type"] + " " + products["brand"]).unique()[:50],
        *TEXTS,
        "so " * 99,
    ]
    encoder = engines[engine]
    together = encoder.encode(texts)
    for size in (1, 7, 40):
        parts = [encoder.encode(texts[at : at + size]) for at in range(0, len(texts), size)]
        np.testing.assert_allclose(np.concatenate(parts), together, rtol=0, atol=apart)
    monkeypatch.setattr(encoder, "batch_size", 3)
    np.testing.assert_allclose(encoder.encode(texts), together, rtol=0, atol=apart)


@pytest.mark.digits
def test_engines_agree(products: pd.DataFrame, engines: dict[str, Encoder]) -> None:
    texts = products["product_type"].unique().tolist()[:100]
    vectors = {name: engine.encode(texts) for name, engine in engines.items()}
    np.testing.assert_allclose(vectors["float32"], vectors["torch"], rtol=0, atol=CLOSE)
    assert (vectors["openvino"] * vectors["torch"]).sum(axis=1).min() > 0.999


def test_torch_gives_the_models_own_vectors(engines: dict[str, Encoder]) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(find_weights("all-MiniLM-L6-v2")), device="cpu")
    own = model.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(engines["torch"].encode(TEXTS), own, atol=1e-5)


def test_another_precision_is_told_and_has_a_cache_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIKEWISE_PRECISION", raising=False)
    backends._tell_distance.cache_clear()
    caplog.set_level("INFO", logger="retrieval.encoding.backends")
    exact = Encoder(backend="openvino", precision="float32", cache_dir=tmp_path)
    vectors = exact.encode(TEXTS)
    assert not caplog.messages
    fast = Encoder(backend="openvino", cache_dir=tmp_path)
    apart = np.abs(fast.encode(TEXTS) - vectors).max()
    monkeypatch.setenv("LIKEWISE_PRECISION", "float32")
    assert Encoder(backend="openvino").precision == exact.precision == "float32"
    if fast.precision == "bfloat16":
        assert CLOSE < apart < 0.005
        assert caplog.messages[0].startswith("vectors are computed in bfloat16")
        assert len(list(tmp_path.glob("*.sqlite"))) == 2
    else:
        assert apart == 0
        with pytest.raises(InputError, match="'bfloat16' is not to be had with openvino"):
            Encoder(backend="openvino", precision="bfloat16")


def test_a_precision_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="unknown precision 'half'; there are: auto, float32"):
        Encoder(precision="half")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'bfloat16' is not to be had with torch"):
        Encoder(backend="torch", precision="bfloat16")


def test_second_run_reads_the_cache(tmp_path: Path) -> None:
    first = Encoder(cache_dir=tmp_path)
    vectors = first.encode(TEXTS)
    second = Encoder(cache_dir=tmp_path)
    np.testing.assert_array_equal(second.encode(TEXTS), vectors)
    assert second._loaded is None  # nothing was left to embed, so the model was never needed
    second.encode([*TEXTS, "something new"])
    assert second._loaded is not None


def test_a_damaged_cache_says_what_to_do(tmp_path: Path) -> None:
    encoder = Encoder(cache_dir=tmp_path)
    encoder.encode(["milk"])
    (cache,) = tmp_path.glob("*.sqlite")
    cache.write_bytes(b"not a database" * 1000)
    with pytest.raises(LikewiseError, match="delete the file"):
        Encoder(cache_dir=tmp_path).encode(["milk"])


def test_a_cache_that_cannot_be_used_costs_the_cache_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    encoder = Encoder(cache_dir=tmp_path / "file" / "cache")
    with pytest.warns(CacheWarning, match="vectors are not kept: .*file"):
        vectors = encoder.encode(["milk"])
    np.testing.assert_array_equal(encoder.encode(["milk"]), vectors)  # and says so once
    np.testing.assert_array_equal(Encoder(cache_dir=False).encode(["milk"]), vectors)


def test_a_vector_of_wrong_length_in_the_cache_is_embedded_again(tmp_path: Path) -> None:
    vectors = Encoder(cache_dir=tmp_path).encode(["milk"])
    (cache,) = tmp_path.glob("*.sqlite")
    with sqlite3.connect(cache) as connection:
        connection.execute("UPDATE vectors SET vector = ?", (b"\0" * 8,))
    connection.close()
    np.testing.assert_array_equal(Encoder(cache_dir=tmp_path).encode(["milk"]), vectors)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["milk", ""], "text 1 is empty"),
        (["  \n"], "text 0 is empty"),
        (["milk", None], "text 1 is of type NoneType"),
        (["milk", float("nan")], "text 1 is of type float"),
        (["milk \ud800"], "lone surrogate"),
    ],
)
def test_bad_text_is_named(encoder: Encoder, texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        encoder.encode(texts)


def test_a_text_of_100_000_characters_is_cut_not_refused(encoder: Encoder) -> None:
    assert encoder.encode(["milk " * 20_000]).shape == (1, 384)


def test_a_moved_copy_is_the_same_encoder_and_changed_weights_are_not(
    encoder: Encoder, tmp_path: Path
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(find_weights("all-MiniLM-L6-v2"), copy)
    assert Encoder(str(copy)).identity.same_space(encoder.identity)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert not Encoder(str(copy)).identity.same_space(encoder.identity)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown backend 'cuda'; there are: auto, torch"):
        Encoder(backend="cuda")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"modules\.json is missing"):
        Encoder(str(tmp_path))
    with pytest.raises(InputError, match="neither a folder, nor a packaged model"):
        Encoder("not/a/model")
    with pytest.raises(InputError, match="batch_size"):
        Encoder(batch_size=0)


def test_the_converted_model_is_kept_and_made_anew_when_damaged(tmp_path: Path) -> None:
    def encode(text: str) -> np.ndarray:
        return Encoder(backend="openvino", cache_dir=tmp_path).encode([text])

    first = encode("milk")
    (graph,) = tmp_path.glob("openvino-*/model.xml")
    written = graph.stat().st_mtime_ns
    np.testing.assert_array_equal(encode("milk 2"), Encoder(cache_dir=False).encode(["milk 2"]))
    assert graph.stat().st_mtime_ns == written
    graph.write_text("<not a graph>")
    assert encode("milk 3").shape == first.shape
    assert graph.stat().st_mtime_ns > written
