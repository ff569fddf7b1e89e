"""What the jobs give to Ray: encoding and upserts, labels, forecasts, by blocks of rows.

The driver reads and checks tables, learns, and puts results together in the order of the rows, as
ever; workers do what takes long. A fitted model travels as the files it is saved to. The results
are those of the local engine: no row's depends on the other rows of its block.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from classifiers import NeighborClassifier
from forecasting import LaunchForecaster, Sales
from pipelines.components import classify_block, make_encoder, open_index
from pipelines.config.settings import Settings
from pipelines.distributed.blocks import Rows, map_blocks, parts_of
from pipelines.distributed.cluster import ray_running
from pipelines.inputs.items import column_arguments, in_blocks, read_items
from pipelines.tables.parquet import ParquetRows
from pipelines.tables.reader import Kind
from retrieval import (
    InputError,
    ItemIndex,
    TableError,
    UnreadTextWarning,
    UpsertCounts,
    validate_items,
)

Files = dict[str, bytes]

# What a worker holds open; it ends with its process.
_opened = ExitStack()


def upsert_parts_on_ray(
    settings: Settings, index: ItemIndex, rows: ParquetRows, kinds: Mapping[str, Kind]
) -> UpsertCounts | None:
    """`upsert_on_ray` of a table that nobody reads as a whole: each worker reads its own rows.

    Args:
        settings: `items` maps the columns, `engine` says how many workers.
        index: The collection, on a server.
        rows: All rows of the table.
        kinds: What its columns hold.

    Returns:
        The counts; None where the table is not in order, of which nothing was written: whoever
        reads it as a whole can say what is wrong, and in which row.

    Raises:
        InputError: The collection is in a Lite file.
    """
    _refuse_lite(index)
    parts = parts_of(rows, settings.engine.block_rows)
    with ray_running(settings.engine):
        try:
            checked = map_blocks(parts, settings.engine, _checker, settings, kinds)
            marks = np.concatenate([np.frombuffer(own, np.uint64) for _, own in checked])
        except TableError:
            return None
        if len(np.unique(marks)) < len(marks):
            return None
        # The first row makes the collection, so that workers need not agree on who does.
        begin = read_items(ParquetRows(rows.path, 0, 1), settings.items, kinds)
        first = _upserted(index, begin, settings)
        made = map_blocks(parts, settings.engine, _upserter, _encoding_as(settings, index), kinds)
        total = _total([one for _, one in made])
    if total.new or total.changed or first.new or first.changed:
        index.settle()
    # Its row was counted among the unchanged ones of its part.
    total += replace(first, unchanged=-first.new - first.changed)
    total.reading.warn(str(rows.path))
    return total


def upsert_on_ray(
    settings: Settings, index: ItemIndex, items: pd.DataFrame, source: str
) -> UpsertCounts:
    """`ItemIndex.upsert` by Ray's workers.

    A block that is done again because its worker died changes nothing, but its rows that had been
    written count as unchanged.

    Args:
        settings: `items` maps the columns, `engine` says how many workers.
        index: The collection, on a server.
        items: The whole table.
        source: What to call it in messages.

    Raises:
        InputError: The collection is in a Lite file.
        TableError: The table is not in order; nothing was written.
    """
    _refuse_lite(index)
    clean = validate_items(items, source=source, **column_arguments(settings.items))
    # Of a few rows it could not be told again what the whole column is.
    attributes = [name for name in settings.items.recorded if name not in settings.items.text]
    categories = [name for name in attributes if clean[name].dtype != "float64"]
    clean = clean.astype(dict.fromkeys(categories, "category"))
    # The first row makes the collection, so that workers need not agree on who does.
    first = _upserted(index, clean[:1], settings)
    counts = [first]
    blocks = in_blocks(clean[1:], settings.engine.block_rows)
    settings = _encoding_as(settings, index)
    with ray_running(settings.engine):
        counts += [made for _, made in map_blocks(blocks, settings.engine, _upserter, settings)]
    total = _total(counts)
    if total.new or total.changed:
        index.settle()
    total.reading.warn(source)
    return total


def classify_on_ray(
    settings: Settings, classifier: NeighborClassifier, items: pd.DataFrame
) -> pd.DataFrame:
    """`NeighborClassifier.classify` by Ray's workers.

    Args:
        settings: `classify` and `engine`.
        classifier: Fitted; its items in a collection on a server, or in an index of its own.
        items: All items, checked.

    Raises:
        InputError: The collection is in a Lite file that is not the classifier's own.
    """
    is_private = classifier.knowledge_.is_private
    settings = _of_workers(settings, classifier.index_, is_private)
    if items.empty:
        return classify_block(settings, classifier, items)
    files = _files_of(classifier)
    blocks = in_blocks(items.reset_index(drop=True), settings.engine.block_rows)
    with ray_running(settings.engine):
        made = dict(map_blocks(blocks, settings.engine, _labeler, settings, files, is_private))
    labels: pd.DataFrame = pd.concat([made[one] for one in sorted(made)], ignore_index=True)
    return labels


def forecast_on_ray(
    settings: Settings,
    forecaster: LaunchForecaster,
    new_items: pd.DataFrame,
    *,
    observed: Sales | None,
    observed_until: pd.Timestamp | None,
    future: pd.DataFrame | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`LaunchForecaster.predict_both` by Ray's workers.

    Args:
        settings: `engine`.
        forecaster: Fitted; it travels with the vectors of its items.
        new_items: All items to forecast.
        observed: Sales so far.
        observed_until: The last period of which they tell.
        future: Plans.

    Raises:
        TableError: A table is not in order.
    """
    settings = _encoding_as(settings, forecaster.engine_.describer.analogues.index)
    reader = forecaster.reader
    reader.items(new_items, "new_items")  # together: no id may be there twice
    if observed is not None:  # together, too: blocks do not know when the others end
        observed_until = observed.last_told(observed_until)
    told: dict[str, Any] = {
        "observed": observed,
        "observed_until": observed_until,
        "future": future,
    }
    if new_items.empty:
        return forecaster.predict_both(new_items, **told)
    files = _files_of(forecaster)
    blocks = in_blocks(new_items.reset_index(drop=True), settings.engine.block_rows)
    arguments = (settings, files, told)
    try:
        with ray_running(settings.engine):
            made = dict(map_blocks(blocks, settings.engine, _predictor, *arguments))
    except TableError:
        # A block counts its own rows; the whole table is refused with the right ones.
        forecaster.predict_both(new_items, **told)
        raise
    curves, totals = zip(*(made[number] for number in sorted(made)), strict=True)
    return pd.concat(curves, ignore_index=True), pd.concat(totals, ignore_index=True)


