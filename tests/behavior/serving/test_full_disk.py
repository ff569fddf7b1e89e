"""A disk that fills at each write in turn loses nothing acknowledged, and all starts again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.full_disk import compiler, run_suite

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs Linux and a C compiler")


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("journal", 1),
        ("audit", 1),
        ("jobs", 3),
        ("cache", 3),
        ("tables", 5),
        ("models", 5),
        ("items", 60),
    ],
)
def test_nothing_acknowledged_is_lost(tmp_path: Path, name: str, step: int) -> None:
    assert "nothing lost" in run_suite(name, tmp_path, step=step)
