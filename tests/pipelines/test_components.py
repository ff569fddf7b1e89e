from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.components import encoder_maker, make_encoder
from pipelines.config.settings import ConfigError, load_settings
from pipelines.distributed.jobs import _encoding_as
from retrieval import Encoder, EncoderMismatchError, InputError, ItemIndex
from tests.embeddings_server import embeddings_server

CONFIG = """
encoder:
  prompts: {query: "query: ", item: "passage: "}
  truncate_dim: 64
  max_length: 128
"""
PROMPTS = {"query": "query: ", "item": "passage: "}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(CONFIG)
    return path


def test_the_settings_make_an_encoder_with_its_options(config: Path) -> None:
    settings = load_settings(config)
    expected = Encoder(prompts=PROMPTS, truncate_dim=64, max_length=128)
    assert make_encoder(settings).identity == expected.identity
    assert settings.encoder.is_named and not load_settings().encoder.is_named
    # Of another one, asked for by its name, they say nothing.
    assert make_encoder(settings, "all-MiniLM-L6-v2").identity == Encoder().identity


def test_an_index_is_opened_with_its_own_options_unless_others_are_named(
    config: Path, tmp_path: Path
) -> None:
    encoder = Encoder(prompts=PROMPTS, truncate_dim=32)
    uri = str(tmp_path / "items.db")
    items = pd.DataFrame({"item_id": ["a", "b"], "name": ["milk", "chips"]})
    with ItemIndex(uri, encoder) as index:
        index.upsert(items, text="name")
    with ItemIndex(uri, encoder_maker(load_settings())) as index:
        assert index.encoder.identity == encoder.identity
    with pytest.raises(EncoderMismatchError, match="cut to 64"):
        ItemIndex(uri, encoder_maker(load_settings(config)))


def test_workers_encode_as_the_driver_does(config: Path) -> None:
    encoder = Encoder(prompts=PROMPTS, truncate_dim=32, precision="float32")
    index = ItemIndex(":memory:", encoder)
    made = make_encoder(_encoding_as(load_settings(config), index))
    assert (made.identity, made.precision) == (encoder.identity, "float32")
    plain = make_encoder(_encoding_as(load_settings(config), ItemIndex(":memory:", Encoder())))
    assert plain.identity == Encoder().identity


def test_the_settings_name_an_endpoint_and_never_show_its_key(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_ENCODER__KEY", "sk-not-to-be-seen")
    monkeypatch.setenv("LIKEWISE_ENCODER__PROMPTS", '{"query": "find "}')
    with embeddings_server({"minilm": encoder}) as server:
        server.key = "sk-not-to-be-seen"
        monkeypatch.setenv("LIKEWISE_ENCODER__ENDPOINT", server.url)
        monkeypatch.setenv("LIKEWISE_ENCODER__NAME", "minilm")
        settings = load_settings()
        assert "sk-not" not in f"{settings!r} {settings.model_dump_json()}"
        made = make_encoder(settings)
        asked = made.encode(["milk"], side="query")
        np.testing.assert_allclose(asked, encoder.encode(["find milk"]), atol=1e-6)
        index = ItemIndex(":memory:", made)
        again = make_encoder(_encoding_as(settings, index))
        assert again.identity == made.identity
        # An index of that endpoint is opened by whoever names the address.
        uri = str(tmp_path / "items.db")
        items = pd.DataFrame({"item_id": ["a"], "name": ["milk"]})
        with ItemIndex(uri, made) as index:
            index.upsert(items, text="name")
        with ItemIndex(uri) as index:
            assert index.encoder.identity == made.identity
        monkeypatch.delenv("LIKEWISE_ENCODER__ENDPOINT")
        with pytest.raises(InputError, match="nothing is sent until you name it"):
            ItemIndex(uri)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("prompts: own", "encoder.prompts"),
        ("prompts: {question: a}", "encoder.prompts: there is no side 'question'"),
        ("truncate_dim: 0", "encoder.truncate_dim"),
        ("timeout: 0", "encoder.timeout"),
        ("url: http://host", "unknown key 'url'"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(f"encoder:\n  {line}\n")
    with pytest.raises(ConfigError, match=message):
        load_settings(path)
