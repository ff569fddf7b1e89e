"""Draw what is around an item or a concept in the graph."""

from __future__ import annotations

import textwrap
from pathlib import Path

import networkx as nx
from matplotlib.figure import Figure

from retrieval import ConceptGraph, replacing

_MOST = 12
_OF = "is of"
_WIDE = 18  # letters in a line
_COLORS = {"asked": "#c0392b", "concept": "#2c6fbb", "item": "#7f8c8d"}


def neighborhood(graph: ConceptGraph, node: str, *, most: int = _MOST) -> nx.DiGraph:
    """Return what is around an item or a concept: concepts above and below, relations, items.

    Args:
        graph: The graph.
        node: An item's id; or the id, name or path of a concept.
        most: Items, and children, to show at most.

    Returns:
        Nodes with `label` and `kind` (asked, concept, item), edges with `label`.

    Raises:
        InputError: There is no such item or concept.
    """
    drawn = nx.DiGraph()
    linked = graph.links([node])
    if len(linked) or graph.index.get([node]).shape[0]:
        drawn.add_node(node, label=_text(graph, node), kind="asked")
        concept = linked["concept_id"].iloc[0] if len(linked) else None
        if isinstance(concept, str):
            _add_concept(drawn, graph, concept, "concept")
            drawn.add_edge(node, concept, label=_OF)
            siblings = [one for one in graph.items(concept, below=False) if one != node]
            _add_items(drawn, graph, concept, siblings[:most])
        _add_relations(drawn, graph, node, most)
        return drawn
    key = graph.concepts.one_named(node)
    _add_concept(drawn, graph, key, "asked")
    for child in sorted(graph.concepts.children.get(key, []))[:most]:
        drawn.add_node(child, label=graph.concepts[child].name, kind="concept")
        drawn.add_edge(child, key, label="")
    _add_items(drawn, graph, key, graph.items(key, below=False)[:most])
    _add_relations(drawn, graph, key, most)
    return drawn


def draw_neighborhood(graph: ConceptGraph, node: str, path: Path, *, most: int = _MOST) -> None:
    """Draw `neighborhood` into a PNG file, which is replaced as a whole.

    Roots stand on top, items below the concept they are of; what somebody has said is dashed.
    """
    drawn = neighborhood(graph, node, most=most)
    places = _places(drawn, graph)
    height = 1.6 + 1.1 * len({y for _, y in places.values()})
    figure = Figure(figsize=(9, height), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.margins(0.08, 0.14)
    colors = [_COLORS[kind] for _, kind in drawn.nodes(data="kind")]
    nx.draw_networkx_nodes(drawn, places, ax=axes, node_color=colors, node_size=130)
    said = {(a, b): label for a, b, label in drawn.edges(data="label") if label not in ("", _OF)}
    plain = [edge for edge in drawn.edges if edge not in said]
    nx.draw_networkx_edges(drawn, places, plain, ax=axes, edge_color="#c4cacf", arrows=False)
    bent = "arc3,rad=0.25"
    nx.draw_networkx_edges(
        drawn,
        places,
        list(said),
        ax=axes,
        edge_color=_COLORS["asked"],
        style="dashed",
        arrowsize=10,
        connectionstyle=bent,
    )
    words = {edge: label.replace("_", " ") for edge, label in said.items()}
    nx.draw_networkx_edge_labels(
        drawn, places, words, ax=axes, font_size=7, connectionstyle=bent, rotate=False
    )
    for one, label in drawn.nodes(data="label"):
        text = textwrap.fill(str(label), _WIDE, max_lines=3, placeholder="…").replace("$", r"\$")
        up = drawn.nodes[one]["kind"] != "item" and one in graph.concepts
        shift, side = (7, "bottom") if up else (-8, "top")
        axes.annotate(
            text,
            places[one],
            (0, shift),
            textcoords="offset points",
            ha="center",
            va=side,
            size=8,
            bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.85},
        )
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _places(drawn: nx.DiGraph, graph: ConceptGraph) -> dict[str, tuple[float, float]]:
    """Where each node stands: concepts by their depth, items below them, in two rows if many."""
    ways = graph.concepts.paths
    depth = {one: len(ways[one]) for one in drawn if one in graph.concepts}
    items = [one for one in drawn if one not in depth]
    items.sort(key=lambda one: drawn.nodes[one]["kind"] != "asked")
    lowest = max(depth.values(), default=0) + 1
    rows: dict[int, list[str]] = {}
    for one, level in depth.items():
        rows.setdefault(level, []).append(one)
    for place, one in enumerate(items):
        rows.setdefault(lowest + (place % 2 if len(items) > 1 else 0), []).append(one)
    places = {}
    for level, row in rows.items():
        aside = 0.5 if level > lowest else 0.0  # lines to the second row pass between the first
        for place, one in enumerate(row):
            places[one] = ((place + 1 + aside) / (len(row) + 1), -float(level))
    return places


def _add_concept(drawn: nx.DiGraph, graph: ConceptGraph, concept: str, kind: str) -> None:
    """Add a concept and the way up to its root."""
    way = graph.concepts.paths[concept]
    for above, one in zip((None, *way), way, strict=False):
        name = graph.concepts[one].name
        drawn.add_node(one, label=name, kind=kind if one == concept else "concept")
        if above is not None:
            drawn.add_edge(one, above, label="")


def _add_items(drawn: nx.DiGraph, graph: ConceptGraph, concept: str, items: list[str]) -> None:
    for item in items:
        drawn.add_node(item, label=_text(graph, item), kind="item")
        drawn.add_edge(item, concept, label="")


def _add_relations(drawn: nx.DiGraph, graph: ConceptGraph, node: str, most: int) -> None:
    said = graph.relations()
    near = said[(said["source"] == node) | (said["target"] == node)].head(most)
    for one in near.to_dict("records"):
        for end in (str(one["source"]), str(one["target"])):
            if end not in drawn:
                is_concept = end in graph.concepts
                label = graph.concepts[end].name if is_concept else _text(graph, end)
                drawn.add_node(end, label=label, kind="concept" if is_concept else "item")
        drawn.add_edge(one["source"], one["target"], label=str(one["relation"]))


def _text(graph: ConceptGraph, item: str) -> str:
    found = graph.index.get([item])["text"]
    return (str(found.iloc[0])[:80] if len(found) else "") or item
