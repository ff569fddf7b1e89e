"""What concepts give to both tasks: names for labels, levels for launches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from retrieval.graph.concepts import SEPARATOR, Concepts

Enrichment = Literal["name", "path", "synonyms", "children"]
ENRICHMENTS: tuple[Enrichment, ...] = ("name", "path", "synonyms", "children")
_MOST_CHILDREN = 20


def label_texts(
    concepts: Concepts, words: Sequence[Enrichment], *, only: Sequence[str] | None = None
) -> dict[str, list[str]]:
    """Return texts for each concept, by its path, as labels in words are given.

    Args:
        concepts: All of them.
        words: What to say of each: its name, path, synonyms, the names of its children.
        only: These concepts; None: all.
    """
    told = {}
    for key in concepts if only is None else only:
        one = concepts[key]
        path = concepts.path(key)
        children = [concepts[child].name for child in concepts.children.get(key, [])]
        texts = {
            "name": [one.name],
            "path": [path],
            "synonyms": list(one.synonyms),
            "children": [f"{one.name}: {child}" for child in children[:_MOST_CHILDREN]],
        }
        chosen = [text for word in words for text in texts[word]]
        told[path] = list(dict.fromkeys([*chosen, *([] if chosen else [one.name])]))
    return told


def levels(concepts: Concepts, linked: Mapping[str, str | None], depth: int) -> pd.DataFrame:
    """Return the way down to each item's concept, a column a level.

    Args:
        concepts: All of them.
        linked: Item → its concept.
        depth: How many levels.

    Returns:
        Columns item_id and concept_1 (a root) to concept_`depth`: paths, missing below the item's
        own concept.
    """
    rows = []
    for item, concept in linked.items():
        way = concepts.paths[concept] if concept is not None and concept in concepts else ()
        names = [concepts[one].name for one in way]
        cells = [
            SEPARATOR.join(names[:level]) if level <= len(names) else None
            for level in range(1, depth + 1)
        ]
        rows.append((item, *cells))
    columns = ["item_id", *(f"concept_{level}" for level in range(1, depth + 1))]
    return pd.DataFrame(rows, columns=columns, dtype=object)
