"""Text that is no text: half a character, which no encoding can write."""

from __future__ import annotations

from retrieval.errors import InputError

HALF = "holds half a character (a lone surrogate); decode it anew"


def has_half_character(text: str) -> bool:
    """Tell whether a text holds a surrogate without its other half."""
    return not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text)


def require_characters(text: str, what: str) -> None:
    """Refuse a text that cannot be written.

    Args:
        text: Any text.
        what: How the message names it.

    Raises:
        InputError: It holds half a character.
    """
    if has_half_character(text):
        raise InputError(f"{what} {HALF}: {text!r}")
