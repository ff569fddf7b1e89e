"""The items that questions are answered from, as they were known at a date.

Items are found by meaning and by words: dense and BM25 (Robertson; Lucene's variant), their ranks
fused by reciprocals (Cormack, Clarke and Buettcher, 2009). All statistics, how rare a word is and
how common a field, are counted on the items visible at the date alone.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import bm25s
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.answers.facts import Fact, facts_of
from pipelines.answers.words import terms_of
from retrieval import Encoder, InputError, ItemIndex, Kind, parse_date

MOST_ITEMS = 200_000  # held in memory, with their words
EXPECTED_SALES = "expected_sales"
_BLOCK = 10_000  # items read at a time
_LONG = 300  # characters of a text that is cut into sentences
_MOST_SENTENCES = 20
_RANKS = 60.0  # added to a rank before its reciprocal, as in the paper
_VIEWS = 4  # dates kept at hand
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fields:
    """What the columns of a catalog's items are called where they came from."""

    text: str
    label: str | None
    launch_date: str | None
    attributes: Mapping[str, Kind]


@dataclass
class Catalog:
    """Items with their vectors.

    Attributes:
        items: item_id, text, label, launch_date and the attributes, sorted by id.
        vectors: (n, d) float32, unit rows.
        encoder: Made them, and turns questions into vectors.
        fields: Names and kinds of the columns.
        forecasts: The forecasts table, from which what an item will sell is told; or None.
    """

    items: pd.DataFrame
    vectors: npt.NDArray[np.float32]
    encoder: Encoder
    fields: Fields
    forecasts: pd.DataFrame | None = None
    _views: OrderedDict[pd.Timestamp | None, View] = field(default_factory=OrderedDict, repr=False)

    @classmethod
    def read(cls, index: ItemIndex, forecasts: pd.DataFrame | None = None) -> Catalog:
        """Read the items of a collection.

        Args:
            index: The collection.
            forecasts: The forecasts table: unique_id, cutoff, mean and a row for each age.

        Raises:
            InputError: The collection is empty or too large, or the forecasts lack a column.
        """
        layout = index.layout
        if (n := index.count()) > MOST_ITEMS:
            raise InputError(
                f"collection {index.collection!r} has {n:,} items; questions are answered from "
                f"{MOST_ITEMS:,} at most"
            )
        stored = index.read()
        ids = [str(one) for one in stored.ids]
        blocks = [index.get(ids[at : at + _BLOCK]) for at in range(0, len(ids), _BLOCK)]
        items = pd.concat(blocks, ignore_index=True) if blocks else index.get([])
        rows = pd.Index(stored.ids).get_indexer(pd.Index(items["item_id"]))
        text = layout.text[0] if len(layout.text) == 1 else "text"
        fields = Fields(text, layout.label, layout.launch_date, layout.attributes)
        return cls(items, stored.vectors[rows], index.encoder, fields, _checked(forecasts))

    def as_of(self, day: object = None) -> View:
        """Return the items as they were known on a day; None: all of them.

        Raises:
            InputError: The day is no date.
        """
        when = None if day is None else parse_date(day, "as_of")
        if when not in self._views:
            self._views[when] = self._view(when)
            while len(self._views) > _VIEWS:
                self._views.popitem(last=False)
        return self._views[when]

    def _view(self, when: pd.Timestamp | None) -> View:
        items = self.items
        if when is not None:
            launched = items["launch_date"]
            is_seen = (launched.isna() | (launched <= when)).to_numpy()
        else:
            is_seen = np.ones(len(items), dtype=bool)
        kinds = dict(self.fields.attributes)
        seen = items[is_seen].reset_index(drop=True)
        for column, kind in kinds.items():
            if kind == "number":
                seen[column] = seen[column].astype("float64")
        totals = _expected(self.forecasts, when)
        if totals is not None:
            kinds[EXPECTED_SALES] = "number"
            seen[EXPECTED_SALES] = seen["item_id"].map(totals).astype("float64")
        return View(when, seen, self.vectors[is_seen], self.encoder, self.fields, kinds)


