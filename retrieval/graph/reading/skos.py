"""Concepts and relations out of SKOS: Turtle, JSON-LD, RDF/XML and N-Triples, read by rdflib.

Nothing is fetched: what a file would have loaded from elsewhere is refused.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retrieval.errors import InputError
from retrieval.graph.concepts import Concept
from retrieval.graph.relations import PART_OF, RELATED_TO, Relation, made_relation

FORMATS = {
    ".ttl": "turtle",
    ".nt": "nt",
    ".jsonld": "json-ld",
    ".json": "json-ld",
    ".rdf": "xml",
    ".xml": "xml",
    ".owl": "xml",
}
_EXTERNAL = re.compile(rb"<!(?:ENTITY|DOCTYPE)[^>]*\b(?:SYSTEM|PUBLIC)\b", re.IGNORECASE)
_NO_RELATIONS = {"broader", "narrower", "inScheme", "topConceptOf", "hasTopConcept", "prefLabel"}


def is_skos(path: Path) -> bool:
    """Whether a file's suffix says that it is RDF."""
    return path.suffix.lower() in FORMATS


def read_skos(
    path: Path, *, kind: str = "concept", language: str | None = None
) -> tuple[list[Concept], list[Relation]]:
    """Read the concepts of a SKOS file and what it says of two of them.

    Args:
        path: The file.
        kind: Of the concepts.
        language: Whose preferred label is the name; the others are synonyms. None: English, else
            the label without a language, else the first.

    Raises:
        InputError: The file cannot be read, names no concept, or wants to load something.
    """
    graph = _parsed(path)
    from rdflib import RDF
    from rdflib.namespace import SKOS

    found = set(graph.subjects(RDF.type, SKOS.Concept)) | set(graph.subjects(SKOS.prefLabel))
    if not found:
        raise InputError(f"{path}: no skos:Concept in it")
    ids = _short_ids(found)
    made = []
    for node in sorted(found, key=str):
        name, own, others = _names(graph, node, language)
        parents = {ids[one] for one in graph.objects(node, SKOS.broader) if one in ids}
        parents |= {ids[one] for one in graph.subjects(SKOS.narrower, node) if one in ids}
        unknown = [one for one in graph.objects(node, SKOS.broader) if one not in ids]
        if unknown:
            raise InputError(f"{path}: {node}: skos:broader {unknown[0]} is no concept of the file")
        definition = next(iter(sorted(map(str, graph.objects(node, SKOS.definition)))), "")
        made.append(
            Concept(
                ids[node],
                name or ids[node],
                kind,
                others,
                own,
                tuple(sorted(parents)),
                definition,
                f"{path}: {node}",
            )
        )
    return made, _relations(graph, ids, path)


def _parsed(path: Path) -> Any:
    try:
        from rdflib import Graph
    except ImportError:
        raise InputError("SKOS needs rdflib: pip install 'likewise[graph]'") from None
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    content = path.read_bytes()
    form = FORMATS[path.suffix.lower()]
    if form == "xml" and _EXTERNAL.search(content):
        raise InputError(f"{path}: it would load something from elsewhere (an external entity)")
    graph = Graph()
    try:
        if form == "json-ld":
            _refuse_remote(json.loads(content), path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of rdflib about itself
            graph.parse(data=content, format=form)
    except InputError:
        raise
    except Exception as error:  # each of rdflib's parsers has errors of its own
        told = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not {form}: {told}") from None
    return graph


def _refuse_remote(content: Any, path: Path) -> None:
    """Refuse a context that rdflib would fetch."""
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            contexts = one.get("@context", [])
            several = contexts if isinstance(contexts, list) else [contexts]
            imports = [each.get("@import") for each in several if isinstance(each, dict)]
            remote = [each for each in (*several, *imports) if isinstance(each, str)]
            if remote:
                raise InputError(
                    f"{path}: its @context {remote[0]} would be loaded from elsewhere; put the "
                    "context itself into the file"
                )
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _names(graph: Any, node: Any, language: str | None) -> tuple[str, str, tuple[str, ...]]:
    """Return a concept's name, its language, and all other names."""
    from rdflib.namespace import RDFS, SKOS

    def told(kinds: Iterable[Any]) -> list[tuple[str, str]]:
        labels = [one for kind in kinds for one in graph.objects(node, kind)]
        return sorted((getattr(one, "language", None) or "", str(one).strip()) for one in labels)

    preferred = told([SKOS.prefLabel]) or told([RDFS.label])
    order = [language] if language else ["en", ""]
    best = next((one for wanted in order for one in preferred if one[0] == wanted), None)
    own, name = best or (preferred[0] if preferred else ("", ""))
    others = [text for _, text in (*preferred, *told([SKOS.altLabel])) if text and text != name]
    return name, own, tuple(dict.fromkeys(others))


def _short_ids(nodes: Iterable[Any]) -> dict[Any, str]:
    """Return the last part of each address where that tells them apart, else all of it."""
    nodes = list(nodes)
    short = {node: re.split(r"[/#]", str(node).rstrip("/#"))[-1] for node in nodes}
    is_clear = len(set(short.values())) == len(nodes) and all(short.values())
    return short if is_clear else {node: str(node) for node in nodes}


def _relations(graph: Any, ids: dict[Any, str], path: Path) -> list[Relation]:
    made = {}
    for source, said, target in graph:
        word = re.split(r"[/#]", str(said))[-1]
        if source not in ids or target not in ids or source == target or word in _NO_RELATIONS:
            continue
        known = {"related": RELATED_TO, "isPartOf": PART_OF}
        word = known.get(word, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word))
        one = made_relation(ids[source], word, ids[target], place=f"{path}: {source}")
        made[one.key] = one
    return [made[key] for key in sorted(made)]
