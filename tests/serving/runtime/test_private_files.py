"""Files and folders of the server are for its own user, whoever made them."""

from __future__ import annotations

from pathlib import Path

from serving.runtime.private_files import close_to_others


def test_what_an_earlier_version_made_is_closed_to_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("audit/predictions.jsonl", "jobs/1.db", "shared/jobs/2/state.json", "jobs.db"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("x")
    (data / "tenant-1").mkdir()
    (data / "cache").mkdir()
    for path in data.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    close_to_others(data)
    modes = {str(path.relative_to(data)): path.stat().st_mode & 0o777 for path in data.rglob("*")}
    assert modes.pop("cache") == 0o755  # not its own
    files = {mode for name, mode in modes.items() if (data / name).is_file()}
    folders = {mode for name, mode in modes.items() if (data / name).is_dir()}
    assert (files, folders) == ({0o600}, {0o700})
    assert data.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    close_to_others(tmp_path / "deep" / "data")
    assert (tmp_path / "deep" / "data").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_no_reason_not_to_serve(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    close_to_others(tmp_path / "file" / "data")
