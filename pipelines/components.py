"""Make what jobs work with, as the settings say: index, encoder, classifier."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import structlog

from classifiers import NeighborClassifier, named_index
from pipelines.config.sections import EncoderSettings
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine, Role
from pipelines.inputs.items import (
    TableInput,
    name_of,
    read_input,
    read_queries,
    require_text,
)
from pipelines.logs import timed
from pipelines.overwriting import Write, refuse_overwriting
from pipelines.tables.label_texts import read_label_texts
from retrieval import (
    Encoder,
    EncoderIdentity,
    Endpoint,
    InputError,
    ItemIndex,
    MakeEncoder,
    PictureSources,
    check_replaceable,
    validate_items,
)

_log = structlog.stdlib.get_logger(__name__)


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
    """Provide a classifier that is ready to answer.

    It learns from the labeled items of the index, and from the labels in words, if
    `classify.labels` has them. Where it does and no index is named, the words are all it has: what
    happens to lie where the default one would is left alone.

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
    words = settings.label_texts
    labels = None if words is None else read_label_texts(words)
    if labels is not None and not settings.index.is_named:
        require_text(columns)
        _tell_unused(settings)
        more = taught_besides(settings, columns.text, columns.id)
        if "outside" in more:
            _log.warning("classify.outside is off: it is held against examples, and there are none")
        classifier = make_classifier(settings)
        yield classifier.fit(labels=labels, text=columns.text, item_id=columns.id, **more)
        return
    with open_index(settings, to_read=True) as index:
        more = taught_besides(settings, index.layout.text, index.layout.item_id)
        with timed(_log, "classifier fitted", index=f"{index.uri} / {index.collection}"):
            classifier = make_classifier(settings, index)
            classifier.fit(labels=labels, groups=options.groups, **more)
        yield classifier


def taught_besides(settings: Settings, text: Sequence[str], item_id: str) -> dict[str, Any]:
    """Read the items that a classifier learns from besides, as `NeighborClassifier.fit` takes them.

    Args:
        settings: `classify.unlabeled` and `classify.outside` name their tables; `items` and
            `tables` say how they are written.
        text: The columns of text.
        item_id: What the column of ids is to be called; their own ids do not matter.

    Raises:
        TableError: A table is not there, lacks a column, or a row has no text.
    """
    read = {}
    for role in ("unlabeled", "outside"):
        source = settings.items.at(getattr(settings.classify, role))
        if source is None:
            continue
        table = read_input(source, dict.fromkeys(text, "string"), item_id)[list(text)]
        table = table.assign(**{item_id: [f"{role} {row}" for row in range(1, len(table) + 1)]})
        read[role] = validate_items(table, item_id=item_id, text=text, source=name_of(source, role))
    return read


def adapted_to(
    settings: Settings, classifier: NeighborClassifier, items: pd.DataFrame, model: Path | None
) -> int:
    """Let labels in words learn from the items to be labeled, where the settings ask for it.

    Args:
        settings: `classify.adapt` asks for it, `classify.labels` has the words.
        classifier: From `fitted_classifier`; it is fitted anew.
        items: The items to be labeled, none of them with a label.
        model: The saved classifier, if it is one.

    Returns:
        How many items it has learned from; 0 where it is as it was.
    """
    options, words = settings.classify, settings.label_texts
    alone = model is None and words is not None and not classifier.knowledge_.example_ids
    if items.empty:
        return 0
    if not options.adapt:
        if alone and len(items) > len(classifier.classes_) and settings.engine.kind == "local":
            _log.info("labels in words alone: --adapt lets them learn from the items to be labeled")
        return 0
    if reason := _no_adapting(settings, alone=alone, model=model):
        _log.warning(f"adapt is off: {reason}")
        return 0
    assert words is not None
    layout = classifier.index_.layout
    with timed(_log, "labels adapted to the items", items=len(items)):
        texts = read_label_texts(words)
        classifier.fit(labels=texts, unlabeled=items, text=layout.text, item_id=layout.item_id)
    return len(items)


