"""Which token goes with an index that a saved model names."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given, strategies as st

from pipelines.config.sections import IndexSettings
from retrieval import InputError

HERE, THERE = "http://milvus.example:19530", "http://other.example:19530"
OWN, ITS = "root:our-secret", "shop:its-secret"


def _at(asked: str, /, **written: Any) -> tuple[str, str | None]:
    """Where to connect, and the token that goes there."""
    chosen = IndexSettings(**written).at(asked, "launches", said_by="models/spring")
    assert chosen.collection == "launches"
    assert not chosen.tokens
    return chosen.uri, None if chosen.token is None else chosen.token.get_secret_value()


@pytest.mark.parametrize(
    "uri",
    [
        HERE,
        f"{HERE}/",
        "http://milvus.example",
        "http://MILVUS.example:19530",
        "HTTP://milvus.Example/",
    ],
)
@pytest.mark.parametrize("own", [HERE, "http://Milvus.Example"])
def test_the_token_goes_to_the_server_of_the_settings(uri: str, own: str) -> None:
    to, token = _at(uri, uri=own, token=OWN)
    assert (to, token) == (uri if uri == own else own, OWN)


def test_a_password_in_the_uri_goes_there_too() -> None:
    own = "http://root:our-secret@milvus.example"
    assert _at(HERE, uri=own) == (own, None)
    assert _at(f"{HERE}/shop", uri=f"{own}/else") == (f"{own}/shop", None)
    assert _at("http://it:self@milvus.example", uri=own) == (own, None)


@pytest.mark.parametrize(
    "uri",
    [
        THERE,
        "http://milvus.example:19531",
        "https://milvus.example:19530",
        "tcp://milvus.example:19530",
        "http://milvus.example.other.example:19530",
        "http://milvus.example:19530@other.example",
        "http://milvus.example\\@other.example",
        "http://root@other.example#@milvus.example:19530",
    ],
)
@pytest.mark.parametrize(
    "written",
    [
        {"uri": HERE, "token": OWN},
        {"uri": "http://root:our-secret@milvus.example"},
        {"uri": "items.db", "token": OWN},
        {"token": OWN},
        {"tokens": {"http://third.example": ITS}},
    ],
)
def test_nobody_connects_elsewhere_without_a_token_for_it(uri: str, written: Any) -> None:
    with pytest.raises(InputError, match=r"models/spring: its items are on \w+://") as caught:
        _at(uri, **written)
    assert "secret" not in str(caught.value)
    example = str(caught.value).split("TOKENS='")[1].split("'")[0]
    named = dict.fromkeys(json.loads(example), ITS)
    to, token = _at(uri, **{**written, "tokens": named})
    assert [to, token] == [*named, ITS]


def test_localhost_is_another_name() -> None:
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:19530, which is not the server"):
        _at("http://127.0.0.1:19530", uri="http://localhost:19530", token=OWN)


def test_a_named_token_goes_to_its_server_only() -> None:
    tokens = {"http://OTHER.example/": ITS, "http://open.example": ""}
    written = {"uri": HERE, "token": OWN, "tokens": tokens}
    assert _at(f"{THERE}/shop", **written) == (f"{THERE}/shop", ITS)
    assert _at("http://open.example", **written) == ("http://open.example:19530", "")
    assert _at(HERE, **written) == (HERE, OWN)


def test_without_secrets_there_is_nothing_to_hold_back() -> None:
    assert _at(THERE) == (THERE, None)
    assert _at(THERE, uri=HERE, token="") == (THERE, None)
    assert _at("http://its:own@other.example/shop") == (f"{THERE}/shop", None)
    with pytest.raises(InputError, match="its items are on https://in01"):  # asked with ~/.netrc
        _at("https://in01.global-cluster.example")


def test_a_file_wants_no_token() -> None:
    assert _at("/shop/launches.db", uri=HERE, token=OWN) == ("/shop/launches.db", None)


def test_an_address_that_cannot_be_compared_is_its_own_alone() -> None:
    socket = "unix:///run/milvus.sock"
    assert _at(socket, uri=socket, token=OWN) == (socket, OWN)
    for uri in ("unix:///run/other.sock", "http:///shop", f"{HERE}/global-cluster"):
        with pytest.raises(InputError, match=r"models/spring: its items are at .*not a server's"):
            _at(uri, uri=socket)


def test_asked_again_it_says_the_same() -> None:
    """A worker is sent what its driver was told."""
    written = IndexSettings(uri="http://me:pw@Milvus.example", tokens={THERE: ITS})
    for uri in (f"{HERE}/shop", THERE):
        once = written.at(uri, "launches", said_by="")
        assert once.at(once.uri, "launches", said_by="") == once == pickle.loads(pickle.dumps(once))
        assert written.at(once.uri, "launches", said_by="") == once


_SERVERS = st.builds(
    "{}://{}:{}".format,
    st.sampled_from(["http", "https", "tcp"]),
    st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,2})?", fullmatch=True),
    st.integers(1, 65_535),
)


@given(st.lists(_SERVERS, min_size=3, max_size=5, unique=True), st.data())
def test_a_token_is_never_seen_with_another_server(servers: list[str], data: Any) -> None:
    secret = {server: f"secret {number}" for number, server in enumerate(servers[:-1])}
    own, *named = servers[:-1]
    written = {"uri": own, "token": secret[own], "tokens": {one: secret[one] for one in named}}
    asked = data.draw(st.sampled_from(servers))
    spelled = asked.replace(
        "://", data.draw(st.sampled_from(["://", "://a@", f"://{own.partition('://')[2]}@"]))
    )
    if asked in secret:
        assert _at(spelled, **written) == (asked, secret[asked])
    else:
        with pytest.raises(InputError):
            _at(spelled, **written)
