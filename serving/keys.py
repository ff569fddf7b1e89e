"""Who calls: keys that are known by their hash alone, what each may do, and how often."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines import KeySettings, Scope

_PREFIX = "lw_"


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request.

    Attributes:
        name: Of the key; "local" where no keys are asked for.
        scopes: What the key allows.
        tenant: Whose items it sees; None for those of no tenant.
    """

    name: str
    scopes: frozenset[Scope]
    tenant: str | None


LOCAL = Caller("local", frozenset(("read", "write")), None)


def make_key() -> tuple[str, str]:
    """Make a key of 256 random bits; return it with its hash."""
    key = _PREFIX + secrets.token_urlsafe(32)
    return key, hash_key(key)


def hash_key(key: str) -> str:
    """Return the hash by which a key is known; a key has too many bits to need a slow one."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyRing:
    """The keys that open the API.

    Args:
        keys: Of the settings; none: every caller is local.
        rate: Calls a second of a key that has no rate of its own.
        item_rate: Items a second of every key.
        clock: Seconds, for the rates.
    """

    def __init__(
        self,
        keys: Sequence[KeySettings],
        rate: float,
        item_rate: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = [
            (key.sha256, Caller(key.name, frozenset(key.scopes), key.tenant)) for key in keys
        ]
        self._calls = {key.name: TokenBucket(key.rate or rate, clock) for key in keys}
        self._items = {key.name: TokenBucket(item_rate, clock) for key in keys}

    @property
    def is_open(self) -> bool:
        """Whether no key is asked for."""
        return not self._keys

    @property
    def tenants(self) -> list[str | None]:
        """The tenants of the keys; None stands for no tenant."""
        found = dict.fromkeys(caller.tenant for _, caller in self._keys)
        return list(found) or [None]

    def caller(self, key: str) -> Caller | None:
        """Return the owner of a key, or None; found or not, all keys are compared."""
        given = hash_key(key)
        found = None
        for known, caller in self._keys:
            if hmac.compare_digest(known, given):
                found = caller
        return found

    def wait(self, caller: Caller) -> float:
        """Count a call; return 0 if it may go on, else the seconds until the next one may."""
        bucket = self._calls.get(caller.name)
        return 0.0 if bucket is None else bucket.take()

    def wait_for_items(self, caller: Caller, items: int) -> float:
        """Count the items of a call in the same way; what is too many is paid for by the next."""
        bucket = self._items.get(caller.name)
        return 0.0 if bucket is None else bucket.take(items)


class TokenBucket:
    """So many calls or items a second on average; of two seconds at once.

    Args:
        rate: Of them a second.
        clock: Seconds.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._size = max(1.0, 2 * rate)
        self._tokens = self._size
        self._clock = clock
        self._then = clock()

    def take(self, number: float = 1.0) -> float:
        """Take so many tokens where there is one; return 0, or the seconds until there will be."""
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._then) * self._rate)
        self._then = now
        if self._tokens >= 1:
            self._tokens -= number
            return 0.0
        return (1 - self._tokens) / self._rate
