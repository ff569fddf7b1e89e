"""The jobs behind the command line's verbs, for notebooks and schedulers as well.

Each takes the `Settings` and its tables, as DataFrames or as what `read_table` reads, and returns a
DataFrame or counts. Nothing is written but the Milvus collection and the encoder's cache.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import structlog
from pandas.tseries.frequencies import to_offset

from classifiers import NeighborClassifier
from forecasting import LaunchForecaster
from pipelines.config import ItemsSettings, SalesSettings, Settings
from pipelines.logs import timed
from pipelines.queries import SqlQuery
from pipelines.tables import Kind, Source, read_table
from pipelines.where import parse_where
from retrieval import Encoder, InputError, ItemIndex, TableError

_log = structlog.stdlib.get_logger(__name__)

TableInput = pd.DataFrame | Source
"""A table, or where it is."""


def index_job(settings: Settings, items: TableInput | None = None) -> dict[str, int]:
    """Encodes an items table into the collection; running it again changes only what changed.

    Args:
        settings: `items` maps the columns, `index` names the collection.
        items: The table; None: the one the settings name.

    Returns:
        Rows ``new``, ``changed``, ``unchanged`` and the collection's ``total``.

    Raises:
        InputError: No text column or no table is named, the table breaks the contract, or the
            collection was made with another encoder or other columns.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    columns = settings.items
    _require_text(columns)
    items = items if items is not None else _named(columns.source, "items")
    with open_index(settings) as index:
        stored = index.layout.attributes if index.count() else {}
        table = _read(items, _item_kinds(columns, stored), columns.id)
        with timed(_log, "items indexed", rows=len(table), uri=index.uri) as fields:
            counts = index.upsert(
                table,
                text=columns.text,
                item_id=columns.id,
                label=columns.label,
                launch_date=columns.launch_date,
                attributes=columns.attributes,
                source=_name(items, "items"),
            )
            fields |= asdict(counts)
        return {**asdict(counts), "total": index.count()}


def similar_job(
    settings: Settings,
    queries: TableInput | list[str],
    *,
    k: int = 10,
    as_of: str | pd.Timestamp | None = None,
    where: Sequence[str] = (),
) -> pd.DataFrame:
    """Finds the like items of new ones.

    Args:
        settings: `index` names the collection.
        queries: An items table with the collection's id and text columns, or a list of texts.
        k: Neighbors a query.
        as_of: Only items launched until that day (inclusive) are seen.
        where: Conditions on attributes, as `pipelines.where.parse_where` reads them.

    Returns:
        One row a neighbor: query (its id, or the text's position), rank, item_id, similarity,
        label, text.

    Raises:
        InputError: The collection does not exist, or a table, date or condition is wrong.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    with open_index(settings, to_read=True) as index:
        conditions = parse_where(where, index.layout.attributes)
        asked = queries if isinstance(queries, list) else _read_queries(queries, index)
        with _naming("queries", queries), timed(_log, "neighbors found", queries=len(asked), k=k):
            near = index.neighbors(asked, k, as_of=as_of, where=conditions).to_frame()
        texts = index.get(near["item_id"].unique().tolist()).set_index("item_id")["text"]
        return near.assign(text=near["item_id"].map(texts))


def classify_job(settings: Settings, items: TableInput) -> pd.DataFrame:
    """Labels new items by the vote of their labeled neighbors.

    Args:
        settings: `index` names a collection with labels; `classify` says how they vote.
        items: The new items, with the collection's id and text columns.

    Returns:
        The labels table.

    Raises:
        InputError: The collection does not exist or holds no label, or the table is wrong.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    vote = settings.classify
    with open_index(settings, to_read=True) as index:
        table = _read_queries(items, index)
        classifier = NeighborClassifier(index=index, k=vote.k, temperature=vote.temperature).fit()
        with _naming("queries", items), timed(_log, "items labeled", rows=len(table)):
            return classifier.classify(table)


