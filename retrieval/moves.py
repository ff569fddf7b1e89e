"""Note of a name's move, on disk until it is over, so that one that was killed can be finished.

Between the move of a collection's name and the end of the carrying, what was written late is in the
former version alone, which nobody reads any longer. The note tells what the new version held before
and thereby what is late; Milvus has no place for it.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.errors import LikewiseError
from retrieval.versions.migration import Marks


@dataclass(frozen=True)
class Move:
    """From one version to another.

    Attributes:
        former: What the name stood for.
        version: What it is to stand for.
        held: What both held before, as of `retrieval.versions.migration.Carried`.
    """

    former: str
    version: str
    held: Marks

    def note(self, path: Path) -> None:
        """Write it down, whole or not at all.

        Raises:
            LikewiseError: It cannot be written.
        """
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                np.savez(file, former=self.former, version=self.version, held=self.held)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise LikewiseError(f"{path}: {error.strerror}; the name was not moved") from error

    @classmethod
    def noted(cls, path: Path) -> Move | None:
        """The one that was written down; None where none was.

        Raises:
            LikewiseError: The note cannot be read.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                return cls(str(kept["former"]), str(kept["version"]), kept["held"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise LikewiseError(
                f"{path}: the note of a move that was cut off cannot be read ({error}); without "
                "the file, what was written during that move stays in the former version"
            ) from error
