"""Lines of JSON, an object a line, plain or compressed."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa

from pipelines.tables.columns import to_table
from pipelines.tables.formats import JSON_SUFFIXES, TableFile, json_suffix
from retrieval import TableError


def read_json_lines(file: TableFile) -> pa.Table:
    """Read all columns; a key that a line lacks is missing there, and blank lines do not count.

    Raises:
        TableError: A line is not an object in JSON, or there is none.
    """
    suffix = json_suffix(file.path)
    assert suffix is not None
    rows: list[dict[str, Any]] = []
    try:
        with (
            pa.input_stream(file.path, compression=JSON_SUFFIXES[suffix]) as stream,
            io.TextIOWrapper(stream, encoding="utf-8-sig") as lines,
        ):
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    rows.append(_object(line, f"{file}: line {number}"))
    except UnicodeError as error:
        raise TableError(f"{file}: not UTF-8 text: {error}") from error
    except OSError as error:
        if error.filename is not None:  # of the file system: no permission, no such file
            raise
        raise TableError(f"{file}: not a whole {suffix} file: {error}") from error
    if not rows:
        raise TableError(f"{file}: the file is empty")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return to_table(names, [[row.get(name) for row in rows] for name in names])


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise TableError(f"{where}: not JSON: {error.msg}") from None
    if not isinstance(found, dict):
        raise TableError(f"{where}: not an object, {{...}}")
    return found
