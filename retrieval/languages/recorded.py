"""Give each item of a table its language: as a column says, or as its text tells."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from retrieval.errors import TableError
from retrieval.items import item_texts, named_columns
from retrieval.languages.codes import language_codes
from retrieval.languages.detection import detect_languages

DETECTED = "auto"
"""In place of a column: each item's language is told from its text."""
COLUMN = "language"
"""Where that is recorded."""


def language_column(language: str | None) -> str | None:
    """Return the column in which the language is recorded; None where it is not."""
    return COLUMN if language == DETECTED else language


def record_languages(
    items: pd.DataFrame, language: str | None, text: Sequence[str], source: str = "items"
) -> pd.DataFrame:
    """Return a table with the language of each item, as two letters or ``und``.

    Args:
        items: One row an item.
        language: Column of codes, such as ``de`` or ``de-AT``; where one is missing the text is
            asked. ``"auto"``: all texts are, and the column `language` is written. None: nothing
            is done.
        text: Columns of text.
        source: What to call the table in messages.

    Raises:
        TableError: The column is missing, or holds what is no code.
        InputError: Texts have to be asked, and the extra that can tell languages is missing.
    """
    if language is None:
        return items
    items = named_columns(items, source)
    if language == DETECTED:
        if COLUMN in text:
            raise TableError(f"{source}: the column {COLUMN} is a text; name another one")
        codes = pd.Series(None, index=items.index, dtype="str")
    elif language not in items.columns:
        there = ", ".join(map(str, items.columns)) or "none"
        raise TableError(f"{source}: missing column {language}; there are: {there}")
    else:
        codes = language_codes(items[language], source)
    missing = codes.isna().to_numpy()
    if missing.any() and set(text) <= set(items.columns):
        asked = item_texts(items[missing], text)
        codes = codes.astype(object)
        codes[missing] = detect_languages(asked.tolist())
    column = language_column(language)
    return items.assign(**{str(column): codes.astype("str")})
