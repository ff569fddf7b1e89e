"""The tables that a run reads: where each is, and what its content hashes to.

The rows of a query are read once a run and kept in a file until the run ends, so that what is
hashed is what the steps work on.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Self

import pyarrow.parquet as pq
import structlog

from pipelines.config.settings import Settings
from pipelines.fingerprint import sha256_of
from pipelines.inputs.items import TableInput, name_of
from pipelines.logs import timed
from pipelines.tables.sql import SqlQuery, fetch

_log = structlog.stdlib.get_logger(__name__)

FOLDER = ".inputs"


class RunInputs:
    """The tables named by the sections of the settings, as one run sees them.

    Args:
        settings: Their sections.
        folder: Of the run; rows of queries are kept inside it while the block lasts.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder / FOLDER
        self._files: dict[str, Path] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        shutil.rmtree(self._folder, ignore_errors=True)  # left by a run that was killed
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the rows of queries."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def table(self, section: str) -> TableInput | None:
        """Return the table of a section, for a job; None where the section names none."""
        source: TableInput | None = getattr(self._settings, section).source
        return self._rows_of(section, source) if isinstance(source, SqlQuery) else source

    def digests(self, *sections: str) -> dict[str, str]:
        """SHA-256 of the tables of those sections that name one."""
        tables = {section: self.table(section) for section in sections}
        return {
            section: sha256_of(Path(name_of(table, section)))
            for section, table in tables.items()
            if table is not None
        }

    def _rows_of(self, section: str, query: SqlQuery) -> Path:
        if section not in self._files:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{section}.{secrets.token_hex(4)}.parquet"
            with timed(_log, "query read", section=section) as fields:
                rows = fetch(query)
                pq.write_table(rows, path)
                fields["rows"] = rows.num_rows
            self._files[section] = path
        return self._files[section]
