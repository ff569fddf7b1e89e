"""Who is this machine itself: needed where no keys tell callers apart.

A browser on this machine reaches its loopback too, on behalf of any page. A page of another origin
says so in ``Origin``; a page whose name was made to mean 127.0.0.1 (DNS rebinding) has that name in
``Host``.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host, without a port, is this machine's loopback whatever a name server says."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_from_loopback(host: str, origin: str | None) -> bool:
    """Whether a request's ``Host`` and ``Origin`` (None: it has none) are this machine's."""
    return _names_loopback(f"//{host}") and (origin is None or _names_loopback(origin))


def _names_loopback(address: str) -> bool:
    try:
        return is_loopback(urlsplit(address).hostname or "")
    except ValueError:
        return False
