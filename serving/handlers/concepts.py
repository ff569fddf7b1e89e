"""Say what is known of concepts and of the items' links; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrieval import ConceptGraph
from serving.handlers.tables import plain
from serving.runtime.tenants import Tenant

_MOST = 100


def known_concepts(tenant: Tenant, names: Sequence[str], item_ids: Sequence[str]) -> dict[str, Any]:
    """Return concepts by id, name, synonym or path, and the links of items.

    Without a name and an item: the roots, at most 100.
    """
    with tenant.concepts.reading() as graph:
        concepts = graph.concepts
        if names or item_ids:
            found = [one for name in names for one in concepts.named(name)]
        else:
            found = [one for one, path in concepts.paths.items() if len(path) == 1]
        shown = [_shown(graph, one) for one in list(dict.fromkeys(found))[:_MOST]]
        links = graph.links(list(dict.fromkeys(item_ids))).to_dict("records") if item_ids else []
    told = [{key: plain(value) for key, value in link.items()} for link in links]
    return {"concepts": shown, "links": told}


def _shown(graph: ConceptGraph, concept: str) -> dict[str, Any]:
    shown = graph.show(concept)
    relations = [{key: _day(value) for key, value in one.items()} for one in shown.pop("relations")]
    return {**shown, "relations": relations}


def _day(value: Any) -> Any:
    """Return a date of a table as one of JSON; null where there is none."""
    return value.date() if plain(value) is not None and hasattr(value, "date") else plain(value)
