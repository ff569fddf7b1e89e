"""Which function a call means, read from the text: by imports, annotations and assignments.

- `name(...)`: a function or class of the module, or one imported, through the faces.
- `self.name(...)`, `cls(...)`: in the class itself, or in a base of it.
- `object.name(...)`: in the class that the object was annotated with, made by, or returned as.
- `anything.name(...)`: where exactly one class of ours has a method of that name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from benchmarks.structure.modules import Function, Module, Tree

Class = tuple[Module, ast.ClassDef]
_BUILTIN_METHODS = {name for kind in (dict, list, set, str) for name in dir(kind)}
# An object whose class hangs on another's, and so on: as far as anybody writes it.
_DEPTH = 6


@dataclass(frozen=True)
class Callee:
    """A function.

    Args:
        module: That holds it.
        owner: Its class.
        function: Its definition; None where a class has no `__init__` of its own.
    """

    module: Module
    owner: ast.ClassDef | None
    function: Function | None

    def parameter(self, position: int | None, keyword: str | None) -> str:
        """Return the name under which an argument arrives; empty where it goes into a container."""
        if self.function is None:
            return ""
        args = self.function.args
        names = [one.arg for one in (*args.posonlyargs, *args.args)]
        if keyword is not None:
            return keyword if keyword in {*names, *(one.arg for one in args.kwonlyargs)} else ""
        if names[:1] in (["self"], ["cls"]):
            names = names[1:]
        return names[position] if position is not None and position < len(names) else ""


class Callees:
    """Finds what calls mean in a tree.

    Args:
        tree: The modules.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def named(self, module: Module, name: str) -> Callee | None:
        """Return what a name, or `first.second`, means in a module."""
        first, _, second = name.partition(".")
        if first in module.imported and first not in module.defined:
            home = self._tree.home(*module.imported[first])
            rest = ".".join(part for part in (home[1], second) if part) if home else ""
            return self.named(self._tree.modules[home[0]], rest) if home and rest else None
        node = module.defined.get(first)
        if isinstance(node, ast.ClassDef):
            return self.method((module, node), second or "__init__")
        return Callee(module, None, node) if isinstance(node, Function) and not second else None

    def method(self, held: Class, name: str) -> Callee | None:
        """Return a method of a class, or of a base of it."""
        module, owner = held
        for node in owner.body:
            if isinstance(node, Function) and node.name == name:
                return Callee(module, owner, node)
        for base in owner.bases:
            found = self.named(module, f"{ast.unparse(base).split('[')[0]}.{name}")
            if found is not None:
                return found
        return Callee(module, owner, None) if name == "__init__" else None

    def called(self, place: Callee, function: ast.expr, depth: int = _DEPTH) -> Callee | None:
        """Return the function called at a place; None where it is not ours, or not to be told."""
        if isinstance(function, ast.Name):
            if function.id == "cls" and place.owner:
                return self.method((place.module, place.owner), "__init__")
            return self.named(place.module, function.id)
        if not isinstance(function, ast.Attribute):
            return None
        held = self._class_of(place, function.value, depth)
        if held is not None:
            return self.method(held, function.attr)
        if isinstance(function.value, ast.Name):
            found = self.named(place.module, f"{function.value.id}.{function.attr}")
            if found is not None:
                return found
        return self._only_method(function.attr)

    def _only_method(self, name: str) -> Callee | None:
        found = [] if name in _BUILTIN_METHODS else self._methods.get(name, [])
        return found[0] if len(found) == 1 else None

    @cached_property
    def _methods(self) -> dict[str, list[Callee]]:
        methods: dict[str, list[Callee]] = {}
        for module in self._tree.modules.values():
            for owner in module.defined.values():
                if not isinstance(owner, ast.ClassDef):
                    continue
                for node in owner.body:
                    if isinstance(node, Function):
                        methods.setdefault(node.name, []).append(Callee(module, owner, node))
        return methods

    def _class_of(self, place: Callee, value: ast.expr, depth: int) -> Class | None:
        """Return the class of ours that a value is of."""
        if depth == 0:
            return None
        if isinstance(value, ast.Call):
            return self._returned(self.called(place, value.func, depth - 1))
        if isinstance(value, ast.Name) and place.function is not None:
            if value.id in {"self", "cls"} and place.owner:
                return place.module, place.owner
            sources = _sources(place.function, value.id)
            return self._first(place, sources, depth - 1)
        if isinstance(value, ast.Attribute):
            holder = self._class_of(place, value.value, depth - 1)
            return self._kept(holder, value.attr, depth - 1) if holder else None
        return None

    def _first(self, place: Callee, sources: Iterator[Source], depth: int) -> Class | None:
        for kind, source in sources:
            if kind == "annotation":
                found = self._annotated(place.module, source)
            else:
                found = self._class_of(place, source, depth)
            if found is not None:
                return found
        return None

    def _kept(self, holder: Class, name: str, depth: int) -> Class | None:
        """Return the class of what an object keeps as a name: field, property or own attribute."""
        module, owner = holder
        for node in owner.body:
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
                return self._annotated(module, node.annotation)
            if isinstance(node, Function):
                place = Callee(module, owner, node)
                if node.name == name:
                    return self._returned(place)
                found = self._first(place, _sources(node, f"self.{name}"), depth)
                if found is not None:
                    return found
        return None

    def _returned(self, called: Callee | None) -> Class | None:
        if called is None:
            return None
        if called.owner and (called.function is None or called.function.name == "__init__"):
            return called.module, called.owner
        assert called.function is not None
        returns = called.function.returns
        if returns is not None and "Self" in ast.unparse(returns) and called.owner:
            return called.module, called.owner
        return None if returns is None else self._annotated(called.module, returns)

    def _annotated(self, module: Module, annotation: ast.expr) -> Class | None:
        """Return the first class of ours that an annotation names."""
        for node in ast.walk(annotation):
            if isinstance(node, ast.Name):
                found = self.named(module, node.id)
                if found is not None and found.owner is not None:
                    return found.module, found.owner
        return None


Source = tuple[str, ast.expr]


def _sources(function: Function, name: str) -> Iterator[Source]:
    """Yield what tells of which class a name is: annotations, and values that it is assigned."""
    args = function.args
    for one in (*args.posonlyargs, *args.args, *args.kwonlyargs):
        if one.arg == name and one.annotation is not None:
            yield "annotation", one.annotation
    for node in ast.walk(function):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            yield "annotation", node.annotation
        elif isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets):
            yield "value", node.value
        elif isinstance(node, ast.withitem) and _is_bound(node, name):
            yield "value", node.context_expr


def _is_bound(node: ast.withitem, name: str) -> bool:
    return node.optional_vars is not None and ast.unparse(node.optional_vars) == name
