"""Load very many items by files that Milvus reads itself, past its log.

    python deploy/bulk_import.py write --config job.yaml --out bulk
    python deploy/bulk_import.py load --config job.yaml --prefix bulk bulk/*.parquet

`write` embeds the items (a Parquet file, `items.path`) and writes them in the layout of the
collection, which it creates. Between the two the files go where Milvus finds them: into its bucket,
or, with local storage, onto its disk; `--prefix` is what to write before their names. Milvus looks
for no id that is there already, so the collection has to be a fresh one, and each id be there once.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.components import open_index
from pipelines.config.settings import Settings, load_settings
from pipelines.inputs.items import column_arguments, item_kinds, read_items
from pipelines.jobs.locks import locked_collection
from retrieval import InputError, ItemIndex, LikewiseError, StoreError
from retrieval.items import item_texts, validate_items
from retrieval.milvus.schema import to_rows

LOAD_SECONDS = 24 * 3600


def main() -> int:
    """Parse, and do what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    writing = verbs.add_parser("write", help="embed the items, and write files")
    writing.add_argument("--out", type=Path, required=True, help="folder of the files")
    writing.add_argument("--rows", type=int, default=200_000, help="of a file")
    loading = verbs.add_parser("load", help="let Milvus read the files")
    loading.add_argument("--prefix", default="", help="where Milvus finds them")
    loading.add_argument("files", type=Path, nargs="+")
    for verb in (writing, loading):
        verb.add_argument("--config", type=Path, required=True)
    asked = parser.parse_args()
    try:
        settings = load_settings(asked.config)
        there = settings.index
        with (
            locked_collection(there.uri, there.collection, f"bulk_import.py {asked.verb}"),
            open_index(settings) as index,
        ):
            if asked.verb == "write":
                write(settings, index, asked.out, asked.rows)
            else:
                load(settings, index, asked.files, asked.prefix)
    except LikewiseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


def write(settings: Settings, index: ItemIndex, out: Path, rows: int) -> None:
    """Write the items in files of so many rows; the first item creates the collection."""
    if index.count():
        raise InputError(
            f"collection {index.collection!r} has items; import into a fresh one, and name it by "
            "index.collection"
        )
    out.mkdir(parents=True, exist_ok=True)
    written = 0
    for number, items in enumerate(_batches(settings, rows)):
        if number == 0:
            _create(settings, index, items.head(1))
            items = items.iloc[1:]
        table = _table(settings, index, items.reset_index(drop=True))
        path = out / f"part-{number:05d}.parquet"
        pq.write_table(table, path.with_suffix(".new"), row_group_size=10_000)
        path.with_suffix(".new").rename(path)
        written += len(table)
        print(f"{path}: {len(table):,} rows, {written:,} in all", flush=True)


def load(settings: Settings, index: ItemIndex, files: list[Path], prefix: str) -> None:
    """Import files one after the other; return when all rows can be found."""
    # The calls are of pymilvus' older face, which is announced to go; the newer one has none that
    # does without a client of the bucket.
    warnings.filterwarnings("ignore", message=r".*ORM-style PyMilvus API")
    from pymilvus import connections, utility

    token = settings.index.token
    connections.connect(uri=index.uri, token=token.get_secret_value() if token is not None else "")
    expected = index.count() + sum(pq.ParquetFile(path).metadata.num_rows for path in files)
    for path in files:
        name = "/".join(part for part in (prefix.rstrip("/"), path.name) if part)
        task = utility.do_bulk_insert(collection_name=index.version, files=[name])
        while (state := utility.get_bulk_insert_state(task)).state_name != "Completed":
            if state.state_name.startswith("Failed"):
                raise StoreError(f"{path}: Milvus did not import it: {state.failed_reason}")
            time.sleep(0.5)
        print(f"{path}: {state.row_count:,} rows", flush=True)
    deadline = time.monotonic() + LOAD_SECONDS
    while index.count() < expected:  # imported, and not yet in memory
        if time.monotonic() > deadline:
            raise StoreError(f"{index.count():,} of {expected:,} rows can be found; look at Milvus")
        time.sleep(1)
    print(f"{index.count():,} items in {index.collection}")


def _batches(settings: Settings, rows: int) -> Iterator[pd.DataFrame]:
    columns = settings.items
    if columns.path is None or columns.path.suffix != ".parquet":
        raise InputError("items.path must be a Parquet file: it is read in parts")
    wanted = {columns.id, *columns.text, *columns.attributes}
    wanted |= {one for one in (columns.label, columns.launch_date) if one is not None}
    file = pq.ParquetFile(columns.path)
    there = [name for name in file.schema_arrow.names if name in wanted]
    for batch in file.iter_batches(batch_size=rows, columns=there):
        yield read_items(batch.to_pandas(), columns, item_kinds(columns, {}))


def _create(settings: Settings, index: ItemIndex, first: pd.DataFrame) -> None:
    index.upsert(first, **column_arguments(settings.items))


def _table(settings: Settings, index: ItemIndex, items: pd.DataFrame) -> pa.Table:
    """Items as the collection has them, vectors included."""
    columns, layout = settings.items, index.layout
    clean = validate_items(items, source=str(columns.path), **column_arguments(columns))
    texts = item_texts(clean, layout.text)
    rows = to_rows(clean, texts, layout, str(columns.path))
    vectors = index.encoder.encode(texts.tolist())
    fields = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), index.encoder.dim)
    return pa.table({**fields, "vector": flat.cast(pa.list_(pa.float32()))})


if __name__ == "__main__":
    sys.exit(main())
