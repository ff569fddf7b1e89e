"""A column of pictures, read and checked once at the boundary."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retrieval.arguments import require_count
from retrieval.errors import InputError, Offense, TableError, first_few
from retrieval.pictures.content import as_word, has_picture
from retrieval.pictures.decoding import MOST_PIXELS, small_jpeg
from retrieval.pictures.sources import PictureSources

_SHOWN = 80  # characters of a cell, in a message


def read_pictures(
    pictures: Iterable[Any],
    *,
    folder: str | Path | None = ".",
    hosts: Iterable[str] = (),
    most_bytes: int = 20_000_000,
    most_pixels: int = MOST_PIXELS,
    source: str = "items",
) -> pd.Series:
    """Read pictures into words that stand in a table as texts do.

    Whatever takes texts takes them then, alone or beside a text: as a text column of an index, a
    classifier or a forecaster, or as the texts to label.

    A picture is turned upright (EXIF), brought to RGB and to at most 320 pixels. It is kept as JPEG
    of at most 30 kB, and where it came from is not.

    Args:
        pictures: n paths, addresses, ``data:`` addresses, bytes, or pictures read before; missing
            and blank cells stay without one.
        folder: Where paths begin; None: no file is read.
        hosts: Hosts that pictures may be fetched from; no other address is, no redirect followed.
        most_bytes: Of one picture as it comes.
        most_pixels: Of one picture as it comes: what has more is refused before it is unpacked.
        source: What to call the table in messages.

    Returns:
        n strings, under the name and on the index of `pictures`; ``""`` where there is none.

    Raises:
        TableError: A picture is not there, damaged, too large or not allowed; the message names the
            first rows.
    """
    require_count(most_bytes, "most_bytes")
    require_count(most_pixels, "most_pixels")
    if isinstance(pictures, (str, bytes)):
        raise InputError("pictures is a single one; pass a list")
    column = pictures if isinstance(pictures, pd.Series) else _column(pictures)
    place = None if folder is None else Path(folder)
    return as_words(column, PictureSources(place, tuple(hosts), most_bytes), most_pixels, source)


def as_words(
    column: pd.Series,
    sources: PictureSources,
    most_pixels: int = MOST_PIXELS,
    source: str = "items",
) -> pd.Series:
    """Return the words (n,) of a column of pictures, as `read_pictures` does.

    Raises:
        TableError: See there.
    """
    words, problems = [], dict[int, str]()
    for row, cell in enumerate(column.tolist()):
        try:
            words.append(_word(cell, sources, most_pixels))
        except InputError as error:
            words.append("")
            problems[row] = str(error)
    if problems:
        raise _refused(column, problems, source)
    return pd.Series(words, index=column.index, name=column.name, dtype="str")


def _column(pictures: Iterable[Any]) -> pd.Series:
    listed = list(pictures)
    cells = np.empty(len(listed), dtype=object)
    cells[:] = listed
    return pd.Series(cells, name="image")


def _word(cell: Any, sources: PictureSources, most_pixels: int) -> str:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)) or cell is pd.NA:
        return ""
    if isinstance(cell, str) and (not cell.strip() or has_picture(cell)):
        return cell.strip()
    return as_word(small_jpeg(sources.read(cell), most_pixels))


def _refused(column: pd.Series, problems: dict[int, str], source: str) -> TableError:
    def told(row: int) -> str:
        cell = column.iloc[row]
        what = repr(cell) if isinstance(cell, (str, Path)) else f"<{type(cell).__name__}>"
        return what if len(what) <= _SHOWN else what[:_SHOWN] + "..."

    name = column.name
    lines = [f"row {row + 1}, column {name} {what}: {told(row)}" for row, what in problems.items()]
    by_problem: dict[str, list[int]] = {}
    for row, what in problems.items():
        by_problem.setdefault(what, []).append(row)
    offenses = [
        Offense(source, rows, str(name), what, [told(row) for row in rows])
        for what, rows in by_problem.items()
    ]
    return TableError("\n  ".join([f"{source}: bad rows", *first_few(lines)]), offenses)
