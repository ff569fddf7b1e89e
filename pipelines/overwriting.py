"""No job writes over what it reads, or where it cannot: that is known before any work begins.

What a job reads is what its settings name (also what this verb leaves alone: an input of one job is
not the result of another with the same settings) and what it is given beside them. Two paths are
one file where the file system says so: through links, hard links, and in other letters.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from pipelines.config.settings import Settings
from pipelines.tables.formats import TableFile
from pipelines.tables.parquet import ParquetRows
from pipelines.tables.sql import DatabaseTable, FetchedRows, SqlQuery, sqlite_file
from retrieval import InputError

_TABLES = ("items", "sales", "future", "new_items", "histories")
_OTHERS = {
    "model": "the saved model that this job reads",
    "save": "the model that this job saves",
    "labels": "the labels of the run that this job reads",
    "kept": "what the run has kept for this job",
}

_INDEX_URI = "index.uri"
_TRIAL = b"\0" * 65_536  # written to see if there is room for anything
_INDEX = "the index that this job reads"

_Key = tuple[int, int] | Path

# Of SQL: what is said rather than done, names, and the tables that are listed after FROM and JOIN.
_SAID = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = r"(?:[\w$]+|\"[^\"]+\"|`[^`]+`|\[[^\]]+\])"
_DOTTED = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_ALIASED = rf"{_DOTTED}(?:\s+(?:as\s+)?{_NAME})?"
_FROM = re.compile(rf"\b(?:from|join)\s+({_ALIASED}(?:\s*,\s*{_ALIASED})*)", re.IGNORECASE)


@dataclass(frozen=True)
class Write:
    """What a job is going to write, replace or remove.

    Attributes:
        option: What names it, for messages: ``--out``.
        path: A file, or a folder.
        names: The files in that folder; none: the file itself, or the folder as a whole.
    """

    option: str
    path: Path
    names: tuple[str, ...] = ()

    @classmethod
    def index(cls, settings: Settings) -> Write | None:
        """Return the settings' Lite file, for jobs that write it; None where it is a server."""
        uri = settings.index.uri
        return None if "://" in uri else cls(_INDEX_URI, Path(uri))

    @property
    def files(self) -> list[Path]:
        """All of it, each by its path."""
        return [self.path / name for name in self.names] or [self.path]

    def in_words(self, file: Path) -> str:
        """One of the files, for messages: ``--out .: totals.parquet``, or just ``--out t.csv:``."""
        named = "" if file == self.path else f" {file.relative_to(self.path)}"
        return f"{self.option} {self.path}:{named}"


def refuse_overwriting(settings: Settings, *writes: Write | None, **reads: object) -> None:
    """Refuses a job that would write over what it reads, or where nothing can be written.

    Args:
        settings: They name tables, labels, index, encoder and databases, and know their own file.
        writes: What will be written; None: nothing.
        reads: What else is read: tables by their role, as `read_table` takes them (DataFrames and
            None count for nothing), `model`, the folder of a saved one, `save`, that of one to be
            saved, which other results must not get into, `labels` and `kept`, results of a run.

    Raises:
        InputError: The first of what would be lost, or of what cannot be written.
    """
    read = [*_named(settings), *_given(reads)]
    for write in filter(None, writes):
        for file in write.files:
            for one in read:
                relation = one.relation_to(file)
                if relation is not None and not _is_usual(write, relation, one):
                    raise InputError(
                        f"{write.in_words(file)} {relation} {one.what} ({one.path}); "
                        "choose another path"
                    )
        _try(write)


def _try(write: Write) -> None:
    """Refuse a folder in which nothing can be written, or whose disk is full."""
    folder = (write.path if write.names else write.path.parent).resolve()
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir():
        raise InputError(f"{write.in_words(write.path)} {there} is a file, not a folder")
    try:
        with tempfile.TemporaryFile(dir=there) as trial:
            trial.write(_TRIAL)
            trial.flush()
    except OSError as error:
        problem = f"nothing can be written to {there}: {error.strerror}"
        raise InputError(f"{write.in_words(write.path)} {problem}") from None


def refuse_replacing(settings: Settings, *targets: DatabaseTable | None) -> None:
    """Refuses to replace a table of a database that a query of the settings reads.

    A query tells by the names after FROM and JOIN; what a view reads is not known here.

    Raises:
        InputError: The first of these tables.
    """
    sources = {section: getattr(settings, section).source for section in _TABLES}
    for target in filter(None, targets):
        for section, source in sources.items():
            if isinstance(source, SqlQuery) and _reads(source, target):
                raise InputError(
                    f"{target}: the query {section}.sql reads it; choose another table"
                )


