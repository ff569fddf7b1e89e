from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from retrieval import ArtifactError, InputError
from retrieval.artifact import Artifact, read_artifact, write_artifact
from retrieval.encoding.weights import EncoderIdentity

ENCODER = EncoderIdentity(name="a model", revision="0123456789abcdef", backend="torch", dim=4)
KIND = "NeighborClassifier"
TABLE = pd.DataFrame(
    {
        "item_id": pd.Series(["a", "b"], dtype="str"),
        "label": pd.Series(["milk", None], dtype="str"),
        "launch_date": pd.to_datetime(["2024-01-01", None]).astype("datetime64[ns]"),
        "price": [1.5, np.nan],
    },
    index=pd.Index([7, 3]),
)
FILES: dict[str, Any] = {
    "head.npz": {
        "weights": np.arange(12, dtype=np.float32).reshape(3, 4),
        "classes": np.array(["milk", "牛奶"]),
        "bias": np.float64(0.5),
    },
    "items.parquet": TABLE,
    "settings.json": {"k": 20, "scale": 0.1, "labels": ["milk", "牛奶"], "head": None},
    "model-card.md": "# A model\r\nfor 牛奶\n",
    "booster.txt": "tree\n",
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    write(path)
    return path


def write(path: Path, files: dict[str, Any] = FILES) -> None:
    write_artifact(path, kind=KIND, encoder=ENCODER, files=files)


def read(path: Path) -> Artifact:
    return read_artifact(path, kind=KIND)


def bytes_in(folder: Path) -> dict[str, bytes]:
    """All that lies in a folder and below it, hidden things too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def edit_manifest(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    edit(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


# --- round trip ---------------------------------------------------------------------------------


def test_every_kind_of_file_comes_back_as_it_was(saved: Path) -> None:
    artifact = read(saved)
    arrays = artifact.arrays("head.npz")
    assert set(arrays) == {"weights", "classes", "bias"}
    for name, values in arrays.items():
        expected = np.asarray(FILES["head.npz"][name])
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected)
    pd.testing.assert_frame_equal(artifact.table("items.parquet"), TABLE)
    assert artifact.json("settings.json") == FILES["settings.json"]
    assert artifact.text("model-card.md") == FILES["model-card.md"]
    assert artifact.text("booster.txt") == FILES["booster.txt"]


def test_the_manifest_tells_where_it_comes_from(saved: Path) -> None:
    artifact = read(saved)
    assert (artifact.kind, artifact.encoder, artifact.path) == (KIND, ENCODER, saved)
    assert timedelta(0) <= datetime.now(UTC) - artifact.created < timedelta(minutes=1)
    assert set(artifact.versions) == {"python", "likewise", "numpy", "pandas", "scikit-learn"}
    assert artifact.versions["numpy"] == version("numpy")
    assert set(artifact.contents) == set(FILES)


@given(
    values=hnp.arrays(
        dtype=st.one_of(
            hnp.boolean_dtypes(),
            hnp.integer_dtypes(),
            hnp.floating_dtypes(),
            hnp.unicode_string_dtypes(max_len=5),
            hnp.datetime64_dtypes(),
        ),
        shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    is_fortran=st.booleans(),
)
@settings(deadline=None, max_examples=50)
def test_any_array_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, values: Any, is_fortran: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "arrays"
    write(path, {"a.npz": {"values": np.asarray(values, order="F" if is_fortran else "C")}})
    back = read(path).arrays("a.npz")["values"]
    assert (back.dtype, back.shape) == (values.dtype, values.shape)
    assert back.tobytes() == values.tobytes()


def test_a_folder_can_be_moved_and_linked(saved: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "model"
    moved.parent.mkdir()
    saved.rename(moved)
    link = tmp_path / "current"
    link.symlink_to(moved)
    write(link, {"new.txt": "new"})
    assert link.is_symlink()
    assert read(moved).text("new.txt") == read(link).text("new.txt") == "new"
    assert {path.name for path in moved.parent.iterdir()} == {"model"}


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_changed_byte_is_found(saved: Path, name: str) -> None:
    content = bytearray((saved / name).read_bytes())
    content[len(content) // 2] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{name} does not have the checksum listed"):
        read(saved)


def test_a_cut_file_is_found(saved: Path) -> None:
    content = (saved / "head.npz").read_bytes()
    (saved / "head.npz").write_bytes(content[:-1])
    expected = f"head.npz has {len(content) - 1} bytes, manifest.json lists {len(content)}"
    with pytest.raises(ArtifactError, match=expected):
        read(saved)


def test_a_missing_file_is_found(saved: Path) -> None:
    (saved / "booster.txt").unlink()
    with pytest.raises(ArtifactError, match=r"booster\.txt is missing; restore it"):
        read(saved)


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "folder/notes.txt"])
def test_an_unlisted_file_is_found(saved: Path, name: str) -> None:
    (saved / name).parent.mkdir(exist_ok=True)
    (saved / name).write_text("mine")
    with pytest.raises(ArtifactError, match=f"{name.split('/')[0]} is not listed in manifest"):
        read(saved)


def rename_record(manifest: dict[str, Any], name: str) -> None:
    manifest["files"][name] = manifest["files"].pop("booster.txt")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.update(version=2), r"format version 2, this likewise reads up to 1; install"),
        (lambda m: m.update(version="one"), "manifest.json is damaged: version"),
        (lambda m: m.update(format="another"), "is not the manifest of a saved model"),
        (lambda m: m.update(kind="LaunchForecaster"), "holds a LaunchForecaster, not a Neighbor"),
        (lambda m: m.update(surprise=1), "damaged: surprise"),
        (lambda m: m.pop("encoder"), "damaged: encoder"),
        (lambda m: m["encoder"].update(dim="many"), "damaged: encoder.dim"),
        (lambda m: m["files"]["booster.txt"].update(bytes=-1), "damaged: files.booster.txt.bytes"),
        (lambda m: m["files"]["booster.txt"].update(sha256="0"), "damaged: files.booster.txt.sha"),
        (lambda m: m["files"]["booster.txt"].update(sha256="0" * 64), "booster.txt does not have"),
        (lambda m: rename_record(m, "../booster.txt"), "damaged: files"),
        (lambda m: rename_record(m, "/etc/passwd"), "damaged: files"),
        (lambda m: rename_record(m, "folder/booster.txt"), "damaged: files"),
        (lambda m: rename_record(m, ".booster.txt"), "damaged: files"),
        (lambda m: rename_record(m, "booster.txt\n"), "damaged: files"),
    ],
)
def test_an_edited_manifest_is_refused(
    saved: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit_manifest(saved, edit)
    with pytest.raises(ArtifactError, match=message):
        read(saved)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"{}" * 2])
def test_a_manifest_that_is_not_json_is_refused(saved: Path, content: bytes) -> None:
    (saved / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json is not valid JSON; save the model"):
        read(saved)


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b'"likewise-artifact"'])
def test_another_document_is_no_manifest(saved: Path, content: bytes) -> None:
    (saved / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match="is not the manifest of a saved model"):
        read(saved)


def test_what_is_no_artifact_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"there is no saved model at .*nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match=r"is no saved model: there is no manifest\.json in it"):
        read(tmp_path)
    with pytest.raises(ArtifactError, match="is no saved model"):
        read(saved / "manifest.json")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda a: a.arrays("tail.npz"), r"no \.npz file 'tail\.npz'; there are: head\.npz"),
        (lambda a: a.arrays("items.parquet"), r"no \.npz file 'items\.parquet'"),
        (lambda a: a.text("t"), r"no \.md or \.txt file 't'; there are: booster\.txt, model-card"),
    ],
)
def test_a_file_that_is_not_there_is_answered_with_those_that_are(
    saved: Path, ask: Callable[[Artifact], object], message: str
) -> None:
    with pytest.raises(ArtifactError, match=message):
        ask(read(saved))


class Dangerous:
    """Its pickle makes a folder when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.path,)


