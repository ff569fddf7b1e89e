"""How far a parameter is carried: the calls in which it is handed on, and the files they lead to.

Counted from the text alone. From the first function on, each call of a function of ours counts in
which the parameter is an argument, and the same is then asked of that function's own parameter. It
is still the same thing

- as one side of `a or b` or `a if b else c`, and under another name that it is assigned to;
- under its own name, whatever is assigned to it;
- as the table that comes back from a call of which it was the first argument: read, checked,
  cleaned. (A call returns a table where it is annotated to return a `pd.DataFrame`.)

What else is made of it is another thing. What is put into an object and taken out again, or handed
on as `**options`, is not followed, nor is a call of which the text does not tell what it calls
(`callees.py` says how that is read), so that the figures are the least there can be.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.structure.callees import Callee, Callees
from benchmarks.structure.modules import Function, Tree


@dataclass(frozen=True)
class Walk:
    """What was found.

    Args:
        calls: Times that the parameter is handed on.
        files: That it passes through.
    """

    calls: int
    files: list[Path]


def follow(tree: Tree, module: str, name: str, parameter: str) -> Walk:
    """Follow a parameter of a function (`name`) or method (`Class.name`) of a module."""
    callees = Callees(tree)
    start = callees.named(tree.modules[module], name)
    assert start is not None
    waiting, seen, calls = [(start, parameter)], {(start, parameter)}, 0
    while waiting:
        for found in _handed(callees, *waiting.pop()):
            calls += 1
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    return Walk(calls, sorted({place.module.path for place, _ in seen}))


def _handed(callees: Callees, place: Callee, variable: str) -> Iterator[tuple[Callee, str]]:
    """Functions of ours that get the variable, and under which name they do."""
    if place.function is None or not variable:
        return
    names = _aliases(callees, place, place.function, variable)
    for call in (node for node in ast.walk(place.function) if isinstance(node, ast.Call)):
        function, positional = call.func, call.args
        if isinstance(function, ast.Name) and function.id == "partial" and positional:
            function, positional = positional[0], positional[1:]
        called = callees.called(place, function)
        if called is None:
            continue
        for position, argument in enumerate(positional):
            if _is_one_of(argument, names):
                yield called, called.parameter(position, None)
        for keyword in call.keywords:
            if keyword.arg and _is_one_of(keyword.value, names):
                yield called, called.parameter(None, keyword.arg)


def _aliases(callees: Callees, place: Callee, function: Function, variable: str) -> set[str]:
    """Return the names under which the variable goes in a function."""
    names = {variable}
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target, value in _pairs(node):
            if _is_one_of(value, names) or _comes_back(callees, place, value, names):
                names.add(target)
    return names


def _pairs(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    """Names and what each is assigned; `a, b = c, d` are two."""
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for one, value in zip(target.elts, node.value.elts, strict=False):
                if isinstance(one, ast.Name):
                    yield one.id, value


def _comes_back(callees: Callees, place: Callee, value: ast.expr, names: set[str]) -> bool:
    if not isinstance(value, ast.Call) or not value.args or not _is_one_of(value.args[0], names):
        return False
    called = callees.called(place, value.func)
    returns = called.function.returns if called and called.function else None
    return returns is not None and ast.unparse(returns).startswith("pd.DataFrame")


def _is_one_of(value: ast.expr, names: set[str]) -> bool:
    if isinstance(value, ast.BoolOp):
        return any(_is_one_of(one, names) for one in value.values)
    if isinstance(value, ast.IfExp):
        return _is_one_of(value.body, names) or _is_one_of(value.orelse, names)
    return isinstance(value, ast.Name) and value.id in names
