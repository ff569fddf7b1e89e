import resource
from pathlib import Path

import pytest

from retrieval import append_json_lines, remove_leftovers, replacing_files, whole_lines


def _write(folder: Path, text: str, *, fail: bool = False) -> None:
    with replacing_files(folder) as made:
        for name in ("a.txt", "b.txt"):
            (made / name).write_text(text)
        if fail:
            raise OSError("disk full")


def _held(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_files_take_the_place_of_those_before_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    _write(folder, "old")
    (folder / "mine.txt").write_text("mine")
    _write(folder, "new")
    assert _held(folder) == {"a.txt": "new", "b.txt": "new", "mine.txt": "mine"}


@pytest.mark.parametrize("marked", [True, False])
def test_what_is_not_made_again_goes_where_it_was_made_before(tmp_path: Path, marked: bool) -> None:
    (tmp_path / "orders.csv").write_text("of an earlier run, or somebody's own")
    (tmp_path / "mine.txt").write_text("mine")
    if marked:
        (tmp_path / "page.html").write_text("old")
    with replacing_files(tmp_path, ("page.html", "orders.csv"), mark="page.html") as made:
        (made / "page.html").write_text("new")
    assert (tmp_path / "orders.csv").exists() == (not marked)
    assert {"page.html", "mine.txt"} <= set(_held(tmp_path))


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    _write(folder, "old")
    for where in (folder, tmp_path / "other"):
        with pytest.raises(OSError, match="disk full"):
            _write(where, "new", fail=True)
    assert _held(folder) == {"a.txt": "old", "b.txt": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_working_directory_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _write(Path(), "here")
    assert set(_held(tmp_path)) == {"a.txt", "b.txt"}


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = [".t.csv.0a1b2c3d.tmp", "made/.0a1b2c3d.tmp/a.csv", "made/deep/.b.csv.0a1b2c3d.tmp"]
    kept = ["t.csv", ".other.csv.0a1b2c3d.tmp", "made/a.csv", "made/deep/b.tmp", "c/.d.0.tmp"]
    for name in (*left, *kept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path, ["t.csv", "made", "absent"])
    files = (path for path in tmp_path.rglob("*") if path.is_file())
    assert sorted(str(path.relative_to(tmp_path)) for path in files) == sorted(kept)
    assert not (tmp_path / "made" / ".0a1b2c3d.tmp").exists()


def test_what_a_crash_cut_off_is_removed_before_lines_are_added(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lines.jsonl"
    assert whole_lines(path) == []
    append_json_lines(path, [{"tea": "thé"}, [1]])
    with path.open("ab") as file:
        file.write(b'{"cut')
    assert whole_lines(path) == ['{"tea": "thé"}'.encode(), b"[1]"]
    append_json_lines(path, [2])
    assert path.read_text(encoding="utf-8") == '{"tea": "thé"}\n[1]\n2\n'


def test_lines_that_find_no_room_leave_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    append_json_lines(path, ["first"])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            append_json_lines(path, ["too long for what is left"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    append_json_lines(path, ["second"])
    assert path.read_text(encoding="utf-8") == '"first"\n"second"\n'
