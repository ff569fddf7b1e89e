"""An item's content as one string: its text, and its pictures as words in it.

A picture is a word that carries the picture itself, small and as JPEG, and not where it came from:
whatever holds texts (a table, an index, a request, a worker of Ray) holds pictures as well, what
tells texts apart tells pictures apart, and no content can make a reader open a file.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from retrieval.errors import InputError

_BEGIN, _END = "<picture data:image/jpeg;base64,", ">"
_WORD = re.compile(rf"{re.escape(_BEGIN)}([A-Za-z0-9+/=]*){_END}")
_SHOWN = "[picture]"


def as_word(jpeg: bytes) -> str:
    """Return a picture as a word of an item's content."""
    return _BEGIN + base64.b64encode(jpeg).decode() + _END


def has_picture(content: str) -> bool:
    """Tell whether a content shows something."""
    return _BEGIN in content


def text_of(content: str) -> str:
    """Return the words of a content without its pictures."""
    return " ".join(_WORD.sub(" ", content).split()) if has_picture(content) else content


def shown(content: str) -> str:
    """Return a content for people to read: ``[picture]`` stands for each picture."""
    return _WORD.sub(_SHOWN, content) if has_picture(content) else content


def pictures_of(content: str) -> list[bytes]:
    """Return the pictures of a content, as JPEG.

    Raises:
        InputError: What stands there is no base64.
    """
    if not has_picture(content):
        return []
    try:
        return [base64.b64decode(one, validate=True) for one in _WORD.findall(content)]
    except binascii.Error as error:
        raise InputError(f"a picture is not base64: {error}") from None


def data_address(content: str) -> str | None:
    """Return the first picture as a page shows it (``data:image/jpeg;...``); None without one."""
    found = _WORD.search(content) if has_picture(content) else None
    return None if found is None else "data:image/jpeg;base64," + found[1]


def cut(content: str, most: int) -> str:
    """Return a content of at most so many bytes: first its text is cut, then pictures go."""
    if len(content) * 4 <= most or len(content.encode()) <= most:
        return content
    words = [found[0] for found in _WORD.finditer(content)]
    kept = _that_fit(words, most)
    room = most - sum(len(word) + 1 for word in kept)
    text = text_of(content).encode()[: max(room, 0)].decode(errors="ignore")
    return " ".join([text, *kept] if text else kept)


def _that_fit(words: Sequence[str], most: int) -> list[str]:
    kept: list[str] = []
    for word in words:
        if sum(map(len, kept)) + len(kept) + len(word) <= most:
            kept.append(word)
    return kept
