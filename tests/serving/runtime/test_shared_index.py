from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import Settings
from retrieval import Encoder
from serving.observability.metrics import Metrics
from serving.runtime.shared_index import SharedEncoders


def test_an_encoder_is_made_once_with_the_options_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_CACHE_DIR", str(tmp_path))
    encoders = SharedEncoders(Settings(), Metrics())
    identity = Encoder(prompts={"query": "query: "}, truncate_dim=64).identity
    made = encoders(identity)
    assert made.identity == identity and encoders(identity) is made
    assert encoders("all-MiniLM-L6-v2") is not made
    assert not list(tmp_path.glob("*.sqlite"))  # questions are not kept
    named = SharedEncoders(Settings(encoder={"truncate_dim": 32}), Metrics())
    assert named("all-MiniLM-L6-v2").dim == named(identity).dim == 32
