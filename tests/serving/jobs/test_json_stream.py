"""A document read piece by piece says what `json` says it does."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from serving.jobs import json_stream
from serving.jobs.json_stream import JsonStream
from serving.problems import ApiError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def _whole(stream: JsonStream) -> Any:
    begins = stream.peek()
    if begins == "{":
        return {name: _whole(stream) for name in stream.members()}
    if begins == "[":
        elements = list(stream.elements())
        assert [json.loads(text) for _, text in elements] == [value for value, _ in elements]
        return [value for value, _ in elements]
    return stream.value()[0]


def _read(document: bytes, most: int = 1_000) -> Any:
    stream = JsonStream(io.BytesIO(document), most)
    value = _whole(stream)
    stream.end()
    return value


@given(VALUES, st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_any_document_in_pieces_of_any_size(
    value: Any, size: int, indent: int | None, ascii_only: bool
) -> None:
    document = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(errors="replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_READ", size)
        assert _read(document, 1_000_000) == json.loads(document)


@given(st.text('{}[]",:\\u0123 \n-+.eEtrufalsn', max_size=20), st.integers(1, 9))
def test_what_is_no_json_is_refused_and_nothing_else(text: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_READ", size)
        try:
            value = json.loads(text)
        except ValueError:
            with pytest.raises(ApiError) as told:
                _read(text.encode())
            assert (told.value.status, told.value.kind) == (400, "malformed")
        else:
            assert _read(text.encode()) == value


def test_more_in_one_value_than_any_has_is_refused() -> None:
    assert len(_read(json.dumps(["x" * 900] * 500).encode())) == 500
    with pytest.raises(ApiError, match="may have 1,000 characters"):
        _read(json.dumps(["x" * 200_000]).encode())


@pytest.mark.parametrize("document", [b"[" * 100_000, b'["\xff"]', b"", b"[1] 2"])
def test_what_cannot_be_read(document: bytes) -> None:
    with pytest.raises(ApiError, match="no JSON"):
        _read(document)
