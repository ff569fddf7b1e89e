"""A disk that fills at each write in turn loses nothing acknowledged, and all starts again."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.serving.api_writes import compiler, each_write
from tests.full_disk import run_suite

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs Linux and a C compiler")


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("journal", 1),
        ("audit", 1),
        ("jobs", 9),
        ("cache", 11),
        ("tables", 11),
        ("models", 7),
        ("items", 90),
    ],
)
def test_nothing_acknowledged_is_lost(tmp_path: Path, name: str, step: int) -> None:
    assert "nothing lost" in run_suite(name, tmp_path, step=step)


def test_a_server_on_a_disk_that_fills_loses_nothing_and_says_so(tmp_path: Path) -> None:
    (found,) = each_write(tmp_path, turns=3, restarts=0)
    assert found.holds, found.measured
