"""Where tests keep their items: a Lite file of their own, or a collection of a server."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retrieval import Encoder, ItemIndex
from retrieval.milvus.store import Store


@dataclass(frozen=True)
class Place:
    """One collection."""

    uri: str
    collection: str = "items"
    token: str | None = None

    @property
    def is_lite(self) -> bool:
        return "://" not in self.uri

    def open(self, encoder: Encoder, **options: Any) -> ItemIndex:
        options = {"collection": self.collection, "token": self.token, **options}
        return ItemIndex(self.uri, encoder, **options)

    def settings(self) -> dict[str, object]:
        """The section ``index`` of the settings."""
        keys = {"uri": self.uri, "collection": self.collection, "token": self.token}
        return {key: value for key, value in keys.items() if value is not None}

    def yaml(self) -> str:
        """The same in a config file."""
        lines = [f"  {key}: {value}" for key, value in self.settings().items()]
        return "\n".join(["index:", *lines, ""])

    def flags(self) -> list[str]:
        """The same on the command line, which takes no token."""
        return ["--uri", self.uri, "--collection", self.collection]

    def environment(self) -> dict[str, str]:
        """What goes with the flags."""
        return {} if self.token is None else {"LIKEWISE_INDEX__TOKEN": self.token}

    def environment_of_models(self) -> dict[str, str]:
        """What goes with a saved model that names the place, where no setting does."""
        if self.token is None:
            return {}
        return {"LIKEWISE_INDEX__TOKENS": json.dumps({self.uri: self.token})}


@dataclass(frozen=True)
class Server:
    """Where to use a server instead of Lite."""

    uri: str
    token: str | None


@dataclass
class Places:
    """Makes places; each name is one of its own.

    Attributes:
        folder: Where Lite's files are.
        server: None for Lite.
    """

    folder: Path
    server: Server | None
    _made: dict[str, Place] = field(default_factory=dict)

    def __call__(self, name: str = "items") -> Place:
        """The place of a name, the same each time."""
        if name not in self._made:
            self._made[name] = self._new(name)
        return self._made[name]

    def _new(self, name: str) -> Place:
        if self.server is None:
            return Place(str(self.folder / f"{name}.db"))
        collection = f"test_{uuid.uuid4().hex[:12]}_" + re.sub(r"\W", "_", name)
        return Place(self.server.uri, collection, self.server.token)

    def drop(self) -> None:
        """Remove from the server what is on it."""
        for place in self._made.values():
            if not place.is_lite:
                store = Store(place.uri, place.collection, token=place.token, timeout=30)
                store.drop()
                store.close()


@contextmanager
def places(folder: Path, server: Server | None) -> Iterator[Places]:
    made = Places(folder, server)
    yield made
    made.drop()
