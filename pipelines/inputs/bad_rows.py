"""Bad rows of a table, left out of a job and kept in a file, for whoever can mend them.

A row is bad if it breaks the table's contract; what is wrong with the whole table, such as a
missing column, is refused as ever. Of rows that share an id all are bad: nobody knows which one is
right. The file has the rows whole, as they are in the source, after three columns:

- ``row``: its number in the source, from 1, as messages count
- ``column``: what is wrong there
- ``problem``: what is wrong
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, TypeVar, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import structlog

from pipelines.config.settings import Settings
from pipelines.inputs.items import TableInput, name_of, remaining
from pipelines.overwriting import Write
from pipelines.source_rows import held, suffix_of, texts_of, whole_rows
from pipelines.tables.reader import write_table
from retrieval import InputError, TableError
from retrieval.errors import Offense

_log = structlog.stdlib.get_logger(__name__)

Read = Callable[[TableInput, Collection[int]], pd.DataFrame]
"""Reads a source without some rows, which are given by their positions."""

FOLDER = "quarantine"

Role = Literal["items", "sales", "future", "new_items", "observed", "test", "outside"]
"""What a table is to a job."""

_T = TypeVar("_T")
_SUFFIXES = (".parquet", ".csv")
_MOST = 0.5
_SHOWN = 5
_SHARED = "is there more than once"


@dataclass(frozen=True)
class Screened(Generic[_T]):
    """A table without its bad rows.

    Attributes:
        table: The good ones.
        result: What was made of them.
        bad: The bad ones, whole.
        bad_ids: Their ids, as far as they have any.
    """

    table: pd.DataFrame
    result: _T
    bad: pa.Table = field(default_factory=lambda: pa.table({}))
    bad_ids: frozenset[str] = frozenset()


class Quarantine:
    """What one job does with bad rows.

    Args:
        folder: Where their files go, one a table; None: bad rows are refused, and with them the
            job.

    Attributes:
        folder: That folder, or None.
        counts: How many rows of each table were bad, where they are not refused.
        files: Where they are; only tables with bad rows have one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.counts: dict[str, int] = {}
        self.files: dict[str, Path] = {}

    @classmethod
    def of(cls, settings: Settings, job: str, beside: Path | None = None) -> Quarantine:
        """What the settings say; each job has a folder of its own, because each has its rules.

        Args:
            settings: They may name the folder of all jobs.
            job: Its name.
            beside: Else it is in this folder, that of the results; None: the working directory.
        """
        where = settings.bad_rows
        if where.action == "fail":
            return cls()
        return cls((where.folder or (beside or Path()) / FOLDER) / job)

    @property
    def written(self) -> Write | None:
        """All files that may be written or removed; None where bad rows are refused."""
        if self.folder is None:
            return None
        names = [f"{role}{suffix}" for role in get_args(Role) for suffix in _SUFFIXES]
        return Write("bad rows in", self.folder, tuple(names))

    @property
    def is_on(self) -> bool:
        """Whether bad rows are left out, rather than refused."""
        return self.folder is not None

    def counted(self) -> dict[str, int]:
        """``quarantined``, all bad rows there were, for a job's counts; nothing where refused."""
        return {"quarantined": sum(self.counts.values())} if self.is_on else {}

    def screen(
        self,
        role: Role,
        source: TableInput,
        read: Read,
        use: Callable[[pd.DataFrame], _T],
        *,
        id_col: str | None = None,
        ignore: Callable[[pd.DataFrame], pd.Series[bool]] | None = None,
    ) -> Screened[_T]:
        """Reads a table and uses it, without its bad rows if they are not to be refused.

        Args:
            role: What the table is to the job; its file of bad rows is called so.
            source: The table.
            read: Reads it.
            use: Makes something of it; a bad row makes it raise, before it has any effect.
            id_col: A column that no two rows may share.
            ignore: Marks rows (n,) that are neither used nor bad.

        Raises:
            TableError: Bad rows are refused, or what is wrong is not about rows.
            InputError: More than half of the rows are bad.
        """
        if self.folder is None:
            table = read(source, ())
            return Screened(table, use(table))
        source = held(source)
        sieve = _Sieve(source, name_of(source, role), id_col)
        frame = sieve.read(read, ignore)
        table, result = sieve.use(frame, use)
        if not sieve.bad:
            self._keep(role, None, "")
            return Screened(table, result)
        bad = whole_rows(source, sorted(sieve.bad))
        self._keep(role, _with_problems(bad, sieve.bad), suffix_of(source))
        return Screened(table, result, bad, frozenset(_ids(bad, id_col)))

    def _keep(self, role: Role, bad: pd.DataFrame | None, suffix: str) -> None:
        """Writes bad rows in place of those of an earlier run; None: there are none."""
        assert self.folder is not None
        self.counts[role] = 0 if bad is None else len(bad)
        if bad is not None:
            path = self.files[role] = self.folder / f"{role}{suffix}"
            write_table(bad, path)
            _log.warning("bad rows quarantined", table=role, rows=len(bad), file=str(path))
        for other in _SUFFIXES:
            if other != suffix:
                (self.folder / f"{role}{other}").unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()


