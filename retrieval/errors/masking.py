"""Texts without what is secret in them: users and passwords of addresses, tokens, keys.

Rather too much is masked than too little: a password may hold blanks, quotes, slashes and an ``@``,
and stand in an address, among options, in JSON or in a text that goes on behind it.
"""

import re
from collections.abc import Mapping
from typing import Any

_MOST = "{0,300}"  # characters of a secret that are looked at, so that a long text takes no longer
_HOST = r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\])"
_GOES_ON = rf"(?={_HOST}(?::\d{{1,5}}\b|\\?/))"  # what follows an @ is a host, no mail's
_IS_HOST = rf"(?:{_GOES_ON}|(?=\d*[a-zA-Z.]{_HOST}\\?(?:['\"]|$)))"
_SCHEME = r"(:\\?/\\?/)"  # also as JSON may write it
_USER = rf"[^\s'\"/:@]{_MOST}"
_ENDED_PORT = r"\d{1,5}(?:[^\w@%:.-]|$)"  # no password, whatever comes behind it
_ONE_ADDRESS = r"(?:(?!:\\?/\\?/)[\s\S])"  # a character, unless another address begins

_IN_ADDRESS = tuple(
    re.compile(pattern)
    for pattern in (
        # All up to the last @ before its path.
        rf"{_SCHEME}[^\s'\"/]{_MOST}@",
        # user:password with slashes: up to the last @ anywhere. A port may not come before an @.
        rf"{_SCHEME}{_USER}:(?!\d+/)[^\s'\"]{_MOST}@",
        # ... with blanks, line ends or quotes: up to the last @ before another address.
        rf"{_SCHEME}{_USER}:(?!{_ENDED_PORT}){_ONE_ADDRESS}{_MOST}@",
        # ... that begins like a port: only if what follows the @ looks like a host.
        rf"{_SCHEME}{_USER}:(?=\d){_ONE_ADDRESS}{_MOST}@{_IS_HOST}",
        # A user with blanks.
        rf"{_SCHEME}{_USER}[ \t]{_ONE_ADDRESS}{_MOST}@{_GOES_ON}",
        # An @ in a user, or in a password with a blank behind it.
        rf"{_SCHEME}\*\*\*@{_USER}:(?!{_ENDED_PORT}){_ONE_ADDRESS}{_MOST}@",
        rf"{_SCHEME}\*\*\*@{_ONE_ADDRESS}{_MOST}@{_IS_HOST}",
    )
)
# Percent-encoded, as a part of another address; and without a scheme.
_ENCODED = re.compile(rf"(%3A%2F%2F)[^\s'\"&@]{_MOST}%40", re.IGNORECASE)
_BARE = re.compile(rf"(?<![\w/.:@%+-])[\w.%+-]{{2,99}}:(?!//|\d+/)[^\s'\":@]{_MOST}@(?=[\w\[])")
_IN_QUOTES = re.compile(rf"(['\"])[\w.%+-]{{0,99}}:(?!//|\d+/)[^'\"\n]{_MOST}@{_IS_HOST}")

_NAME = (
    r"(?:password|passwd|passphrase|passw?|pwd|secret|token|credentials?|signature|sig"
    r"|(?:api|account|access|private|shared)[_-]?key)"
)
_IS = r"\s?(?:=|%3D)\s?"
_BY_NAME = re.compile(
    # In an address or between semicolons, where a value may have blanks.
    rf"([?&;][\w.-]{{0,60}}{_NAME}{_IS})(?:\{{[^}}]*\}}|(?:(?!%3B|%26)[^'\"&;\r\n]|['\"](?=\w))+)"
    # Anywhere: in quotes, in braces, or up to the next blank; also within the value of another
    # one: odbc_connect=UID%3Dme%3BPWD%3D...
    rf"|({_NAME}{_IS})(?:'(?:\\.|[^'\\])*'?|\"(?:\\.|[^\"\\])*\"?|\{{[^}}]*\}}?"
    r"|(?:(?!%3B|%26)[^\s'\"&;]|['\"](?=\w))+)",
    re.IGNORECASE,
)
_MEMBER = re.compile(  # "password": "...", 'token': '...', also within a text in quotes
    rf"({_NAME}(?:\\*['\"])?\s?:\s?)(\\*['\"])(?:(?!\2)[\s\S]){_MOST}(?:\2|$)", re.IGNORECASE
)
_HEADER = re.compile(
    r"(\bauthorization\b\\*['\"]?\s?[:=,]\s?(?:b(?=['\"]))?\\*['\"]?)(?:(?:basic|bearer|digest|token)\s+)?"
    r"[\w.~+/=:-]{4,}",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\bbearer\s+)[\w.~+/-]{8,}=*", re.IGNORECASE)


def masked(text: str) -> str:
    """Return a text without the users, passwords and tokens of the addresses that stand in it."""
    if "@" in text or "%40" in text:
        text = _without_users(text)
    lower = text.lower()
    if "=" in text or "%3d" in lower:
        text = _BY_NAME.sub(lambda found: f"{found[1] or found[2]}***", text)
    if ":" in text and ("'" in text or '"' in text):
        text = _MEMBER.sub(r"\1\2***\2", text)
    if "authorization" in lower:
        text = _HEADER.sub(r"\1***", text)
    return _BEARER.sub(r"\1***", text) if "bearer" in lower else text


def masked_values(value: Any) -> Any:
    """Return a value as JSON has it, with each text in it masked."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {key: masked_values(inner) for key, inner in value.items()}
    return [masked_values(inner) for inner in value] if isinstance(value, list | tuple) else value


def _without_users(text: str) -> str:
    if "://" in text or ":\\/" in text:
        for pattern in _IN_ADDRESS:
            text = pattern.sub(r"\1***@", text)
    if "%" in text:
        text = _ENCODED.sub(r"\1***%40", text)
    if ":" in text:
        text = _IN_QUOTES.sub(r"\1***@", text)
        text = _BARE.sub("***@", text)
    return text