def test_nothing_in_a_forged_artifact_is_executed(saved: Path, tmp_path: Path) -> None:
    """Manifest and checksums are in order; the arrays hold pickled objects."""
    marker = tmp_path / "executed"
    objects = np.array([Dangerous(marker)], dtype=object)
    forge(saved, "head.npz", lambda path: np.savez(path, weights=objects))
    with pytest.raises(ArtifactError, match=r"head\.npz is no \.npz file"):
        read(saved).arrays("head.npz")
    forge(saved, "head.npz", lambda path: path.write_bytes(pickle.dumps(Dangerous(marker))))
    with pytest.raises(ArtifactError, match=r"head\.npz is no \.npz file"):
        read(saved).arrays("head.npz")
    assert not marker.exists()
    pickle.loads(pickle.dumps(Dangerous(marker)))
    assert marker.exists()


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("head.npz", Artifact.arrays),
        ("items.parquet", Artifact.table),
        ("settings.json", Artifact.json),
        ("model-card.md", Artifact.text),
    ],
)
def test_a_listed_file_of_another_format_is_refused(
    saved: Path, name: str, ask: Callable[[Artifact, str], object]
) -> None:
    forge(saved, name, lambda path: path.write_bytes(b"\xff\xfe something else"))
    with pytest.raises(ArtifactError, match=f"{name} is no .* save the model anew"):
        ask(read(saved), name)


