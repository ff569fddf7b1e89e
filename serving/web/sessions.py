"""Who is signed in: a cookie that no script can read, and no other site can send.

A session is made from a key of the API, has what that key allows, and ends with the process, by
signing out, or half a day after it began. What a page sends must carry the session's own token,
which no other site can know (OWASP, Cross-Site Request Forgery Prevention).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from serving.keys import LOCAL, Caller, KeyRing

COOKIE = "likewise_review"
LAST_SECONDS = 43_200
_MOST = 10_000


@dataclass(frozen=True)
class SignedIn:
    """Somebody at a page.

    Attributes:
        caller: Who, and what the key allows.
        token: That forms must carry.
        until: Seconds of the clock at which it ends.
    """

    caller: Caller
    token: str
    until: float


class Sessions:
    """Who is signed in.

    Args:
        keys: Those that open the API.
        clock: Seconds.
    """

    def __init__(self, keys: KeyRing, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._open: dict[str, SignedIn] = {}

    def sign_in(self, key: str, name: str) -> str | None:
        """Begin a session; return the secret of its cookie, None where the key is wrong.

        Args:
            key: Of the API; not asked for where there are none.
            name: Who decides, where there are no keys.
        """
        if self._keys.is_open:
            caller: Caller | None = replace(LOCAL, name=name.strip()[:64] or LOCAL.name)
        else:
            caller = self._keys.caller(key.strip())
        if caller is None:
            return None
        now, secret = self._clock(), secrets.token_urlsafe(32)
        self._open = {one: told for one, told in self._open.items() if told.until > now}
        while len(self._open) >= _MOST:
            self._open.pop(next(iter(self._open)))
        token = secrets.token_urlsafe(32)
        self._open[_hashed(secret)] = SignedIn(caller, token, now + LAST_SECONDS)
        return secret

    def find(self, secret: str | None) -> SignedIn | None:
        """Return whose cookie it is; None: nobody's any more."""
        found = None if not secret else self._open.get(_hashed(secret))
        return found if found is not None and found.until > self._clock() else None

    def sign_out(self, secret: str | None) -> None:
        """End a session."""
        if secret:
            self._open.pop(_hashed(secret), None)


def is_own(session: SignedIn, token: str) -> bool:
    """Whether what was sent carries the session's token."""
    return hmac.compare_digest(session.token.encode(), token.encode())


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
