"""Bad rows of a table, left out of a job and kept in a file, for whoever can mend them.

A row is bad if it breaks the table's contract; what is wrong with the whole table, such as a
missing column, is refused as ever. Of rows that share an id all are bad: nobody knows which one is
right. The file has the rows whole, as they are in the source, after three columns:

- ``row``: its number in the source, from 1, as messages count
- ``column``: what is wrong there
- ``problem``: what is wrong
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from pipelines.config.settings import Settings
from pipelines.inputs.items import TableInput, name_of, remaining
from pipelines.overwriting import Write
from pipelines.tables.formats import TableFile
from pipelines.tables.output import write_table
from pipelines.tables.parquet import is_parquet, parquet_files
from pipelines.tables.reader import read_raw
from pipelines.tables.sql import FetchedRows, SqlQuery, fetch
from retrieval import InputError, Offense, TableError, first_few

_log = structlog.stdlib.get_logger(__name__)

Read = Callable[[TableInput, Collection[int]], pd.DataFrame]
"""Reads a source without some rows, which are given by their positions."""

FOLDER = "quarantine"

Role = Literal["items", "sales", "future", "new_items", "observed", "test", "outside"]
"""What a table is to a job."""

_T = TypeVar("_T")
_Made = TypeVar("_Made", covariant=True)
_SUFFIXES = (".parquet", ".csv")
_MOST = 0.5
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


class Asked(Protocol[_Made]):
    """A table whose rows have been asked whether they are bad."""

    @property
    def offenses(self) -> Sequence[Offense]:
        """The bad rows by the rule that they break first."""

    def clean(self) -> _Made:
        """Return what is made of the table; TableError where a row is bad."""

    def kept(self) -> _Made:
        """Return what is made of the good rows."""


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

    def __init__(self, folder: Path | None = None, *, guard_csv: bool = True) -> None:
        self.folder = folder
        self._guard_csv = guard_csv
        self.counts: dict[str, int] = {}
        self.files: dict[str, Path] = {}

    @classmethod
    def of(cls, settings: Settings, job: str, beside: Path | None = None) -> Quarantine:
        """Take what the settings say; each job has a folder of its own, because each has its rules.

        Args:
            settings: They may name the folder of all jobs.
            job: Its name.
            beside: Else it is in this folder, that of the results; None: the working directory.
        """
        where = settings.bad_rows
        if where.action == "fail":
            return cls()
        folder = (where.folder or (beside or Path()) / FOLDER) / job
        return cls(folder, guard_csv=settings.sink.csv_guard)

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
        """Read a table and use it, without its bad rows if they are not to be refused.

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
        return self._screened(role, source, sieve, table, result)

    def sieve(
        self,
        role: Role,
        source: TableInput,
        read: Read,
        ask: Callable[[pd.DataFrame], Asked[_T]],
        *,
        ignore: Callable[[pd.DataFrame], pd.Series[bool]] | None = None,
    ) -> Screened[_T]:
        """Read a table as `screen` does, and ask all its rows in one pass."""
        if self.folder is None:
            table = read(source, ())
            return Screened(table, ask(table).clean())
        source = held(source)
        sieve = _Sieve(source, name_of(source, role), None)
        table = sieve.read(read, ignore)
        asked = ask(table)
        sieve.note(asked.offenses)
        return self._screened(role, source, sieve, table, asked.kept())

    def _screened(
        self, role: Role, source: TableInput, sieve: _Sieve, table: pd.DataFrame, result: _T
    ) -> Screened[_T]:
        if not sieve.bad:
            self._keep(role, None, "")
            return Screened(table, result)
        bad = whole_rows(source, sorted(sieve.bad))
        self._keep(role, _with_problems(bad, sieve.bad), suffix_of(source))
        return Screened(table, result, bad, frozenset(_ids(bad, sieve.id_col)))

    def _keep(self, role: Role, bad: pd.DataFrame | None, suffix: str) -> None:
        """Write bad rows in place of those of an earlier run; None: there are none."""
        assert self.folder is not None
        self.counts[role] = 0 if bad is None else len(bad)
        if bad is not None:
            path = self.folder / f"{role}{suffix}"
            write_table(bad, path, guard_csv=self._guard_csv)
            self.files[role] = path
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
        self.id_col = id_col
        self._rows = np.empty(0, dtype=np.intp)
        self._total = 0
        self.bad: dict[int, _Problem] = {}

    def read(
        self, read: Read, ignore: Callable[[pd.DataFrame], pd.Series[bool]] | None
    ) -> pd.DataFrame:
        """Return the table without the rows that cannot be read."""
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
            unreadable = _ids(whole_rows(self._source, sorted(self.bad)), self.id_col)
            frame = self._without_namesakes(frame, unreadable)
        if ignore is not None:
            kept = ~np.asarray(ignore(frame), dtype=bool)
            frame, self._rows = frame[kept], self._rows[kept]
        return frame

    def use(
        self, frame: pd.DataFrame, use: Callable[[pd.DataFrame], _T]
    ) -> tuple[pd.DataFrame, _T]:
        """Return the table without the rows that cannot be used, and what was made of it."""
        while True:
            try:
                return frame, use(frame)
            except TableError as error:
                self._note(error, lambda position: int(self._rows[position]))
            self._refuse_if_most_are_bad()
            is_bad = np.isin(self._rows, list(self.bad))
            namesakes: set[str] = set()
            if self.id_col is not None and self.id_col in frame:
                namesakes = set(frame[self.id_col][is_bad].dropna().astype(str))
            frame, self._rows = frame[~is_bad], self._rows[~is_bad]
            frame = self._without_namesakes(frame, namesakes)

    def note(self, offenses: Sequence[Offense]) -> None:
        """Count the rows of the table that offend, all of them at once."""
        for offense in offenses:
            for position in offense.rows:
                self.bad.setdefault(int(self._rows[position]), _described(offense))
        self._refuse_if_most_are_bad()

    def _note(self, error: TableError, to_source: Callable[[int], int]) -> None:
        """Count the rows that an error is about; raise it if it is about none, or no new one."""
        before = len(self.bad)
        for offense in error.offenses:
            for position in offense.rows:
                self.bad.setdefault(to_source(position), _described(offense))
        if len(self.bad) == before:
            raise error

    def _without_namesakes(self, frame: pd.DataFrame, ids: set[str]) -> pd.DataFrame:
        """Return the table without rows whose id a bad row has, too."""
        if self.id_col is None or self.id_col not in frame or not ids:
            return frame
        shared = frame[self.id_col].astype(str).isin(ids).to_numpy()
        for row in self._rows[shared]:
            self.bad[int(row)] = _Problem(self.id_col, _SHARED)
        self._rows = self._rows[~shared]
        self._refuse_if_most_are_bad()
        return frame[~shared]

    def _refuse_if_most_are_bad(self) -> None:
        if len(self.bad) <= _MOST * self._total:
            return
        lines = first_few(
            sorted(self.bad), lambda row: f"row {row + 1}: {' '.join(_words(self.bad[row]))}"
        )
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
    """Return the ids of some rows, as text."""
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


