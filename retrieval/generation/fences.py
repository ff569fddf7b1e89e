"""Keep the texts of items apart from what a model is told: between marks that they cannot write.

The marks carry a word made from the texts themselves, so that no text can hold the end of its own
fence. That makes an instruction in a text visible as data; whether a model obeys it all the same
is up to the model, which is why its answer is checked wherever it comes from a list.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_MOST_CHARACTERS = 2_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SUSPICIOUS = re.compile(
    r"(?i)\b(ignore|disregard|forget|override)\b.{0,40}\b(instructions?|prompts?|rules?|above|"
    r"previous|everything)\b|\b(system|developer) ?(prompt|message|:)|<\|?(im_start|im_end|system|"
    r"/?data)|\[/?INST\]|\byou are now\b|\bnew instructions?\b|\b(answer|reply|respond|output|say)"
    r" (only |just )?(with|that)\b"
)


def is_suspicious(text: str) -> bool:
    """Tell whether a text of an item reads like an instruction to a model."""
    return bool(_SUSPICIOUS.search(_CONTROL.sub("", text[:_MOST_CHARACTERS])))


def fence_word(texts: Iterable[str]) -> str:
    """Return the word of the marks round some texts, which stands in none of them."""
    told = hashlib.blake2b("\x00".join(texts).encode("utf-8", "replace"), digest_size=4)
    return told.hexdigest()


def fenced(text: str, word: str) -> str:
    """Return a text between marks: on one line, without what nobody sees, and not too long."""
    shown = " ".join(_CONTROL.sub(" ", text).split())
    if len(shown) > _MOST_CHARACTERS:
        shown = f"{shown[:_MOST_CHARACTERS]} [cut]"
    return f"<data-{word}>{shown}</data-{word}>"
