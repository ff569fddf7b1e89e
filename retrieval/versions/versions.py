"""The collections that take turns behind one name.

A collection's name is a Milvus alias. What it stands for is replaced without a gap: the next
version is filled beside the live one, examined (`retrieval.versions.examination`), and then the
alias is moved, which is one step of Milvus. Readers that are open stay with the version they
opened, writers are told to open anew, and what was acknowledged before the move is carried over
after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from retrieval.encoding.encoder import Encoder, MakeEncoder
from retrieval.encoding.weights import asked_by
from retrieval.errors import IndexReplacedError, InputError
from retrieval.milvus.index_kinds import milvus_index
from retrieval.milvus.schema import Layout, milvus_fields
from retrieval.milvus.store import Store
from retrieval.versions.migration import Carried, Carrier, MoveNote
from retrieval.writing import wait_until_built

# A pass carries over what was written during the one before; each is shorter.
_PASSES = 5


class Versions:
    """The versions of a collection.

    Args:
        uri: As of `retrieval.ItemIndex`.
        collection: The name.
        token: As of `retrieval.ItemIndex`.
        timeout: Seconds a single call may take.
        note: File that a move is noted in while it lasts, so that it can be finished should the
            process be killed; None: it cannot.

    Raises:
        InputError: There is no such collection, or the name is that of a version.
        StoreError: Milvus does not answer.
    """

    def __init__(
        self,
        uri: str,
        collection: str,
        *,
        token: str | None = None,
        timeout: float = 120.0,
        note: Path | None = None,
    ) -> None:
        self.name = collection
        self._note = note
        self._live = Store(str(uri), collection, token=token, timeout=timeout)
        self._stores: dict[str, Store] = {}
        self._carriers: dict[str, tuple[Carrier, Carried]] = {}
        try:
            if not self._live.exists():
                raise InputError(f"collection {collection!r} in {uri} is empty; index items first")
            if self._live.collection == collection:
                raise InputError(
                    f"{collection!r} in {uri} is a collection itself, not a name that can be moved"
                )
        except BaseException:
            self.close()
            raise

    @property
    def live(self) -> str:
        """The version that the name stands for."""
        return self._live.collection

    def all(self) -> list[str]:
        """All versions, the oldest first."""
        return self._live.versions()

    def previous(self) -> str:
        """Return the version before the live one.

        Raises:
            InputError: There is none.
        """
        known = self.all()
        earlier = known[: known.index(self.live)]
        if not earlier:
            raise InputError(f"{self.live} has no version before it")
        return earlier[-1]

    def layout(self, version: str) -> Layout:
        """Return what a version holds.

        Raises:
            InputError: There is no such version.
        """
        if version not in self.all():
            raise InputError(
                f"{self.name!r} has no version {version!r} (there are: {', '.join(self.all())})"
            )
        return Layout.from_json(self.store(version).read_metadata(), version)

    def store(self, version: str) -> Store:
        """Return the rows of a version, of all tenants."""
        if version not in self._stores:
            self._stores[version] = self._live.beside(version)
        return self._stores[version]

    def prepare(
        self, encoder: Encoder, *, index: str = "auto", params: Mapping[str, Any] | None = None
    ) -> str:
        """Create the next version, or find the one that was being filled; nobody reads it yet.

        Args:
            encoder: Makes its vectors.
            index: Kind of its vector index, as of `retrieval.ItemIndex`.
            params: Parameters of that index.

        Returns:
            What Milvus calls it.
        """
        chosen, layout = self._wanted(encoder, index, params)
        known = self.all()
        for version in known[known.index(self.live) + 1 :]:
            if self.store(version).read_metadata() == layout.to_json():
                break
        else:
            version = f"{self.name}_v{int(known[-1].rpartition('_v')[2]) + 1}"
        self.store(version).prepare(milvus_fields(layout), chosen, layout.to_json())
        return version

    def is_as(
        self, encoder: Encoder, *, index: str = "auto", params: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether the live version is what `prepare` would make of these."""
        return self._wanted(encoder, index, params)[1] == self.layout(self.live)

    def fill(self, version: str, encoder: MakeEncoder, *, progress: bool | None = None) -> Carried:
        """Make a version hold what the live one does, until nothing more has changed.

        Args:
            version: Which.
            encoder: Makes an encoder by its name; asked where the vectors are not the same.
            progress: Show a progress bar; None shows it for long work only.

        Raises:
            InputError: The encoder is another one now than that of the name, or texts were not
                kept.
            IndexReplacedError: Somebody else has moved the name meanwhile.
        """
        carrier = self._carrier(self.live, version, encoder)
        copied = removed = 0
        for _ in range(_PASSES):
            self._require_live()
            carried = carrier.carry(progress=progress)
            copied, removed = copied + carried.copied, removed + carried.removed
            if not (carried.copied or carried.removed):
                break
        self.store(version).settle()
        wait_until_built(self.store(version))
        self._carriers[version] = carrier, carried
        return replace(carried, copied=copied, removed=removed)

    def switch(self, version: str) -> Carried:
        """Let the name stand for a version that was filled.

        Returns:
            What was written to the former one since, and has been carried over.

        Raises:
            IndexReplacedError: Somebody else has moved the name meanwhile.
            LikewiseError: The move cannot be noted.
        """
        if version == self.live:
            return Carried()
        carrier, carried = self._carriers[version]
        if self._note is not None:
            MoveNote(self.live, version, carried.held).note(self._note)
        self._point(version)
        late = carrier.carry_late(carried.held)
        self._forget()
        return late

    def finish(self, encoder: MakeEncoder) -> tuple[str, Carried] | None:
        """Carry over what a switch that was killed has left behind.

        Args:
            encoder: As of `fill`.

        Returns:
            The version that was live before that switch, and what was carried over; None where no
            switch was killed after it had moved the name.

        Raises:
            InputError: As of `fill`.
            LikewiseError: The note of the move cannot be read.
        """
        move = None if self._note is None else MoveNote.noted(self._note)
        done = None
        if move is not None and move.version == self.live and move.former in self.all():
            carrier = self._carrier(move.former, move.version, encoder)
            done = move.former, carrier.carry_late(move.held)
        self._forget()
        return done

    def point(self, version: str) -> None:
        """Let the name stand for a version as it is; a move that was killed stays as it is, too.

        Raises:
            InputError: There is no such version.
            IndexReplacedError: Somebody else has moved the name since it was looked up.
        """
        self._point(version)
        self._forget()

    def drop(self, version: str) -> None:
        """Remove a version that the name does not stand for.

        Raises:
            InputError: It does, or there is no such version.
        """
        self.layout(version)
        store = self.store(version)
        if store.is_current():  # asked anew: somebody else may have moved the name
            raise InputError(f"{version} is what {self.name!r} stands for: not removed")
        store.drop_version()

    def close(self) -> None:
        """Disconnect."""
        for store in (*self._stores.values(), self._live):
            store.close()

    def __enter__(self) -> Versions:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _point(self, version: str) -> None:
        self.layout(version)
        self._require_live()
        self.store(version).point()
        self._live.exists()

    def _require_live(self) -> None:
        """Refuse to go on where another machine has moved the name, which no lock prevents."""
        if not self._live.is_current():
            raise IndexReplacedError(
                f"{self.name!r} no longer stands for {self.live}: somebody else has moved it; "
                "begin anew"
            )

    def _wanted(
        self, encoder: Encoder, index: str, params: Mapping[str, Any] | None
    ) -> tuple[dict[str, Any], Layout]:
        """Return the vector index, and the layout, of a version made of these."""
        chosen = milvus_index(index, params, is_lite=self._live.is_lite)
        layout = replace(
            self.layout(self.live),
            encoder=encoder.identity,
            index=chosen["index_type"],
            index_params=chosen["params"],
        )
        return chosen, layout

    def _forget(self) -> None:
        if self._note is not None:
            self._note.unlink(missing_ok=True)

    def _carrier(self, former: str, version: str, encoder: MakeEncoder) -> Carrier:
        target, source = self.layout(version), self.layout(former)
        encode = remap = None
        if not target.encoder.same_space(source.encoder):
            made = encoder(asked_by(target.encoder))
            if not target.encoder.same_space(made.identity):
                raise InputError(
                    f"{version} was made with encoder {target.encoder.describe()}, "
                    f"not with {made.identity.describe()}"
                )
            encode, remap = made.encode, made.remapped_from(source.encoder)
        fields = [str(field["field_name"]) for field in milvus_fields(target)]
        fields.remove("vector")
        return Carrier(self.store(former), self.store(version), fields, encode, remap)
