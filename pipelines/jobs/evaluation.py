"""The job behind ``likewise evaluate``: how good are the labels on items with a known label?

Two ways: items of a test table are labeled by the index, or the labeled items of one table label
each other: fold by fold (cross-validation), or, of very many, a random sample by all the rest. That
needs no index.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import structlog

from classifiers import (
    Evaluation,
    ListEvaluation,
    NeighborClassifier,
    cross_evaluate,
    cross_evaluate_lists,
    evaluate,
    evaluate_lists,
    scores_by_language,
)
from pipelines.components import (
    adapted_to,
    fitted_classifier,
    make_classifier,
    make_encoder,
    screened_queries,
)
from pipelines.config.sections import ItemsSettings
from pipelines.config.settings import Settings
from pipelines.fingerprint import made_with
from pipelines.inputs.bad_rows import Quarantine
from pipelines.inputs.items import (
    TableInput,
    item_kinds,
    name_of,
    named_by_row,
    read_input,
    read_items,
    read_queries,
    require_text,
    source_of,
)
from pipelines.logs import timed
from pipelines.overwriting import refuse_overwriting
from pipelines.tables.label_texts import read_label_texts
from pipelines.tables.reader import Kind
from retrieval import (
    DETECTED,
    InputError,
    Offense,
    TableError,
    as_label_list,
    data_address,
    has_picture,
    item_texts,
    language_column,
    record_languages,
    shown,
    validate_items,
)

FILES = (
    "evaluation.html",
    "evaluation.json",
    "answers.csv",
    "reliability.svg",
    "risk_coverage.svg",
    "confusions.svg",
)
"""What `write_evaluation` leaves in a folder."""

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class EvaluationResult:
    """Scores, and how they came about.

    Attributes:
        evaluation: The scores; of items with lists of labels, those of lists.
        setup: `method` ("cross-validation", "held-out sample" or "test items"), `items` and
            `outside` (the tables), `model` (folder of the saved classifier), `folds` (1 of a
            sample), `sample` (its size, asked for), `group_col`, `seed`, `coverage`,
            `left_out` (items without a label), `by_language` (records of
            `classifiers.scores_by_language`; None where no language is asked for),
            `indexed` (test items that are examples, too), `quarantined` (bad rows, where they are
            not refused), `examples` (labeled items that answered), `described` (labels given in
            words), `adapted` (items that these have learned from), and what made them: `likewise`,
            `created`, `python`, `versions`, `encoder`, `classify`; `costs` (of a wrong label and of
            a person, where the settings say).
        photos: Item id → its picture as a page shows it, of the surest mistakes; none without
            pictures.
        texts: Item id → its text.
    """

    evaluation: Evaluation | ListEvaluation
    setup: dict[str, Any]
    photos: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the single answers in JSON's types."""
        return {"setup": self.setup, **self.evaluation.to_dict()}


