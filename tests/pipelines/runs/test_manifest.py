from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.fingerprint import sha256_of, versions
from pipelines.runs.manifest import Basis, Manifest

BASIS = Basis({"items": "ab"}, {"k": 20, "text": ["name"]}, {"python": "3"}, {"name": "mini"})
MADE = Manifest("index", "done", BASIS, {"collection": "cd"}, {"new": 3}, "2024-01-01", 1.5)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    MADE.write(tmp_path)
    assert Manifest.read(tmp_path, "index") == MADE
    assert Manifest.read(tmp_path, "classify") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"step": "index"}', '{"basis": 3}'])
def test_a_damaged_one_counts_as_none(tmp_path: Path, content: str) -> None:
    MADE.write(tmp_path)
    (tmp_path / "manifests" / "index.json").write_text(content)
    assert Manifest.read(tmp_path, "index") is None


def test_it_holds_only_for_the_same_basis_and_outputs() -> None:
    assert MADE.holds(BASIS, {"collection": "cd"})
    assert MADE.holds(replace(BASIS, settings={"text": ("name",), "k": 20}), {"collection": "cd"})
    assert not MADE.holds(BASIS, {"collection": ""})
    assert not MADE.holds(replace(BASIS, inputs={"items": "ac"}), {"collection": "cd"})
    assert not MADE.holds(replace(BASIS, settings={"k": 21}), {"collection": "cd"})
    assert not MADE.holds(replace(BASIS, versions={"python": "4"}), {"collection": "cd"})
    assert not MADE.holds(replace(BASIS, encoder={"name": "other"}), {"collection": "cd"})
    assert not replace(MADE, status="failed").holds(BASIS, {"collection": "cd"})


def test_digests_of_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1" * 3_000_000)
    assert sha256_of(tmp_path / "a" / "x") == hashlib.sha256(b"1" * 3_000_000).hexdigest()
    before = sha256_of(tmp_path / "a")
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    assert sha256_of(tmp_path / "a") not in ("", before)
    assert sha256_of(tmp_path / "none") == ""


def test_versions_name_what_computes() -> None:
    assert {"likewise", "code", "python", "lightgbm", "pymilvus"} <= set(versions())
