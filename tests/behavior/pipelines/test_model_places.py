"""A saved model says where its items are; what is secret does not go there for that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.config.settings import load_settings
from pipelines.distributed import jobs
from retrieval import Encoder
from retrieval.artifact import write_artifact
from retrieval.encoding.weights import EncoderIdentity
from tests.milvus_listener import Listener, listening
from tests.pipelines.cli.test_app import run

SECRET = "root:our-secret"
NOBODY = "http://127.0.0.1:9"  # where no server of ours answers
VERBS = {
    "forecast": ["forecast", "--new", "new.csv"],
    "classify": ["classify", "new.csv"],
    "evaluate": ["evaluate", "--test", "new.csv"],
}


@pytest.fixture
def stranger() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # What pymilvus reads by itself.
    monkeypatch.setenv("MILVUS_TOKEN", SECRET)
    table = {"item_id": ["1"], "text": ["milk"], "launch_date": ["2024-01-01"], "label": ["a"]}
    pd.DataFrame(table).to_csv("new.csv", index=False)


def _forge(uri: object, **more: object) -> None:
    """A model of each kind whose items are said to be there."""
    place = {"index": {"uri": uri, "collection": "items", **more}}
    identity = EncoderIdentity("all-MiniLM-L6-v2", "0", "torch", 384)
    models = {"classifier.json": "NeighborClassifier", "forecaster.json": "LaunchForecaster"}
    for document, kind in models.items():
        write_artifact(kind, kind=kind, encoder=identity, files={document: place})


def _run(verb: str, *flags: str) -> Any:
    model = "LaunchForecaster" if verb == "forecast" else "NeighborClassifier"
    own = ["--text-cols", "text", "--label-col", "label"] if verb == "evaluate" else []
    return run(*VERBS[verb], "--model", model, *own, *flags)


@pytest.mark.parametrize("verb", VERBS)
def test_the_token_does_not_go_to_where_a_model_says(
    verb: str, stranger: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_INDEX__TOKEN", SECRET)
    _forge(stranger.uri)
    refused = _run(verb)
    assert refused.exit_code == 2, refused.stderr
    model = "LaunchForecaster" if verb == "forecast" else "NeighborClassifier"
    assert f"{model}: its items are on {stranger.uri}, which is not the server" in refused.stderr
    assert f"""LIKEWISE_INDEX__TOKENS='{{"{stranger.uri}": "user:password"}}'""" in refused.stderr
    assert "secret" not in refused.stderr + refused.stdout
    assert stranger.calls == []


@pytest.mark.parametrize("own", ["http://root:our-secret@127.0.0.1:9", NOBODY])
def test_nor_where_the_settings_name_an_index(
    own: str, stranger: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "@" not in own:
        monkeypatch.setenv("LIKEWISE_INDEX__TOKEN", SECRET)
    monkeypatch.setenv("LIKEWISE_INDEX__URI", own)
    _forge(stranger.uri)
    refused = _run("forecast")
    assert refused.exit_code == 2, refused.stderr
    assert "LaunchForecaster: its items are on" in refused.stderr
    assert "secret" not in refused.stderr + refused.stdout
    assert stranger.calls == []


@pytest.mark.parametrize("verb", ["classify", "evaluate"])
def test_a_named_index_is_opened_in_place_of_a_classifiers(
    verb: str, stranger: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_INDEX__TOKEN", SECRET)
    _forge(stranger.uri)
    refused = _run(verb, "--uri", "own.db")
    assert refused.exit_code == 2
    assert "own.db: no such index" in refused.stderr
    assert stranger.calls == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_named_token_goes_to_its_server_only(
    verb: str, stranger: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_INDEX__TOKEN", SECRET)
    with listening() as friend:
        monkeypatch.setenv("LIKEWISE_INDEX__TOKENS", json.dumps({f"{friend.uri}/": "shop:its"}))
        _forge(friend.uri)
        failed = _run(verb)
        assert failed.exit_code == 1  # it gives no answers
        assert friend.calls
        assert set(friend.calls) == {"shop:its"}
        _forge(stranger.uri)
        assert _run(verb).exit_code == 2
    assert stranger.calls == []


@pytest.mark.parametrize("verb", VERBS)
def test_without_secrets_nothing_secret_is_sent(verb: str, stranger: Listener) -> None:
    _forge(stranger.uri)
    assert _run(verb).exit_code == 1
    assert set(stranger.calls) == {None}


@pytest.mark.parametrize(
    "written", ["http://LOCALHOST:{}", "http://localhost:{}/", "HTTP://localhost:{}"]
)
def test_the_own_server_gets_the_token_however_it_is_written(
    written: str, stranger: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_INDEX__TOKEN", SECRET)
    monkeypatch.setenv("LIKEWISE_INDEX__URI", f"http://localhost:{stranger.port}")
    _forge(written.format(stranger.port))
    assert _run("forecast").exit_code == 1
    assert set(stranger.calls) == {SECRET}


@pytest.mark.parametrize("verb", VERBS)
def test_a_model_brings_no_token_of_its_own_and_no_other_setting(
    verb: str, stranger: Listener
) -> None:
    _forge(stranger.uri, token="it:self", kind="nonsense")
    assert _run(verb).exit_code == 1
    assert set(stranger.calls) == {None}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("uri", [7, None, ["http://milvus"]])
def test_a_place_that_is_no_text_is_refused(verb: str, uri: object) -> None:
    _forge(uri)
    refused = _run(verb)
    assert refused.exit_code == 2
    assert "that this version of likewise can read" in refused.stderr


def test_workers_are_given_the_token_of_the_server_they_read() -> None:
    """Whose index it is, its model has said; it was opened with that server's token."""
    there = {"http://other.example:19530": "shop:its"}
    settings = load_settings(None, {"index": {"uri": NOBODY, "token": SECRET, "tokens": there}})

    class Index:
        uri, collection = "http://other.example:19530", "items"
        encoder = Encoder(backend="torch")

    told = jobs._of_workers(settings, Index(), False).index  # type: ignore[arg-type]
    assert told.uri == Index.uri
    assert told.token is not None
    assert told.token.get_secret_value() == "shop:its"
    assert not told.tokens