# --- files ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Read:
    """Something that a job reads: a file, or a folder with all that is in it."""

    what: str
    path: Path
    lineage: frozenset[_Key] = field(init=False)
    contents: frozenset[_Key] = field(init=False)

    def __post_init__(self) -> None:
        inside = self.path.rglob("*") if self.path.is_dir() else ()
        object.__setattr__(self, "lineage", _lineage(self.path))
        object.__setattr__(self, "contents", frozenset(map(_key, inside)))

    def relation_to(self, file: Path) -> str | None:
        """How a file or folder that is written touches it, in words; None where it does not."""
        own, written = _key(self.path), _key(file)
        if own == written:
            return "is"
        if own in _lineage(file):
            return "lies in"
        if written in self.contents:  # by a link: it lies elsewhere
            return "is a file of"
        return "holds" if written in self.lineage else None


def _key(path: Path) -> _Key:
    """Return what all paths of a file have in common: its number; if it is not there, its path."""
    try:
        found = path.stat()
    except OSError:
        return path.resolve()
    return found.st_dev, found.st_ino


def _lineage(path: Path) -> frozenset[_Key]:
    """Return the keys of a path and of all folders that it lies in."""
    whole = path.resolve()
    return frozenset(map(_key, (whole, *whole.parents)))


def _is_usual(write: Write, relation: str, read: _Read) -> bool:
    """Say if that is fine: an index is read by its writer, and may lie beside a table's files."""
    return write.option == _INDEX_URI and (read.what == _INDEX or relation == "lies in")


def _named(settings: Settings) -> Iterator[_Read]:
    """Yield what the settings name, and their own file."""
    if settings.file is not None:
        yield _Read("the config file", settings.file)
    yield from _given({section: getattr(settings, section).source for section in _TABLES})
    if isinstance(settings.classify.labels, Path):
        yield _Read("the labels file that this job reads", settings.classify.labels)
    for role in ("unlabeled", "outside"):
        if (table := getattr(settings.classify, role)) is not None:
            yield _Read(f"the table classify.{role} that this job reads", table)
    if "://" not in settings.index.uri:
        yield _Read(_INDEX, Path(settings.index.uri))
    if (weights := Path(settings.encoder.name)).is_dir():
        yield _Read("the encoder that this job reads", weights)
    url = settings.sink.url
    if url is not None and (file := sqlite_file(url.get_secret_value())) is not None:
        yield _Read("the database sink.url", file)


def _given(reads: Mapping[str, object]) -> Iterator[_Read]:
    """Tables by their role, and the folders of models."""
    for role, source in reads.items():
        if (path := _path_of(source)) is not None:
            table = f"the {role.replace('_', ' ')} table that this job reads"
            yield _Read(_OTHERS.get(role, table), path)


def _path_of(source: object) -> Path | None:
    """Where a table is, if it is in a file."""
    match source:
        case TableFile() | ParquetRows():
            return source.path
        case SqlQuery():
            return sqlite_file(source.url)
        case FetchedRows():
            return sqlite_file(source.query.url)
        case str() | Path():
            return Path(source)
    return None


# --- tables of databases -------------------------------------------------------------------------


def _reads(query: SqlQuery, target: DatabaseTable) -> bool:
    """Whether a query names a table of a database as one that it reads."""
    if _database(query.url) != _database(target.url):
        return False
    *schema, name = _parts(target.name) or [target.name]
    for *other, read in map(_parts, _tables(query.query)):
        # A name without its schema may be of any.
        if read == name and (not schema or not other or schema[-1] == other[-1]):
            return True
    return False


def _tables(query: str) -> Iterable[str]:
    """Yield the names after FROM and JOIN, but for those in texts and comments."""
    for listed in _FROM.findall(_SAID.sub(" ", query)):
        for aliased in re.findall(_ALIASED, listed, re.IGNORECASE):
            yield re.match(_DOTTED, aliased)[0]  # type: ignore[index]


def _parts(name: str) -> list[str]:
    """Return schema and table of a name, as databases that mind no letters compare them."""
    return [part.strip('"`[]').lower() for part in re.findall(_NAME, name)]


def _database(url: str) -> object:
    """Return what all URLs of one database have in common; the text itself where it is no URL."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return url
    if (file := sqlite_file(url)) is not None:
        return _key(file)
    # Users, drivers and options may differ.
    return parsed.get_backend_name(), parsed.host, parsed.port, parsed.database
