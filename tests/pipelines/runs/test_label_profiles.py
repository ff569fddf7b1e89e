from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.runs.label_profiles import LabelProfile, kept_profiles, read_labels, remember_labels
from retrieval import TableError


def write_labels(path: Path, labels: list[object], **changed: object) -> Path:
    n = len(labels)
    near = {"item_id": "7", "label": "a", "similarity": 0.75, "weight": 1.0}
    far = {**near, "similarity": 0.5}
    table = pd.DataFrame(
        {
            "label": pd.Series(labels, dtype=object),
            "known": [True] * n,
            "novelty": np.linspace(0, 1, n),
            "neighbors": pd.Series([[near, far]] * (n - 1) + [[]], dtype=object),
        }
    ).assign(**changed)
    table.to_parquet(path, index=False)
    return path


def test_distance_is_that_of_the_nearest_like_item(tmp_path: Path) -> None:
    table = read_labels(write_labels(tmp_path / "labels.parquet", ["a", "b", None]))
    assert table["distance"].tolist()[:2] == [0.25, 0.25]
    assert np.isnan(table["distance"].iloc[2]), "nobody voted on it"
    alone = read_labels(
        write_labels(tmp_path / "labels.parquet", ["a", "b"], neighbors=pd.Series([[], []]))
    )
    assert alone["distance"].isna().all()


def test_a_profile_counts_labels_of_known_items(tmp_path: Path) -> None:
    path = write_labels(
        tmp_path / "labels.parquet", ["a", "b", "a", None], known=[True, True, False, True]
    )
    made = LabelProfile.of(read_labels(path), "0")
    assert (made.items, made.unknown, made.counts) == (4, 1, {"a": 1, "b": 1})
    assert made.novelty[::3] == pytest.approx((0.0, 0.5, 1.0))
    assert made.distance == (0.25,) * 7
    assert (made.edges, made.binned) == ((0.25,), (3, 0))
    several = write_labels(tmp_path / "labels.parquet", [["a", "b"], ["b"], []])
    assert LabelProfile.of(read_labels(several), "0").counts == {"b": 2, "a": 1}


def test_the_same_labels_are_remembered_once_and_old_ones_forgotten(tmp_path: Path) -> None:
    path, folder = tmp_path / "labels.parquet", tmp_path / "kept" / "labels"
    write_labels(path, ["a", "b"])
    for _ in range(2):
        remember_labels(path, tmp_path, keep=3)
    assert len(kept_profiles(tmp_path)) == 1
    for number in range(1, 6):
        write_labels(path, ["a"] * number + ["b", "c"])
        remember_labels(path, tmp_path, keep=3)
    assert sorted(file.name for file in folder.iterdir()) == [
        "000004.json",
        "000005.json",
        "000006.json",
    ]
    before, now = kept_profiles(tmp_path)
    assert (before.items, now.items) == (6, 7)
    assert now == replace(LabelProfile.of(read_labels(path), now.labels), made=now.made)


@pytest.mark.parametrize("text", ['{"made": "2', "{}", "[]", '{"made": 1, "more": 2}'])
def test_a_profile_that_is_not_whole_is_named(tmp_path: Path, text: str) -> None:
    path = write_labels(tmp_path / "labels.parquet", ["a", "b"])
    remember_labels(path, tmp_path, keep=3)
    (tmp_path / "kept" / "labels" / "000001.json").write_text(text)
    with pytest.raises(TableError, match=r"000001\.json: not a whole label profile"):
        remember_labels(path, tmp_path, keep=3)


def test_a_table_without_neighbors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    pd.read_parquet(write_labels(path, ["a", "b"])).drop(columns="neighbors").to_parquet(path)
    with pytest.raises(TableError, match="no column 'neighbors'"):
        read_labels(path)
