"""The jobs behind the command line's verbs, for notebooks and schedulers as well.

Those of forecasts are in `pipelines.jobs.forecasts`, that of ``evaluate`` in
`pipelines.jobs.evaluation`.

Each takes the `Settings` and its tables, as DataFrames or as what `read_table` reads, and returns a
DataFrame or counts. Nothing is written but the Milvus collection, the encoder's cache and, where
the settings ask for it, files of bad rows (`pipelines.inputs.bad_rows`).
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import structlog

from classifiers import NeighborClassifier
from classifiers.persistence.files import named_index
from pipelines.config.sections import ItemsSettings
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine, Role, held
from pipelines.inputs.items import (
    TableInput,
    in_blocks,
    item_kinds,
    name_of,
    naming,
    read_items,
    read_queries,
    require_text,
    source_of,
)
from pipelines.jobs.index import fill_by_parts, fill_collection, ids_to_prune
from pipelines.jobs.locks import locked_collection
from pipelines.logs import timed
from pipelines.overwriting import Write, refuse_overwriting
from pipelines.tables.label_texts import read_label_texts
from retrieval import Encoder, InputError, ItemIndex
from retrieval.artifact import check_replaceable
from retrieval.filters import parse_conditions
from retrieval.items import validate_items

_log = structlog.stdlib.get_logger(__name__)


def index_job(
    settings: Settings,
    items: TableInput | None = None,
    *,
    confirmed: bool = False,
    quarantine: Quarantine | None = None,
) -> dict[str, int]:
    """Encodes an items table into the collection; running it again changes only what changed.

    Ends when a server has indexed what was written.

    Args:
        settings: `items` maps the columns, `index` names the collection, and says whether items
            that the table no longer has are removed from it.
        items: The table; None: the one the settings name.
        confirmed: Remove them also if they are more than a fifth of the collection.
        quarantine: What becomes of bad rows; None: as the settings say. An item in quarantine is
            not removed.

    Returns:
        Rows ``new``, ``changed``, ``unchanged``, the collection's ``total``; ``pruned`` where items
        are removed, ``quarantined`` where bad rows are not refused.

    Raises:
        InputError: No text column or no table is named, the table breaks the contract, the
            collection was made with another encoder or other columns, or too many items would be
            removed.
        CollectionLockedError: Another job writes the collection.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    columns, prune = settings.items, settings.index.prune
    quarantine = quarantine or Quarantine.of(settings, "index")
    require_text(columns)
    refuse_overwriting(settings, Write.index(settings), quarantine.written, items=items)
    items = held(items if items is not None else source_of(columns.source, "items"))
    with _opened_to_fill(settings) as index:
        kinds = item_kinds(columns, index.layout.attributes if index.count() else {})
        # Refused, if it is, before anything is written.
        gone = _to_prune(index, items, columns, confirmed=confirmed) if prune else []

        def read(source: TableInput, skip: Collection[int]) -> pd.DataFrame:
            return read_items(source, columns, kinds, skip=skip)

        def fill(table: pd.DataFrame) -> dict[str, int]:
            return fill_collection(settings, index, table, name_of(items, "items"))

        done = fill_by_parts(settings, index, items, kinds, quarantine)
        if done is None:
            done = quarantine.screen("items", items, read, fill, id_col=columns.id).result
        if prune:
            done["pruned"] = index.delete(gone)
            _log.info("items removed", rows=done["pruned"], uri=index.uri)
        if done["new"] or done["changed"]:
            index.wait_until_built()
        return {**done, "total": index.count(), **quarantine.counted()}


@contextmanager
def _opened_to_fill(settings: Settings) -> Iterator[ItemIndex]:
    """The collection, which no other job writes meanwhile.

    Where the first table is refused, no empty Lite file stays behind.
    """
    uri = settings.index.uri
    is_empty = False
    with locked_collection(uri, settings.index.collection, "index"):
        is_new = "://" not in uri and not Path(uri).exists()
        try:
            with open_index(settings) as index:
                try:
                    yield index
                except InputError:
                    is_empty = index.digest() == ""
                    raise
        finally:
            if is_new and is_empty:
                shutil.rmtree(uri, ignore_errors=True)


