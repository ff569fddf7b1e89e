"""A Milvus collection behind a few verbs: the one module that talks to pymilvus.

What differs between Milvus Lite and a server — the lock of the file, loading, page sizes, the
answer of a delete — ends here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from retrieval.errors import InputError, StoreError, StoreLockedError, StoreUnavailableError
from retrieval.filters import member
from retrieval.lite_repair import remove_torn_indexes
from retrieval.neighbors import TIE_DIGITS, Hits, group_by_day
from retrieval.schema import TENANT_END

UPSERT_ROWS = 5_000
# Milvus' upper bound on the neighbors of a search.
MOST_NEIGHBORS = 16_384
# Rows read at once: each vector passes through a Python list on its way, 32 bytes a number.
PAGE_ROWS = 4_096
# Queries in one search call: keeps a message well below gRPC's limit at any k.
SEARCH_QUERIES = 1_000

# Asked every second or so by whoever waits for Milvus to come back.
_PING_SECONDS = 2.0

_META_SUFFIX = "_meta"
# How a Milvus that does not answer words it, in contrast to one that refuses.
_AWAY = (
    "unavailable",
    "fail connecting",
    "failed to connect",
    "connection refused",
    "deadline",
    "timeout",
    "timed out",
    "not healthy",
    "not ready",
    "closed channel",
)

# Every failure is raised again with its message; pymilvus and Milvus Lite would print it with a
# traceback as well.
for _name in ("pymilvus", "milvus_lite"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)
# Lite lacks calls that pymilvus tries and does without; its server logs each with a traceback.
logging.getLogger("grpc._server").addFilter(
    lambda record: "Method not implemented" not in record.getMessage()
)


class Store:
    """One collection of a Milvus, plus a companion that holds one line of metadata about it.

    pymilvus itself retries a call while Milvus is away, for as long as the call's timeout allows.

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
        self.collection = collection
        self._prefix = "" if tenant is None else tenant + TENANT_END
        self._own = {} if tenant is None else {"tenant": tenant}
        # A checked name, without quotes.
        self._clause = "" if tenant is None else f'tenant == "{tenant}"'
        self.is_lite = "://" not in uri
        self._timeout = timeout
        self._path = _lite_path(uri) if self.is_lite else None
        self._client: MilvusClient | None = _connect(self._path, uri, token, timeout)
        self._loaded = False

    def exists(self) -> bool:
        """Whether the collection has been created."""
        return bool(self._call("has_collection", self.collection))

    def ping(self) -> None:
        """Ask Milvus for the least it can say, and wait no longer than a moment."""
        client = self._open_client()
        moment = min(self._timeout, _PING_SECONDS)
        self._translated(lambda: client.has_collection(self.collection, timeout=moment))

    def create(
        self, fields: Sequence[Mapping[str, Any]], index: Mapping[str, Any], metadata: str
    ) -> None:
        """Create the collection and its index, metadata first: one without it is not ours."""
        self._write_metadata(metadata)
        self._create(self.collection, fields, index)

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
        self, name: str, fields: Sequence[Mapping[str, Any]], index: Mapping[str, Any]
    ) -> None:
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        for field in fields:
            schema.add_field(**field)
        params = MilvusClient.prepare_index_params()
        params.add_index(field_name="vector", **index)
        self._call("create_collection", name, schema=schema, consistency_level="Strong")
        # Lite has indexed nothing at once, and pymilvus would sleep half a second to ask whether.
        self._call("create_index", name, params, sync=not self.is_lite)
        self._call("load_collection", name)

    def drop(self) -> None:
        """Remove the collection and its metadata; nothing happens where there is none."""
        for name in (self.collection, self.collection + _META_SUFFIX):
            if self._call("has_collection", name):
                self._call("drop_collection", name)
        self._loaded = False

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        """Write rows, replacing those of the same id, in batches."""
        if self._own:
            rows = [{**row, **self._own, "item_id": self._prefix + row["item_id"]} for row in rows]
        for start in range(0, len(rows), UPSERT_ROWS):
            self._call("upsert", self.collection, rows[start : start + UPSERT_ROWS])

    def settle(self) -> None:
        """Write out and index what is still in memory.

        Until then a server searches new rows less accurately, and Lite reads them more slowly.
        """
        self._call("flush", self.collection)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove rows; return how many there were."""
        there = [self._prefix + row["item_id"] for row in self.get(ids, ["item_id"])]
        for start in range(0, len(there), UPSERT_ROWS):
            self._call("delete", self.collection, ids=there[start : start + UPSERT_ROWS])
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
        iterator = self._call(
            "query_iterator",
            self.collection,
            batch_size=PAGE_ROWS,
            filter=self._clause,
            output_fields=list(fields),
        )
        while page := self._translated(iterator.next):
            yield self._bare(page)
        iterator.close()

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
            }
            for start in range(0, len(queries), SEARCH_QUERIES):
                batch = queries[start : start + SEARCH_QUERIES]
                answer = self._call("search", self.collection, data=list(vectors[batch]), **options)
                for query, found in zip(batch, answer, strict=True):
                    _fill(hits, int(query), found, len(self._prefix))
        return hits

    def close(self) -> None:
        """Disconnect; the last store on a Lite file also frees the file's lock."""
        if self._client is None:
            return
        self._client.close()
        self._client = None
        if self._path is not None:
            _release(self._path)

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
        action = getattr(self._open_client(), verb)
        return self._translated(lambda: action(*args, timeout=self._timeout, **options))

    def _translated(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (MilvusException, grpc.RpcError) as error:
            raise _translate(error, self.uri) from error


def _both(*expressions: str) -> str:
    """What holds where all of these do; an empty one always does."""
    return " and ".join(expression for expression in expressions if expression)


def _fill(hits: Hits, query: int, found: Sequence[Mapping[str, Any]], begin: int) -> None:
    rows = [
        (-round(hit["distance"], TIE_DIGITS), hit["entity"]["launch_day"], hit["item_id"], hit)
        for hit in found
    ]
    rows.sort(key=lambda row: row[:3])
    for rank, (_, _, item_id, hit) in enumerate(rows):
        hits.ids[query, rank] = item_id[begin:]
        hits.similarity[query, rank] = hit["distance"]
        hits.labels[query, rank] = hit["entity"]["label"]


def _translate(error: Exception, uri: str) -> StoreError:
    """Tell a Milvus that does not answer from one that refuses."""
    text = str(error).lower()
    if any(sign in text for sign in _AWAY):
        return StoreUnavailableError(f"Milvus at {uri} does not answer: {_first_line(error)}")
    return StoreError(f"Milvus at {uri} refused: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    if isinstance(error, grpc.Call):
        return str(error.details())
    return str(getattr(error, "message", "") or error or type(error).__name__).splitlines()[0]


# --- connecting, and the lock of a Lite file
# ------------------------------------------------------------------------

# pymilvus pings every 10 s, which Lite's server takes for an attack while nobody calls it.
_QUIET_CHANNEL = {"grpc.keepalive_time_ms": 3_600_000}

_users: dict[Path, int] = {}
_users_lock = threading.Lock()


def _lite_path(uri: str) -> Path:
    if not uri.endswith(".db"):
        raise InputError(
            f"{uri!r} is neither a Milvus Lite file (the path must end in .db) nor a server (http://host:19530)"
        )
    return Path(uri).absolute()


def _connect(path: Path | None, uri: str, token: str | None, timeout: float) -> MilvusClient:
    if path is None:
        try:
            return MilvusClient(uri, token=token or "", timeout=timeout)
        except (MilvusException, grpc.RpcError) as error:
            raise _translate(error, uri) from error
    with _users_lock, _true_cause() as cause:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            client = MilvusClient(str(path), grpc_options=_QUIET_CHANNEL)
        except (MilvusException, OSError) as error:
            raise _lite_error(path, cause[0] if cause else error) from error
        if path not in _users:
            remove_torn_indexes(path)
        _users[path] = _users.get(path, 0) + 1
        return client


def _lite_error(path: Path, cause: BaseException) -> StoreError:
    if type(cause).__name__ == "DataDirLockedError":
        return StoreLockedError(
            f"{path} is open in another process; Milvus Lite serves one at a time. "
            "Close it there, or use a Milvus server"
        )
    return StoreError(f"cannot open {path}: {_first_line(cause)}")


@contextmanager
def _true_cause() -> Iterator[list[BaseException]]:
    """Collect the exceptions Milvus Lite logs; the one it raises does not tell the reason."""
    caught: list[BaseException] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                caught.append(record.exc_info[1])

    logger = logging.getLogger("milvus_lite")
    handler, level = Collect(), logger.level
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    try:
        yield caught
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def _release(path: Path) -> None:
    """Free a Lite file's lock once nobody in this process uses it: closing a client does not."""
    from milvus_lite.server_manager import server_manager_instance

    with _users_lock:
        _users[path] -= 1
        if _users[path] == 0:
            del _users[path]
            server_manager_instance.release_server(str(path))
