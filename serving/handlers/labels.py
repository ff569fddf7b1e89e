"""What the label lane answers: labels, their explanations, like items. Runs in its thread."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from classifiers import NeighborClassifier
from serving.handlers.tables import Columns, check_texts, plain, question_table, where_of
from serving.problems import ApiError
from serving.runtime.tenants import Tenant
from serving.schemas.items import Item, ids_of
from serving.schemas.labels import Classify, ExplainClassify, Similar


@dataclass(frozen=True)
class _Question:
    """Items of one request, and the tenant whose items answer."""

    tenant: Tenant
    request: Any

    @property
    def owner(self) -> Hashable:
        """The tenant's name."""
        return self.tenant.name

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the items."""
        return frozenset(ids_of(self.request.items))

    @property
    def rows(self) -> int:
        """How many items."""
        return len(self.request.items)

    @property
    def group(self) -> Hashable:
        """Tenant, kind and options: all but the items."""
        options = self.request.model_dump_json(exclude={"items"})
        return type(self), id(self.tenant), options


@dataclass(frozen=True)
class ClassifyCall(_Question):
    """Items to label."""

    request: Classify


@dataclass(frozen=True)
class ExplainCall(_Question):
    """Items whose labels are to be explained."""

    request: ExplainClassify


@dataclass(frozen=True)
class SimilarCall(_Question):
    """Items whose like is sought."""

    request: Similar


def check(tenant: Tenant, request: Classify | ExplainClassify | Similar) -> None:
    """Refuse, before it waits, what would be refused in the batch.

    Raises:
        ApiError: A text is in no column, or an id is there twice.
    """
    classifier = tenant.labeler.state.classifier
    if isinstance(request, Similar) or classifier is None:
        text: tuple[str, ...] = Columns.of(tenant.index, tenant.settings.items).text
    else:
        text = tuple(classifier.index_.layout.text)
    check_texts(request.items, text)
    ids = ids_of(request.items)
    if len(set(ids)) < len(ids):
        raise ApiError(422, "invalid-request", "an item_id is there more than once")


def classify(calls: Sequence[ClassifyCall]) -> list[dict[str, Any]]:
    """Label the items of several calls of one group."""
    tenant, request = calls[0].tenant, calls[0].request
    options = tenant.settings.classify
    items = _items(calls)

    def ask(classifier: NeighborClassifier) -> pd.DataFrame:
        return classifier.classify(
            _questions(classifier, items),
            **_seen(request),
            candidates=request.candidates,
            neighbors=request.neighbors,
            coverage=request.coverage or options.coverage,
            confidence=request.confidence or options.confidence,
        )

    with tenant.metrics.engine("classify"):
        table, version = tenant.labeler.answer(ask)
    columns = {
        "label": [plain(one) for one in table["label"]],
        "probability": [plain(one) for one in table["probability"]],
        "known": table["known"].astype(bool).tolist(),
        "why": table["why"].tolist(),
        "novelty": [plain(one) for one in table["novelty"]],
        "label_set": table["label_set"].tolist(),
        "assured": table["assured"].astype(bool).tolist(),
        "neighbors": table["neighbors"].tolist(),
        "parts": [{part: plain(value) for part, value in one.items()} for one in table["parts"]],
    }
    rows = zip(*columns.values(), strict=True)
    results = [
        {"item_id": item.item_id, **dict(zip(columns, row, strict=True))}
        for item, row in zip(items, rows, strict=True)
    ]
    unknown = sum(not one["known"] for one in results)
    tenant.metrics.answered("classify", len(results), unknown)
    return _shared_out(calls, results, version)


def matching_labels(names: Sequence[str], search: str, most: int | None = None) -> list[str]:
    """Return the labels that a few letters may mean, the likeliest first.

    Those that begin so come first, then those of which a word does, then those that hold it
    anywhere; where none does, those spelled most alike.

    Args:
        names: All labels.
        search: Letters; case does not matter, nor does white space around them. Empty: all.
        most: How many at most; None: all.
    """
    wanted = " ".join(search.casefold().split())
    if not wanted:
        return list(names)[:most]
    folded = {name: " ".join(name.casefold().split()) for name in names}
    starts = {name: re.split(r"[\W_]+", one) for name, one in folded.items()}

    def rank(name: str) -> int:
        if folded[name].startswith(wanted):
            return 0
        return 1 if any(word.startswith(wanted) for word in starts[name]) else 2

    found = sorted((one for one in names if wanted in folded[one]), key=rank)
    if not found:
        by_folded = {one: name for name, one in folded.items()}
        near = difflib.get_close_matches(wanted, list(by_folded), n=5, cutoff=0.6)
        found = [by_folded[one] for one in near]
    return found[:most]


def explain(calls: Sequence[ExplainCall]) -> list[dict[str, Any]]:
    """Explain the labels of the items of several calls of one group."""
    tenant, request = calls[0].tenant, calls[0].request
    items = _items(calls)

    def ask(classifier: NeighborClassifier) -> pd.DataFrame:
        return classifier.explain(
            _questions(classifier, items),
            labels=request.labels,
            candidates=request.candidates,
            **_seen(request),
        )

    table, version = tenant.labeler.answer(ask)
    each = len(table) // len(items)
    results = [
        {"item_id": item.item_id, "labels": _ranked(table.iloc[row * each : (row + 1) * each])}
        for row, item in enumerate(items)
    ]
    return _shared_out(calls, results, version)


def similar(calls: Sequence[SimilarCall]) -> list[dict[str, Any]]:
    """Find the like items of several calls of one group."""
    tenant, request = calls[0].tenant, calls[0].request
    items = _items(calls)
    index = tenant.index
    if not index.exists:
        results: list[dict[str, Any]] = [{"item_id": one.item_id, "neighbors": []} for one in items]
        return _shared_out(calls, results, None)
    columns = Columns.of(index, tenant.settings.items)
    near = index.neighbors(
        question_table(items, columns),
        request.k,
        as_of=request.as_of,
        where=where_of(request.where),
        labeled=request.labeled,
        twins="each" if request.all else "once",
    )
    columns_of = (near.ids, near.similarity, near.labels, near.count)
    rows = zip(items, *(column.tolist() for column in columns_of), strict=True)
    results = [
        {
            "item_id": item.item_id,
            "neighbors": [
                {"item_id": one, "similarity": alike, "label": label, "count": count}
                for one, alike, label, count in zip(ids, similarity, labels, counts, strict=True)
                if one is not None
            ],
        }
        for item, ids, similarity, labels, counts in rows
    ]
    return _shared_out(calls, results, None)


def _items(calls: Sequence[_Question]) -> list[Item]:
    return [one for call in calls for one in call.request.items]


def _questions(classifier: NeighborClassifier, items: list[Item]) -> pd.DataFrame | list[str]:
    layout = classifier.index_.layout
    columns = Columns(layout.text, layout.item_id, layout.label, layout.launch_date, {})
    return question_table(items, columns)


def _seen(request: Any) -> dict[str, Any]:
    return {"as_of": request.as_of, "where": where_of(request.where)}


def _ranked(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "label": str(part["label"].iloc[0]),
            "probability": float(part["probability"].iloc[0]),
            "contributions": [
                {"part": name, "contribution": plain(value)}
                for name, value in zip(part["part"], part["contribution"], strict=True)
            ],
        }
        for _, part in table.groupby("rank", sort=True)
    ]


def _shared_out(
    calls: Sequence[_Question], results: list[dict[str, Any]], version: str | None
) -> list[dict[str, Any]]:
    """Give each call the results of its own items."""
    answers, start = [], 0
    named = {} if version is None else {"model_version": version}
    for call in calls:
        own = results[start : start + call.rows]
        answers.append({"results": own, **named})
        start += call.rows
    return answers
