from __future__ import annotations

import pytest

from pipelines.config.addresses import address_of, with_database


@pytest.mark.parametrize(
    ("uri", "server", "database"),
    [
        ("http://milvus.example:19530", "http://milvus.example:19530", ""),
        ("http://milvus.example", "http://milvus.example:19530", ""),
        ("HTTP://Milvus.Example:19530/", "http://milvus.example:19530", ""),
        ("http://ana:secret@milvus.example/shop/", "http://milvus.example:19530", "shop"),
        ("https://milvus.example", "https://milvus.example:443", ""),
        ("tcp://milvus.example:1/shop/more", "tcp://milvus.example:1", "shop"),
        ("http://[::1]:19530", "http://[::1]:19530", ""),
        ("http://127.0.0.1:0", "http://127.0.0.1:19530", ""),  # as pymilvus reads it
        # Whoever looks at its beginning alone takes it for the first of the two.
        ("http://milvus.example:19530@evil.example", "http://evil.example:19530", ""),
        ("http://milvus.example\\@evil.example:1", "http://evil.example:1", ""),
    ],
)
def test_one_server_has_one_address(uri: str, server: str, database: str) -> None:
    assert address_of(uri) == (server, database)


@pytest.mark.parametrize(
    "uri",
    [
        "items.db",
        "",
        "milvus.example:19530",
        "http://",
        "http:///shop",
        "unix:///run/milvus.sock",
        "ftp://milvus.example",
        "http://milvus.example:port",
        "http://milvus.example:70000",
        "http://[::1",
        "http://it's.example; rm",
        "http://milvus.example/global-cluster",
    ],
)
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="not a server's address, such as http://host:19530"):
        address_of(uri)


def test_an_address_that_only_forwards_is_known() -> None:
    assert address_of("https://in01.Global-Cluster.example").forwards
    assert not address_of("https://in01.cluster.example").forwards


@pytest.mark.parametrize(
    ("uri", "database", "written"),
    [
        ("http://ana:secret@Milvus/old?a=b#c", "shop", "http://ana:secret@Milvus/shop"),
        ("http://milvus:1/old", "", "http://milvus:1"),
        ("http://milvus:1", "", "http://milvus:1"),
    ],
)
def test_another_database_of_the_same_server(uri: str, database: str, written: str) -> None:
    assert with_database(uri, database) == written
