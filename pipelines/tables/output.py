"""Write results: DataFrames to Parquet, CSV and JSON; a reader sees the old file or the new one."""

import json
import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.tables.csv_files import write_csv
from pipelines.tables.formats import check_suffix, csv_suffix
from retrieval import InputError, replacing

_LONGEST_CELL = 32_767  # letters, as Excel has it


def write_table(frame: pd.DataFrame, path: Path | str, *, guard_csv: bool = True) -> None:
    """Write a table as Parquet or CSV, by suffix; nested cells become JSON in CSV.

    CSV is UTF-8 with commas and decimal points, compressed where the suffix says so.

    Args:
        frame: The table.
        path: The file.
        guard_csv: Whether a text that begins as a formula does gets an apostrophe in CSV; reading
            takes it away.

    Raises:
        InputError: The suffix is unknown.
    """
    path = Path(path)
    check_writable(path)
    with replacing(path) as temporary:
        suffix = csv_suffix(path)
        if suffix is None:
            frame.rename(columns=str).to_parquet(temporary, index=False)
        else:
            write_csv(flat(frame), temporary, suffix, guard=guard_csv)


def write_workbook(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Write tables as the sheets of one .xlsx file; texts stay texts, whatever they begin with."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    for name, table in tables.items():
        sheet = book.create_sheet(name)
        for row in [list(map(str, table.columns)), *flat(table).itertuples(index=False)]:
            sheet.append([_cell(sheet, value) for value in row])
    with replacing(path) as temporary:
        book.save(temporary)


def check_workbooks() -> None:
    """Refuse, before the work, to write workbooks where there is no openpyxl."""
    if find_spec("openpyxl") is None:
        raise InputError("workbooks need openpyxl: pip install 'likewise[excel]'")


def _cell(sheet: Any, value: Any) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if value is None or value is pd.NaT or value != value:
        return None
    if not isinstance(value, str):
        return value.item() if isinstance(value, np.generic) else value
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub(" ", value)[:_LONGEST_CELL])
    cell.data_type = "s"  # a text that begins with = would be a formula
    return cell


def write_json(value: object, path: Path | str) -> None:
    """Write JSON, indented; numpy values as plain ones, NaN as null."""
    write_text(_json(value, indent=2) + "\n", path)


def write_text(text: str, path: Path | str) -> None:
    """Write a text file."""
    with replacing(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_writable(path: Path | str) -> None:
    """Refuses, before hours of work, a table that `write_table` could not write."""
    path = Path(path)
    check_suffix(path, to_read=False)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a table")


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its nested cells as JSON."""
    nested = [
        name
        for name in frame.columns
        if frame[name].dtype == object
        and frame[name].map(lambda cell: isinstance(cell, list | tuple | dict | np.ndarray)).any()
    ]
    return frame.assign(**{name: frame[name].map(_json) for name in nested})


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=indent)


def _plain(value: Any) -> Any:
    """`value` in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value