def forecast_job(
    settings: Settings,
    items: TableInput | None = None,
    sales: TableInput | None = None,
    *,
    new: TableInput | None = None,
    cutoff: str | pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Forecasts the launch curves of new items from what had sold until the cutoff.

    Args:
        settings: `items` and `sales` map the columns, `forecast` says what is forecast.
        items: The items, with launch dates; None: the table the settings name.
        sales: The sales panel; None: the table the settings name.
        new: The items to forecast; None: those of `items` that launch after the cutoff's period.
        cutoff: The last period seen; None: the last one in `sales`.

    Returns:
        The forecasts table.

    Raises:
        InputError: A table is missing or breaks its contract, or nothing launches after the cutoff.
    """
    columns = _forecast_columns(settings)
    items = items if items is not None else _named(settings.items.source, "items")
    sales = sales if sales is not None else _named(settings.sales.source, "sales")
    forecaster = make_forecaster(settings)
    known = _read(items, _item_kinds(columns, {}), columns.id)
    panel = _read(sales, _sales_kinds(settings.sales), settings.sales.id)
    last = pd.Timestamp(panel[settings.sales.time].max() if cutoff is None else cutoff)
    if pd.isna(last):
        raise TableError(f"{_name(sales, 'sales')}: no date in {settings.sales.time}")
    if new is None:
        coming = _launching_after(last, known, forecaster)
    else:
        coming = _read(new, _item_kinds(columns, _kinds_of(known, columns)), columns.id)
    with _naming("items", items), _naming("sales", sales), timed(_log, "forecaster fitted"):
        forecaster.fit(known, panel, cutoff=last)
    with _naming("new_items", new), timed(_log, "launches forecast", rows=len(coming)):
        return forecaster.predict(coming)


def make_forecaster(settings: Settings, index: ItemIndex | None = None) -> LaunchForecaster:
    """An unfitted forecaster with the settings' columns and options.

    Args:
        settings: `items` and `sales` map the columns, `forecast` says what is forecast.
        index: Where analogues are kept; None: a temporary one, with the settings' encoder.
    """
    columns, options = _forecast_columns(settings), settings.forecast
    if columns.launch_date is None:
        hint = "set items.launch_date in the config, or give --launch-date-col"
        raise InputError(f"no column of launch dates: {hint}")
    return LaunchForecaster(
        index=index,
        encoder=make_encoder(settings) if index is None else None,
        freq=options.freq,
        horizon=options.horizon,
        quantiles=options.quantiles,
        text=columns.text,
        attributes=columns.attributes,
        launch_date=columns.launch_date,
        item_id=columns.id,
        id_col=settings.sales.id,
        time_col=settings.sales.time,
        target_col=settings.sales.target,
        n_jobs=options.n_jobs,
    )


@contextmanager
def open_index(
    settings: Settings, *, collection: str | None = None, to_read: bool = False
) -> Iterator[ItemIndex]:
    """The collection of the settings, or another one beside it.

    Args:
        settings: `index` and `encoder`.
        collection: Instead of the settings' own.
        to_read: Refuse a Lite file that does not exist, instead of making it.

    Raises:
        InputError: There is no such index, or it was made with another encoder.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    chosen = settings.index
    if to_read and "://" not in chosen.uri and not Path(chosen.uri).exists():
        raise InputError(f"{chosen.uri}: no such index; `likewise index` makes one")
    with ItemIndex(
        uri=chosen.uri,
        encoder=make_encoder(settings),
        collection=collection or chosen.collection,
        token=chosen.token.get_secret_value() if chosen.token else None,
        index=chosen.kind,
        index_params=chosen.params,
    ) as index:
        yield index


def make_encoder(settings: Settings) -> Encoder:
    """The encoder of the settings."""
    chosen = settings.encoder
    return Encoder(
        chosen.name,
        backend=chosen.backend,
        batch_size=chosen.batch_size,
        cache_dir=chosen.cache_dir if chosen.cache else False,
    )


# --- tables ------------------------------------------------------------------------------------


def _read(table: TableInput, kinds: Mapping[str, Kind], id_col: str) -> pd.DataFrame:
    if isinstance(table, pd.DataFrame):
        return table
    with timed(_log, "table read", table=str(table)) as fields:
        frame = read_table(table, kinds, id_col=id_col)
        fields["rows"] = len(frame)
    return frame


def _read_queries(items: TableInput, index: ItemIndex) -> pd.DataFrame:
    """New items, in the columns the collection was filled from."""
    layout = index.layout
    kinds: dict[str, Kind] = dict.fromkeys((layout.item_id, *layout.text), "string")
    return _read(items, kinds, layout.item_id)


def _item_kinds(columns: ItemsSettings, known: Mapping[str, Kind]) -> dict[str, Kind]:
    """What the columns hold.

    Attributes are what they are `known` to be: those of a few new rows may all be missing, or look
    like numbers by chance. A column that is also text, label or date is read as that.
    """
    kinds: dict[str, Kind] = {name: known.get(name, "any") for name in columns.attributes}
    kinds |= dict.fromkeys((columns.id, *columns.text), "string")
    if columns.label is not None:
        kinds[columns.label] = "string"
    if columns.launch_date is not None:
        kinds[columns.launch_date] = "date"
    return kinds


def _forecast_columns(settings: Settings) -> ItemsSettings:
    """The items' columns, as a forecast uses them: with its own texts and attributes."""
    columns, options = settings.items, settings.forecast
    text = columns.text if options.text is None else options.text
    attributes = columns.attributes if options.attributes is None else options.attributes
    chosen = columns.model_copy(update={"text": text, "attributes": attributes, "label": None})
    _require_text(chosen)
    return chosen


def _kinds_of(items: pd.DataFrame, columns: ItemsSettings) -> dict[str, Kind]:
    numeric = items.select_dtypes("number").columns
    return {name: "number" if name in numeric else "string" for name in columns.attributes}


def _launching_after(
    cutoff: pd.Timestamp, items: pd.DataFrame, forecaster: LaunchForecaster
) -> pd.DataFrame:
    """The items whose launch lies after the cutoff's period."""
    period = to_offset(forecaster.freq)
    first = period.rollback(cutoff.normalize()) + period
    launches = pd.to_datetime(items[forecaster.launch_date])
    coming = items[launches >= first]
    if coming.empty:
        raise InputError(
            f"no item launches on {first:%Y-%m-%d} or later, after the cutoff's period; "
            "choose an earlier cutoff, or name the new items"
        )
    return coming


def _sales_kinds(columns: SalesSettings) -> dict[str, Kind]:
    return {columns.id: "string", columns.time: "date", columns.target: "number"}


def _named(source: Source | None, section: str) -> Source:
    if source is None:
        raise InputError(f"no {section} table: name one, or set {section}.path in the config")
    return source


def _require_text(columns: ItemsSettings) -> None:
    if not columns.text:
        raise InputError("no text column: set items.text in the config, or give --text-cols")


def _name(table: object, default: str) -> str:
    """What a table is called in messages: its file, or, for a DataFrame, its role."""
    return str(table) if isinstance(table, Path | str | SqlQuery) else default


@contextmanager
def _naming(role: str, table: object) -> Iterator[None]:
    """Puts a table's file into messages of those who know only its role."""
    try:
        yield
    except TableError as error:
        message = str(error)
        if not message.startswith(f"{role}:"):
            raise
        raise TableError(_name(table, role) + message.removeprefix(role)) from error