@dataclass(frozen=True)
class _Problem:
    column: str
    problem: str


class _Sieve:
    """Takes bad rows out of one table until it is clean; counts them by position in the source."""

    def __init__(self, source: TableInput, name: str, id_col: str | None) -> None:
        self._source = source
        self._name = name
        self._id_col = id_col
        self._rows = np.empty(0, dtype=np.intp)
        self._total = 0
        self.bad: dict[int, _Problem] = {}

    def read(
        self, read: Read, ignore: Callable[[pd.DataFrame], pd.Series[bool]] | None
    ) -> pd.DataFrame:
        """The table without the rows that cannot be read."""
        while True:
            try:
                frame = read(self._source, self.bad.keys())
                break
            except TableError as error:
                self._note(error, lambda position: position)
        self._total = len(frame) + len(self.bad)
        self._rows = remaining(self._total, self.bad)
        self._refuse_if_most_are_bad()
        if self.bad:
            unreadable = _ids(whole_rows(self._source, sorted(self.bad)), self._id_col)
            frame = self._without_namesakes(frame, unreadable)
        if ignore is not None:
            kept = ~np.asarray(ignore(frame), dtype=bool)
            frame, self._rows = frame[kept], self._rows[kept]
        return frame

    def use(
        self, frame: pd.DataFrame, use: Callable[[pd.DataFrame], _T]
    ) -> tuple[pd.DataFrame, _T]:
        """The table without the rows that cannot be used, and what was made of it."""
        while True:
            try:
                return frame, use(frame)
            except TableError as error:
                self._note(error, lambda position: int(self._rows[position]))
            self._refuse_if_most_are_bad()
            is_bad = np.isin(self._rows, list(self.bad))
            namesakes: set[str] = set()
            if self._id_col is not None and self._id_col in frame:
                namesakes = set(frame[self._id_col][is_bad].dropna().astype(str))
            frame, self._rows = frame[~is_bad], self._rows[~is_bad]
            frame = self._without_namesakes(frame, namesakes)

    def _note(self, error: TableError, to_source: Callable[[int], int]) -> None:
        """Counts the rows that an error is about; raises one that is about none, or no new one."""
        before = len(self.bad)
        for offense in error.offenses:
            for position in offense.rows:
                self.bad.setdefault(to_source(position), _described(offense))
        if len(self.bad) == before:
            raise error

    def _without_namesakes(self, frame: pd.DataFrame, ids: set[str]) -> pd.DataFrame:
        """The table without rows whose id a bad row has, too."""
        if self._id_col is None or self._id_col not in frame or not ids:
            return frame
        shared = frame[self._id_col].astype(str).isin(ids).to_numpy()
        for row in self._rows[shared]:
            self.bad[int(row)] = _Problem(self._id_col, _SHARED)
        self._rows = self._rows[~shared]
        self._refuse_if_most_are_bad()
        return frame[~shared]

    def _refuse_if_most_are_bad(self) -> None:
        if len(self.bad) <= _MOST * self._total:
            return
        first = sorted(self.bad)[:_SHOWN]
        lines = [f"row {row + 1}: {' '.join(_words(self.bad[row]))}" for row in first]
        if len(self.bad) > _SHOWN:
            lines.append(f"... and {len(self.bad) - _SHOWN:,} more")
        raise InputError(
            f"{self._name}: {len(self.bad):,} of {self._total:,} rows are bad, more than half; "
            + "\n  ".join(["none is quarantined, and nothing is done", *lines])
        )


def _described(offense: Offense) -> _Problem:
    return _Problem(offense.column, offense.problem.removeprefix(f"{offense.column} "))


def _words(problem: _Problem) -> list[str]:
    """Column and problem, unless the problem itself begins with the columns."""
    said = problem.column and not problem.problem.startswith("(")
    return [problem.column, problem.problem] if said else [problem.problem]


def _ids(rows: pa.Table, id_col: str | None) -> set[str]:
    """The ids of some rows, as text."""
    if id_col is None or id_col not in rows.column_names:
        return set()
    return {one for one in texts_of(rows, id_col) if one is not None}


def _with_problems(rows: pa.Table, problems: Mapping[int, _Problem]) -> pd.DataFrame:
    """Row, column and problem before the columns of the source."""
    ordered = sorted(problems)
    told = {
        "row": pd.Series([position + 1 for position in ordered], dtype="int64"),
        "column": pd.Series([problems[position].column for position in ordered], dtype="str"),
        "problem": pd.Series([problems[position].problem for position in ordered], dtype="str"),
    }
    taken = set(rows.column_names)
    named = {f"quarantine_{name}" if name in taken else name: told[name] for name in told}
    whole: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    return pd.concat([pd.DataFrame(named), whole], axis=1)
