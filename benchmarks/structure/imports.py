"""Who imports whom: chains, circles, modules that serve one other, and ways past a face.

A name that a face (`__init__`) hands on counts as imported from the module that defines it, so that
trees with faces and without are measured alike. Imports inside functions count, those for types
alone do not.
"""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache

from benchmarks.structure.modules import PACKAGES, Module, Tree, run_imports

Graph = dict[str, set[str]]


def import_graph(tree: Tree) -> Graph:
    """Return for each module those that it imports."""
    return {module.name: _homes(tree, module) - {module.name} for module in tree.counted}


def _homes(tree: Tree, module: Module) -> set[str]:
    homes = [tree.home(*one) for node in run_imports(module.tree) for one in _names(node)]
    return {home[0] for home in homes if home and not tree.modules[home[0]].is_face}


def _names(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str]]:
    if isinstance(node, ast.Import):
        return [(one.name, "") for one in node.names]
    return [(node.module or "", one.name) for one in node.names]


def past_faces(tree: Tree) -> tuple[int, int]:
    """Count imports of another package: those that go past its face, and all; one a statement."""
    named = [
        node.module or ""
        for module in tree.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and _is_foreign(module, node.module or "")
    ]
    return sum(name not in PACKAGES for name in named), len(named)


def _is_foreign(module: Module, name: str) -> bool:
    package = name.split(".")[0]
    return package in PACKAGES and package != module.name.split(".")[0]


def single_importer(graph: Graph) -> list[str]:
    """Modules that exactly one other module imports."""
    importers = Counter(name for imported in graph.values() for name in imported)
    return sorted(name for name, count in importers.items() if count == 1)


def circles(graph: Graph) -> list[list[str]]:
    """Return groups of modules each of which reaches the others."""
    reached = {name: _reached(graph, name) for name in graph}
    groups = {
        frozenset(other for other in seen if name in reached[other])
        for name, seen in reached.items()
    }
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reached(graph: Graph, name: str) -> set[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        new = graph[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def longest_chain(graph: Graph) -> list[str]:
    """Return the longest way down from import to import; the modules of a circle are all on it."""
    group = {name: tuple(circle) for circle in circles(graph) for name in circle}

    @cache
    def below(names: tuple[str, ...]) -> tuple[str, ...]:
        next_ones = {group.get(other, (other,)) for name in names for other in graph[name]}
        ways = [below(one) for one in sorted(next_ones - {names})]
        return names + (max(ways, key=len) if ways else ())

    chains = [below(group.get(name, (name,))) for name in sorted(graph)]
    return list(max(chains, key=len))
