"""What one tenant may have of the server at a time: requests under way, bytes of bodies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from serving.problems import ApiError

_RETRY_AFTER = 1


class Shares:
    """Counts what is under way; used by the event loop alone.

    Args:
        requests: Of one tenant at most.
        body_bytes: Of all bodies in memory.
        own_bytes: Of those of one tenant.
    """

    def __init__(self, requests: int, body_bytes: int, own_bytes: int) -> None:
        self._most = requests
        self._body_bytes = body_bytes
        self._own_bytes = own_bytes
        self._requests = Counter[str | None]()
        self._bytes = Counter[str | None]()

    @contextmanager
    def request(self, tenant: str | None) -> Iterator[Share]:
        """Count a request for as long as it is answered.

        Raises:
            ApiError: The tenant has too many.
        """
        if self._requests[tenant] >= self._most:
            raise ApiError(
                429,
                "busy",
                f"{self._most} own requests are under way",
                retry_after=_RETRY_AFTER,
            )
        share = Share(self, tenant)
        self._requests[tenant] += 1
        try:
            yield share
        finally:
            self._requests[tenant] -= 1
            self._bytes[tenant] -= share.size
            if not self._requests[tenant]:
                del self._requests[tenant], self._bytes[tenant]

    def _take(self, tenant: str | None, size: int) -> None:
        own = self._bytes[tenant] + size > self._own_bytes
        if own or self._bytes.total() + size > self._body_bytes:
            whose = "own bodies" if own else "bodies"
            raise ApiError(
                429, "busy", f"too many large {whose} are under way", retry_after=_RETRY_AFTER
            )
        self._bytes[tenant] += size


class Share:
    """What one request has.

    Attributes:
        size: Bytes of its body.
    """

    def __init__(self, shares: Shares, tenant: str | None) -> None:
        self._shares = shares
        self._tenant = tenant
        self.size = 0

    def take(self, size: int) -> None:
        """Count so many bytes more of the body.

        Raises:
            ApiError: There is no room for them now.
        """
        self._shares._take(self._tenant, size)
        self.size += size
