"""A small client of the API: DataFrames in and out, as the library has them.

::

    from serving.client import Client

    with Client("http://127.0.0.1:8000", key="lw_...") as client:
        client.upsert(items, text=["name"], label="category")
        labels = client.classify(["frozen pizza 12 oz"])

Calls that met a busy or a starting server are repeated after the time it asked for; all of them may
be, because a write that is repeated changes nothing. A server that has answered before is waited
for as long when it is away; one that never has is most likely elsewhere, which is soon told.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import pandas as pd

from serving.client.connection import Connection
from serving.client.review import Review
from serving.client.rows import (
    curve_table,
    launches_body,
    options_of,
    order_table,
    orders_body,
    part_of,
    questions,
    rows_of,
    taken_table,
    total_table,
)

_MOST_ITEMS = 256
_SHOWN = 5  # things that are warned of


class LaunchWarning(UserWarning):
    """The server forecast launches of which it did not know all."""


class Client:
    """Asks a server.

    Args:
        url: Of the server.
        key: A key, if it asks for one.
        timeout: Seconds one attempt may take.
        patience: Seconds to go on trying while the server is busy, or away though it has answered
            before; one that never has is given up after 4 seconds.
        batch: Items in one call; tables with more are sent in several.

    Attributes:
        review: Queues of items that people decide.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        timeout: float = 60.0,
        patience: float = 60.0,
        batch: int = _MOST_ITEMS,
    ) -> None:
        self._server = Connection(url, key, timeout=timeout, patience=patience)
        self._batch = batch
        self.review = Review(self._server)

    def classify(
        self,
        items: pd.DataFrame | Sequence[str],
        *,
        text: Sequence[str] | str | None = None,
        item_id: str = "item_id",
        as_of: Any = None,
        where: Mapping[str, Any] | None = None,
        candidates: Sequence[str] | None = None,
        neighbors: int = 5,
        coverage: float | None = None,
        confidence: float | None = None,
        job: bool = False,
    ) -> pd.DataFrame:
        """Label items.

        Args:
            items: Texts, or a table.
            text: Text columns of the table; None: all but the id.
            item_id: Id column of the table, if it has one.
            as_of: A day: only items launched up to then are seen.
            where: Attribute → a value, several, or a range, of the neighbors.
            candidates: Only these labels come into question.
            neighbors: How many of those that voted to list.
            coverage: Share of label sets that hold the true label; None: as the server has it.
            confidence: Probability that the label of a hierarchy must reach; None: likewise.
            job: Send all at once, as a job of the server, and wait until it is done.

        Returns:
            The labels table, as `NeighborClassifier.classify` gives it.

        Raises:
            ProblemError: The server refused.
        """
        rows = questions(items, text, item_id)
        options = options_of(
            as_of=as_of,
            where=where,
            candidates=None if candidates is None else list(candidates),
            neighbors=neighbors,
            coverage=coverage,
            confidence=confidence,
        )
        if job:
            return pd.DataFrame(self._server.job("classify", {"items": rows, **options}))
        return pd.DataFrame(self._results("/v1/classify", rows, options))

    def similar(
        self,
        items: pd.DataFrame | Sequence[str],
        k: int = 10,
        *,
        text: Sequence[str] | str | None = None,
        item_id: str = "item_id",
        as_of: Any = None,
        where: Mapping[str, Any] | None = None,
        labeled: bool | None = None,
        all: bool = False,
    ) -> pd.DataFrame:
        """Find like items: query (position), rank, item_id, similarity, label and count of each.

        Args:
            items: As in `classify`.
            k: How many.
            text: As in `classify`, and so item_id, as_of and where.
            item_id: Id column.
            as_of: A day.
            where: Of the like items.
            labeled: True: labeled items only; False: the others; None: both.
            all: List items of one text and label each; False: once.
        """
        rows = questions(items, text, item_id)
        options = options_of(k=k, as_of=as_of, where=where, labeled=labeled, all=all)
        found = self._results("/v1/similar", rows, options)
        return pd.DataFrame(
            [
                {"query": query, "rank": rank, **near}
                for query, one in enumerate(found)
                for rank, near in enumerate(one["neighbors"], start=1)
            ],
            columns=["query", "rank", "item_id", "similarity", "label", "count"],
        )

    def forecast(
        self,
        items: pd.DataFrame,
        *,
        text: Sequence[str] | str,
        attributes: Sequence[str] = (),
        item_id: str = "item_id",
        launch_date: str = "launch_date",
        observed: pd.DataFrame | None = None,
        observed_until: Any = None,
        future: pd.DataFrame | None = None,
        strict: bool = False,
        job: bool = False,
    ) -> pd.DataFrame:
        """Forecast launches; arguments as in `forecasts`.

        Returns:
            The forecasts table of unique_id, cutoff, ds, age, mean and a column per quantile.
        """
        found = self.forecasts(
            items,
            text=text,
            attributes=attributes,
            item_id=item_id,
            launch_date=launch_date,
            observed=observed,
            observed_until=observed_until,
            future=future,
            strict=strict,
            job=job,
        )
        return curve_table(found)

    def forecast_totals(
        self,
        items: pd.DataFrame,
        *,
        text: Sequence[str] | str,
        attributes: Sequence[str] = (),
        item_id: str = "item_id",
        launch_date: str = "launch_date",
        observed: pd.DataFrame | None = None,
        observed_until: Any = None,
        future: pd.DataFrame | None = None,
        strict: bool = False,
        job: bool = False,
    ) -> pd.DataFrame:
        """Forecast totals over the horizon; arguments as in `forecasts`, columns as the library."""
        found = self.forecasts(
            items,
            text=text,
            attributes=attributes,
            item_id=item_id,
            launch_date=launch_date,
            observed=observed,
            observed_until=observed_until,
            future=future,
            strict=strict,
            job=job,
        )
        return total_table(found)

    def forecasts(
        self,
        items: pd.DataFrame,
        *,
        text: Sequence[str] | str,
        attributes: Sequence[str] = (),
        item_id: str = "item_id",
        launch_date: str = "launch_date",
        observed: pd.DataFrame | None = None,
        observed_until: Any = None,
        future: pd.DataFrame | None = None,
        strict: bool = False,
        job: bool = False,
    ) -> list[dict[str, Any]]:
        """Forecast launches; return curve and total of each, as the server sends them.

        Args:
            items: A row a launch.
            text: Text columns of the forecaster.
            attributes: Its attributes.
            item_id: Id column.
            launch_date: Column of launch dates.
            observed: Sales so far: item_id (or unique_id), ds, y.
            observed_until: A day in the last period observed; None: in that of the last row.
            future: Plans: item_id (or unique_id), ds and the covariates.
            strict: Refuse launches of which not all is known: a category never seen, an attribute
                missing or out of range, a launch too far ahead. False: a `LaunchWarning` tells.
            job: Send all at once, as a job of the server, and wait until it is done.

        Raises:
            ProblemError: The server refused.
        """
        rows = rows_of(items, text, item_id, None, launch_date, attributes)
        whole = launches_body(rows, observed, observed_until, future)
        if strict:
            whole["strict"] = True
        found: list[dict[str, Any]] = []
        if job:
            found = self._server.job("forecast", whole)
        else:
            for part in _parts(rows, self._batch):
                found += self._server.call("POST", "/v1/forecast", part_of(whole, part))["results"]
        _warn(found)
        return found

    def order_quantity(
        self,
        items: pd.DataFrame,
        *,
        text: Sequence[str] | str,
        attributes: Sequence[str] = (),
        item_id: str = "item_id",
        launch_date: str = "launch_date",
        future: pd.DataFrame | None = None,
        overage_cost: float | str | None = None,
        underage_cost: float | str | None = None,
        service_level: float | str | None = None,
        lead_time: int | None = None,
        pack_size: float | str | None = None,
        minimum: float | str | None = None,
        unit_cost: float | str | None = None,
        budget: float | Mapping[str, float] | None = None,
        by: str | None = None,
    ) -> pd.DataFrame:
        """Say how much to order of launches, as `LaunchForecaster.order_quantity` does.

        Amounts are numbers, or names of columns of the items.

        Args:
            items: A row a launch.
            text: As in `forecasts`, and so attributes, item_id, launch_date and future.
            attributes: Attributes of the forecaster.
            item_id: Id column.
            launch_date: Column of launch dates.
            future: Plans.
            overage_cost: Of a unit that is left over.
            underage_cost: Of a unit that was missing.
            service_level: In place of both costs: the probability to have enough.
            lead_time: Periods that the order has to last; None: the whole horizon.
            pack_size: Units of a pack; orders are whole packs.
            minimum: The least that can be ordered, if anything is.
            unit_cost: What a unit takes of the budget; needed with one.
            budget: Money that all share, or that each group of `by` does.
            by: Column of the groups.

        Returns:
            The orders table, as the library has it.

        Raises:
            InputError: There is no such column.
            ProblemError: The server refused.
        """
        rows = rows_of(items, text, item_id, None, launch_date, attributes)
        terms = {
            "overage_cost": overage_cost,
            "underage_cost": underage_cost,
            "service_level": service_level,
            "lead_time": lead_time,
            "pack_size": pack_size,
            "minimum": minimum,
            "unit_cost": unit_cost,
            "budget": budget,
            "by": by,
        }
        whole = orders_body(launches_body(rows, None, None, future), items, terms)
        # Who shares a budget goes together.
        size = self._batch if budget is None else max(len(rows), 1)
        found: list[dict[str, Any]] = []
        for part in _parts(rows, size):
            found += self._server.call("POST", "/v1/orders", part_of(whole, part))["results"]
        return order_table(found, whole.get("groups"))

    def cannibalization(
        self,
        items: pd.DataFrame,
        *,
        text: Sequence[str] | str,
        attributes: Sequence[str] = (),
        item_id: str = "item_id",
        launch_date: str = "launch_date",
        future: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Say what launches take from like items on sale.

        Args:
            items: A row a launch.
            text: As in `forecasts`, and so the others.
            attributes: Attributes of the forecaster.
            item_id: Id column.
            launch_date: Column of launch dates.
            future: Plans.

        Returns:
            unique_id, cutoff, mean (units over the horizon, what is taken included), taken (units
            of these that others lose; NaN where no loss is shown), siblings (dict, item id → units
            it loses) and words (what past launches took, or why nothing is shown), in the order
            given.

        Raises:
            ProblemError: The server refused; its forecaster was saved without an estimate.
        """
        rows = rows_of(items, text, item_id, None, launch_date, attributes)
        whole = launches_body(rows, None, None, future)
        answers = [
            self._server.call("POST", "/v1/cannibalization", part_of(whole, part))
            for part in _parts(rows, self._batch)
        ]
        return taken_table(answers)

    def upsert(
        self,
        items: pd.DataFrame,
        *,
        text: Sequence[str] | str,
        item_id: str = "item_id",
        label: str | None = None,
        launch_date: str | None = None,
        attributes: Sequence[str] = (),
    ) -> dict[str, int]:
        """Add items or replace changed ones; return rows new, changed and unchanged."""
        total = {"new": 0, "changed": 0, "unchanged": 0}
        rows = rows_of(items, text, item_id, label, launch_date, attributes)
        for part in _parts(rows, self._batch):
            counts = self._server.call("PUT", "/v1/items", {"items": part})
            total = {name: total[name] + counts[name] for name in total}
        return total

    def delete(self, ids: Sequence[str]) -> int:
        """Remove items; return how many of the ids there were."""
        return sum(
            int(self._server.call("DELETE", "/v1/items", params={"item_id": part})["deleted"])
            for part in _parts([str(one) for one in ids], self._batch)
        )

    def correct(
        self,
        labels: Mapping[str, str],
        texts: Mapping[str, str] | None = None,
        *,
        new_labels: bool = False,
    ) -> None:
        """Correct labels.

        Args:
            labels: Item id → what it is.
            texts: Item id → its text; needed for items that are not kept.
            new_labels: Whether labels may be ones that do not exist yet.
        """
        told = [
            {
                "item_id": one,
                "label": label,
                "text": (texts or {}).get(one),
                "new_label": new_labels,
            }
            for one, label in labels.items()
        ]
        for part in _parts(told, self._batch):
            self._server.call("POST", "/v1/feedback", {"corrections": part})

    def ask(
        self,
        question: str,
        *,
        item_id: str | None = None,
        where: Mapping[str, Any] | None = None,
        as_of: Any = None,
        today: Any = None,
        k: int | None = None,
        threshold: float | None = None,
    ) -> dict[str, Any]:
        """Ask about the items: answer, probability, abstained, items, sources, conditions, notes.

        Args:
            question: One question.
            item_id: The item it is about; None: it is found.
            where: Attribute → a value, several, or a range, of the items.
            as_of: A day: answered as it was known then.
            today: The day from which `next month` is counted.
            k: Sources, or items of a list, at most; None: as the server has it.
            threshold: Probability below which no answer is given; None: likewise.
        """
        days = {"today": None if today is None else options_of(as_of=today)["as_of"]}
        options = options_of(
            item_id=item_id, where=where, as_of=as_of, k=k, threshold=threshold, **days
        )
        answer: dict[str, Any] = self._server.call(
            "POST", "/v1/ask", {"question": question, **options}
        )
        return answer

    def recommend(
        self,
        *,
        like: str | None = None,
        customer: str | None = None,
        buyers_of: str | None = None,
        k: int = 10,
        kind: str = "known",
        again: bool = False,
        where: Mapping[str, Any] | None = None,
        exclude: Sequence[str] = (),
        as_of: Any = None,
        diversity: float | None = None,
    ) -> pd.DataFrame:
        """Recommend: rank, id, score and because, the purchases that each rests on.

        Args:
            like: An item: others like it.
            customer: A customer: items for this one.
            buyers_of: An item, a launch too: customers for it.
            k: How many.
            kind: Of items for a customer: `known`, or `new`, which nobody has bought yet.
            again: What was bought already may come again.
            where: Attribute → a value, several, or a range such as a price band, of the items.
            exclude: Items that must not come.
            as_of: A day: as it was known then.
            diversity: 0: those that fit best; 1: unlike one another; None: as the server has it.
        """
        options = options_of(
            like=like,
            customer=customer,
            buyers_of=buyers_of,
            where=where,
            as_of=as_of,
            diversity=diversity,
        )
        body = {**options, "k": k, "kind": kind, "again": again, "exclude": list(exclude)}
        found = self._server.call("POST", "/v1/recommend", body)["recommendations"]
        rows = [{"rank": rank, **one} for rank, one in enumerate(found, start=1)]
        return pd.DataFrame(rows, columns=["rank", "id", "score", "because"])

    def labels(self, search: str = "") -> pd.DataFrame:
        """Return the labels: label, examples, described.

        Args:
            search: Letters of a label's name: those that match, the likeliest first.
        """
        params = {"search": search} if search else None
        found = self._server.call("GET", "/v1/labels", params=params)["labels"]
        return pd.DataFrame(found, columns=["label", "examples", "described"])

    def add_label(self, label: str, descriptions: Sequence[str] = ()) -> None:
        """Let a label be named by its description."""
        self._server.call(
            "POST", "/v1/labels", {"label": label, "descriptions": list(descriptions)}
        )

    def explain(self, items: pd.DataFrame | Sequence[str], labels: int = 3) -> pd.DataFrame:
        """Tell what the most probable labels rest on: a row an item, label and part."""
        rows = questions(items, None, "item_id")
        found = self._results("/v1/explain/classify", rows, {"labels": labels})
        return pd.DataFrame(
            [
                {"item": item, "label": one["label"], "probability": one["probability"], **part}
                for item, each in enumerate(found)
                for one in each["labels"]
                for part in one["contributions"]
            ]
        )

    def models(self, *, reload: bool = False) -> dict[str, Any]:
        """Return the versions of what answers, and what it wants to know of items and launches.

        Args:
            reload: Let the server read items and saved models anew before; the former ones answer
                until that is done.

        Raises:
            ProblemError: What was saved cannot be used; the former models go on.
        """
        found: dict[str, Any] = self._server.call("POST" if reload else "GET", "/v1/models")
        return found

    def wait_until_ready(self, seconds: float = 120.0) -> None:
        """Wait for the server to be ready.

        Raises:
            TimeoutError: It was not, in all that time.
        """
        self._server.wait_until_ready(seconds)

    def close(self) -> None:
        """Disconnect."""
        self._server.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self.close()

    # --- inside ----------------------------------------------------------------------------------

    def _results(
        self, path: str, rows: list[dict[str, Any]], options: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for part in _parts(rows, self._batch):
            found += self._server.call("POST", path, {"items": part, **options})["results"]
        return found


def _warn(found: Sequence[Mapping[str, Any]]) -> None:
    """Tell what was not known of launches: each thing once, with an example and how many more."""
    said: dict[str, list[str]] = {}
    for one in found:
        for what in one["warnings"]:
            said.setdefault(what, []).append(one["item_id"])
    lines = [
        f"{ids[0]}{f' and {len(ids) - 1:,} more' if len(ids) > 1 else ''}: {what}"
        for what, ids in said.items()
    ]
    if lines:
        more = [f"and {len(lines) - _SHOWN:,} more such"] if len(lines) > _SHOWN else []
        warnings.warn("\n".join([*lines[:_SHOWN], *more]), LaunchWarning, stacklevel=4)


def _parts(rows: Sequence[Any], size: int) -> Iterator[Any]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