def _write_header_alone(path: Path) -> None:
    told = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(told, header)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights.npy", told.getvalue())


@pytest.mark.parametrize(
    "make",
    [
        lambda path: np.savez_compressed(path, weights=np.zeros(10_000_000)),
        _write_header_alone,
    ],
)
def test_an_array_that_takes_more_memory_than_its_file_is_refused(
    saved: Path, make: Callable[[Path], object]
) -> None:
    forge(saved, "head.npz", make)
    with pytest.raises(ArtifactError, match=r"head\.npz is no \.npz file"):
        read(saved).arrays("head.npz")


def test_a_table_of_endless_rows_in_a_few_bytes_is_refused(saved: Path) -> None:
    nothing = pa.table({name: pa.nulls(10_000_000) for name in map(str, range(60))})
    forge(saved, "items.parquet", lambda path: pq.write_table(nothing, path))
    assert (saved / "items.parquet").stat().st_size < 3_000_000
    with pytest.raises(ArtifactError, match=r"items\.parquet is no \.parquet file"):
        read(saved).table("items.parquet")


def test_a_file_that_is_a_link_is_refused(saved: Path, tmp_path: Path) -> None:
    (saved / "model-card.md").rename(tmp_path / "elsewhere.md")
    (saved / "model-card.md").symlink_to(tmp_path / "elsewhere.md")
    with pytest.raises(ArtifactError, match=r"model-card\.md is a link"):
        read(saved)


def forge(saved: Path, name: str, make: Callable[[Path], object]) -> None:
    """Replace a file and make the manifest agree, as `write_artifact` never would."""
    make(saved / name)
    content = (saved / name).read_bytes()
    record = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edit_manifest(saved, lambda manifest: manifest["files"].update({name: record}))


# --- writing ------------------------------------------------------------------------------------


def test_an_artifact_takes_the_place_of_an_older_one(saved: Path) -> None:
    write(saved, {"new.txt": "new"})
    assert set(read(saved).contents) == {"new.txt"}
    assert {path.name for path in saved.parent.iterdir()} == {"model"}


def test_a_damaged_artifact_and_an_empty_folder_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write(tmp_path / "model")
    (tmp_path / "model" / "booster.txt").unlink()
    write(tmp_path / "model")
    assert read(tmp_path / "model").text("booster.txt") == "tree\n"


