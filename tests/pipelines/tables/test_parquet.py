from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.tables.parquet import ParquetRows, count_rows, read_parquet
from pipelines.tables.reader import read_table
from retrieval import InputError, TableError

KINDS = {"item_id": "string", "price": "any"}


@pytest.fixture
def folder(products: pd.DataFrame, tmp_path: Path) -> Path:
    """Three files of 400 products, with row groups of 60; in the last one prices are whole."""
    table = products[["item_id", "price"]]
    for number, part in enumerate((table[:150], table[150:151], table[151:])):
        if number == 2:
            part = part.assign(price=part["price"].round().astype("Int64"))
        rows = pa.Table.from_pandas(part, preserve_index=False)
        pq.write_table(rows, tmp_path / f"part-{number}.parquet", row_group_size=60)
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".hidden.parquet").write_text("not Parquet")
    return tmp_path


def test_a_folder_is_one_table(products: pd.DataFrame, folder: Path) -> None:
    table = read_table(folder, KINDS, id_col="item_id")
    price = products["price"].copy()
    price[151:] = price[151:].round()
    assert count_rows(folder) == 400
    assert table["item_id"].tolist() == products["item_id"].tolist()
    pd.testing.assert_series_equal(table["price"], price)


@pytest.mark.parametrize("size", [1, 7, 149, 250])
def test_its_parts_together_are_the_whole(folder: Path, size: int) -> None:
    whole = read_parquet(folder, ["price", "item_id"])
    parts = [
        read_parquet(folder, ["price", "item_id"], at, at + size) for at in range(0, 400, size)
    ]
    assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1)
    assert pa.concat_tables(parts).equals(whole)


def test_a_part_counts_rows_as_the_whole_does(products: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    prices = products["price"].astype(str).where(products.index != 30, "dear")
    products.assign(price=prices).to_parquet(path)
    with pytest.raises(
        TableError, match=r"items.parquet: row 31 .*: price: 'dear' is not a number"
    ):
        read_table(
            ParquetRows(path, 20, 40), {"item_id": "string", "price": "number"}, id_col="item_id"
        )


def test_a_column_that_one_file_lacks_is_missing_there(folder: Path) -> None:
    pd.DataFrame({"item_id": ["z"]}).to_parquet(folder / "part-3.parquet")
    table = read_table(folder, KINDS)
    assert table["item_id"].iloc[-1] == "z"
    assert pd.isna(table["price"].iloc[-1])


def test_what_is_no_table_is_refused(tmp_path: Path, folder: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"empty: a folder without .parquet files"):
        read_table(empty)
    (folder / "part-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(TableError, match=r"part-1.parquet: not a whole Parquet file"):
        read_table(folder, KINDS)
    pd.DataFrame({"item_id": [b"\xff"], "price": ["x"]}).to_parquet(folder / "part-1.parquet")
    with pytest.raises(TableError, match="its files do not fit together"):
        read_table(folder, KINDS)
