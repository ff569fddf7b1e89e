"""One table, one answer: the same values from Python, files and the API are the same items."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.config.settings import load_settings
from pipelines.jobs.index import index_job
from retrieval import Between, Encoder, InputError, ItemIndex, TableError, parse_conditions
from serving.handlers.tables import Columns, known_table
from serving.schemas.items import KnownItem
from tests.milvus_places import Places

ATTRIBUTES = ("organic", "code", "since", "price", "size")
ROWS: dict[str, list[Any]] = {
    "item_id": ["a", "b", "c", "d"],
    "name": ["whole milk", "skim milk", "tortilla chips", "potato chips"],
    "label": [1, 1, 2, None],
    "organic": [True, True, False, None],
    "code": [9007199254740993, 9007199254740992, 5, 6],
    "since": [dt.date(2024, 3, 1), dt.date(2024, 3, 2), None, dt.date(2024, 3, 1)],
    "price": [3.99, 4.0, 2.5, None],
    "size": ["38", "M", "40/42", "L"],
}


def frame() -> pd.DataFrame:
    """Return the table as Python has it: whole numbers with gaps are decimal numbers there."""
    return pd.DataFrame(ROWS).astype({"since": "datetime64[ns]", "label": "float64"})


def filled(index: ItemIndex, way: str, folder: Path) -> ItemIndex:
    """Return the index, filled in one of the ways."""
    columns: dict[str, Any] = {"text": "name", "label": "label", "attributes": ATTRIBUTES}
    if way == "frame":
        index.upsert(frame(), **columns)
    elif way == "objects":
        index.upsert(pd.DataFrame(ROWS, dtype=object), **columns)
    else:
        assert way == "api"
        attributes = [
            {
                name: str(one) if name == "since" and one else one
                for name, one in zip(ATTRIBUTES, row, strict=True)
            }
            for row in zip(*(ROWS[name] for name in ATTRIBUTES), strict=True)
        ]
        items = [
            KnownItem(
                item_id=ROWS["item_id"][row],
                text=ROWS["name"][row],
                label=None if ROWS["label"][row] is None else str(ROWS["label"][row]),
                attributes=attributes[row],
            )
            for row in range(4)
        ]
        kinds = dict.fromkeys(ATTRIBUTES, "any")
        told = Columns(("name",), "item_id", "label", None, kinds)
        index.upsert(known_table(items, told), **columns)
    return index


def written(way: str, folder: Path) -> Path:
    """Return the table as a file."""
    path = folder / f"items.{way}"
    if way == "parquet":
        frame().to_parquet(path)
    elif way == "jsonl":
        pd.DataFrame(ROWS).assign(since=[one and str(one) for one in ROWS["since"]]).to_json(
            path, orient="records", lines=True
        )
    else:
        frame().to_csv(path, index=False)
    return path


WAYS = ["frame", "objects", "api", "parquet", "csv", "jsonl"]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_labels_and_filters(
    way: str, tmp_path: Path, encoder: Encoder, milvus: Places
) -> None:
    place = milvus(way)
    if way in ("frame", "objects", "api"):
        index = filled(place.open(encoder), way, tmp_path)
    else:
        items = {"text": "name", "label": "label", "attributes": list(ATTRIBUTES)}
        settings = load_settings(None, {"items": items, "index": place.settings()})
        index_job(settings, written(way, tmp_path))
        index = place.open(encoder)
    with index:
        held = index.read()
        assert dict(zip(held.ids, held.labels, strict=True)) == {
            "a": "1",
            "b": "1",
            "c": "2",
            "d": None,
        }
        kinds = dict.fromkeys(ATTRIBUTES, "string") | {"price": "number"}
        assert index.layout.attributes == kinds
        for where, ids in (
            ({"organic": True}, "ab"),
            ({"organic": "true"}, "ab"),
            (parse_conditions(["organic=True"], kinds), "ab"),
            ({"code": 9007199254740993}, "a"),
            (parse_conditions(["code=9007199254740993"], kinds), "a"),
            ({"code": [5, 6]}, "cd"),
            ({"since": dt.date(2024, 3, 1)}, "ad"),
            ({"since": pd.Timestamp("2024-03-01")}, "ad"),
            (parse_conditions(["since=2024-03-01"], kinds), "ad"),
            ({"price": Between(3, 4)}, "ab"),
            ({"price": 4}, "b"),
            ({"size": "38"}, "a"),
        ):
            near = index.neighbors(["milk"], 4, where=where)  # type: ignore[arg-type]
            assert sorted(near.to_frame()["item_id"]) == list(ids), where
        with pytest.raises(InputError, match="holds numbers"):
            index.neighbors(["milk"], 4, where={"price": 2**60})


def test_what_a_collection_holds_decides_what_a_few_new_rows_are(encoder: Encoder) -> None:
    with ItemIndex(":memory:", encoder) as index:
        items = pd.DataFrame({"item_id": ["a"], "name": ["tea"], "size": ["M"], "price": [3.99]})
        columns: dict[str, Any] = {"text": "name", "attributes": ["size", "price"]}
        index.upsert(items, **columns)
        index.upsert(items.assign(item_id="b", size=38.5, price="$4.50"), **columns)
        got = index.get(["b"])
        assert (got["size"].item(), got["price"].item()) == ("38.5", 4.5)
        with pytest.raises(TableError, match="row 1, column price is not a number: 'dear'"):
            index.upsert(items.assign(price="dear"), **columns)


def test_lists_of_labels_are_kept_as_lists(encoder: Encoder) -> None:
    items = pd.DataFrame(
        {"item_id": list("ab"), "name": ["milk", "tea"], "label": [["y", "x"], []]}
    )
    with ItemIndex(":memory:", encoder) as index:
        index.upsert(items, text="name", label="label")
        index.upsert(
            items.assign(item_id=list("cd"), label='["y", "x"]'), text="name", label="label"
        )
        assert sorted(index.read().labels) == [*['["x", "y"]'] * 3, "[]"]
        mixed = items.assign(label=['["x"]', "y"])
        with pytest.raises(TableError, match="row 2, column label is no list of labels"):
            index.upsert(mixed, text="name", label="label")