def test_folders_above_are_made(tmp_path: Path) -> None:
    write(tmp_path / "models" / "2024" / "model")
    assert read(tmp_path / "models" / "2024" / "model").kind == KIND


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("target", "a file", "target is a file; pass a folder"),
        ("target/letter.txt", "dear", "is a folder that holds something else; pass another"),
        ("target/manifest.json", '{"format": "zip"}', "is a folder that holds something else"),
        ("target/folder/letter.txt", "dear", "is a folder that holds something else"),
    ],
)
def test_what_is_not_an_artifact_is_not_replaced(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        write(tmp_path / "target")
    assert bytes_in(tmp_path) == {name: content.encode()}


def test_an_artifact_with_files_of_the_users_is_not_replaced(saved: Path) -> None:
    (saved / "letter.txt").write_text("dear")
    before = bytes_in(saved.parent)
    with pytest.raises(InputError, match=r"also holds 'letter\.txt', which would be lost"):
        write(saved)
    assert bytes_in(saved.parent) == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("z.npz", {"names": np.array(["a", None])}, r"z\.npz: array 'names' holds Python objects"),
        ("z.npz", {"names": pd.Series(["a"])}, "holds Python objects; make strings a fixed-width"),
        ("z.npz", np.ones(3), r"'z\.npz' cannot hold a ndarray; there are: \.npz for a mapping"),
        ("z.parquet", {"a": [1]}, r"'z\.parquet' cannot hold a dict"),
        ("z.md", b"bytes", r"'z\.md' cannot hold a bytes"),
        ("z.pkl", "text", r"'z\.pkl' cannot hold a str"),
        ("manifest.json", {}, r"'manifest\.json' cannot hold a dict"),
        ("../z.txt", "text", r"'\.\./z\.txt' is not a plain file name"),
        (".z.txt", "text", "is not a plain file name"),
        ("z.json", {"score": float("nan")}, "not JSON compliant"),
        ("z.json", {"when": datetime.now(UTC)}, "not JSON serializable"),
        ("z.parquet", pd.DataFrame({"mixed": ["a", 1]}), "mixed"),
    ],
)
def test_a_failed_write_leaves_the_older_artifact_whole_and_nothing_else(
    saved: Path, name: str, content: Any, message: str
) -> None:
    before = bytes_in(saved.parent)
    with pytest.raises((ValueError, TypeError), match=message):
        write(saved, {"first.txt": "written before the failure", name: content})
    assert bytes_in(saved.parent) == before
    assert {path.name for path in saved.parent.iterdir()} == {"model"}
    with pytest.raises((ValueError, TypeError), match=message):
        write(saved.with_name("fresh"), {name: content})
    assert {path.name for path in saved.parent.iterdir()} == {"model"}


def test_a_failure_while_taking_the_place_puts_the_older_one_back(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bytes_in(saved.parent)
    rename = Path.rename

    def fail_on_the_way_in(self: Path, target: Path) -> Path:
        if target == saved and self.name != ".model.former":
            raise OSError("the disk is gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_on_the_way_in)
    with pytest.raises(OSError, match="the disk is gone"):
        write(saved, {"new.txt": "new"})
    assert bytes_in(saved.parent) == before
    assert {path.name for path in saved.parent.iterdir()} == {"model"}


def test_a_writer_killed_between_its_renames_loses_nothing(saved: Path) -> None:
    former = saved.with_name(".model.former")
    saved.rename(former)
    assert read(saved).text("booster.txt") == "tree\n"
    write(saved, {"new.txt": "new"})
    assert read(saved).text("new.txt") == "new"
    assert not former.exists()


def test_a_writer_killed_before_it_cleaned_up_is_cleaned_up_after(saved: Path) -> None:
    shutil.copytree(saved, saved.with_name(".model.former"))
    (saved.with_name(".model.former") / "manifest.json").unlink()
    write(saved, {"new.txt": "new"})
    assert {path.name for path in saved.parent.iterdir()} == {"model"}
