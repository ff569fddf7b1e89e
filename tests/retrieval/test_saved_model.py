from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retrieval import ArtifactError, Encoder, EncoderMismatchError, InputError, ItemIndex
from retrieval.artifact import Artifact
from retrieval.saved_model import find_encoder, place_of, understood

PLACE = {"uri": "items.db", "collection": "shop"}


@pytest.fixture(scope="module")
def artifact(encoder: Encoder) -> Artifact:
    return Artifact(
        path=Path("model"),
        kind="Model",
        encoder=encoder.identity,
        created=datetime.now(UTC),
        versions={},
        contents={},
    )


# --- where an index is ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "written"),
    [
        ("https://ana:secret@milvus.example:19530/db", "https://milvus.example:19530/db"),
        ("http://key@milvus.example", "http://milvus.example"),
        ("http://milvus.example:19530", "http://milvus.example:19530"),
        ("shop/ana@home.db", "shop/ana@home.db"),
    ],
)
def test_a_place_holds_no_password(
    uri: str, written: str, index: ItemIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index._store, "uri", uri)
    assert place_of(index) == {"uri": written, "collection": index.collection}


# --- which engines it works with -----------------------------------------------------------------


def test_an_encoder_given_is_used(artifact: Artifact, encoder: Encoder) -> None:
    assert find_encoder(artifact, None, None, encoder) is encoder


def test_the_encoder_is_found_by_its_name(artifact: Artifact, encoder: Encoder) -> None:
    found = find_encoder(artifact, None, None, None)
    assert found is not None
    assert found.identity.same_space(encoder.identity)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_it_runs_on_torch_where_it_did(artifact: Artifact, backend: str) -> None:
    saved = replace(artifact, encoder=replace(artifact.encoder, backend=backend))
    found = find_encoder(saved, None, None, None)
    assert found is not None
    assert (found.identity.backend == "torch") <= (backend == "torch")


def test_an_index_brings_its_encoder(artifact: Artifact, index: ItemIndex) -> None:
    assert find_encoder(artifact, PLACE, index, None) is None


def test_a_missing_index_is_named(artifact: Artifact) -> None:
    message = r"model are in collection 'shop' of items\.db; open it .* pass it as index="
    with pytest.raises(InputError, match=message):
        find_encoder(artifact, PLACE, None, None)


def test_an_index_too_many_is_refused(artifact: Artifact, index: ItemIndex) -> None:
    with pytest.raises(InputError, match="holds its items itself; leave index= out"):
        find_encoder(artifact, None, index, None)


def test_another_encoder_is_refused(artifact: Artifact, encoder: Encoder, index: ItemIndex) -> None:
    saved = replace(artifact, encoder=replace(artifact.encoder, revision="another"))
    for place, given in ((None, None), (PLACE, index)):
        with pytest.raises(EncoderMismatchError, match="their vectors cannot be compared"):
            find_encoder(saved, place, given, encoder if given is None else None)


def test_an_encoder_that_moved_is_asked_for(artifact: Artifact) -> None:
    saved = replace(artifact, encoder=replace(artifact.encoder, name="gone"))
    with pytest.raises(InputError, match=r"no encoder 'gone'.*pass it as encoder="):
        find_encoder(saved, None, None, None)


# --- whatever cannot be understood ---------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyError("units"), TypeError("no"), RuntimeError("no model")])
def test_what_goes_wrong_inside_is_told_of_the_artifact(
    error: Exception, artifact: Artifact
) -> None:
    message = rf"model holds no forecaster that .* can read \({type(error).__name__}: .*save it"
    with pytest.raises(ArtifactError, match=message), understood(artifact, "forecaster"):
        raise error


@pytest.mark.parametrize("error", [ArtifactError("its own words"), MemoryError("too large")])
def test_what_speaks_for_itself_passes(error: Exception, artifact: Artifact) -> None:
    with pytest.raises(type(error), match=str(error)), understood(artifact, "forecaster"):
        raise error
