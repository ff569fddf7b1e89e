"""A served model says where its items are; what is secret does not go there for that."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipelines.config.settings import load_settings
from retrieval import Encoder, StoreError
from retrieval.artifact import write_artifact
from serving.observability.metrics import Metrics
from serving.runtime.tenants import load_tenant
from tests.behavior.serving.test_restart import _likewise
from tests.milvus_listener import Listener, listening

SECRET = "root:our-secret"


@pytest.fixture
def stranger() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def _forge(folder: Path, uri: str, encoder: Encoder) -> Path:
    write_artifact(
        folder / "model",
        kind="LaunchForecaster",
        encoder=encoder.identity,
        files={"forecaster.json": {"index": {"uri": uri, "collection": "items"}}},
    )
    return folder / "model"


@pytest.mark.parametrize("index", [{}, {"uri": "items.db"}])
def test_the_token_does_not_go_to_where_a_forecaster_says(
    index: dict[str, str], stranger: Listener, encoder: Encoder, tmp_path: Path
) -> None:
    model, config = _forge(tmp_path, stranger.uri, encoder), tmp_path / "job.yaml"
    sections = {"index": index, "serve": {"data_dir": "data", "forecaster": "model"}}
    config.write_text(yaml.safe_dump({"items": {"text": ["text"]}, **sections}))
    done = subprocess.run(
        [_likewise(), "serve", "--config", str(config), "--port", "0"],
        env={**os.environ, "LIKEWISE_INDEX__TOKEN": SECRET},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert f"error: {model}: its items are on {stranger.uri}, which is not" in done.stderr
    assert "secret" not in done.stderr + done.stdout
    assert stranger.calls == []


def test_a_named_token_goes_there_and_the_own_does_not(
    stranger: Listener, encoder: Encoder, tmp_path: Path
) -> None:
    index = {"uri": str(tmp_path / "items.db"), "token": SECRET}
    serve = {"data_dir": str(tmp_path), "forecaster": str(_forge(tmp_path, stranger.uri, encoder))}
    flags = {"index": {**index, "tokens": {stranger.uri: "shop:its"}}, "serve": serve}
    with pytest.raises(StoreError, match="refuses the connection"):
        load_tenant(load_settings(None, flags), lambda _: encoder, Metrics(), None)
    assert set(stranger.calls) == {"shop:its"}
