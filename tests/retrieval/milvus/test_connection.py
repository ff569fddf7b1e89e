"""An index file that a crash cut off does not keep a collection from being loaded."""

from pathlib import Path

import pandas as pd
import pytest

from retrieval import Encoder, ItemIndex
from retrieval.milvus.connection import remove_torn_indexes


@pytest.mark.parametrize("left", [0, 3, 6, 60, 128, 1_000])
def test_a_torn_index_is_built_anew(tmp_path: Path, encoder: Encoder, left: int) -> None:
    path = tmp_path / "items.db"
    items = pd.DataFrame({"item_id": ["a", "b"], "text": ["tea bags", "coffee beans"]})
    with ItemIndex(str(path), encoder) as index:
        index.upsert(items, text="text")
        assert index.neighbors(["tea"], 1).ids[0, 0] == "a"
    assert remove_torn_indexes(path) == 0
    files = list(path.rglob("*.idx"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:left])
    with ItemIndex(str(path), encoder) as index:
        assert index.neighbors(["tea"], 1).ids[0, 0] == "a"
        assert index.count() == 2
