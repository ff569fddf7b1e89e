"""What is refused before a body is parsed is what parsing it would show, or more than any call."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from serving.bodies import check_letters, check_values
from serving.problems import ApiError


@given(
    st.text(st.characters(codec=None, exclude_categories=())) | st.text("\\ud8dcDC0\ud83d\ude00")
)
def test_half_characters_are_refused_and_nothing_else(text: str) -> None:
    body = json.dumps({"text": text}).encode()
    parsed = json.loads(body)["text"]
    try:
        parsed.encode()
    except UnicodeEncodeError:
        with pytest.raises(ApiError, match="half a character"):
            check_letters(body)
    else:
        check_letters(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"items":[{"text":"t"}],' + b",".join(b'"%d":0' % i for i in range(60_000)) + b"}",
        b'{"where":{' + b",".join(b'"%d":[]' % i for i in range(30_000)) + b"}}",
        b"[" * 60_000,
        b'"a","\\"",' * 30_000,
    ],
)
def test_more_values_than_any_call_has_are_refused(body: bytes) -> None:
    with pytest.raises(ApiError, match="50,000 values"):
        check_values(body)


def test_commas_in_texts_are_no_values() -> None:
    text = 'a, b, [c], {d}, "e\\", f' * 10_000
    check_values(json.dumps({"items": [{"text": text}]}).encode())
