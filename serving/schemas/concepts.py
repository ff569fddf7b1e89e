"""Define what is answered about concepts."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from serving.schemas.items import Message


class Relation(Message):
    """What a concept, or an item, is to another."""

    source: str
    relation: str
    target: str
    start: date | None = Field(alias="from")
    until: date | None


class Concept(Message):
    """A concept, and how many items are of it."""

    concept_id: str
    name: str
    kind: str
    path: str = Field(description="Names from the root down to it.")
    synonyms: list[str]
    language: str
    description: str
    parents: list[str]
    children: list[str]
    relations: list[Relation]
    n_items: int
    n_items_below: int = Field(description="Those of the concepts below it, too.")
    items: list[str] = Field(description="Some of them, by id.")


class Link(Message):
    """The concept of an item."""

    item_id: str
    concept_id: str | None = Field(description="null: it is of none.")
    name: str | None
    path: str | None
    similarity: float | None
    by: str = Field(description="Who says so: graph, person or table.")


class Concepts(Message):
    """Concepts, and the links of items; names and items that there are not are left out."""

    concepts: list[Concept]
    links: list[Link]
