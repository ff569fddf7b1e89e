"""A trained model on disk: a folder of plain files and a manifest that vouches for them.

::

    model/
    ├── manifest.json    format, kind, versions, encoder, and size and SHA-256 of every other file
    ├── *.npz            numpy arrays
    ├── *.parquet        tables
    ├── *.json           documents
    └── *.md, *.txt      text, such as a model card

The checksums find damage and casual edits. They do not stop somebody who rewrites the manifest as
well: load models from people you trust. Nothing in a folder is ever executed (no pickle), no array
takes more memory than its file, and LightGBM's trees are checked before LightGBM reads them. What a
forged one can do is to answer wrongly, to fail, and to name things: an encoder, which is loaded by
its name, and the place of its items, where jobs and the API connect and send the vectors of what
they are asked about. No token goes there but one that the settings have for that very server, and
where they have tokens for others only, nobody connects (setting `index.tokens`).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import math
import platform
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_serializer,
)

from retrieval.encoding.weights import EncoderIdentity
from retrieval.errors import ArtifactError, InputError
from retrieval.files import former_folder, replacing_folder

MANIFEST = "manifest.json"
_FORMAT: Final = "likewise-artifact"
_VERSION: Final = 1
_LIBRARIES = ("likewise", "numpy", "pandas", "scikit-learn")

_MOST_CELLS = 500_000_000  # of a table: some gigabytes

# A plain name: no folder, not hidden.
_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_FileName = Annotated[str, StringConstraints(pattern=_NAME)]
_Parsed = TypeVar("_Parsed")


class _FileRecord(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["likewise-artifact"] = _FORMAT
    version: Literal[1] = _VERSION
    kind: str
    created: datetime
    versions: dict[str, str]
    encoder: EncoderIdentity
    files: dict[_FileName, _FileRecord]

    @field_serializer("encoder")
    def _without_what_was_not_chosen(self, encoder: EncoderIdentity) -> dict[str, Any]:
        return encoder.as_dict()


@dataclass(frozen=True)
class Artifact:
    """A verified artifact. What was verified is kept in memory, and is what the methods parse.

    Attributes:
        path: The folder it was read from.
        kind: What it is, for example ``"NeighborClassifier"``.
        encoder: The encoder its vectors were made with.
        created: When it was written (UTC).
        versions: Python, likewise and the libraries it was written with.
        contents: File name → bytes.
    """

    path: Path
    kind: str
    encoder: EncoderIdentity
    created: datetime
    versions: dict[str, str]
    contents: Mapping[str, bytes] = field(repr=False)

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an ``.npz`` file by their names.

        Raises:
            ArtifactError: There is no such file, or it holds something else. So for all four.
        """
        return self._parse(name, (".npz",), _parse_arrays)

    def table(self, name: str) -> pd.DataFrame:
        """Return the table of a ``.parquet`` file."""
        return self._parse(name, (".parquet",), _parse_table)

    def json(self, name: str) -> Any:
        """Return the document of a ``.json`` file."""
        return self._parse(name, (".json",), json.loads)

    def text(self, name: str) -> str:
        """Return the text of an ``.md`` or ``.txt`` file."""
        return self._parse(name, (".md", ".txt"), bytes.decode)

    def _parse(
        self, name: str, suffixes: tuple[str, ...], parse: Callable[[bytes], _Parsed]
    ) -> _Parsed:
        if name not in self.contents or Path(name).suffix not in suffixes:
            there = ", ".join(one for one in sorted(self.contents) if Path(one).suffix in suffixes)
            raise ArtifactError(
                f"{self.path} holds no {' or '.join(suffixes)} file {name!r}; "
                f"there are: {there or 'none'}"
            )
        try:
            return parse(self.contents[name])
        except Exception as error:  # whatever a parser makes of bytes that are something else
            raise ArtifactError(
                f"{self.path / name} is no {Path(name).suffix} file ({type(error).__name__}); "
                "save the model anew"
            ) from error


