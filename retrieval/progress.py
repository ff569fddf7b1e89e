"""Progress bars for long work, where somebody can see them."""

from __future__ import annotations

from typing import Any

from tqdm.auto import tqdm


def progress_bar(total: int, what: str, unit: str, wanted: bool | None, *, long: int) -> tqdm[Any]:
    """Make a progress bar.

    Args:
        total: Units of work.
        what: Shown in front.
        unit: What is counted.
        wanted: True shows it, False hides it, None shows it on a terminal or in a notebook where
            the work is long.
        long: How many units that takes.
    """
    # tqdm itself decides on None: it hides the bar where nobody watches, as in a log file.
    by_itself = None if total >= long else True
    return tqdm(
        total=total, desc=what, unit=unit, disable=by_itself if wanted is None else not wanted
    )
