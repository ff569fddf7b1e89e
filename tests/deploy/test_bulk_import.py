"""Items that Milvus imports from files are the same as those sent to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from retrieval import Encoder
from tests.milvus_places import Place, Places

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "bulk_import.py"
ROWS = 150  # of a file


@pytest.fixture
def items(products: pd.DataFrame, tmp_path: Path) -> pd.DataFrame:
    products.to_parquet(tmp_path / "items.parquet", index=False)
    return products


def config(folder: Path, place: Place) -> Path:
    path = folder / f"{place.collection}.yaml"
    path.write_text(
        "items: {path: items.parquet, text: [product_type, package_size, brand],\n"
        "  label: product_category, launch_date: launch_date, attributes: [price]}\n" + place.yaml()
    )
    return path


def call(verb: str, job: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, verb, "--config", job, *arguments]
    shown = [str(one) for one in command]
    return subprocess.run(shown, capture_output=True, text=True, check=False, env={**os.environ})


def write(folder: Path, place: Place) -> list[Path]:
    done = call("write", config(folder, place), "--out", folder / "bulk", "--rows", ROWS)
    assert done.returncode == 0, done.stderr
    return sorted((folder / "bulk").glob("*.parquet"))


def test_the_files_hold_the_collections_rows(
    items: pd.DataFrame, encoder: Encoder, milvus: Places, tmp_path: Path
) -> None:
    files = write(tmp_path, milvus("imported"))
    assert len(files) == 3
    rows = pd.concat([pd.read_parquet(path) for path in files])
    with milvus("imported").open(encoder) as index:
        (first,) = index.ids()  # it came with the collection
        layout = index.layout
    assert sorted([first, *rows["item_id"]]) == sorted(items["item_id"])
    columns = {
        "item_id": layout.item_id,
        "text": layout.text,
        "label": layout.label,
        "launch_date": layout.launch_date,
        "attributes": tuple(layout.attributes),
    }
    with milvus("sent").open(encoder) as index:
        index.upsert(items, **columns)
        fields = [name for name in rows.columns if name != "vector"]
        sent = pd.DataFrame(row for page in index._store.pages(fields) for row in page)
    pd.testing.assert_frame_equal(
        rows[fields].sort_values("item_id", ignore_index=True),
        sent[sent["item_id"] != first][fields].sort_values("item_id", ignore_index=True),
    )


@pytest.mark.server_only("Lite imports no files")
def test_what_was_imported_is_what_would_be_sent(
    items: pd.DataFrame, encoder: Encoder, milvus: Places, tmp_path: Path
) -> None:
    place = milvus("imported")
    if "127.0.0.1" not in place.uri:
        pytest.skip("a Milvus elsewhere does not find this machine's files")
    files = write(tmp_path, place)
    done = call("load", config(tmp_path, place), "--prefix", tmp_path / "bulk", *files)
    assert done.returncode == 0, done.stderr
    assert f"{len(items)} items in {place.collection}" in done.stdout
    with place.open(encoder) as index:
        assert index.ids() == sorted(items["item_id"])
        counts = index.upsert(
            items,
            text=["product_type", "package_size", "brand"],
            label="product_category",
            launch_date="launch_date",
            attributes=["price"],
        )
        assert counts.unchanged == len(items)
        near = index.neighbors(items[:50], k=1, exclude_self=False)
        assert (near.similarity[:, 0] > 0.999).all()
    absent = call("load", config(tmp_path, place), "--prefix", tmp_path / "nowhere", files[0])
    assert absent.returncode == 1
    assert "Milvus did not import it" in absent.stderr


def test_only_a_fresh_collection_is_imported_into(
    items: pd.DataFrame, encoder: Encoder, milvus: Places, tmp_path: Path
) -> None:
    place = milvus("used")
    write(tmp_path, place)
    again = call("write", config(tmp_path, place), "--out", tmp_path / "again")
    assert again.returncode == 2
    assert "has items; import into a fresh one" in again.stderr
    assert not (tmp_path / "again").exists()