def held(source: TableInput) -> TableInput:
    """Return the table so that it can be read twice: a query's rows are fetched now."""
    return FetchedRows(source, fetch(source)) if isinstance(source, SqlQuery) else source


def suffix_of(source: TableInput) -> str:
    """Name a file of such rows: ``.csv`` where the file is none of Parquet, else ``.parquet``."""
    path = source.path if isinstance(source, TableFile) else source
    is_file = isinstance(path, Path | str) and not is_parquet(Path(path))
    return ".csv" if is_file else ".parquet"


def whole_rows(source: TableInput, rows: Sequence[int]) -> pa.Table:
    """Return some rows with all their columns.

    Args:
        source: The table; one that `held` returned, if it is a query.
        rows: Their positions, from 0, ascending.
    """
    wanted = np.asarray(rows, dtype=np.int64)
    parts: list[pa.Table] = []
    start = 0
    for part in _parts(source):
        inside = wanted[(wanted >= start) & (wanted < start + part.num_rows)] - start
        if len(inside) or not parts:
            parts.append(part.take(pa.array(inside)))
        start += part.num_rows
    return pa.concat_tables(parts, promote_options="permissive")


def texts_of(rows: pa.Table, column: str) -> list[str | None]:
    """Return a column (n,) of such rows as the text it is read as; None where a cell is empty."""
    cells = rows[column].to_pylist()
    if pa.types.is_floating(rows[column].type):  # integers with gaps between them; 7.0 was 7
        cells = [
            int(one) if one is not None and one.is_integer() else one
            for one in (None if cell != cell else cell for cell in cells)
        ]
    return [None if one is None else str(one) for one in cells]


def _parts(source: TableInput) -> Iterator[pa.Table]:
    """Yield the table in pieces, so that a large file is never whole in memory."""
    if isinstance(source, pd.DataFrame):
        yield _arrow(source)
    elif isinstance(source, FetchedRows):
        yield source.rows
    elif suffix_of(source) == ".csv":
        yield read_raw(source if isinstance(source, TableFile) else TableFile(Path(str(source))))
    else:
        for path in parquet_files(Path(str(source))):
            with pq.ParquetFile(path) as file:
                yield file.schema_arrow.empty_table()
                for batch in file.iter_batches():
                    yield pa.Table.from_batches([batch])


def _arrow(frame: pd.DataFrame) -> pa.Table:
    """Return a frame whose cells may be of any kind; a column of several kinds becomes text."""
    columns = {}
    for place, name in enumerate(frame.columns):
        cells = frame.iloc[:, place]  # by place: a name may stand twice
        try:
            columns[str(name)] = pa.array(cells, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns[str(name)] = pa.array(cells.map(str, na_action="ignore"), pa.string())
    return pa.table(columns)
