"""Answer questions about the items of an index; learn which fields answer questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import structlog

from pipelines.answers.ask import Answer, ask
from pipelines.answers.catalog import Catalog
from pipelines.answers.facts import Fact, value_text
from pipelines.answers.ranker import Example, Ranker
from pipelines.components import make_encoder, open_index
from pipelines.config.settings import Settings
from pipelines.logs import timed
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
