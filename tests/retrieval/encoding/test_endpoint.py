from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from retrieval import Encoder, EncoderMismatchError, Endpoint, EndpointError, InputError, ItemIndex
from retrieval.encoding.endpoint import ADDRESS, KEY
from tests.embeddings_server import Server, embeddings_server
from tests.encoders import shallow_encoder

TEXTS = ["whole milk 1 gal", "potato chips", "AA batteries, 4 pack", "whole milk 1 gal"]
SECRET = "sk-not-to-be-seen"


@pytest.fixture(scope="module")
def running(
    encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Encoder]]:
    other = shallow_encoder(encoder, tmp_path_factory.mktemp("other"), layers=1)
    with embeddings_server({"minilm": encoder, "other": other}) as server:
        yield server, other


@pytest.fixture
def server(running: tuple[Server, Encoder], encoder: Encoder) -> Iterator[Server]:
    state, other = running
    state.settle()
    state.models.update(minilm=encoder, other=other)
    state.sizes.clear()
    yield state
    state.settle()
    state.key, state.most, state.busy, state.status = None, 1_000, 0, 429
    state.odd, state.seconds = None, 0.0


def _ask(server: Server, **options: float) -> Endpoint:
    return Endpoint(server.url, **{"patience": 5.0, **options})  # type: ignore[arg-type]


def test_vectors_are_the_models_own(server: Server, encoder: Encoder, tmp_path: Path) -> None:
    there = Encoder("minilm", endpoint=server.url, cache_dir=tmp_path)
    vectors = there.encode(TEXTS)
    np.testing.assert_allclose(vectors, encoder.encode(TEXTS), atol=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    usage = there.usage
    assert usage is not None and encoder.usage is None
    # The probe of 8 words, and three different texts.
    assert (usage.calls, usage.texts, usage.tokens, usage.retries) == (2, 4, 8 + 4 + 2 + 4, 0)
    again = Encoder("minilm", endpoint=server.url, cache_dir=tmp_path)
    np.testing.assert_array_equal(again.encode(TEXTS), vectors)
    assert again.usage is not None and again.usage.texts == 1  # all but the probe was kept


def test_prompts_and_truncation_are_ours(server: Server, encoder: Encoder) -> None:
    there = Encoder("minilm", endpoint=server.url, prompts={"query": "query: "}, truncate_dim=64)
    expected = encoder.encode(["query: milk"])[:, :64]
    np.testing.assert_allclose(
        there.encode(["milk"], side="query"), expected / np.linalg.norm(expected), atol=1e-6
    )
    assert there.identity.dim == 64
    for option in ({"max_length": 512}, {"backend": "torch"}, {"device": "cuda"}):
        with pytest.raises(InputError, match=f"{next(iter(option))} is the endpoint's own affair"):
            Encoder("minilm", endpoint=server.url, **option)  # type: ignore[arg-type]


def test_a_server_that_takes_fewer_texts_gets_fewer(server: Server) -> None:
    server.most = 5
    there = Encoder("minilm", endpoint=_ask(server), batch_size=16, cache_dir=False)
    vectors = there.encode([f"article {number}" for number in range(40)])
    assert len(np.unique(vectors.round(5), axis=0)) == 40
    assert max(server.sizes) <= 5 and sum(server.sizes) == 41
    calls = len(server.sizes)
    there.encode([f"other article {number}" for number in range(8)])
    assert server.sizes[calls:] == [4, 4]  # and is asked for no more from then on


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, status: int, encoder: Encoder) -> None:
    there = Encoder("minilm", endpoint=_ask(server), cache_dir=False)
    server.busy, server.status = 2, status
    np.testing.assert_allclose(there.encode(["milk"]), encoder.encode(["milk"]), atol=1e-6)
    assert there.usage is not None and there.usage.retries == 2


def test_a_server_that_stays_away_is_named_and_nothing_is_lost(
    server: Server, tmp_path: Path
) -> None:
    there = Encoder("minilm", endpoint=_ask(server, patience=0.2), cache_dir=tmp_path)
    there.encode(["milk"])
    server.busy = 1_000
    with pytest.raises(EndpointError, match=r"did not answer within 0.2 s .HTTP 429: come back"):
        there.encode(["milk", "chips"])
    assert there.encode(["milk"]).shape == (1, 384)
    server.busy, server.seconds = 0, 1.0
    slow = _ask(server, timeout=0.1, patience=0.2)
    with pytest.raises(EndpointError, match="ReadTimeout"):
        Encoder("minilm", endpoint=slow)
    with pytest.raises(EndpointError, match="ConnectError"):
        Encoder("minilm", endpoint=Endpoint("http://127.0.0.1:9/v1", patience=0.1))


