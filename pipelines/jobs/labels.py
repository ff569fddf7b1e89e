"""Label items, and find like ones: the jobs behind ``classify`` and ``similar``.

Each takes the `Settings` and its tables, as DataFrames or as what `read_table` reads, and returns a
DataFrame. Nothing is written but the encoder's cache and, where the settings ask for it, files of
bad rows (`pipelines.inputs.bad_rows`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import structlog

from classifiers import NeighborClassifier
from pipelines.components import (
    adapted_to,
    check_saving,
    classify_block,
    fitted_classifier,
    open_index,
    screened_queries,
)
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.inputs.items import TableInput, in_blocks, naming, read_queries
from pipelines.jobs.language import (
    SecondOpinion,
    check_language,
    planned_usage,
    second_opinion,
)
from pipelines.logs import timed
from retrieval import ConceptGraph, InputError, Usage, masked, parse_conditions, to_vectors

_log = structlog.stdlib.get_logger(__name__)


def similar_job(
    settings: Settings,
    queries: TableInput | list[str],
    *,
    k: int = 10,
    as_of: str | pd.Timestamp | None = None,
    where: Sequence[str] = (),
    every_twin: bool = False,
    concept: str | None = None,
) -> pd.DataFrame:
    """Find the like items of new ones.

    Args:
        settings: `index` names the collection.
        queries: An items table with the collection's id and text columns, or a list of texts.
        k: Neighbors a query.
        as_of: Only items launched until that day (inclusive) are seen.
        where: Conditions on attributes, as `retrieval.filters.parse_conditions` reads them.
        every_twin: Items of one text and label are neighbors each, not one with their number.
        concept: Only items of this concept, or of one below it; its id, name, synonym or path.

    Returns:
        One row a neighbor: query (its id, or the text's position), rank, item_id, similarity,
        label, count, text; and, where the collection has concepts, concept: the path of the item's.

    Raises:
        InputError: The collection does not exist, or a table, date or condition is wrong.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    with open_index(settings, to_read=True) as index:
        conditions = parse_conditions(where, index.layout.attributes)
        asked = queries if isinstance(queries, list) else read_queries(queries, index)
        with naming("queries", queries), timed(_log, "neighbors found", queries=len(asked), k=k):
            twins: Literal["each", "once"] = "each" if every_twin else "once"
            graph = ConceptGraph(index)
            if concept is None:
                found = index.neighbors(asked, k, as_of=as_of, where=conditions, twins=twins)
            else:
                vectors, ids = to_vectors(asked, None, index.layout, index.encoder, side="query")
                with graph.within(concept) as some:
                    found = some.neighbors(
                        vectors, k, as_of=as_of, where=conditions, twins=twins, ids=ids.tolist()
                    )
        near = found.to_frame().assign(count=found.count[found.valid])
        named = near["item_id"].unique().tolist()
        texts = index.get(named).set_index("item_id")["text"]
        near = near.assign(text=near["item_id"].map(texts))
        if not graph.concepts:
            return near
        paths = graph.links(named, as_of=as_of).set_index("item_id")["path"]
        return near.assign(concept=near["item_id"].map(paths))


def classify_job(
    settings: Settings,
    items: TableInput,
    *,
    model: Path | None = None,
    save: Path | None = None,
    quarantine: Quarantine | None = None,
) -> pd.DataFrame:
    """Labels new items, as `label_items` does, and returns the labels table alone."""
    return label_items(settings, items, model=model, save=save, quarantine=quarantine).labels


@dataclass(frozen=True)
class LabeledItems:
    """What became of new items.

    Attributes:
        labels: The labels table.
        adapted: How many of them the labels in words have learned from; 0 without ``adapt``.
        labeled_by: What answered: an index, labels in words, or a saved classifier.
        could_use_strangers: Whether items were called unknown, and examples would tell more.
        indexed: How many items are examples themselves, by their ids: they were answered without.
        opinion: What became of asking a language model; None where none is named.
        planned: With ``dry_run``: what asking it would cost at most.
    """

    labels: pd.DataFrame
    adapted: int
    labeled_by: str
    could_use_strangers: bool = False
    indexed: int = 0
    opinion: SecondOpinion | None = None
    planned: Usage | None = None


def label_items(
    settings: Settings,
    items: TableInput,
    *,
    model: Path | None = None,
    save: Path | None = None,
    quarantine: Quarantine | None = None,
    dry_run: bool = False,
) -> LabeledItems:
    """Labels new items by the labeled items of the index, by labels in words, or by both.

    Args:
        settings: `classify` says how, `index` names a collection with labels; see
            `fitted_classifier` for where none is needed.
        items: The new items, with the collection's id and text columns.
        model: A saved classifier that answers instead of one fitted now.
        save: Folder to save the classifier to.
        quarantine: What becomes of bad rows; None: as the settings say.
        dry_run: Tell what asking the language model would cost, and do not ask it.

    Raises:
        InputError: The collection does not exist or holds no label, or the table is wrong.
        LanguageModelError: With ``language.on_error: fail``: a question has no answer.
        ArtifactError: `model` is not a whole, untouched classifier.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    if model is not None and save is not None:
        raise InputError("classify: --model is saved already; give --save without it")
    if settings.language.url is not None and settings.engine.kind == "ray":
        raise InputError("language.url: with engine ray no language model is asked; leave one out")
    if settings.language.url is not None or dry_run:
        check_language(settings)
    quarantine = quarantine or Quarantine.of(settings, "classify")
    check_saving(settings, save, quarantine, new_items=items, model=model)
    if model is not None and (settings.classify.outside or settings.classify.unlabeled):
        _log.warning("outside and unlabeled are off: a saved classifier answers as it was saved")
    with fitted_classifier(settings, model) as classifier:
        table = screened_queries(quarantine, "new_items", items, classifier.index_)
        adapted = adapted_to(settings, classifier, table, model)
        opinion, planned = None, None
        with naming("queries", items), timed(_log, "items labeled", rows=len(table)):
            if settings.engine.kind == "ray":
                from pipelines.distributed.jobs import classify_on_ray

                labels = classify_on_ray(settings, classifier, table)
            elif settings.language.url is not None and not dry_run:
                opinion = second_opinion(settings, classifier, table)
                labels = opinion.labels
            else:
                blocks = in_blocks(table.reset_index(drop=True), settings.engine.block_rows)
                parts = [classify_block(settings, classifier, block) for block in blocks or [table]]
                labels = pd.concat(parts, ignore_index=True)
        if save is not None:
            classifier.save(save)
        if dry_run:
            planned = planned_usage(settings, classifier, table)
        alone = model is None and settings.classify.outside is None
        examples = classifier.knowledge_.example_ids
        return LabeledItems(
            labels,
            adapted,
            _answering(settings, classifier, model),
            alone and bool(examples) and not labels["known"].all(),
            int(labels["item_id"].isin(list(examples)).sum()),
            opinion,
            planned,
        )


def _answering(settings: Settings, classifier: NeighborClassifier, model: Path | None) -> str:
    """Return what answers, as a message names it."""
    if model is not None:
        return f"the classifier in {model}"
    words = settings.label_texts
    if words is not None and not settings.index.is_named:
        lies_there = Path(settings.index.uri).exists()
        unused = f"; {settings.index.uri} is not used, --uri {settings.index.uri} would name it"
        return f"the labels in words alone{unused if lies_there else ''}"
    index = classifier.index_
    place = f"the index {masked(index.uri)} / {index.collection}"
    return place if words is None else f"{place} and the labels in words"