def _no_adapting(settings: Settings, *, alone: bool, model: Path | None) -> str | None:
    """Why labels must not learn from the items to be labeled, or cannot; None where they can."""
    if settings.engine.kind != "local":
        return "with engine ray no label depends on the other items of its block"
    if model is not None:
        return "a saved classifier answers as it was saved"
    if not alone:
        return "it is for labels in words alone, and there are examples"
    if settings.classify.unlabeled is not None:
        return "classify.unlabeled names the items that they learn from"
    if settings.classify.prototypes is False or (
        settings.classify.prototypes is None and settings.classify.head is None
    ):
        return "without prototypes there is nothing that could learn"
    return None


@contextmanager
def _loaded_classifier(settings: Settings, model: Path) -> Iterator[NeighborClassifier]:
    """Provide a saved classifier; what the settings name goes before what it was saved with."""
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
    """Return an unfitted classifier with the settings' options.

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
        normalize_labels=options.normalize_labels,
        false_alarm_rate=options.false_alarm_rate,
        random_state=options.seed,
    )


@contextmanager
def open_index(settings: Settings, *, to_read: bool = False) -> Iterator[ItemIndex]:
    """Provide the collection of the settings.

    Args:
        settings: `index` and `encoder`.
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
        collection=chosen.collection,
        token=chosen.token.get_secret_value() if chosen.token else None,
        index=chosen.kind,
        index_params=chosen.params,
        pictures=PictureSources(
            settings.pictures.folder, settings.pictures.hosts, settings.pictures.most_bytes
        ),
    ) as index:
        yield index


def require_index(settings: Settings) -> None:
    """Refuses a Lite file that does not exist, instead of making it."""
    uri = settings.index.uri
    if "://" not in uri and not Path(uri).exists():
        raise InputError(f"{uri}: no such index; `likewise index` makes one")


def _tell_unused(settings: Settings) -> None:
    """Log that there is an index where nobody named one."""
    if Path(settings.index.uri).exists():
        _log.warning(
            "labels in words alone: an index that nobody named is not used; name it with --uri or "
            "index.uri to use its items, too",
            index=settings.index.uri,
        )


def encoder_maker(settings: Settings) -> MakeEncoder:
    """Make the encoder of the settings; of those that name none, the one that is asked for."""
    named = settings.encoder.is_named
    return lambda asked: make_encoder(settings, None if named else asked)


def make_encoder(
    settings: Settings,
    asked: str | EncoderIdentity | None = None,
    *,
    keep_vectors: bool = True,
) -> Encoder:
    """Return the encoder of the settings, or another one.

    Args:
        settings: `encoder` says which, and how it computes.
        asked: The other one's name, or its identity where it has options. What the settings say of
            prompts, truncation and length is not of that.
        keep_vectors: As of `retrieval.Encoder`.
    """
    chosen = settings.encoder
    endpoint = None
    if asked is None or (isinstance(asked, EncoderIdentity) and asked.endpoint is not None):
        endpoint = _endpoint(chosen)
    own = asked is None
    return Encoder(
        chosen.name if asked is None else asked,
        backend=chosen.backend,
        precision=None if endpoint else chosen.precision,
        device=chosen.device,
        batch_size=chosen.batch_size,
        cache_dir=chosen.cache_dir if chosen.cache else False,
        cache_mb=chosen.cache_mb,
        keep_vectors=keep_vectors,
        prompts=chosen.prompts if own else None,
        truncate_dim=chosen.truncate_dim if own else None,
        max_length=chosen.max_length if own else None,
        endpoint=endpoint,
    )


def _endpoint(chosen: EncoderSettings) -> Endpoint | None:
    if chosen.endpoint is None:
        return None
    key = None if chosen.key is None else chosen.key.get_secret_value()
    return Endpoint(chosen.endpoint, key=key, timeout=chosen.timeout)
