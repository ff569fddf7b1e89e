from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.fingerprint import sha256_of
from pipelines.runs.manifest import Manifest
from pipelines.runs.steps import Outcome, Step, run_step


class Doubling:
    """A step that doubles a number in a file, and counts how often."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.times, self.factor = folder, 0, 2
        (folder / "in").write_text("21")

    def run(self, **options: Any) -> Outcome:
        step = Step(
            "double",
            settings={"factor": self.factor},
            inputs=lambda: {"in": sha256_of(self.folder / "in")},
            outputs=lambda: {"out": sha256_of(self.folder / "out")},
            work=self._work,
        )
        return run_step(step, self.folder, versions={"v": "1"}, encoder={}, **options)

    def _work(self) -> dict[str, Any]:
        self.times += 1
        number = int((self.folder / "in").read_text()) * self.factor
        (self.folder / "out").write_text(str(number))
        return {"rows": 1}


@pytest.fixture
def doubling(tmp_path: Path) -> Doubling:
    return Doubling(tmp_path)


def test_an_unchanged_step_is_skipped(doubling: Doubling) -> None:
    assert doubling.run().status == "done"
    again = doubling.run()
    assert (again.status, again.counts, doubling.times) == ("unchanged", {"rows": 1}, 1)
    assert doubling.run(force=True).status == "done"


def test_what_it_depends_on_does_it_again(doubling: Doubling, tmp_path: Path) -> None:
    doubling.run()
    (tmp_path / "in").write_text("4")
    assert doubling.run().status == "done"
    assert (tmp_path / "out").read_text() == "8"
    (tmp_path / "out").write_text("9")
    assert doubling.run().status == "done"
    (tmp_path / "out").unlink()
    assert doubling.run().status == "done"
    doubling.factor = 3
    assert doubling.run().status == "done"
    (tmp_path / "manifests" / "double.json").unlink()
    assert doubling.run().status == "done"
    assert doubling.run().status == "unchanged"


def test_a_failure_is_written_down_and_done_again(doubling: Doubling, tmp_path: Path) -> None:
    doubling.run()
    (tmp_path / "in").write_text("no number")
    with pytest.raises(ValueError, match="invalid literal"):
        doubling.run()
    failed = Manifest.read(tmp_path, "double")
    assert failed is not None
    assert (failed.status, failed.outputs) == ("failed", {})
    assert "invalid literal" in str(failed.error)
    (tmp_path / "in").write_text("21")
    assert doubling.run().status == "done"


def test_what_is_not_asked_for_leaves_nothing(tmp_path: Path) -> None:
    step = Step("classify", missing="the settings name no table in new_items")
    outcome = run_step(step, tmp_path, versions={}, encoder={})
    assert (outcome.status, outcome.reason) == ("not asked for", step.missing)
    assert not list(tmp_path.iterdir())