def write_artifact(
    path: str | Path, *, kind: str, encoder: EncoderIdentity, files: Mapping[str, Any]
) -> None:
    """Write an artifact, in place of the one that may be there.

    The files come to lie beside `path` first and take its place when all are complete. Whatever
    goes wrong on the way, the former artifact can still be read.

    Args:
        path: The folder to write; its parents are made.
        kind: What it is; `read_artifact` wants the same.
        encoder: The encoder that made the vectors in it.
        files: File name → content, told apart by the name's ending: ``.npz`` a mapping of arrays
            that hold no Python objects, ``.parquet`` a DataFrame, ``.json`` a document of dicts
            with string keys, lists, strings, finite numbers, booleans and None, ``.md`` and
            ``.txt`` a string.

    Raises:
        InputError: A content cannot be written, or `path` is something else than an artifact.
        OSError: The disk is full, or the folder cannot be written to.
    """
    target = Path(path).resolve()
    check_replaceable(target)
    with replacing_folder(target) as partial:
        for name, content in files.items():
            _write_file(partial, name, content)
        manifest = _Manifest(
            kind=kind,
            created=datetime.now(UTC),
            versions=_versions(),
            encoder=encoder,
            files={name: _record(partial / name) for name in files},
        )
        (partial / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_artifact(path: str | Path, *, kind: str) -> Artifact:
    """Read an artifact into memory, and verify all of it before any of it is parsed.

    Args:
        path: The folder.
        kind: What it must be.

    Raises:
        ArtifactError: There is none, it is of another kind or format, or a file is missing, not
            listed, or not as it was written. The message names the file and what to do.
    """
    folder = Path(path).resolve()
    if not folder.exists() and former_folder(folder).is_dir():
        folder = former_folder(folder)  # a writer was killed, or is, between its two renames
    manifest = _manifest(folder)
    if manifest.kind != kind:
        raise ArtifactError(f"{folder} holds a {manifest.kind}, not a {kind}; load it with that")
    unlisted = sorted(_names(folder) - set(manifest.files))
    if unlisted:
        raise ArtifactError(
            f"{folder / unlisted[0]} is not listed in {MANIFEST}: it was put there afterwards; "
            "move it elsewhere"
        )
    return Artifact(
        path=folder,
        kind=manifest.kind,
        encoder=manifest.encoder,
        created=manifest.created,
        versions=manifest.versions,
        contents={
            name: _verified(folder / name, record) for name, record in manifest.files.items()
        },
    )


# --- writing -------------------------------------------------------------------------------------


def _write_file(folder: Path, name: str, content: Any) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a plain file name")
    path = folder / name
    match path.suffix, content:
        case ".npz", Mapping():
            _write_arrays(path, content)
        case ".parquet", pd.DataFrame():
            content.to_parquet(path)
        case ".json", _ if path.name != MANIFEST:
            document = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
            path.write_bytes(document.encode())
        case ((".md" | ".txt"), str()):
            path.write_bytes(content.encode())
        case _:
            raise InputError(
                f"{path.name!r} cannot hold a {type(content).__name__}; there are: .npz for a "
                f"mapping of arrays, .parquet for a DataFrame, .json (but not {MANIFEST}) for a "
                "document, .md and .txt for a string"
            )


def _write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    for name, values in arrays.items():
        if np.asarray(values).dtype.hasobject:
            raise InputError(
                f"{path.name}: array {name!r} holds Python objects; "
                "make strings a fixed-width array by astype(str)"
            )
    np.savez(path, **arrays)


def _record(path: Path) -> _FileRecord:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return _FileRecord(bytes=path.stat().st_size, sha256=digest)


def _versions() -> dict[str, str]:
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **libraries}


def check_replaceable(path: str | Path) -> None:
    """Let only an artifact be replaced, or an empty folder: whatever else is there stays.

    Raises:
        InputError: `path` is something else than an artifact.
    """
    target = Path(path).resolve()
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file; pass a folder")
    if not any(target.iterdir()):
        return
    try:
        listed = _raw_manifest(target).get("files")
    except ArtifactError as error:
        raise InputError(
            f"{target} is a folder that holds something else; pass another one"
        ) from error
    foreign = sorted(_names(target) - set(listed if isinstance(listed, dict) else ()))
    if foreign:
        raise InputError(
            f"{target} also holds {foreign[0]!r}, which would be lost; move it elsewhere"
        )


# --- reading -------------------------------------------------------------------------------------


def _raw_manifest(folder: Path) -> dict[str, Any]:
    """Read a manifest of any version."""
    path = folder / MANIFEST
    if not folder.exists():
        raise ArtifactError(f"there is no saved model at {folder}; check the path")
    if not path.is_file():
        raise ArtifactError(f"{folder} is no saved model: there is no {MANIFEST} in it")
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is not valid JSON; save the model anew") from error
    if not isinstance(values, dict) or values.get("format") != _FORMAT:
        raise ArtifactError(f"{path} is not the manifest of a saved model: format is not {_FORMAT}")
    return values


def _manifest(folder: Path) -> _Manifest:
    values = _raw_manifest(folder)
    version = values.get("version")
    if isinstance(version, int) and version > _VERSION:
        raise ArtifactError(
            f"{folder / MANIFEST} has format version {version}, this likewise reads up to "
            f"{_VERSION}; install a newer likewise"
        )
    try:
        return _Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ArtifactError(
            f"{folder / MANIFEST} is damaged: {where}: {first['msg']}; save the model anew"
        ) from error


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {MANIFEST}


def _verified(path: Path, record: _FileRecord) -> bytes:
    if path.is_symlink():
        raise ArtifactError(f"{path} is a link, which may lead anywhere; put the file itself there")
    if not path.is_file():
        raise ArtifactError(f"{path} is missing; restore it, or save the model anew")
    size = path.stat().st_size
    if size != record.bytes:
        raise ArtifactError(
            f"{path} has {size} bytes, {MANIFEST} lists {record.bytes}: it was cut or changed "
            "after it was written; restore it, or save the model anew"
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise ArtifactError(
            f"{path} does not have the checksum listed in {MANIFEST}: it was changed after it was "
            "written; restore it, or save the model anew"
        )
    return content


def _parse_arrays(data: bytes) -> dict[str, npt.NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            _check_size(archive, member)
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _check_size(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Refuse an array that would take more memory than it takes in the file."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        if math.prod(shape) * dtype.itemsize > member.compress_size:
            raise ValueError(f"{member.filename} says that it is larger than it is")


def _parse_table(data: bytes) -> pd.DataFrame:
    told = pq.read_metadata(io.BytesIO(data))
    if told.num_rows * told.num_columns > _MOST_CELLS:  # a few bytes can stand for any number
        raise ValueError(f"{told.num_rows} rows of {told.num_columns} columns")
    return pd.read_parquet(io.BytesIO(data))
