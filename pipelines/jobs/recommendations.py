"""Recommend items to people, people for items, and items like others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import structlog

from pipelines.answers.catalog import Catalog
from pipelines.components import open_index
from pipelines.config.settings import Settings
from pipelines.inputs.items import TableInput, read_input, source_of
from pipelines.logs import timed
from pipelines.recommendations.histories import Histories
from pipelines.recommendations.recommender import (
    Kind as Kind,
    Recommendation,
    Recommender,
    recommendations_table,
)
from pipelines.tables.reader import Kind as CellKind
from retrieval import masked, parse_conditions

_log = structlog.stdlib.get_logger(__name__)

_DIVERSITY = 0.3  # of like items, which else are one product in many sizes


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

    kind: Kind = "known"
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
            diversity = _DIVERSITY if options.diversity is None else options.diversity
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
    kinds: dict[str, CellKind] = {chosen.customer: "name", chosen.item: "name", chosen.time: "date"}
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
