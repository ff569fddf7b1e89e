"""The graph of concepts beside an index: loaded, linked to its items, corrected, asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pandas as pd

from retrieval.arguments import require_choice, require_count, require_kind, require_number
from retrieval.errors import InputError, first_few
from retrieval.graph.concepts import SEPARATOR, Concept, Concepts
from retrieval.graph.expand import ENRICHMENTS, Enrichment, label_texts, levels
from retrieval.graph.ledger import Ledger
from retrieval.graph.linking import PERSON, TABLE, By, Link, Linker
from retrieval.graph.links import FALSE_ALARM_RATE
from retrieval.graph.names import Names, NameVectors
from retrieval.graph.reading.sources import read_source, table_of
from retrieval.graph.reading.tables import path_levels, relations_of_table
from retrieval.graph.relations import (
    Relation,
    check_ends,
    made_relation,
    relations_frame,
)
from retrieval.index import ItemIndex
from retrieval.values.dates import parse_date

_SUFFIX = "_graph"
_STATE, _CONCEPT, _RELATION = "s:", "c:", "r:"
_OWN = ("item_id", "text", "label", "launch_date")
LINK_COLUMNS = ("item_id", "concept_id", "name", "path", "similarity", "by")


class ConceptGraph:
    """Concepts and relations kept beside the items of an index, and which items are of them.

    What is known of concepts lies in three collections beside that of the items, in the same Milvus
    and of the same tenant: their names as vectors, made by the items' encoder; what they are and
    how they are related; and the links of items. Where the items were indexed with another encoder
    since, the names are encoded anew when the graph is opened. An index that keeps no texts
    (``store_text=False``) keeps no names of concepts either: they are called by their ids then.

    Args:
        index: Of the items; closing it closes the graph.

    Raises:
        InputError: The items were indexed with another encoder since, and names were not kept.
        StoreError: Milvus cannot be reached.

    Attributes:
        index: The same.
        loaded: How many concepts and relations the last `load` found new, changed and gone.
    """

    def __init__(self, index: ItemIndex) -> None:
        require_kind(index, "index", ItemIndex)
        self.index = index
        self.loaded: dict[str, int] = {}
        self._ledger = Ledger(index, _SUFFIX)
        self._names = Names(index)
        self._vectors: NameVectors | None = None
        self._is_nameless = False
        self._read()
        self._linker = Linker(index, self.name_vectors, lambda: self._concepts)

    # --- what there is ---------------------------------------------------------------------------

    @property
    def concepts(self) -> Concepts:
        """The concepts by their id."""
        return self._concepts

    @property
    def version(self) -> str:
        """A hash of concepts and relations, by which to tell whether others have changed them."""
        return str(self._state.get("version", ""))

    def relations(
        self, *, relation: str | None = None, as_of: Any = None, every: bool = False
    ) -> pd.DataFrame:
        """Return the relations that hold.

        Args:
            relation: Only those that say this.
            as_of: On this day; None: those that have not ended.
            every: All that were ever told, instead.

        Returns:
            Columns source, relation, target, from, until.
        """
        day = None if as_of is None else parse_date(as_of, "as_of").normalize()
        return relations_frame(
            one
            for one in self._relations.values()
            if (relation is None or one.relation == relation) and (every or one.holds(day))
        )

    def refresh(self) -> Self:
        """Read anew what others have changed since; nothing is read where nobody has."""
        state = self._ledger.get([_STATE]).get(_STATE, {})
        if state != self._state:
            self._read()
        return self

    # --- filling it ------------------------------------------------------------------------------

    def load(
        self,
        source: str | Path | pd.DataFrame,
        *,
        relations: str | Path | pd.DataFrame | None = None,
        path: str | Sequence[str] | None = None,
        ids: str | None = None,
        kind: str = "concept",
        language: str | None = None,
        separator: str = SEPARATOR,
        columns: Mapping[str, str] | None = None,
        replace: bool = False,
    ) -> Self:
        """Add concepts, replace changed ones, leave the rest alone; a second time does nothing.

        Args:
            source: A table of concepts (concept_id, name, kind, synonyms, language, parents,
                description; also category_id and parent_id), of relations (source, relation,
                target, from, until), or of items with a path; a ``.csv``, ``.tsv`` or ``.parquet``
                file of one; a taxonomy ``.txt`` with lines ``id - A > B``; or SKOS: ``.ttl``,
                ``.jsonld``, ``.rdf``, ``.nt``.
            relations: A table of relations besides.
            path: Column of the table that holds paths such as ``Grocery > Snacks > Chips``; or
                several columns, which are the levels from the top down.
            ids: With `path`: column of the ids of its lowest level.
            kind: Of concepts of which the source tells none.
            language: Of SKOS: whose preferred label is the name; None: English, if there is one.
            separator: Stands between the levels of a path.
            columns: What the table calls a column, by the name it has here.
            replace: Remove all concepts and relations that the source does not have.

        Raises:
            TableError: Names file and row: parents that are no concepts or go round in a circle,
                twins, ids that are there twice, blank names.
            InputError: A file cannot be read, or a relation cannot be.
        """
        found, said = read_source(source, path, ids, kind, language, separator, columns or {})
        if relations is not None:
            table, name = table_of(relations, "relations")
            said = [*said, *relations_of_table(table, name)]
        start = Concepts() if replace else self._concepts
        if found:
            self._require_names(start, {one.concept_id for one in found})
        kept = {} if replace else self._relations
        self._keep(start.merged(found), {**kept, **{one.key: one for one in said}})
        return self

    def relate(
        self, source: str, relation: str, target: str, start: Any = None, until: Any = None
    ) -> Self:
        """Add one relation; it counts at once.

        Args:
            source: Id of a concept or of an item of the index.
            relation: ``replaces``, ``variant_of``, ``competes_with``, ``part_of``, or another word.
            target: As the source.
            start: First day it holds; None: it always has.
            until: Last day; None: it still does.

        Raises:
            InputError: An end is unknown, or a date is none.
        """
        one = made_relation(source, relation, target, start, until)
        self._keep(self._concepts, {**self._relations, one.key: one})
        return self

    def remove(self, concept_ids: Iterable[str]) -> Self:
        """Remove concepts with their relations and links; what was below is below their parents.

        Raises:
            InputError: There is no such concept.
        """
        gone = {str(one) for one in concept_ids}
        for one in gone:
            self._concepts[one]
        self._require_names(self._concepts, set())
        kept = {
            key: one for key, one in self._relations.items() if not gone & {one.source, one.target}
        }
        self._keep(self._concepts.without(gone), kept)
        self._linker.forget(gone)
        return self

    # --- links -----------------------------------------------------------------------------------

    def link(
        self,
        items: pd.DataFrame | Sequence[str] | None = None,
        *,
        path: str | Sequence[str] | None = None,
        separator: str = SEPARATOR,
        since: str | None = None,
        false_alarm_rate: float = FALSE_ALARM_RATE,
        precision: float | None = None,
    ) -> pd.DataFrame:
        """Tie items to the concept that each is most like, or to none.

        The names, synonyms and paths nearest to an item are candidates; what counts is half the
        similarity of the nearest name and half that of the path. A link is made where no more than
        a share `false_alarm_rate` of the items comes as near to a branch of the graph that is not
        theirs. Items that are linked already, and as they were, are left alone, unless the concepts
        or somebody's corrections have changed. What a person or a table has said stays.

        Args:
            items: A table with the columns of the index, or ids of items in it; None: all items of
                the index. Links are kept of those that the index has.
            path: Column, or columns, of the table that say the concept, as in `load`; nothing is
                compared then.
            separator: Stands between the levels of a path.
            since: With `path`: column of the day since which that is known; None, or blank: as long
                as the item. What its text says of an item is known as long as its text.
            false_alarm_rate: In (0, 1). Lower links fewer items, and more surely.
            precision: In (0, 1): instead, link each item to the lowest concept that is right with
                this probability, "Beverages" where what is below it is unsure. It is learned from
                the items of which a person or a table has told the concept, 50 at least.

        Returns:
            A row an item: item_id, concept_id (None where it is of none), name, path, similarity
            (to the nearest concept, linked or not), by (graph, person or table).

        Raises:
            InputError: There are no concepts, or a table or path cannot be right; or too few links
                are known for `precision`.
        """
        require_number(false_alarm_rate, "false_alarm_rate", 0, below=1)
        if precision is not None:
            require_number(precision, "precision", 0, below=1)
        if not self._concepts:
            raise InputError("there are no concepts yet: load some first")
        if path is not None:
            if not isinstance(items, pd.DataFrame):
                raise InputError("path: is a column of the items: pass them as a table")
            return self._link_by_path(items, path, separator, since)
        if since is not None:
            raise InputError("since: goes with path, whose table has that column")
        done = self._linker.link(items, str(self._state["names"]), false_alarm_rate, precision)
        return self._links_frame(done)

    def correct(
        self, links: Mapping[str, str | None], *, by: By = PERSON, since: Any = None
    ) -> pd.DataFrame:
        """Say of which concept items are; what a person says stays, and teaches later links.

        Items that read the same, or nearly so, follow at the next `link`. Whoever stands at an
        earlier day (a backtest) still sees what was known then.

        Args:
            links: Item id → id, name or path of its concept; None: it is of none.
            by: ``"person"`` or ``"table"``.
            since: First day on which that was known; None: today of a person's word, as long as the
                item of a table's.

        Raises:
            InputError: The index has no such item, or there is no such concept, or several.
        """
        if by not in (PERSON, TABLE):
            raise InputError(f"by must be one of {PERSON!r}, {TABLE!r}, got {by!r}")
        named = {
            str(item): None if one is None else self._concepts.one_named(str(one))
            for item, one in links.items()
        }
        day = pd.Timestamp.now() if since is None and by == PERSON else since
        days = {} if day is None else dict.fromkeys(named, _iso(day, "since"))
        return self._links_frame(self._linker.tell(named, by, days))

    def links(self, item_ids: Sequence[str] | None = None, *, as_of: Any = None) -> pd.DataFrame:
        """Return the links that are kept; the columns of `link`.

        Args:
            item_ids: Of these items; None: of all.
            as_of: As they were known on this day, of items of which something was; None: today.
        """
        kept = self._linker.kept(item_ids)
        if as_of is None:
            return self._links_frame(kept)
        day = _iso(as_of, "as_of")
        then = {item: (one, one.as_of(day)) for item, one in kept.items()}
        return self._links_frame(
            {item: replace(one, concept=was[0]) for item, (one, was) in then.items() if was}
        )

    def link_history(self, item_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Return all that was ever known of which concept items are.

        Returns:
            A row an item and change, oldest first: item_id, concept_id (None: of none), since
            (first day; missing: as long as the item).
        """
        rows = [
            (item, concept if concept in self._concepts else None, since)
            for item, link in self._linker.kept(item_ids).items()
            for concept, since in link.states
        ]
        frame = pd.DataFrame(rows, columns=["item_id", "concept_id", "since"], dtype=object)
        return frame.assign(since=pd.to_datetime(frame["since"]))

    def items(self, concept: str, *, below: bool = True) -> list[str]:
        """Return the items of a concept, sorted.

        Args:
            concept: Id, name, synonym or path.
            below: Those of all concepts below it, too.

        Raises:
            InputError: There is no such concept, or several are called so.
        """
        wanted = {self._concepts.one_named(concept)}
        if below:
            wanted |= set(self._concepts.below(next(iter(wanted))))
        kept = self._linker.kept(None)
        return sorted(item for item, link in kept.items() if link.concept in wanted)

    def within(self, concept: str) -> ItemIndex:
        """Return an index in memory that has the items of a concept, and of those below it, alone.

        Args:
            concept: Id, name, synonym or path.

        Raises:
            InputError: There is no such concept, or it has no items.
        """
        ids = self.items(concept)
        items = self.index.get(ids)
        if items.empty:
            raise InputError(f"concept {concept!r} has no items; link the items first")
        some = ItemIndex(":memory:", self.index.encoder, self.index.collection)
        some.upsert(
            items.assign(text=items["text"].where(items["text"] != "", items["item_id"])),
            text="text",
            label="label",
            launch_date="launch_date",
            attributes=[one for one in self.index.layout.attributes if one not in _OWN],
            vectors=self.index.vectors(items["item_id"].tolist()),
        )
        return some

    def labels(
        self,
        *,
        words: Sequence[Enrichment] = ("name", "synonyms", "children"),
        below: str | None = None,
    ) -> dict[str, list[str]]:
        """Return the concepts as labels in words, for ``NeighborClassifier.fit(labels=...)``.

        A label is a path, so that a classifier with ``hierarchy=" > "`` answers as deep as it is
        sure.

        Args:
            words: What is said of each: ``name``, ``path``, ``synonyms``, ``children``; what a
                path adds has been measured and was nothing.
            below: Only concepts below this one; its id, name, synonym or path.

        Raises:
            InputError: There is no such concept, or no such word.
        """
        for word in words:
            require_choice(word, "words", ENRICHMENTS)
        only = None if below is None else self._concepts.below(self._concepts.one_named(below))
        return label_texts(self._concepts, words, only=only)

    def levels(
        self, item_ids: Sequence[str] | None = None, *, depth: int = 3, as_of: Any = None
    ) -> pd.DataFrame:
        """Return the concepts of items as columns, a level each, for a forecaster to learn from.

        Named as `attributes` of a `LaunchForecaster`, each level tells how earlier launches of the
        concept sold, as far as that had been seen.

        Args:
            item_ids: Of linked items; None: all.
            depth: How many levels, from the roots down.
            as_of: As links were known on this day; None: today.

        Returns:
            Columns item_id, concept_1 to concept_`depth`: paths, missing below an item's concept.
        """
        require_count(depth, "depth")
        links = self.links(item_ids, as_of=as_of)
        concepts = links["concept_id"].astype(object).where(links["concept_id"].notna(), None)
        return levels(self._concepts, dict(zip(links["item_id"], concepts, strict=True)), depth)

    # --- asking it -------------------------------------------------------------------------------

    def find(self, texts: Sequence[str], k: int = 5) -> pd.DataFrame:
        """Find the concepts that texts are most like.

        Returns:
            Columns query (position of the text), rank, concept_id, name, path, similarity.
        """
        if not self._concepts:
            raise InputError("there are no concepts yet: load some first")
        ranked = self._linker.rank(self.index.encoder.encode(list(texts)), k)
        rows = [
            (query, rank, one, self._concepts[one].name, self._concepts.path(one), similarity)
            for query, found in enumerate(ranked)
            for rank, (one, similarity) in enumerate(found, start=1)
        ]
        columns = ["query", "rank", "concept_id", "name", "path", "similarity"]
        return pd.DataFrame(rows, columns=columns)

    def show(self, concept: str, *, examples: int = 5) -> dict[str, Any]:
        """Return what is known of a concept.

        Args:
            concept: Id, name, synonym or path.
            examples: How many of its items to name.

        Raises:
            InputError: There is no such concept, or several are called so.
        """
        key = self._concepts.one_named(concept)
        one = self._concepts[key]
        own, all_items = self.items(key, below=False), self.items(key)
        related = self.relations(every=True)
        is_end = (related["source"] == key) | (related["target"] == key)
        return {
            "concept_id": key,
            "name": one.name,
            "kind": one.kind,
            "path": self._concepts.path(key),
            "synonyms": list(one.synonyms),
            "language": one.language,
            "description": one.description,
            "parents": list(one.parents),
            "children": sorted(self._concepts.children.get(key, [])),
            "relations": related[is_end].to_dict("records"),
            "n_items": len(own),
            "n_items_below": len(all_items),
            "items": (own or all_items)[:examples],
        }

    def name_vectors(self) -> NameVectors:
        """Return the vectors of all names; read once, and again after a change."""
        if self._vectors is None:
            self._vectors = self._names.read(self._concepts)
        return self._vectors

    # --- inside ----------------------------------------------------------------------------------

    def _read(self) -> None:
        kept = self._ledger.read()
        self._state: dict[str, Any] = kept.get(_STATE, {})
        concepts, relations = [], {}
        for key, value in kept.items():
            if key.startswith(_CONCEPT):
                concepts.append(Concept.of_record(key.removeprefix(_CONCEPT), value))
            elif key.startswith(_RELATION):
                one = Relation.of_record(value)
                relations[one.key] = one
        self._concepts = Concepts(sorted(concepts, key=lambda one: one.concept_id))
        self._relations: dict[str, Relation] = dict(sorted(relations.items()))
        self._vectors = None
        self._is_nameless = bool(concepts) and not self.index.keeps_text
        self._follow_encoder()

    def _follow_encoder(self) -> None:
        """Encode the names anew where the items' encoder is another, or a write was cut off."""
        if not self._concepts:
            return
        is_space = self._state.get("space") == self._names.space
        if not self.index.keeps_text:
            if not is_space:
                raise InputError(
                    "the names of the concepts were encoded by another encoder and are not kept "
                    "(store_text); load their file again with replace"
                )
            return
        if not is_space or self._state.get("names") != self._names.mark(self._concepts):
            self._names.write(self._concepts)
            self._note()

    def _require_names(self, start: Concepts, told: set[str]) -> None:
        """Refuse to encode anew names that were not kept."""
        if self._is_nameless and set(start) - told:
            raise InputError(
                "the names of the concepts are not kept (store_text): load all of them at once, "
                "with replace"
            )
        self._is_nameless = False

    def _keep(self, concepts: Concepts, relations: dict[str, Relation]) -> None:
        """Keep what is new or changed, and remove what is not there any more."""
        self._check_relations(concepts, relations)
        with_texts = self.index.keeps_text
        wanted = {
            _CONCEPT + key: one.record(with_texts=with_texts) for key, one in concepts.items()
        }
        wanted |= {_RELATION + key: one.record() for key, one in relations.items()}
        there = {key: value for key, value in self._ledger.read().items() if key != _STATE}
        changed = {key: value for key, value in wanted.items() if there.get(key) != value}
        gone = [key for key in there if key not in wanted]
        self.loaded = {
            "concepts": len(concepts),
            "relations": len(relations),
            "new": len(changed.keys() - there.keys()),
            "changed": len(changed.keys() & there.keys()),
            "removed": len(gone),
        }
        self._ledger.write(changed)
        self._ledger.delete(gone)
        ordered = Concepts(concepts[key] for key in sorted(concepts))
        self._concepts, self._relations = ordered, dict(sorted(relations.items()))
        self._vectors = None
        mark = self._names.mark(ordered)
        same = self._state.get("names") == mark and self._state.get("space") == self._names.space
        if not same and not self._is_nameless:
            self._names.write(ordered)
        if changed or gone or not (same or self._is_nameless):
            self._note()

    def _note(self) -> None:
        told = {key: one.record(with_texts=True) for key, one in self._concepts.items()}
        said = [one.record() for one in self._relations.values()]
        content = json.dumps([told, said], ensure_ascii=False).encode()
        self._state = {
            "version": hashlib.sha256(content).hexdigest()[:32],
            "names": self._state["names"]
            if self._is_nameless
            else self._names.mark(self._concepts),
            "space": self._names.space,
        }
        self._ledger.write({_STATE: self._state})

    def _check_relations(self, concepts: Concepts, relations: Mapping[str, Relation]) -> None:
        new = [one for key, one in relations.items() if key not in self._relations]
        ends = {end for one in new for end in (one.source, one.target)} - set(concepts)
        there = set()
        if ends and self.index.exists:
            there = {row["item_id"] for row in self.index.store.get(sorted(ends), ["item_id"])}
        check_ends(new, there | set(concepts))

    def _link_by_path(
        self,
        items: pd.DataFrame,
        path: str | Sequence[str],
        separator: str,
        since: str | None,
    ) -> pd.DataFrame:
        item_id = self.index.layout.item_id
        if item_id not in items.columns:
            raise InputError(f"items: missing column {item_id}")
        levels = path_levels(items, path, "items", separator)
        by_path = {
            tuple(self._concepts[one].name for one in ids): key
            for key, ids in self._concepts.paths.items()
        }
        told: dict[str, str | None] = {}
        unknown: list[str] = []
        for row, (item, names) in enumerate(zip(items[item_id], levels, strict=True)):
            if names and names not in by_path:
                unknown.append(f"row {row + 1}: {SEPARATOR.join(names)}")
            elif names:
                told[str(item)] = by_path[names]
        if unknown:
            raise InputError("items: no such concept: " + "; ".join(first_few(unknown)))
        return self._links_frame(self._linker.tell(told, TABLE, _days(items, item_id, since)))

    def _links_frame(self, links: Mapping[str, Link]) -> pd.DataFrame:
        rows = []
        for item, link in links.items():
            one = link.concept if link.concept in self._concepts else None
            name = None if one is None else self._concepts[one].name
            path = None if one is None else self._concepts.path(one)
            rows.append((item, one, name, path, link.similarity, link.by))
        frame = pd.DataFrame(rows, columns=list(LINK_COLUMNS))
        return frame.astype({"similarity": float})


def _iso(day: Any, name: str) -> str:
    return parse_date(day, name).date().isoformat()


def _days(items: pd.DataFrame, item_id: str, since: str | None) -> dict[str, str]:
    """Item → day, as a column of a table tells it; without those where it is blank."""
    if since is None:
        return {}
    if since not in items.columns:
        raise InputError(f"items: missing column {since}")
    told = {}
    for row, (item, day) in enumerate(zip(items[item_id], items[since], strict=True), start=1):
        if not (pd.isna(day) or str(day).strip() == ""):
            told[str(item)] = _iso(day, f"items: row {row}: {since}")
    return told
