from pathlib import Path

import pandas as pd
import pytest

from pipelines.config.sections import ItemsSettings
from pipelines.inputs.items import read_items
from retrieval import TableError

TEXTS = pd.DataFrame({"text": ["tea", "milk", "tea"], "kind": ["drink", "food", "drink"]})


def _ids(table: pd.DataFrame, folder: Path) -> list[str]:
    path = folder / "items.csv"
    table.to_csv(path, index=False)
    ids: list[str] = read_items(path, ItemsSettings(text=("text",), label="kind"))[
        "item_id"
    ].tolist()
    return ids


def test_items_without_ids_get_the_same_ones_again(tmp_path: Path) -> None:
    ids = _ids(TEXTS, tmp_path)
    assert len(set(ids)) == 3
    assert ids[0].removesuffix("-0") == ids[2].removesuffix("-1")
    assert _ids(TEXTS.iloc[[1, 0]], tmp_path) == [ids[1], ids[0]]
    # An item that got another label is still the item it was.
    assert _ids(TEXTS.assign(kind="thing"), tmp_path) == ids


def test_ids_that_are_there_are_kept(tmp_path: Path) -> None:
    assert _ids(TEXTS.assign(item_id=["007", "8", "9"]), tmp_path) == ["007", "8", "9"]


def test_an_id_column_that_was_named_must_be_there(tmp_path: Path) -> None:
    TEXTS.to_csv(tmp_path / "items.csv", index=False)
    for name in ("item_id", "sku"):
        with pytest.raises(TableError, match=f"no column '{name}'"):
            read_items(tmp_path / "items.csv", ItemsSettings(id=name, text=("text",)))
