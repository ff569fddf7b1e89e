"""Answer questions about the items of an index, learn which fields answer, and recommend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import structlog

from pipelines.answers.ask import Answer, ask
from pipelines.answers.catalog import Catalog
from pipelines.answers.facts import Fact, value_text
from pipelines.answers.ranker import Example, Ranker
from pipelines.components import make_encoder, open_index
from pipelines.config.settings import Settings
from pipelines.inputs.items import TableInput, read_input, source_of
from pipelines.logs import timed
from pipelines.recommendations.histories import Histories
from pipelines.recommendations.recommender import (
    LIKE_DIVERSITY,
    Kind as RecommendedKind,
    Recommendation,
    Recommender,
    recommendations_table,
)
from pipelines.tables.reader import Kind, read_table
from retrieval import InputError, masked, parse_conditions

_log = structlog.stdlib.get_logger(__name__)

QUESTION_COLUMNS = ("question", "item_id", "field", "value", "is_answer")


def ask_job(
    settings: Settings,
    questions: Sequence[str],
    *,
    item: str | None = None,
    where: Sequence[str] = (),
    as_of: pd.Timestamp | None = None,
) -> list[Answer]:
    """Answer questions.

    Args:
        settings: `index` names the collection, `ask` says how to answer.
        questions: One or more.
        item: Id of the item that all of them are about; None: it is found.
        where: Conditions on attributes, as `retrieval.filters.parse_conditions` reads them.
        as_of: A day; what was launched or forecast later is not known.

    Raises:
        InputError: There is no such index, or a question, item or condition cannot be right.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    options = settings.ask
    ranker = Ranker.load(options.ranker)
    with open_index(settings, to_read=True) as index:
        with timed(_log, "items read", index=f"{masked(index.uri)} / {index.collection}"):
            catalog = Catalog.read(index, read_forecasts(options.forecasts))
        conditions = parse_conditions(where, catalog.as_of(as_of).kinds)
        return [
            ask(
                catalog,
                question,
                item=item,
                where=conditions,
                as_of=as_of,
                k=options.k,
                ranker=ranker,
                threshold=options.threshold,
            )
            for question in questions
        ]


def read_forecasts(path: Path | None) -> pd.DataFrame | None:
    """Read what `likewise forecast` wrote, as far as questions need it; None where there is none.

    Raises:
        InputError: The file is missing, or is no forecasts table.
    """
    if path is None:
        return None
    return read_table(
        path, {"unique_id": "name", "cutoff": "date", "mean": "number"}, id_col="unique_id"
    )


def learn_ranker(settings: Settings, questions: Path, out: Path) -> Ranker:
    """Learn from questions whose answers are known which fields answer questions.

    Args:
        settings: `encoder` says which.
        questions: Table with a row for each question and field of the item it is about:
            `QUESTION_COLUMNS`, of which `is_answer` is 1 where the field answers it.
        out: File of the ranker.

    Raises:
        InputError: The table lacks a column, or no question has an answer.
    """
    kinds: dict[str, Kind] = dict.fromkeys(QUESTION_COLUMNS, "string")
    kinds["is_answer"] = "number"
    rows = read_table(questions, kinds, id_col="item_id")
    bad = rows["question"].isna() | rows["field"].isna() | ~rows["is_answer"].isin([0, 1])
    if bad.any():
        raise InputError(
            f"{questions}: row {int(bad.to_numpy().argmax()) + 1}: a question, a field and "
            "is_answer, 0 or 1, are needed"
        )
    examples, groups = [], []
    for (question, item), asked in rows.groupby(["question", "item_id"], sort=False, dropna=False):
        told = zip(asked["field"], asked["value"], asked["is_answer"] == 1, strict=True)
        named = [(Fact(str(item), str(a), value_text(b)), bool(c)) for a, b, c in told]
        facts, answers = zip(*named, strict=True)
        examples.append(Example(str(question), facts, answers))
        groups.append(next((one.field for one, yes in named if yes), f"none: {question}"))
    with timed(_log, "ranker learned", questions=len(examples)):
        ranker = Ranker.fit(examples, make_encoder(settings), groups)
    ranker.save(out)
    return ranker


@dataclass(frozen=True)
class Rules:
    """What may be recommended.

    Attributes:
        kind: Known items, or new ones that nobody has bought.
        again: Whether what was bought may come again.
        where: Conditions on attributes, as `retrieval.filters.parse_conditions` reads them.
        exclude: Ids that must not come.
        as_of: A day; what was launched or bought later is not known.
    """

    kind: RecommendedKind = "known"
    again: bool = False
    where: Sequence[str] = ()
    exclude: Sequence[str] = ()
    as_of: pd.Timestamp | None = None


def recommend_job(
    settings: Settings,
    asked: Sequence[str],
    about: Literal["like", "customers", "buyers"],
    rules: Rules = Rules(),
    histories: TableInput | None = None,
) -> pd.DataFrame:
    """Recommend.

    Args:
        settings: `index` names the collection, `histories` the purchases, `recommend` says how.
        asked: Ids: of items whose like, of customers for whom items, or of items for which
            customers are sought.
        about: Which of the three.
        rules: What may be recommended.
        histories: The purchases; None: the table the settings name. Like items need none.

    Returns:
        query, rank, id, score and because, a list of {item_id, similarity, share}.

    Raises:
        InputError: There is no such index or table, or an id or condition is unknown.
        StoreError: Milvus does not answer, or another process holds the Lite file.
    """
    options = settings.recommend
    with open_index(settings, to_read=True) as index, timed(_log, "items read") as told:
        told["index"] = f"{masked(index.uri)} / {index.collection}"
        catalog = Catalog.read(index)
    where = parse_conditions(rules.where, catalog.fields.attributes)
    bought = None if about == "like" else read_histories(settings, catalog, histories)
    maker = Recommender(catalog, bought, half_life=options.half_life, seed=options.seed)

    def answer(one: str) -> list[Recommendation]:
        if about == "like":
            diversity = LIKE_DIVERSITY if options.diversity is None else options.diversity
            return maker.like(
                one,
                options.k,
                where=where,
                exclude=rules.exclude,
                as_of=rules.as_of,
                diversity=diversity,
            )
        if about == "buyers":
            return maker.for_item(one, options.k, as_of=rules.as_of, again=rules.again)
        return maker.for_person(
            one,
            options.k,
            kind=rules.kind,
            again=rules.again,
            where=where,
            exclude=rules.exclude,
            as_of=rules.as_of,
            diversity=options.diversity or 0.0,
        )

    with timed(_log, "recommended", about=about, asked=len(asked)):
        return recommendations_table([(one, answer(one)) for one in asked])


def read_histories(
    settings: Settings, catalog: Catalog, histories: TableInput | None = None
) -> Histories:
    """Read the purchases of a catalog's items.

    Raises:
        InputError: No table is named, or it has a bad row.
    """
    chosen = settings.histories
    source = source_of(histories if histories is not None else chosen.source, "histories")
    kinds: dict[str, Kind] = {chosen.customer: "name", chosen.item: "name", chosen.time: "date"}
    if chosen.quantity is not None:
        kinds[chosen.quantity] = "number"
    table = read_input(source, kinds, chosen.customer)
    made = Histories.of(
        table,
        catalog.items["item_id"].tolist(),
        person=chosen.customer,
        item=chosen.item,
        time=chosen.time,
        quantity=chosen.quantity,
    )
    if made.strangers:
        _log.warning("purchases of items that the index does not have", rows=made.strangers)
    return made
