"""A Milvus collection behind a few verbs.

What differs between Milvus Lite and a server — loading, page sizes, the answer of a delete, where
an upsert ends up — ends here; the lock of a Lite file in `retrieval.milvus.connection`. Nobody else
talks to pymilvus.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from retrieval.errors import StoreError
from retrieval.filters import after, equals, member
from retrieval.milvus.connection import connect, lite_path, release, translated
from retrieval.milvus.schema import TENANT_END
from retrieval.neighbors.hits import Hits, group_by_day, tie_runs

UPSERT_ROWS = 5_000
# Milvus' upper bound on the neighbors of a search.
MOST_NEIGHBORS = 16_384
# Rows read at once: each vector passes through a Python list on its way, 32 bytes a number.
PAGE_ROWS = 4_096
# Queries in one search call: keeps a message well below gRPC's limit at any k.
SEARCH_QUERIES = 1_000

# Asked every second or so by whoever waits for Milvus to come back.
_PING_SECONDS = 2.0

_FIRST, _META_SUFFIX = "_v1", "_meta"
# A query whose rows are the first of all that match, by primary key.
_IN_ORDER_OF_IDS = {"iterator": "True", "reduce_stop_for_best": "True"}
# How a server and Lite say that a collection is not in memory.
_UNLOADED = (
    "collection not loaded",
    "in state 'released'",
    "reason=collection not found",  # of a query node; a collection that is gone is told otherwise
    "reason=channel not found",
)


class Store:
    """One collection of a Milvus, plus a companion that holds one line of metadata about it.

    The name it is given is a Milvus alias, of ``NAME_v1`` at first. The collection behind it is
    looked up once: where the alias is moved to ``NAME_v2`` later, this store stays with what it has
    been reading. Any collection can be opened by its own name as well.

    pymilvus itself retries a call while Milvus is away, for as long as the call's timeout allows.

    Attributes:
        uri: Where Milvus is.
        name: What the collection was asked for by.
        collection: What it is called in Milvus; where there is none yet, will be.

    With a tenant it sees, counts, writes and removes that tenant's rows only, of a collection that
    has a partition for each. Ids go in and come out without the tenant's name.
    """

    def __init__(
        self,
        uri: str,
        collection: str,
        *,
        token: str | None,
        timeout: float,
        tenant: str | None = None,
    ) -> None:
        self.uri = uri
        self.name = collection
        self.collection = collection + _FIRST
        self._prefix = "" if tenant is None else tenant + TENANT_END
        self._own = {} if tenant is None else {"tenant": tenant}
        self._clause = "" if tenant is None else equals("tenant", tenant)
        self.is_lite = "://" not in uri
        self._timeout, self._token = timeout, token
        self._path = lite_path(uri) if self.is_lite else None
        self._client: MilvusClient | None = connect(self._path, uri, token, timeout)
        self._loaded = False
        self._has_searched = False

    def beside(self, collection: str) -> Store:
        """Another collection of the same name, whether there is one yet or not; all of its rows."""
        other = Store(self.uri, self.name, token=self._token, timeout=self._timeout)
        other.collection = collection
        return other

    def exists(self) -> bool:
        """Whether the collection has been created; if so, it is the one behind the name now."""
        meant = self._meant()
        if meant is not None:
            self.collection = meant
        return meant is not None

    def is_current(self) -> bool:
        """Whether the name still stands for this collection."""
        return self._meant() == self.collection

    def _meant(self) -> str | None:
        """Return the collection that the name stands for; None where there is none."""
        if not self._call("has_collection", self.name):
            return None
        return str(self._call("describe_collection", self.name)["collection_name"])

    def ping(self) -> None:
        """Ask Milvus for the least it can say, and wait no longer than a moment."""
        client = self._open_client()
        moment = min(self._timeout, _PING_SECONDS)
        self._translated(lambda: client.has_collection(self.collection, timeout=moment))
        if self._loaded:  # a Milvus that was restarted answers before it can search
            self.get([""], ["item_id"])

    def create(
        self, fields: Sequence[Mapping[str, Any]], index: Mapping[str, Any], metadata: str
    ) -> None:
        """Create the collection and its index, then let the name stand for it.

        What a creation that was killed has left is taken up, or, if it was another, removed.
        """
        if self.read_metadata() != metadata:
            self._remove(self.collection)
        self.prepare(fields, index, metadata)
        self.point()

    def prepare(
        self, fields: Sequence[Mapping[str, Any]], index: Mapping[str, Any], metadata: str
    ) -> None:
        """Create the collection and its index, metadata first: one without it is not ours."""
        self._write_metadata(metadata)
        shared = any(field.get("is_partition_key") for field in fields)
        options = {"num_partitions": 1} if shared and self._misplaces_upserts() else {}
        self._create(self.collection, fields, index, **options)

    def point(self) -> None:
        """Let the name stand for this collection from now on; readers see no gap."""
        if self._call("has_collection", self.name):
            self._call("alter_alias", self.collection, self.name)
        else:
            self._call("create_alias", self.collection, self.name)

    def _misplaces_upserts(self) -> bool:
        """Whether an upsert may end up in another tenant's partition, where it is not found.

        So it is before Milvus 2.4 (its pull request 30772); with one partition there is no other.
        """
        if self.is_lite:
            return False
        version = str(self._call("get_server_version")).lstrip("v").split(".")
        return [int(part) for part in version[:2]] < [2, 4]

    def read_metadata(self) -> str | None:
        """Return the line written by `create`."""
        name = self.collection + _META_SUFFIX
        if not self._call("has_collection", name):
            return None
        self._call("load_collection", name)
        rows = self._call("query", name, filter="id == 0", output_fields=["value"])
        return str(rows[0]["value"]) if rows else None

    def _write_metadata(self, metadata: str) -> None:
        name = self.collection + _META_SUFFIX
        if not self._call("has_collection", name):
            fields = [
                {"field_name": "id", "datatype": DataType.INT64, "is_primary": True},
                {"field_name": "value", "datatype": DataType.VARCHAR, "max_length": 65_535},
                # Every Milvus collection needs a vector; this one means nothing.
                {"field_name": "vector", "datatype": DataType.FLOAT_VECTOR, "dim": 2},
            ]
            self._create(name, fields, {"index_type": "FLAT", "metric_type": "COSINE"})
        self._call("upsert", name, [{"id": 0, "value": metadata, "vector": [1.0, 0.0]}])

    def _create(
        self,
        name: str,
        fields: Sequence[Mapping[str, Any]],
        index: Mapping[str, Any],
        **options: Any,
    ) -> None:
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        for field in fields:
            schema.add_field(**field)
        params = MilvusClient.prepare_index_params()
        params.add_index(field_name="vector", **index)
        if not self._call("has_collection", name):
            if self._path is not None:
                # A folder that a full disk, or a kill, left before it was a collection: Lite makes
                # none over it.
                shutil.rmtree(self._path / "collections" / name, ignore_errors=True)
            options = {"consistency_level": "Strong", **options}
            self._call("create_collection", name, schema=schema, **options)
        if not self._call("list_indexes", name):
            # Lite has indexed nothing at once, and pymilvus would sleep half a second to ask.
            self._call("create_index", name, params, sync=not self.is_lite)
        self._call("load_collection", name)

    def drop(self) -> None:
        """Remove all collections of the name with their metadata; there may be none."""
        if self._meant() not in (None, self.name):  # a collection takes its aliases with it
            self._call("drop_alias", self.name)
        for version in {*self.versions(), self.collection}:
            self._remove(version)
        self._loaded = False

    def drop_version(self) -> None:
        """Remove this collection alone; nobody must read it any more."""
        self._remove(self.collection)
        self._loaded = False

    def _remove(self, collection: str) -> None:
        # The metadata first: without it, what is left after a kill is not taken for whole.
        for name in (collection + _META_SUFFIX, collection):
            if self._call("has_collection", name):
                self._call("drop_collection", name)

    def versions(self) -> list[str]:
        """Return the collections of the name, oldest first, the one it stands for among them."""
        named = re.compile(rf"{re.escape(self.name)}_v(\d+)")
        found = map(named.fullmatch, self._call("list_collections"))
        return [one[0] for one in sorted(filter(None, found), key=lambda one: int(one[1]))]

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        """Write rows, replacing those of the same id, in batches."""
        if self._own:
            rows = [{**row, **self._own, "item_id": self._prefix + row["item_id"]} for row in rows]
        for start in range(0, len(rows), UPSERT_ROWS):
            self._call("upsert", self.collection, rows[start : start + UPSERT_ROWS])

    def settle(self) -> None:
        """Write out what is still in memory, so that it is indexed.

        Until then a server searches new rows less accurately, and Lite reads them more slowly.
        """
        self._call("flush", self.collection)

    def unindexed(self) -> int:
        """Return the number of rows that are written out and not indexed yet."""
        if self.is_lite:  # it indexes as it writes out
            return 0
        return int(self._call("describe_index", self.collection, "vector")["pending_index_rows"])

    def delete(self, ids: Sequence[str]) -> int:
        """Remove rows; return how many there were."""
        there = [self._prefix + row["item_id"] for row in self.get(ids, ["item_id"])]
        for start in range(0, len(there), UPSERT_ROWS):
            # By a filter of our own: pymilvus puts `ids` into one without escaping them.
            chosen = member("item_id", there[start : start + UPSERT_ROWS])
            self._call("delete", self.collection, filter=chosen)
        return len(there)

    def count(self) -> int:
        """Return the number of rows."""
        self._load()
        answer = self._call(
            "query", self.collection, filter=self._clause, output_fields=["count(*)"]
        )
        return int(answer[0]["count(*)"])

    def get(self, ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of those ids that exist, in no particular order."""
        self._load()
        rows: list[dict[str, Any]] = []
        ids = list(dict.fromkeys(ids))  # Lite would give a row as often as it is asked for
        for start in range(0, len(ids), UPSERT_ROWS):
            wanted = [self._prefix + one for one in ids[start : start + UPSERT_ROWS]]
            expression = _both(member("item_id", wanted), self._clause)
            rows += self._call(
                "query", self.collection, filter=expression, output_fields=list(fields)
            )
        return self._bare(rows)

    def pages(self, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """Read the whole collection, page by page, in no particular order."""
        self._load()
        if self.is_lite:
            # Lite answers a query of any size, and reads by id faster than by pymilvus' iterator.
            rows = self._call(
                "query",
                self.collection,
                filter=self._clause or 'item_id != ""',
                output_fields=["item_id"],
            )
            ids = [row["item_id"] for row in self._bare(rows)]
            for start in range(0, len(ids), PAGE_ROWS):
                yield self.get(ids[start : start + PAGE_ROWS], fields)
            return
        # Not by pymilvus' iterator, which puts the last id of a page into a filter unescaped.
        beyond = ""
        while page := self._call(
            "query",
            self.collection,
            filter=_both(beyond, self._clause),
            limit=PAGE_ROWS,
            output_fields=list({"item_id": None, **dict.fromkeys(fields)}),
            **_IN_ORDER_OF_IDS,
        ):
            yield self._bare(page)
            beyond = after("item_id", page[-1]["item_id"])

    def search(
        self,
        vectors: npt.NDArray[np.float32],
        limit: int,
        *,
        as_of: npt.NDArray[np.int64] | None,
        expression: str,
        search_params: Mapping[str, Any],
    ) -> Hits:
        """Let Milvus find the rows nearest to each vector among those visible to it."""
        self._load()
        hits = Hits.empty(len(vectors), limit)
        for queries, day in group_by_day(len(vectors), as_of):
            visible = "" if day is None else f"launch_day <= {day}"
            options = {
                "limit": limit,
                "filter": _both(self._clause, visible, expression),
                "output_fields": ["item_id", "label", "launch_day"],
                "search_params": dict(search_params),
                **self._consistency(),
            }
            for start in range(0, len(queries), SEARCH_QUERIES):
                batch = queries[start : start + SEARCH_QUERIES]
                answer = self._call("search", self.collection, data=list(vectors[batch]), **options)
                for query, found in zip(batch, answer, strict=True):
                    _fill(hits, int(query), found, len(self._prefix))
        return hits

    def _consistency(self) -> dict[str, str]:
        """How much of what was written a search has to see.

        The first one all that anybody wrote before it. After that a server waits a fifth of a
        second for as much, each time; so a search sees all that this process wrote, and the writes
        of others a moment later.
        """
        is_first, self._has_searched = not self._has_searched, True
        # Without a word the collection's own level counts, Strong.
        return {} if is_first or self.is_lite else {"consistency_level": "Session"}

    def close(self) -> None:
        """Disconnect; the last store on a Lite file also frees the file's lock."""
        if self._client is None:
            return
        self._client.close()
        self._client = None
        if self._path is not None:
            release(self._path)

    def _load(self) -> None:
        # A collection is searched from memory; Lite forgets which were loaded whenever its file is
        # closed.
        if not self._loaded:
            self._call("load_collection", self.collection)
            self._loaded = True

    def _bare(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows with their ids as the caller knows them."""
        begin = len(self._prefix)
        if not begin:
            return list(rows)  # type: ignore[arg-type]  # pymilvus' rows are dicts
        return [
            {**row, "item_id": row["item_id"][begin:]} if "item_id" in row else dict(row)
            for row in rows
        ]

    def _open_client(self) -> MilvusClient:
        if self._client is None:
            raise StoreError(f"the index on {self.uri} is closed")
        return self._client

    def _call(self, verb: str, *args: Any, **options: Any) -> Any:
        """Call a method of the client by name, with a time limit and with errors translated."""
        method = getattr(self._open_client(), verb)
        action = partial(method, *args, timeout=self._timeout, **options)
        try:
            return self._translated(action)
        except StoreError as error:
            if not (self._loaded and any(words in str(error) for words in _UNLOADED)):
                raise
        # Milvus has been restarted since, and no longer has the collection in memory.
        self._loaded = False
        self._load()
        return self._translated(action)

    def _translated(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (MilvusException, grpc.RpcError) as error:
            raise translated(error, self.uri) from error


def _both(*expressions: str) -> str:
    """Return what holds where all of these do; an empty one always does."""
    return " and ".join(expression for expression in expressions if expression)


def _fill(hits: Hits, query: int, found: Sequence[Mapping[str, Any]], begin: int) -> None:
    if not found:
        return
    nearest = sorted(found, key=lambda hit: -hit["distance"])
    runs = tie_runs(np.array([[hit["distance"] for hit in nearest]], dtype=np.float32))[0]
    rows = [
        (run, hit["entity"]["launch_day"], hit["item_id"], hit)
        for run, hit in zip(runs.tolist(), nearest, strict=True)
    ]
    rows.sort(key=lambda row: row[:3])
    for rank, (*_, hit) in enumerate(rows):
        hits.ids[query, rank] = hit["item_id"][begin:]
        hits.similarity[query, rank] = hit["distance"]
        hits.labels[query, rank] = hit["entity"]["label"]