def _to_prune(
    index: ItemIndex, items: TableInput, columns: ItemsSettings, *, confirmed: bool
) -> list[str]:
    """The items of the collection that the table no longer has, not even in a bad row."""
    narrowed = columns.model_copy(update={"label": None, "launch_date": None, "attributes": ()})
    ids = read_items(items, narrowed)[columns.id].dropna().astype(str)
    return ids_to_prune(index, set(ids), source=name_of(items, "items"), confirmed=confirmed)


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
        where: Conditions on attributes, as `retrieval.filters.parse_conditions` reads them.

    Returns:
        One row a neighbor: query (its id, or the text's position), rank, item_id, similarity,
        label, text.

    Raises:
        InputError: The collection does not exist, or a table, date or condition is wrong.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    with open_index(settings, to_read=True) as index:
        conditions = parse_conditions(where, index.layout.attributes)
        asked = queries if isinstance(queries, list) else read_queries(queries, index)
        with naming("queries", queries), timed(_log, "neighbors found", queries=len(asked), k=k):
            near = index.neighbors(asked, k, as_of=as_of, where=conditions).to_frame()
        texts = index.get(near["item_id"].unique().tolist()).set_index("item_id")["text"]
        return near.assign(text=near["item_id"].map(texts))


def classify_job(
    settings: Settings,
    items: TableInput,
    *,
    model: Path | None = None,
    save: Path | None = None,
    quarantine: Quarantine | None = None,
) -> pd.DataFrame:
    """Labels new items by the labeled items of the index, by labels in words, or by both.

    Args:
        settings: `classify` says how, `index` names a collection with labels; see
            `fitted_classifier` for where none is needed.
        items: The new items, with the collection's id and text columns.
        model: A saved classifier that answers instead of one fitted now.
        save: Folder to save the classifier to.
        quarantine: What becomes of bad rows; None: as the settings say.

    Returns:
        The labels table.

    Raises:
        InputError: The collection does not exist or holds no label, or the table is wrong.
        ArtifactError: `model` is not a whole, untouched classifier.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    if model is not None and save is not None:
        raise InputError("classify: --model is saved already; give --save without it")
    quarantine = quarantine or Quarantine.of(settings, "classify")
    check_saving(settings, save, quarantine, new_items=items, model=model)
    with fitted_classifier(settings, model) as classifier:
        table = screened_queries(quarantine, "new_items", items, classifier.index_)
        with naming("queries", items), timed(_log, "items labeled", rows=len(table)):
            if settings.engine.kind == "ray":
                from pipelines.distributed.jobs import classify_on_ray

                labels = classify_on_ray(settings, classifier, table)
            else:
                blocks = in_blocks(table.reset_index(drop=True), settings.engine.block_rows)
                parts = [classify_block(settings, classifier, block) for block in blocks or [table]]
                labels = pd.concat(parts, ignore_index=True)
        if save is not None:
            classifier.save(save)
        return labels


def check_saving(
    settings: Settings, save: Path | None, quarantine: Quarantine, **reads: object
) -> None:
    """Refuses, before the work, to save a model or bad rows where something is that must stay.

    Args:
        settings: Of the job.
        save: The folder of the model; None: it is not saved.
        quarantine: Where bad rows go.
        reads: As `pipelines.overwriting.refuse_overwriting` takes them.

    Raises:
        InputError: The job reads what is there, or it is none of a model.
    """
    model = None if save is None else Write("--save", save)
    refuse_overwriting(settings, model, quarantine.written, **reads)
    if save is not None:
        check_replaceable(save)


def classify_block(
    settings: Settings, classifier: NeighborClassifier, block: pd.DataFrame
) -> pd.DataFrame:
    """Labels some rows of a table.

    A matrix product of other rows differs in its last digits; so every engine takes the same.
    """
    options = settings.classify
    labels: pd.DataFrame = classifier.classify(
        block, coverage=options.coverage, confidence=options.confidence
    )
    return labels


def screened_queries(
    quarantine: Quarantine, role: Role, items: TableInput, index: ItemIndex
) -> pd.DataFrame:
    """Items to ask about, each with a text and an id of its own.

    Args:
        quarantine: What becomes of the others.
        role: What the table is to the job.
        items: The table.
        index: The collection, whose columns it has.

    Raises:
        TableError: Bad rows are refused, or what is wrong is not about rows.
    """
    item_id, text = index.layout.item_id, index.layout.text

    def read(source: TableInput, skip: Collection[int]) -> pd.DataFrame:
        return read_queries(source, index, skip=skip)

    def check(table: pd.DataFrame) -> None:
        validate_items(table, item_id=item_id, text=text, source=name_of(items, role))

    return quarantine.screen(role, items, read, check, id_col=item_id).table


@contextmanager
def fitted_classifier(
    settings: Settings, model: Path | None = None
) -> Iterator[NeighborClassifier]:
    """A classifier that is ready to answer.

    It learns from the labeled items of the index, and from the labels in words, if
    `classify.labels` has them. Where it does and there is no index (none is named, and the default
    one does not exist), the words are all it has.

    Args:
        settings: What to learn from, and how.
        model: A saved classifier to take instead; of the settings the encoder counts then, and the
            index, if the classifier was fitted on one.

    Raises:
        InputError: There is nothing to learn from; or `model` names an index on another server, for
            which the settings have no token.
        ArtifactError: `model` is not a whole, untouched classifier.
    """
    options, columns = settings.classify, settings.items
    if model is not None:
        with _loaded_classifier(settings, model) as classifier:
            yield classifier
        return
    labels = None if options.labels is None else read_label_texts(options.labels)
    if labels is not None and not _names_index(settings):
        require_text(columns)
        yield make_classifier(settings).fit(labels=labels, text=columns.text, item_id=columns.id)
        return
    with open_index(settings, to_read=True) as index:
        with timed(_log, "classifier fitted"):
            classifier = make_classifier(settings, index).fit(labels=labels, groups=options.groups)
        yield classifier


@contextmanager
def _loaded_classifier(settings: Settings, model: Path) -> Iterator[NeighborClassifier]:
    """A saved classifier; what the settings name goes before what it was saved with."""
    home = named_index(model)
    if home is None:
        named = "name" in settings.encoder.model_fields_set
        encoder = make_encoder(settings) if named else None
        yield NeighborClassifier.load(model, encoder=encoder)
        return
    if not settings.index.is_named:
        settings = settings.model_copy(update={"index": settings.index.at(**home, said_by=model)})
    with open_index(settings, to_read=True) as index:
        yield NeighborClassifier.load(model, index=index)


def make_classifier(settings: Settings, index: ItemIndex | None = None) -> NeighborClassifier:
    """An unfitted classifier with the settings' options.

    Args:
        settings: `classify` has its parameters.
        index: The labeled items; None: a temporary one, with the settings' encoder.
    """
    options = settings.classify
    return NeighborClassifier(
        index=index,
        encoder=make_encoder(settings) if index is None else None,
        k=options.k,
        temperature=options.temperature,
        head=options.head,
        prototypes=options.prototypes,
        prior=options.prior,
        hierarchy=options.hierarchy,
        false_alarm_rate=options.false_alarm_rate,
        random_state=options.seed,
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
    if to_read:
        require_index(settings)
    with ItemIndex(
        uri=chosen.uri,
        encoder=encoder_maker(settings),
        collection=collection or chosen.collection,
        token=chosen.token.get_secret_value() if chosen.token else None,
        index=chosen.kind,
        index_params=chosen.params,
    ) as index:
        yield index


def require_index(settings: Settings) -> None:
    """Refuses a Lite file that does not exist, instead of making it."""
    uri = settings.index.uri
    if "://" not in uri and not Path(uri).exists():
        raise InputError(f"{uri}: no such index; `likewise index` makes one")


def _names_index(settings: Settings) -> bool:
    """Whether there is an index to learn from: one that was named, or the default's file."""
    return settings.index.is_named or Path(settings.index.uri).exists()


def encoder_maker(settings: Settings) -> Callable[[str], Encoder]:
    """Makes the encoder of the settings; of those that name none, the one that is asked for."""
    named = "name" in settings.encoder.model_fields_set
    return lambda name: make_encoder(settings, None if named else name)


def make_encoder(settings: Settings, name: str | None = None) -> Encoder:
    """The encoder of the settings, or one of another name."""
    chosen = settings.encoder
    return Encoder(
        name or chosen.name,
        backend=chosen.backend,
        precision=chosen.precision,
        batch_size=chosen.batch_size,
        cache_dir=chosen.cache_dir if chosen.cache else False,
    )