def _total(counts: Iterable[UpsertCounts]) -> UpsertCounts:
    return sum(counts, UpsertCounts())


def _upserted(index: ItemIndex, rows: pd.DataFrame, settings: Settings) -> UpsertCounts:
    """Write some of the rows; what could not be read is told of all of them together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreadTextWarning)
        return index.upsert(rows, progress=False, settle=False, **column_arguments(settings.items))


def _refuse_lite(index: ItemIndex) -> None:
    if "://" not in index.uri:
        raise InputError(
            f"--engine ray: {index.uri} is a Milvus Lite file, which one process holds at a time; "
            "name a server, index.uri or --uri http://host:19530 (`make milvus` starts one here)"
        )


def _of_workers(settings: Settings, index: ItemIndex, is_private: bool) -> Settings:
    """Return the settings of workers that read this collection, unless it is a model's own.

    Raises:
        InputError: They cannot all read it.
    """
    settings = _encoding_as(settings, index)
    if is_private:
        return settings
    _refuse_lite(index)
    # It may be where a saved model says, which has been asked before: the token goes no further.
    there = settings.index.at(index.uri, index.collection, said_by="the collection")
    return settings.model_copy(update={"index": there})


def _encoding_as(settings: Settings, index: ItemIndex) -> Settings:
    """Return the same encoder, engine, precision and options: with others vectors differ."""
    identity, encoder = index.encoder.identity, index.encoder
    own = {"query": identity.query_prompt, "item": identity.item_prompt}
    same: dict[str, object] = {
        "name": identity.name,
        "prompts": own if any(own.values()) else None,
        "truncate_dim": identity.truncate_dim,
        "max_length": identity.max_length,
        "endpoint": identity.endpoint,
    }
    if identity.backend in ("torch", "openvino"):
        same |= {"backend": identity.backend, "precision": encoder.precision}
        same |= {"device": encoder.device}
    made = type(settings.encoder)(**{**settings.encoder.model_dump(), **same})
    return settings.model_copy(update={"encoder": made})


def _files_of(model: NeighborClassifier | LaunchForecaster) -> Files:
    """Return the files it is saved to; a forecaster's vectors among them."""
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(model, LaunchForecaster):
            model.save(Path(folder) / "model", standalone=True)
        else:
            model.save(Path(folder) / "model")
        return {file.name: file.read_bytes() for file in (Path(folder) / "model").iterdir()}


@contextmanager
def _written(files: Files) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


# --- in a worker ---------------------------------------------------------------------------------


def _checker(settings: Settings, kinds: Mapping[str, Kind]) -> Callable[[Rows], bytes]:
    def check(rows: Rows) -> bytes:
        """Return a number of 8 bytes for each id, if all is in order."""
        assert isinstance(rows, ParquetRows)
        table = read_items(rows, settings.items, kinds)
        clean = validate_items(table, **column_arguments(settings.items))
        ids = clean[settings.items.id]
        return b"".join(blake2b(one.encode(), digest_size=8).digest() for one in ids)

    return check


def _upserter(
    settings: Settings, kinds: Mapping[str, Kind] | None = None
) -> Callable[[Rows], UpsertCounts]:
    index = _opened.enter_context(open_index(settings))

    def upsert(rows: Rows) -> UpsertCounts:
        if isinstance(rows, ParquetRows):
            rows = read_items(rows, settings.items, kinds)
        return _upserted(index, rows, settings)

    return upsert


def _labeler(settings: Settings, files: Files, is_private: bool) -> Callable[[Rows], pd.DataFrame]:
    with _written(files) as folder:
        if is_private:
            classifier = NeighborClassifier.load(folder, encoder=make_encoder(settings))
        else:
            index = _opened.enter_context(open_index(settings, to_read=True))
            classifier = NeighborClassifier.load(folder, index=index)

    def label(rows: Rows) -> pd.DataFrame:
        assert isinstance(rows, pd.DataFrame)
        return classify_block(settings, classifier, rows)

    return label


def _predictor(
    settings: Settings, files: Files, told: dict[str, Any]
) -> Callable[[Rows], tuple[pd.DataFrame, pd.DataFrame]]:
    with _written(files) as folder:
        forecaster = LaunchForecaster.load(folder, encoder=make_encoder(settings))

    def predict(rows: Rows) -> tuple[pd.DataFrame, pd.DataFrame]:
        assert isinstance(rows, pd.DataFrame)
        observed = told["observed"]
        if observed is not None:
            ids = rows[forecaster.item_id].astype(str)
            observed = observed.of(ids.tolist())
        return forecaster.predict_both(rows, **{**told, "observed": observed})

    return predict
