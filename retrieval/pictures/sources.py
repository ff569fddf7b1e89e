"""Where a picture may come from: a file, an address of a host that is allowed, bytes."""

from __future__ import annotations

import base64
import binascii
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from retrieval.errors import InputError

_TIMEOUT = 20.0  # seconds


@dataclass(frozen=True)
class PictureSources:
    """What may be read for a picture.

    Attributes:
        folder: Where paths begin; None: no file is read at all. Whoever chooses paths chooses
            files: ``..`` leads out of it.
        hosts: Hosts whose addresses may be fetched, such as ``"cdn.example.com"``, with ``:port``
            where it is not the usual one. Nothing else is, and no redirect is followed.
        most_bytes: Of a picture as it comes.
    """

    folder: Path | None = Path()
    hosts: Iterable[str] = ()
    most_bytes: int = 20_000_000

    def read(self, cell: Any) -> bytes:
        """Return the bytes of a picture.

        Args:
            cell: Bytes, a ``data:`` address, an ``http(s)://`` address, or a path.

        Raises:
            InputError: It cannot be had, or must not be. The message says what is wrong with it.
        """
        if isinstance(cell, (bytes, bytearray, memoryview)):
            return self._small(bytes(cell))
        if isinstance(cell, Path):
            return self._file(str(cell))
        if not isinstance(cell, str):
            raise InputError(f"is no picture, but of type {type(cell).__name__}")
        cell = cell.strip()
        if cell.startswith("data:"):
            return self._data(cell)
        if cell.lower().startswith(("http://", "https://")):
            return self._fetch(cell)
        if "://" in cell:
            raise InputError("is no address of a picture: only http and https are read")
        return self._file(cell)

    def _small(self, data: bytes) -> bytes:
        if len(data) > self.most_bytes:
            raise InputError(f"is larger than {self.most_bytes:,} bytes")
        return data

    def _data(self, address: str) -> bytes:
        head, comma, body = address.partition(",")
        if not (head.startswith("data:image/") and head.endswith(";base64") and comma):
            raise InputError("is no picture: write data:image/jpeg;base64,...")
        if len(body) > self.most_bytes * 4 // 3 + 4:
            raise InputError(f"is larger than {self.most_bytes:,} bytes")
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            raise InputError("is no picture: what follows base64, is not base64") from None

    def _file(self, name: str) -> bytes:
        if self.folder is None:
            raise InputError("is a path, and files are not read here: send the picture itself")
        try:
            path = Path(self.folder) / name
            if not path.is_file():
                raise InputError("is no file")
            if path.stat().st_size > self.most_bytes:
                raise InputError(f"is larger than {self.most_bytes:,} bytes")
            return path.read_bytes()
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"cannot be read ({type(error).__name__})") from None

    def _fetch(self, address: str) -> bytes:
        try:
            parts = urlsplit(address)
            host = parts.netloc.lower()
        except ValueError:
            raise InputError("is no address") from None
        allowed = sorted(one.lower() for one in self.hosts)
        if host not in allowed:
            there = ", ".join(allowed) or "none"
            raise InputError(f"is on host {host!r}, which is not allowed (allowed: {there})")
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler())
        try:
            with opener.open(address, timeout=_TIMEOUT) as answer:
                data: bytes = answer.read(self.most_bytes + 1)
        except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
            said = getattr(error, "code", None) or type(error).__name__
            raise InputError(f"cannot be fetched ({said})") from None
        return self._small(data)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuse to be sent elsewhere: only what was named was allowed."""

    def redirect_request(self, *_: Any) -> None:
        return None


FROM_FILES = PictureSources()
"""Of a table of one's own: files, by their paths from the working directory."""

AS_SENT = PictureSources(folder=None)
"""Of what a stranger sends: pictures themselves, and nothing that has to be looked up."""