@dataclass
class View:
    """The items of a catalog that are visible on a day.

    Attributes:
        when: The day; None: all items are.
        items: As in `Catalog`, with `expected_sales` where there are forecasts.
        vectors: (n, d) theirs.
        encoder: As in `Catalog`.
        fields: As in `Catalog`.
        kinds: Column that conditions may name → what it holds.
    """

    when: pd.Timestamp | None
    items: pd.DataFrame
    vectors: npt.NDArray[np.float32]
    encoder: Encoder
    fields: Fields
    kinds: dict[str, Kind]

    @cached_property
    def positions(self) -> dict[str, int]:
        """Id → row."""
        return {str(one): row for row, one in enumerate(self.items["item_id"])}

    @cached_property
    def columns(self) -> dict[str, pd.Series]:
        """Return the columns that conditions may name."""
        return {column: self.items[column] for column in self.kinds}

    @cached_property
    def digest(self) -> str:
        """Stands for what is visible: two equal ones answer a question alike."""
        hashed = pd.util.hash_pandas_object(self.items.astype("str"), index=False)
        content = hashed.to_numpy().tobytes() + self.vectors.tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    @cached_property
    def field_shares(self) -> dict[str, float]:
        """Field → share of the items that have it."""
        shares = {self._name(one): self.items[one].notna().mean() for one in self._columns}
        return {name: float(share) for name, share in shares.items()}

    def id_of(self, row: int) -> str:
        """Return the id of an item."""
        return str(self.items["item_id"].iat[row])

    def text_of(self, row: int) -> str:
        """Return the text of an item; empty where texts are not kept."""
        text = self.items["text"].iat[row]
        return text.strip() if isinstance(text, str) else ""

    def facts(self, row: int) -> list[Fact]:
        """Return what the fields of an item say; a long text sentence by sentence."""
        item = str(self.items["item_id"].iat[row])
        told = {self._name(one): self.items[one].iat[row] for one in self._columns}
        text = told.pop(self.fields.text, None)
        if not isinstance(text, str):
            return facts_of(item, told)
        parts = _SENTENCE.split(text) if len(text) > _LONG else [text]
        spoken = [fact for part in parts for fact in facts_of(item, {self.fields.text: part})]
        return spoken[:_MOST_SENTENCES] + facts_of(item, told)

    def search(self, question: str, k: int, mask: Mask | None = None) -> list[tuple[int, float]]:
        """Find the items that a text speaks of, by meaning and by words.

        Args:
            question: The text.
            k: How many items.
            mask: (n,) which items may be found; None: all.

        Returns:
            Rows with their cosine, best first.
        """
        allowed = np.flatnonzero(mask) if mask is not None else np.arange(len(self.items))
        if not len(allowed):
            return []
        cosines = self.vectors[allowed] @ self.encoder.encode([question], side="query")[0]
        words = self._word_scores(question)[allowed]
        fused = 1 / (_RANKS + _ranks(cosines)) + np.where(
            words > 0, 1 / (_RANKS + _ranks(words)), 0.0
        )
        best = np.lexsort((allowed, -fused))[:k]
        return [(int(allowed[one]), float(cosines[one])) for one in best]

    def _word_scores(self, question: str) -> Floats:
        model = self._words
        known = [] if model is None else [t for t in terms_of(question) if t in model.vocab_dict]
        if model is None or not known:
            return np.zeros(len(self.items))
        return np.asarray(model.get_scores(known), dtype=np.float64)

    @cached_property
    def _words(self) -> bm25s.BM25 | None:
        named = ["text", "label", *(one for one, kind in self.kinds.items() if kind == "string")]
        columns = [self.items[one].fillna("").astype(str) for one in named if one in self.items]
        documents = [terms_of(" ".join(row)) for row in zip(*columns, strict=True)]
        if not any(documents):
            return None
        model = bm25s.BM25()
        model.index([one or [""] for one in documents], show_progress=False)
        return model

    @property
    def _columns(self) -> list[str]:
        named = [one for one in ("text", "label", "launch_date") if one in self.items]
        return [*named, *(one for one in self.kinds if one not in named)]

    def _name(self, column: str) -> str:
        """Return what a column was called in the table of items."""
        names = {"text": self.fields.text, "label": self.fields.label}
        return (
            names.get(column, self.fields.launch_date if column == "launch_date" else column)
            or column
        )


def _ranks(scores: npt.NDArray[np.floating]) -> Floats:
    """Return the ranks of scores, 1 for the highest; equal ones share the best of theirs."""
    ordered = np.sort(-scores)
    return np.searchsorted(ordered, -scores, side="left").astype(np.float64) + 1


def _checked(forecasts: pd.DataFrame | None) -> pd.DataFrame | None:
    if forecasts is None:
        return None
    for name in ("unique_id", "cutoff", "mean"):
        if name not in forecasts:
            there = ", ".join(map(str, forecasts.columns))
            raise InputError(f"forecasts: no column {name!r} (there are: {there})")
    return forecasts.assign(
        unique_id=forecasts["unique_id"].astype(str), cutoff=pd.to_datetime(forecasts["cutoff"])
    )


def _expected(forecasts: pd.DataFrame | None, when: pd.Timestamp | None) -> pd.Series | None:
    """Return each item's total of the last forecast made by a day."""
    if forecasts is None:
        return None
    made = forecasts if when is None else forecasts[forecasts["cutoff"] <= when]
    last = made.groupby("unique_id")["cutoff"].transform("max")
    return made[made["cutoff"] == last].groupby("unique_id")["mean"].sum()