def test_what_a_server_refuses_is_told(server: Server) -> None:
    with pytest.raises(InputError, match=r"no model 'absent' .HTTP 404: The model 'absent' does"):
        Encoder("absent", endpoint=server.url)
    server.odd = {"data": [{"index": 0, "embedding": [1.0]}] * 2}
    with pytest.raises(EndpointError, match=r"vectors of shape .2, 1. for 1"):
        Encoder("minilm", endpoint=server.url)
    server.odd = ["hello"]
    with pytest.raises(EndpointError, match="something else than vectors"):
        Encoder("minilm", endpoint=server.url)
    server.busy, server.status = 1, 307
    with pytest.raises(InputError, match="leads elsewhere"):
        Encoder("minilm", endpoint=server.url)
    server.busy, server.status = 1, 400
    with pytest.raises(InputError, match=r"refuses what it was sent .HTTP 400: come back later"):
        Encoder("minilm", endpoint=server.url)


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://host/v1", "http://a:b@host/v1", 3])
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(InputError, match="endpoint"):
        Encoder("minilm", endpoint=Endpoint(url))


def test_the_key_comes_from_the_environment_and_is_seen_nowhere(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    server.key = SECRET
    with pytest.raises(InputError, match=f"asks for a key: set {KEY}"):
        Encoder("minilm", endpoint=server.url)
    monkeypatch.setenv(KEY, "wrong")
    with pytest.raises(InputError, match=f"refuses the key: set {KEY}"):
        Encoder("minilm", endpoint=server.url)
    monkeypatch.setenv(KEY, SECRET)
    there = Encoder("minilm", endpoint=server.url, cache_dir=tmp_path)
    assert there.encode(["milk"]).shape == (1, 384)
    given = Encoder("minilm", endpoint=Endpoint(server.url, key=SECRET), cache_dir=tmp_path)
    for one in (there, given):
        assert SECRET not in f"{one!r} {one.identity} {one._client!r} {one._client.endpoint!r}"
        assert SECRET.encode() not in pickle.dumps(one)
    travelled = pickle.loads(pickle.dumps(given))
    assert travelled.encode(["chips"]).shape == (1, 384)
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert SECRET not in caplog.text and SECRET.encode() not in kept


def test_another_model_behind_the_same_name_is_noticed(server: Server, tmp_path: Path) -> None:
    there = Encoder("minilm", endpoint=server.url, cache_dir=tmp_path)
    items = pd.DataFrame({"item_id": ["a", "b"], "name": ["milk", "chips"]})
    with ItemIndex(str(tmp_path / "items.db"), there) as index:
        index.upsert(items, text="name")
    server.models["minilm"] = server.models["other"]
    with pytest.raises(InputError, match=r"is another one than that which filled .*sqlite"):
        Encoder("minilm", endpoint=server.url, cache_dir=tmp_path)
    changed = Encoder("minilm", endpoint=server.url, cache_dir=False)
    with pytest.raises(EncoderMismatchError):
        ItemIndex(str(tmp_path / "items.db"), changed)
    assert not changed.identity.same_space(there.identity)


def test_texts_go_to_no_server_that_only_a_file_has_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Encoder("minilm", endpoint=server.url)
    model = NeighborClassifier(encoder=there, k=1).fit(["milk", "chips"], ["dairy", "snacks"])
    model.save(tmp_path / "model")
    with pytest.raises(InputError, match=f"nothing is sent until you name it: set {ADDRESS}"):
        NeighborClassifier.load(tmp_path / "model")
    monkeypatch.setenv(ADDRESS, "http://127.0.0.1:9/v1")
    with pytest.raises(InputError, match="nothing is sent until you name it"):
        NeighborClassifier.load(tmp_path / "model")
    monkeypatch.setenv(ADDRESS, f"{server.url}/")
    loaded = NeighborClassifier.load(tmp_path / "model")
    assert loaded.predict(["whole milk"]).tolist() == ["dairy"]
    with pytest.raises(EncoderMismatchError, match="'other'"):
        NeighborClassifier.load(tmp_path / "model", encoder=Encoder("other", endpoint=server.url))
