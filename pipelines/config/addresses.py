"""Addresses of Milvus servers: which of them are one, however they are written."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

# Those of pymilvus.
_PORTS = {"http": 19530, "tcp": 19530, "https": 443}
_NONE = "not a server's address, such as http://host:19530"
_HOST = re.compile(r"[\w.:%-]+")

# pymilvus asks such an address over HTTP which server is meant, and then turns to that one.
_FORWARDS = "global-cluster"


class Address(NamedTuple):
    """Where a server is, and which of its databases is meant.

    Attributes:
        server: ``scheme://host:port``, the same however it was written.
        database: Empty for the server's default.
    """

    server: str
    database: str

    @property
    def forwards(self) -> bool:
        """Whether it only says which server is meant."""
        return _FORWARDS in self.server


def address_of(uri: str) -> Address:
    """Return what a server's `uri` means; a user and password in it are left out.

    Raises:
        ValueError: It is none.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise ValueError(_NONE) from None
    host, database = parts.hostname or "", parts.path.strip("/").partition("/")[0]
    if not _HOST.fullmatch(host) or _FORWARDS in database.lower():
        raise ValueError(_NONE)
    host = f"[{host}]" if ":" in host else host
    return Address(f"{parts.scheme}://{host}:{port}", database)


def with_database(uri: str, database: str) -> str:
    """Return the address as it is written, with its user and password, but another database."""
    return urlsplit(uri)._replace(path=database and f"/{database}", query="", fragment="").geturl()