def evaluate_job(
    settings: Settings,
    items: TableInput | None = None,
    *,
    test: TableInput | None = None,
    outside: TableInput | None = None,
    folds: int | None = None,
    group_col: str | None = None,
    model: Path | None = None,
    seed: int = 0,
    quarantine: Quarantine | None = None,
) -> EvaluationResult:
    """Scores the labels that would be given to items whose label is known.

    Args:
        settings: `items` maps the columns, `classify` says how items are labeled, and which
            coverage the label sets are to have, `evaluate` what is held out; with `test`, `index`
            names the collection.
        items: Without `test`: labeled items, some held out, or cross-validated; None: the table the
            settings name.
        test: Labeled items for the index to label, or for the labels in words; see
            `pipelines.components.fitted_classifier`. An item that is in the index, by its id, has
            no vote on itself.
        outside: Items of none of the labels.
        folds: Cross-validate all items, in so many; None: hold out a sample where there are more
            items than `evaluate.sample`, else cross-validate in five.
        group_col: Column of what is held out together, such as a customer; with `test`, intervals
            and averages are by group. None: without `test`, as the settings say.
        model: A saved classifier that labels the test items.
        seed: Of folds and bootstrap.
        quarantine: What becomes of bad rows; None: as the settings say.

    Raises:
        InputError: A table or column is missing or wrong, or the index does not exist.
        ArtifactError: `model` is not a whole, untouched classifier.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    if test is not None and items is not None:
        raise InputError("evaluate: give items to cross-validate, or test items, not both")
    if test is None and model is not None:
        raise InputError("evaluate: a saved classifier labels test items; name them with --test")
    coverage = settings.classify.coverage
    if test is None:
        # What must not be split while certainty is learned must not be to see how good it is.
        group_col = group_col or settings.evaluate.group_col or settings.classify.groups
    how: dict[str, Any] = {"coverage": coverage, "seed": seed, "group_col": group_col}
    quarantine = quarantine or Quarantine.of(settings, "evaluate")
    given = {"items": items, "test": test, "outside": outside}
    refuse_overwriting(settings, quarantine.written, **given, model=model)
    with timed(_log, "labels evaluated") as fields:
        if test is not None:
            evaluation, more = _of_test_items(settings, quarantine, test, outside, model, **how)
        else:
            items = items if items is not None else source_of(settings.items.source, "items")
            evaluation, more = _by_folds(settings, quarantine, items, outside, folds, **how)
        fields |= evaluation.counts
    photos, texts = more.pop("photos"), more.pop("texts")
    asked = settings.evaluate
    costs = None
    if asked.wrong_cost is not None and asked.person_cost is not None:
        costs = {"wrong": asked.wrong_cost, "person": asked.person_cost}
    made = {**_provenance(settings), "costs": costs}
    setup = {**made, **more, **how, **quarantine.counted()}
    return EvaluationResult(evaluation, setup, photos, texts)


def _photos(
    evaluation: Evaluation | ListEvaluation, items: pd.DataFrame, item_id: str, text: Sequence[str]
) -> dict[str, str]:
    """Return the pictures of the items that were labeled wrongly with the most certainty."""
    if isinstance(evaluation, ListEvaluation) or not any(
        map(has_picture, items[text[-1]].dropna())
    ):
        return {}
    answers = evaluation.answers
    wrong = answers[~answers["correct"].astype(bool)].nlargest(_PHOTOS, "probability")
    chosen = items[items[item_id].isin(wrong["item_id"])]
    contents = zip(chosen[item_id], item_texts(chosen, list(text)), strict=True)
    found = {one: data_address(content) for one, content in contents}
    return {one: address for one, address in found.items() if address is not None}


def _texts(items: pd.DataFrame, item_id: str, text: Sequence[str]) -> dict[str, str]:
    """Return the text of each item, as people read it."""
    contents = item_texts(items, list(text))
    pairs = zip(items[item_id].astype(str), contents, strict=True)
    return {one: shown(content) for one, content in pairs if isinstance(content, str)}


def _of_test_items(
    settings: Settings,
    quarantine: Quarantine,
    test: TableInput,
    outside: TableInput | None,
    model: Path | None,
    *,
    coverage: float,
    seed: int,
    group_col: str | None,
) -> tuple[Evaluation | ListEvaluation, dict[str, Any]]:
    with fitted_classifier(settings, model) as classifier:
        layout, source = classifier.index_.layout, name_of(test, "test")
        label = settings.items.label or layout.label
        if label is None:
            raise InputError(_NO_LABEL)

        def read(there: TableInput, skip: Collection[int]) -> pd.DataFrame:
            more = _strings(group_col, _asked_for(settings.items.language))
            kinds: dict[str, Kind] = {**more, label: "label"}
            return read_queries(there, classifier.index_, kinds, skip=skip)

        def use(read: pd.DataFrame) -> LabeledRows:
            language = settings.items.language
            return _labeled(read, layout.item_id, layout.text, label, group_col, source, language)

        table = quarantine.screen("test", test, read, use, id_col=layout.item_id).result
        strangers = None
        if outside is not None:
            strangers = screened_queries(quarantine, "outside", outside, classifier.index_)
        adapted = adapted_to(settings, classifier, table.items, model)
        known = classifier.knowledge_
        evaluation = _scored(classifier, table, strangers, coverage=coverage, seed=seed)
        indexed = table.items[layout.item_id].isin(list(known.example_ids))
        parameters = classifier.get_params(deep=False)
        return evaluation, {
            "photos": _photos(evaluation, table.items, layout.item_id, layout.text),
            "texts": _texts(table.items, layout.item_id, layout.text),
            "method": "test items",
            "items": source,
            "outside": None if outside is None else name_of(outside, "a table"),
            "model": None if model is None else str(model),
            "examples": len(known.example_ids),
            "described": len(known.described),
            "adapted": adapted,
            "indexed": int(indexed.sum()),
            "left_out": table.left_out,
            "by_language": _by_language(evaluation, table, layout.item_id, seed),
            "encoder": classifier.index_.encoder.identity.as_dict(),
            "classify": {key: parameters[key] for key in parameters if key not in _ENGINES},
        }


# Shown on the page: mistakes, the surest first.
_PHOTOS = 24
# Of a cross-validation, unless told.
_FOLDS = 5
# Parameters of a classifier that are no numbers or names.
_ENGINES = ("index", "encoder")


def _by_folds(
    settings: Settings,
    quarantine: Quarantine,
    items: TableInput,
    outside: TableInput | None,
    folds: int | None,
    *,
    coverage: float,
    seed: int,
    group_col: str | None,
) -> tuple[Evaluation | ListEvaluation, dict[str, Any]]:
    columns, source = settings.items, name_of(items, "items")
    table = read_labeled(settings, quarantine, items, group_col)
    strangers = None if outside is None else _strangers(quarantine, outside, columns)
    if settings.classify.adapt:
        _log.warning("adapt is off: items that label each other are examples; try it with --test")
    if settings.classify.outside is not None or settings.classify.unlabeled is not None:
        _log.warning("classify.outside and classify.unlabeled are off here; they count with --test")
    texts = settings.label_texts
    described = None if texts is None else read_label_texts(texts)
    how: dict[str, Any] = {
        "labels": described,
        "folds": folds or _FOLDS,
        "groups": table.groups,
        "sample": settings.evaluate.sample if folds is None else None,
        "text": columns.text,
        "item_id": columns.id,
        "seed": seed,
    }
    classifier = make_classifier(settings)
    evaluation = _cross_scored(classifier, table, strangers, coverage=coverage, **how)
    n_folds = int(evaluation.answers["fold"].nunique())
    held = evaluation.counts["items"] if n_folds == 1 else 0
    return evaluation, {
        "photos": _photos(evaluation, table.items, columns.id, columns.text),
        "texts": _texts(table.items, columns.id, columns.text),
        "method": "held-out sample" if held else "cross-validation",
        "items": source,
        "outside": None if outside is None else name_of(outside, "a table"),
        "model": None,
        "folds": n_folds,
        "sample": settings.evaluate.sample,
        "examples": len(table.items) - held,
        "described": len(described or {}),
        "adapted": 0,
        "left_out": table.left_out,
        "by_language": _by_language(evaluation, table, columns.id, seed),
    }


def read_labeled(
    settings: Settings, quarantine: Quarantine, items: TableInput, group_col: str | None
) -> LabeledRows:
    """Read the rows of a table that have a label.

    Args:
        settings: `items` maps the columns.
        quarantine: What becomes of bad rows.
        items: The table.
        group_col: Column of what belongs together; None: nothing does.
    """
    columns, source = settings.items, name_of(items, "items")
    require_text(columns)
    label = columns.label
    if label is None:
        raise InputError(_NO_LABEL)
    narrowed = columns.model_copy(update={"attributes": (), "launch_date": None, "language": None})
    kinds = item_kinds(narrowed, {}) | _strings(group_col, _asked_for(columns.language))

    def read(there: TableInput, skip: Collection[int]) -> pd.DataFrame:
        return read_items(there, narrowed, kinds, skip=skip, pictures=settings.pictures)

    def use(read: pd.DataFrame) -> LabeledRows:
        text, language = columns.text, columns.language
        return _labeled(read, columns.id, text, label, group_col, source, language)

    return quarantine.screen("items", items, read, use, id_col=columns.id).result


def _strangers(quarantine: Quarantine, outside: TableInput, columns: ItemsSettings) -> pd.DataFrame:
    """Their own ids do not matter, and could be those of items."""

    def read(source: TableInput, skip: Collection[int]) -> pd.DataFrame:
        table = read_input(source, _strings(*columns.text), columns.id, skip=skip)
        return named_by_row(table.drop(columns=columns.id, errors="ignore"), columns.id, skip)

    def use(table: pd.DataFrame) -> pd.DataFrame:
        source = name_of(outside, "outside")
        return validate_items(table, item_id=columns.id, text=columns.text, source=source)

    return quarantine.screen("outside", outside, read, use).result


_NO_LABEL = "no column of labels: set items.label in the config, or give --label-col"


def _scored(
    classifier: NeighborClassifier,
    table: LabeledRows,
    strangers: pd.DataFrame | None,
    *,
    coverage: float,
    seed: int,
) -> Evaluation | ListEvaluation:
    """Score a fitted classifier on the rows of a table."""
    if table.lists is not None:
        _refuse_strangers(strangers)
        return evaluate_lists(classifier, table.items, table.lists, groups=table.groups, seed=seed)
    known = classifier.knowledge_
    return evaluate(
        classifier,
        table.items,
        table.labels,
        examples=dict(zip(known.names.tolist(), known.counts.tolist(), strict=True)),
        groups=table.groups,
        outside=strangers,
        coverage=coverage,
        seed=seed,
    )


def _cross_scored(
    classifier: NeighborClassifier,
    table: LabeledRows,
    strangers: pd.DataFrame | None,
    *,
    coverage: float,
    **how: Any,
) -> Evaluation | ListEvaluation:
    """Score the classifiers that the rows of a table make of each other."""
    if table.lists is not None:
        _refuse_strangers(strangers)
        return cross_evaluate_lists(classifier, table.items, table.lists, **how)
    return cross_evaluate(
        classifier, table.items, table.labels, outside=strangers, coverage=coverage, **how
    )


def _refuse_strangers(strangers: pd.DataFrame | None) -> None:
    if strangers is not None:
        raise InputError("evaluate: items of none of the labels are scored against one label each")


@dataclass(frozen=True)
class LabeledRows:
    """The rows of a table that have a label.

    Attributes:
        items: Their id and text columns.
        labels: The label of each.
        lists: The labels of each, where items have lists of labels.
        groups: What each belongs to, if that was asked for.
        languages: The language of each, if that was asked for.
        unlabeled: The id and text columns of the rows that have none.
    """

    items: pd.DataFrame
    labels: list[str]
    lists: list[list[str]] | None
    groups: list[str] | None
    languages: list[str] | None
    unlabeled: pd.DataFrame

    @property
    def left_out(self) -> int:
        """How many rows have no label."""
        return len(self.unlabeled)


def _labeled(
    table: pd.DataFrame,
    item_id: str,
    text: Sequence[str],
    label: str,
    group_col: str | None,
    source: str,
    language: str | None = None,
) -> LabeledRows:
    more = [] if group_col is None else [group_col]
    clean = validate_items(
        table,
        item_id=item_id,
        text=text,
        label=label,
        attributes=more,
        kinds=dict.fromkeys(more, "string"),
        source=source,
    )
    has_label = clean[label].notna()
    if not has_label.any():
        raise TableError(f"{source}: column {label} holds no label")
    known = clean[has_label]
    if group_col is not None and known[group_col].isna().any():
        rows = known.index[known[group_col].isna()].tolist()
        raise TableError(
            f"{source}: row {rows[0] + 1}, column {group_col} is missing",
            [Offense(source, rows, group_col, "is missing")],
        )
    labels = known[label].tolist()
    are_lists = all(as_label_list(one) == one for one in labels)
    return LabeledRows(
        items=known[[item_id, *text]].reset_index(drop=True),
        labels=labels,
        lists=[json.loads(one) for one in labels] if are_lists else None,
        groups=None if group_col is None else known[group_col].astype(str).tolist(),
        languages=_languages(table, language, text, has_label, source),
        unlabeled=clean.loc[~has_label, [item_id, *text]].reset_index(drop=True),
    )


def _languages(
    table: pd.DataFrame,
    language: str | None,
    text: Sequence[str],
    has_label: pd.Series,
    source: str,
) -> list[str] | None:
    """Return the language of each row that has a label; None where nobody asks."""
    if language is None:
        return None
    recorded = record_languages(table, language, text, source)
    return [str(one) for one in recorded[language_column(language)].to_numpy()[has_label]]


def _by_language(
    evaluation: Evaluation | ListEvaluation, table: LabeledRows, id_col: str, seed: int
) -> list[dict[str, Any]] | None:
    """Return the scores by language, as records; None of lists, or where nobody asks."""
    if table.languages is None or isinstance(evaluation, ListEvaluation):
        return None
    of = dict(zip(table.items[id_col].astype(str), table.languages, strict=True))
    answers = evaluation.answers
    languages = answers["item_id"].astype(str).map(of).tolist()
    scores = scores_by_language(answers["correct"].tolist(), languages, seed=seed)
    records: list[dict[str, Any]] = json.loads(scores.to_json(orient="records"))
    return records


def _asked_for(language: str | None) -> str | None:
    """Return the column of languages that is to be read; None where there is none."""
    return None if language == DETECTED else language


def _strings(*columns: str | None) -> dict[str, Kind]:
    return {name: "string" for name in columns if name is not None}


def _provenance(settings: Settings) -> dict[str, Any]:
    return {
        **made_with(),
        "encoder": make_encoder(settings).identity.as_dict(),
        "classify": settings.classify.model_dump(mode="json"),
    }
