"""Work on many rows, some at a time: what is held in memory stays small, all cores help.

Rows do not depend on each other, and numpy, scipy and LightGBM let go of Python's lock while they
compute; so blocks may run beside each other, and the result is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Made = TypeVar("_Made")

_MOST_THREADS = 8  # each holds a block in memory


def by_block(rows: int, size: int, work: Callable[[slice], _Made]) -> list[_Made]:
    """Return what `work` makes of each block of at most `size` rows; no row is one block."""
    size = max(1, size)
    blocks = [slice(start, start + size) for start in range(0, max(rows, 1), size)]
    if len(blocks) == 1:
        return [work(blocks[0])]
    with ThreadPoolExecutor(min(len(blocks), os.cpu_count() or 1, _MOST_THREADS)) as threads:
        return list(threads.map(work, blocks))
