"""Items kept in Milvus, and their nearest neighbors as of a date."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.arguments import require_count, require_kind
from retrieval.encoding.encoder import DEFAULT_ENCODER, Encoder, MakeEncoder
from retrieval.encoding.weights import asked_by
from retrieval.errors import IndexReplacedError, InputError, masked
from retrieval.filters import (
    MISSING_NUMBER,
    MISSING_STRING,
    Condition,
    ParsedWhere,
    parse_where,
    to_expression,
)
from retrieval.guarding import Guard, Lock, guarded, unguarded
from retrieval.items import (
    column_name,
    column_names,
    content_columns,
    item_texts,
    optional_name,
    validate_items,
)
from retrieval.languages.recorded import language_column, record_languages
from retrieval.memory.search import Snapshot, StoredItems
from retrieval.memory.store import IN_MEMORY, MemoryStore
from retrieval.milvus.index_kinds import milvus_index, most_found, search_params
from retrieval.milvus.schema import (
    Layout,
    agreed,
    attribute_kinds,
    check_layout,
    check_tenant,
    milvus_fields,
    to_date,
    to_rows,
)
from retrieval.milvus.store import MOST_NEIGHBORS, Store
from retrieval.neighbors.hits import Hits
from retrieval.neighbors.neighbors import Kinds, Neighbors, Question
from retrieval.pictures.content import data_address, shown
from retrieval.pictures.sources import FROM_FILES, PictureSources
from retrieval.queries import distinct, item_ids, to_days, to_vectors, unit_rows
from retrieval.writing import UpsertCounts, wait_until_built, write_rows

# On Lite, from this many queries on, reading the whole collection once beats asking Milvus for
# each.
_BULK_QUERIES = 256
_NO_BOUND = 2**31 - 1


class ItemIndex:
    """Items with vectors, labels, launch dates and attributes in one Milvus collection.

    The collection is created by the first `upsert`, which also fixes which columns it holds. Its
    name is an alias, of which `retrieval.versions` knows more; what it stands for is looked up
    when the index is opened.

    Threads of one process may share an index: one writes at a time, and what is searched meanwhile
    is the collection as Milvus has it, or as it was read into memory before or after a write. A
    copy (`copy.deepcopy`) of one in memory has items of its own; one in Milvus is the connection,
    is shared by copies, and cannot be pickled: open it anew where it is needed.

    Args:
        uri: A path ending in ``.db`` for an embedded Milvus Lite, the address of a Milvus server,
            or ``":memory:"`` for items that go with this object, searched exactly, too.
        encoder: Turns texts into vectors; or makes the one of a given name, or of an identity where
            it has options, and is asked for what the collection was filled with. None: `Encoder`.
        collection: Name of the collection.
        token: ``user:password`` or API key of a server.
        index: ``"auto"`` (FLAT on Lite, HNSW on a server) or one of
            `retrieval.milvus.index_kinds.INDEX_KINDS`.
        index_params: Parameters of that index, as Milvus names them.
        store_text: Keep the text beside the vector, so that `get` can show it.
        timeout: Seconds a single call may take, time in which Milvus is away included.
        tenant: Whose items: of a collection that several share, none sees another's. The first
            upsert decides whether a collection is shared.
        pictures: Where the pictures of tables may come from: files, hosts. Default: files.

    Raises:
        InputError: The URI or a parameter cannot be right, or the collection is shared by tenants
            and none was given, or the reverse.
        EncoderMismatchError: The collection was filled with another encoder.
        StoreError: Milvus cannot be reached or opened.

    Attributes:
        pictures_from: Where pictures may come from.
        guard: Entered around `upsert`, `delete`, `read`, `neighbors` and `refresh`, to time them,
            or to let one thread in at a time.
    """

    def __init__(
        self,
        uri: str = "items.db",
        encoder: Encoder | MakeEncoder | None = None,
        collection: str = "items",
        *,
        token: str | None = None,
        index: str = "auto",
        index_params: Mapping[str, Any] | None = None,
        store_text: bool = True,
        timeout: float = 120.0,
        tenant: str | None = None,
        pictures: PictureSources = FROM_FILES,
    ) -> None:
        check_tenant(tenant)
        self.pictures_from = pictures
        self.tenant = tenant
        self.guard: Guard = unguarded
        self._lock = Lock()
        self._store = _open_store(str(uri), collection, token, timeout, tenant)
        self._index = milvus_index(index, index_params, is_lite=self._store.is_lite)
        self._store_text = store_text
        self._access = token, timeout
        self._beside: dict[str, ItemIndex | Store | MemoryStore] = {}
        self._snapshot: Snapshot | None = None
        try:
            layout = self._read_layout()
            self.encoder = made_encoder(encoder, layout)
            self._layout = self._checked(layout)
        except BaseException:
            self.close()
            raise

    @property
    def uri(self) -> str:
        """Where the items are."""
        return self._store.uri

    @property
    def collection(self) -> str:
        """Name of the collection."""
        return self._store.name

    @property
    def version(self) -> str:
        """The collection that the name stood for when it was opened, as Milvus calls it."""
        return self._store.collection

    @property
    def keeps_text(self) -> bool:
        """Whether texts are kept beside the vectors, or, where there is nothing yet, would be."""
        return self._store_text if self._layout is None else self._layout.store_text

    @property
    def store(self) -> Store | MemoryStore:
        """The rows as Milvus, or memory, has them."""
        return self._store

    @property
    def exists(self) -> bool:
        """Whether there is a collection, as far as is known here; the first upsert makes it."""
        return self._layout is not None

    def is_current(self) -> bool:
        """Whether the name still stands for what was opened, or there is nothing yet.

        Raises:
            StoreError: Milvus does not answer.
        """
        return self._store.is_current() or self._layout is None

    @property
    def layout(self) -> Layout:
        """What the collection holds, and from which columns.

        Raises:
            InputError: The collection has not been created yet.
        """
        if self._layout is None:
            raise InputError(
                f"collection {self.collection!r} in {self.uri} is empty; upsert items first"
            )
        return self._layout

    @guarded
    def upsert(
        self,
        items: pd.DataFrame,
        *,
        text: str | Sequence[str] = (),
        image: str | Sequence[str] = (),
        item_id: str = "item_id",
        label: str | None = None,
        launch_date: str | None = None,
        attributes: Sequence[str] = (),
        language: str | None = None,
        vectors: npt.NDArray[Any] | None = None,
        source: str = "items",
        progress: bool | None = None,
        settle: bool = True,
    ) -> UpsertCounts:
        """Add new items, replace changed ones, leave the rest alone.

        Only what is new or changed is embedded. Rows are written in batches of 5,000; a run that
        was killed is finished by running it again.

        Args:
            items: One row an item.
            text: Column or columns to embed, joined by blanks.
            image: Column or columns that show the item, beside or instead of a text, for an encoder
                that reads pictures: paths, bytes, ``data:`` addresses, or what
                `retrieval.read_pictures` returned, which reads addresses, too.
            item_id: Column of unique ids.
            label: Column of labels; missing means unlabeled.
            launch_date: Column of dates; missing means "has always been there".
            attributes: Columns that `where` may filter by: numbers, or anything else as strings; a
                collection that exists knows which.
            language: Column of the language of each item, as a code (``de``, ``de-AT``, ``deu``);
                where it is missing, the text is asked. ``"auto"``: all texts are, and the column
                is called `language`. It is kept as an attribute, two letters or ``und``.
            vectors: (n, d), one for each row of `items`, already made from its text by this
                encoder; used in place of encoding.
            source: What to call the table in error messages.
            progress: Show a progress bar; None shows it for long work only.
            settle: Settle the collection afterwards; False where many parts are written, and
                `settle` is called after the last one.

        Raises:
            TableError: The table is not in order; nothing was written.
            InputError: The columns are not those the collection was created with, or the vectors
                do not fit.
            IndexReplacedError: The name stands for another collection by now.
        """
        texts, images = tuple(content_columns(text, image)), tuple(content_columns((), image))
        attributes = column_names(attributes, "attributes")
        item_id, label = column_name(item_id, "item_id"), optional_name(label, "label")
        launch_date = optional_name(launch_date, "launch_date")
        if language is not None:
            words = [one for one in texts if one not in images]
            items = record_languages(items, language, words, source)
            attributes = list(dict.fromkeys([*attributes, str(language_column(language))]))
        clean = validate_items(
            items,
            item_id=item_id,
            text=texts,
            label=label,
            launch_date=launch_date,
            attributes=attributes,
            kinds=None if self._layout is None else self._layout.attributes,
            image=images,
            pictures=self.pictures_from,
            source=source,
        )
        wanted = Layout(
            encoder=self.encoder.identity,
            item_id=item_id,
            text=texts,
            label=label,
            launch_date=launch_date,
            attributes=attribute_kinds(clean, attributes),
            index=self._index["index_type"],
            index_params=self._index["params"],
            store_text=self._store_text,
            tenants=self.tenant is not None,
            image=images,
        )
        if vectors is not None:
            vectors = unit_rows(vectors, self.encoder.dim)
            if len(vectors) != len(clean):
                raise InputError(f"{len(vectors)} vectors for {len(clean)} items")
        if clean.empty:  # no row tells what its columns hold
            return UpsertCounts()
        joined = item_texts(clean, texts)
        is_kept_in_memory = isinstance(self._store, MemoryStore)
        rows = to_rows(clean, joined, wanted, source, is_limited=not is_kept_in_memory)
        with self._lock:
            # Another process or tenant may have made it since.
            there = self._layout or self._checked(self._read_layout())
            self._layout = self._create(wanted) if there is None else agreed(there, wanted)
        with self._writing():
            counts = write_rows(
                self._store,
                self.encoder,
                rows,
                joined.tolist(),
                vectors,
                progress=progress,
                before_writing=self.refresh,
                settle=settle,
            )
        counts.reading.warn(source, stacklevel=4)
        return counts

    @guarded
    def refresh(self) -> None:
        """Let go of what was read into memory, so that what others have written since is seen.

        An index does so itself before each write of its own.
        """
        self._snapshot = None

    def settle(self) -> None:
        """Write out what Milvus still has in memory, so that it is indexed."""
        if self._layout is not None:
            self._store.settle()

    def wait_until_built(self) -> None:
        """Wait until a server has indexed what was settled: until then it searches it roughly.

        Where it does not get on for five minutes, that is logged as a warning, and the wait ends.
        """
        if self._layout is not None:
            wait_until_built(self._store)

    @guarded
    def delete(self, ids: Sequence[str]) -> int:
        """Remove items; return how many of the ids there were.

        Raises:
            IndexReplacedError: The name stands for another collection by now.
        """
        named = item_ids(ids)
        if self._layout is None:
            return 0
        with self._writing():
            self.refresh()
            return self._store.delete(named)

    def count(self) -> int:
        """Return the number of items."""
        return 0 if self._layout is None else self._store.count()

    def ids(self) -> list[str]:
        """Return the ids of the items, sorted."""
        if self._layout is None:
            return []
        return sorted(row["item_id"] for page in self._store.pages(["item_id"]) for row in page)

    def ping(self) -> None:
        """Ask Milvus whether it is there.

        Raises:
            StoreUnavailableError: It does not answer within two seconds.
        """
        self._store.ping()

    def labels(self) -> list[str]:
        """Return the distinct labels of the items, sorted."""
        if self._layout is None:
            return []
        pages = self._store.pages(["label"])
        return sorted({row["label"] for page in pages for row in page} - {MISSING_STRING})

    def digest(self) -> str:
        """Hash what the collection holds, in whatever order; "" where it has not been created.

        Two equal digests mean equal items, of the same encoder, in the same columns.
        """
        if self._layout is None:
            return ""
        pages = self._store.pages(["item_id", "content_hash"])
        held = sorted((row["item_id"], row["content_hash"]) for page in pages for row in page)
        return hashlib.sha256(json.dumps([self._layout.to_json(), held]).encode()).hexdigest()

    def get(self, ids: Sequence[str]) -> pd.DataFrame:
        """Return the items of those ids that exist, in the order asked for.

        Returns:
            Columns item_id, text (with ``[picture]`` for each picture), label, launch_date and the
            attributes.
        """
        layout = self.layout
        fields = ["item_id", "text", "label", "launch_day", *layout.fields.values()]
        named = item_ids(ids)
        found = {row["item_id"]: row for row in self._store.get(named, fields)}
        rows = [found[one] for one in dict.fromkeys(named) if one in found]
        frame = pd.DataFrame(rows, columns=fields)
        frame["label"] = frame["label"].replace(MISSING_STRING, None)
        frame["text"] = frame["text"].map(shown)
        days = [to_date(day) for day in frame.pop("launch_day")]
        frame.insert(3, "launch_date", pd.Series(days, dtype="datetime64[ns]"))
        for column, field in layout.fields.items():
            missing = MISSING_NUMBER if layout.attributes[column] == "number" else MISSING_STRING
            frame[field] = frame[field].replace(missing, None)
        return frame.rename(columns={field: column for column, field in layout.fields.items()})

    def pictures(self, ids: Sequence[str]) -> list[str | None]:
        """Return the first picture of each item as a page shows it.

        Args:
            ids: Of n items.

        Returns:
            n ``data:image/jpeg`` addresses; None without a picture, or where it is not kept.
        """
        named = item_ids(ids)
        kept = {row["item_id"]: row["text"] for row in self._store.get(named, ["item_id", "text"])}
        return [data_address(kept.get(one, "")) for one in named]

    @guarded
    def read(
        self,
        *,
        labeled: bool | None = None,
        where: Mapping[str, Condition] | None = None,
    ) -> StoredItems:
        """Read the items with their vectors out of Milvus into memory, as learning needs them.

        Their texts, dates and attributes are what `get` returns for the ids.

        Args:
            labeled: True for labeled items only, False for unlabeled only, None for all.
            where: As in `neighbors`.

        Raises:
            InputError: The filter cannot be right, or the collection is empty.
        """
        parsed = parse_where({} if where is None else where, self.layout.attributes)
        return self._in_memory(self.layout).select(labeled=labeled, where=parsed)

    @guarded
    def vectors(self, ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Read the vectors of some items.

        Args:
            ids: Of n items.

        Returns:
            (n, d) unit rows; NaN for ids that the collection does not hold.

        Raises:
            InputError: The collection is empty.
        """
        named = item_ids(ids)
        rows = {one: row for row, one in enumerate(dict.fromkeys(named))}
        read = np.full((len(rows), self.layout.encoder.dim), np.nan, dtype=np.float32)
        for found in self._store.get(list(rows), ["item_id", "vector"]):
            read[rows[found["item_id"]]] = found["vector"]
        return read if len(rows) == len(named) else read[[rows[one] for one in named]]

    @guarded
    def neighbors(
        self,
        queries: pd.DataFrame | pd.Series | Sequence[str] | npt.NDArray[Any],
        k: int = 10,
        *,
        as_of: Any = None,
        labeled: bool | None = None,
        where: Mapping[str, Condition] | None = None,
        exclude_self: bool = True,
        ids: Sequence[str | None] | None = None,
        twins: Literal["each", "once"] = "each",
    ) -> Neighbors:
        """Find the k most similar items of each query.

        More than k may be alike: items of one text, as a rule. Which k of them are named goes by
        launch date, then id. See `voters` for an answer in which all of them have a say.

        Args:
            queries: n items as a table with the collection's id and text columns, n texts, or
                vectors (n, d). Texts are encoded as queries, where the encoder has prompts.
            k: How many neighbors.
            as_of: A date, or one for each query: items launched later cannot be seen. Items without
                a launch date always can.
            labeled: True for labeled items only, False for unlabeled only, None for all.
            where: Attribute column → a value, a list of values, or a `Between`; all must hold.
            exclude_self: Leave out the item of the query's own id.
            ids: The queries' own ids, where they are texts or vectors; None for one without.
            twins: ``"each"``: items of one text are neighbors each. ``"once"``: those of one text
                (one vector, where texts are not kept) and label are one neighbor, with their
                number as its `count`, and k such are found.

        Returns:
            Arrays (n, k), most similar first; rows with fewer neighbors are padded.

        Raises:
            InputError: A query, date or filter cannot be right, or the collection is empty.
            StoreError: Milvus does not answer or refuses.
        """
        question = self._question(queries, ids, k, as_of, labeled, where, exclude_self=exclude_self)
        if twins == "once":
            return question.once(int(k), self._texts)
        return question.answer(int(k), partial(Neighbors.from_hits, k=int(k)))

    @guarded
    def voters(
        self,
        queries: npt.NDArray[Any],
        k: int,
        *,
        as_of: Any = None,
        labeled: bool | None = None,
        where: Mapping[str, Condition] | None = None,
        ids: Sequence[str | None] | None = None,
        kinds: Kinds | None = None,
    ) -> Neighbors:
        """Find the k most similar items of each query, in an answer that no id has a say in.

        Items that tie, in similarity to six digits, and have one label are one neighbor with their
        number. Where more tie for the last of the k places than there are, they share them. A
        server finds at most 16,384 of those that tie.

        Args:
            queries: As in `neighbors`, like the arguments up to `ids`.
            k: How many.
            as_of: See there.
            labeled: See there.
            where: See there.
            ids: See there; an item of the query's own id is left out.
            kinds: Item id → what else tells items apart that tie, beside their label.

        Returns:
            Arrays (n, k) or, where many labels tie, wider.
        """
        question = self._question(queries, ids, k, as_of, labeled, where, exclude_self=True)
        return question.answer(int(k), partial(Neighbors.together, k=int(k), kinds=kinds))

    def drop(self) -> None:
        """Remove the collection and all its versions; of a tenant, its own items only."""
        if self.tenant is not None:
            self.delete(self.ids())
            return
        with self._lock:
            self._store.drop()
            self._layout = None
            self._snapshot = None

    def beside(self, suffix: str) -> ItemIndex:
        """Return another collection of this place, encoder and tenant; it is closed with this one.

        Args:
            suffix: What its name has more than this one's.

        Raises:
            EncoderMismatchError: It was filled with another encoder.
        """
        found = self._beside.get(suffix)
        if not isinstance(found, ItemIndex):
            token, timeout = self._access
            found = ItemIndex(
                self.uri,
                self.encoder,
                self.collection + suffix,
                token=token,
                store_text=self.keeps_text,
                timeout=timeout,
                tenant=self.tenant,
            )
            self._beside[suffix] = found
        return found

    def store_beside(self, suffix: str) -> Store | MemoryStore:
        """Return the bare rows of another collection of this place and tenant; closed with this."""
        found = self._beside.get(suffix)
        if found is None or isinstance(found, ItemIndex):
            token, timeout = self._access
            found = _open_store(self.uri, self.collection + suffix, token, timeout, self.tenant)
            self._beside[suffix] = found
        return found

    def close(self) -> None:
        """Disconnect from Milvus, and free the lock of a Lite file."""
        self._snapshot = None
        for other in self._beside.values():
            other.close()
        self._store.close()

    def as_now(self) -> ItemIndex:
        """Return an index that goes on answering as this one does now; of Milvus, this one."""
        if not isinstance(self._store, MemoryStore) or self._layout is None:
            return self
        with self._lock:
            snapshot = self._in_memory(self._layout)
            now = copy.copy(self)
            now._snapshot = snapshot
        return now

    def __enter__(self) -> ItemIndex:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Where it is and what encodes it."""
        return f"ItemIndex({masked(self.uri)!r}, {self.encoder!r}, collection={self.collection!r})"

    def __sklearn_clone__(self) -> ItemIndex:
        """Share the connection between clones of an estimator."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ItemIndex:
        """Share the connection between copies, too; items in memory are copied."""
        if not isinstance(self._store, MemoryStore):
            return self
        with self._lock:
            other = copy.copy(self)
            other._store = copy.deepcopy(self._store, memo)
            other._beside = copy.deepcopy(self._beside, memo)
            other._lock = Lock()
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process with the items that are in memory.

        Raises:
            InputError: The items are in Milvus, whose connection cannot travel.
        """
        if not isinstance(self._store, MemoryStore):
            raise InputError(
                f"the index {self.collection!r} in {self.uri} is a connection to Milvus, which "
                "cannot be pickled: open it anew there with ItemIndex(uri, encoder, collection); a "
                "classifier or forecaster is taken along by save(path) and load(path, index=...)"
            )
        with self._lock:
            return {**self.__dict__, "_snapshot": None}

    # --- opening and creating --------------------------------------------------------------------

    def _read_layout(self) -> Layout | None:
        if not self._store.exists():
            return None
        return Layout.from_json(self._store.read_metadata(), self.collection)

    def _checked(self, layout: Layout | None) -> Layout | None:
        if layout is not None:
            check_layout(layout, self.encoder, self.tenant, self.collection, self.uri)
        return layout

    def _create(self, layout: Layout) -> Layout:
        self._store.create(milvus_fields(layout), self._index, layout.to_json())
        return layout

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Write alone, and refuse to write where nobody reads.

        Asked again afterwards: what is acknowledged was there before the name was moved, and
        whoever moves it carries that over.
        """
        with self._lock:
            self._require_current()
            yield
            self._require_current()

    def _require_current(self) -> None:
        if not self._store.is_current():
            raise IndexReplacedError(
                f"collection {self.collection!r} in {self.uri} has been replaced since it was "
                "opened; open it anew and write again"
            )

    # --- searching -------------------------------------------------------------------------------

    def _question(
        self,
        queries: Any,
        ids: Sequence[str | None] | None,
        k: int,
        as_of: Any,
        labeled: bool | None,
        where: Mapping[str, Condition] | None,
        *,
        exclude_self: bool,
    ) -> Question:
        layout = self.layout
        require_count(k, "k", most=MOST_NEIGHBORS - 1)
        if not isinstance(labeled, (bool, np.bool_, type(None))):
            raise InputError(f"labeled must be True, False or None, got {labeled!r}")
        vectors, names = to_vectors(
            queries, ids, layout, self.encoder, side="query", pictures=self.pictures_from
        )
        days = to_days(as_of, len(vectors))
        parsed = parse_where({} if where is None else where, layout.attributes)
        # Items often read the same; what reads the same and stands at one date is searched once.
        first, kind = distinct(vectors, days)
        vectors, days = vectors[first], None if days is None else days[first]

        def search(rows: npt.NDArray[np.intp], limit: int) -> Hits:
            when = None if days is None else days[rows]
            return self._search(vectors[rows], limit, when, labeled, parsed, layout)

        most = _NO_BOUND if self._is_exact_on_lite(layout) else most_found(layout.index)
        return Question(search, kind, names, exclude_self, most)

    def _texts(self, ids: list[str]) -> Kinds:
        """Return a number for the text of each item, or its vector, where texts are not kept."""
        field = "text" if self.layout.store_text else "vector"
        rows = self._store.get(ids, ["item_id", field])
        told = [row[field] if field == "text" else np.float32(row[field]).tobytes() for row in rows]
        number = pd.factorize(pd.Series(told, dtype=object))[0].tolist()
        return {row["item_id"]: one for row, one in zip(rows, number, strict=True)}

    def _search(
        self,
        vectors: npt.NDArray[np.float32],
        limit: int,
        as_of: npt.NDArray[np.int64] | None,
        labeled: bool | None,
        parsed: ParsedWhere,
        layout: Layout,
    ) -> Hits:
        if len(vectors) == 0:
            return Hits.empty(0, limit)
        is_bulk = len(vectors) >= _BULK_QUERIES or limit > MOST_NEIGHBORS
        is_bulk = is_bulk and self._is_exact_on_lite(layout)
        # Without a lock: a snapshot stays as it is, and is let go of before anything is written.
        if is_bulk or self._snapshot is not None or isinstance(self._store, MemoryStore):
            snapshot = self._in_memory(layout)
            return snapshot.search(vectors, limit, as_of=as_of, labeled=labeled, where=parsed)
        clauses = [to_expression(parsed, layout.fields)]
        if labeled is not None:
            clauses.append(f'label {"!=" if labeled else "=="} "{MISSING_STRING}"')
        return self._store.search(
            vectors,
            limit,
            as_of=as_of,
            expression=" and ".join(clause for clause in clauses if clause),
            search_params=search_params(layout.index, limit),
        )

    def _in_memory(self, layout: Layout) -> Snapshot:
        """Read the collection; where later searches gain by it, it is kept until a write."""
        kept = self._snapshot
        if kept is not None:
            return kept
        with self._lock:  # not while another thread writes: what was read then would be kept
            snapshot = self._snapshot or Snapshot.read(self._store, layout)
            if self._is_exact_on_lite(layout):
                self._snapshot = snapshot
        return snapshot

    def _is_exact_on_lite(self, layout: Layout) -> bool:
        return self._store.is_lite and layout.index == "FLAT"


def made_encoder(encoder: Encoder | MakeEncoder | None, layout: Layout | None) -> Encoder:
    """Return the encoder itself, or the one that a collection was filled with."""
    if isinstance(encoder, Encoder):
        return encoder
    if encoder is not None and not callable(encoder):
        raise InputError(
            f"encoder must be of Encoder, got {type(encoder).__name__}: {encoder!r:.80}"
        )
    make = encoder or Encoder
    return make(DEFAULT_ENCODER if layout is None else asked_by(layout.encoder))


def _open_store(
    uri: str, collection: str, token: str | None, timeout: float, tenant: str | None
) -> Store | MemoryStore:
    require_kind(collection, "collection", str)
    if uri != IN_MEMORY:
        return Store(uri, collection, token=token, timeout=timeout, tenant=tenant)
    if tenant is not None:
        raise InputError("an index in memory is one object's own: it cannot be shared by tenants")
    return MemoryStore(collection)
