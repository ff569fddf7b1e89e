"""How the code is laid out: folders, imports, longest pieces, and how far parameters are carried.

    python -m benchmarks.structure.report              # the files as they are now
    python -m benchmarks.structure.report --at 5ca0c04 # as they were at a revision

`__init__` files are not counted as modules. How imports and parameters are counted stands in
`benchmarks/structure/imports.py` and `parameters.py`. Nothing of what is measured is imported.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.structure.imports import (
    circles,
    import_graph,
    longest_chain,
    past_faces,
    single_importer,
)
from benchmarks.structure.modules import Function, Module, Tree
from benchmarks.structure.parameters import follow

ROOT = Path(__file__).resolve().parents[2]
# Package, function or method, parameter: the two ways that most of the code lies on.
WALKS = (
    ("pipelines", "forecast_launches", "sales"),
    ("forecasting", "LaunchForecaster.predict", "new_items"),
)


def main() -> None:
    """Print the measures of the working tree, or of a revision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at", metavar="REV", help="a git revision; else the files as they are")
    revision = parser.parse_args().at
    with _tree_at(revision) as tree:
        print(f"structure of {revision or 'the working tree'}")
        print("\n".join([*folder_lines(tree), *import_lines(tree), *piece_lines(tree)]))
        print("\n".join(walk_lines(tree)))


@contextmanager
def _tree_at(revision: str | None) -> Iterator[Tree]:
    if revision is None:
        yield Tree(ROOT)
        return
    archive = ["git", "archive", "--format=tar", revision]
    packed = subprocess.run(archive, cwd=ROOT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(folder, filter="data")
        yield Tree(Path(folder))


def folder_lines(tree: Tree) -> list[str]:
    """Modules and lines by folder, and the widest one."""
    folders: dict[str, list[Module]] = {}
    for module in tree.counted:
        folders.setdefault(module.path.parent.as_posix(), []).append(module)
    rows = [
        f"  {folder:28} {len(held):3} modules {sum(each.lines for each in held):6,} lines"
        for folder, held in sorted(folders.items())
    ]
    widest = max(folders, key=lambda folder: len(folders[folder]))
    return [
        *rows,
        f"modules: {len(tree.counted)} in {len(folders)} folders, "
        f"{sum(module.lines for module in tree.counted):,} lines",
        f"widest folder: {widest}, {len(folders[widest])} modules",
    ]


def import_lines(tree: Tree) -> list[str]:
    """Return what the imports say."""
    graph = import_graph(tree)
    chain, found = longest_chain(graph), circles(graph)
    past, between = past_faces(tree)
    return [
        f"longest import chain: {len(chain)} modules",
        *_wrapped(chain, " > "),
        f"circles of files: {len(found)}",
        *[f"  {' - '.join(circle)}" for circle in found],
        f"modules with one importer: {len(single_importer(graph))}",
        f"imports between packages that go past a face: {past} of {between}",
    ]


def piece_lines(tree: Tree) -> list[str]:
    """Return the longest function, without its docstring, and the longest file."""
    functions = [
        (_length(node), f"{module.path.as_posix()}: {node.name}")
        for module in tree.counted
        for node in ast.walk(module.tree)
        if isinstance(node, Function)
    ]
    longest, where = max(functions)
    file = max(tree.counted, key=lambda module: module.lines)
    return [
        f"longest function: {longest} lines without docstring, {where}; "
        f"{sum(length > 40 for length, _ in functions)} of {len(functions)} have more than 40",
        f"longest file: {file.lines} lines, {file.path.as_posix()}; "
        f"{sum(module.lines > 400 for module in tree.counted)} have more than 400",
    ]


def _length(function: Function) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def walk_lines(tree: Tree) -> list[str]:
    """How often, and through which files, the parameters of `WALKS` are handed on."""
    lines = []
    for package, name, parameter in WALKS:
        walk = follow(tree, _holder(tree, package, name), name, parameter)
        lines.append(
            f"{parameter} in {name}: handed on {walk.calls} times through {len(walk.files)} files"
        )
        lines += _wrapped([path.as_posix() for path in walk.files], ", ")
    return lines


def _holder(tree: Tree, package: str, name: str) -> str:
    """Find the module that defines a function or class, wherever it has been moved to."""
    first = name.split(".")[0]
    return next(
        module.name
        for module in tree.counted
        if module.name.startswith(f"{package}.") and first in module.defined
    )


def _wrapped(words: Sequence[str], joint: str, width: int = 100) -> list[str]:
    lines = [""]
    for word in words:
        piece = word if word == words[-1] else word + joint.rstrip()
        if len(lines[-1]) + len(piece) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {piece}".strip()
    return [f"  {line}" for line in lines]


if __name__ == "__main__":
    main()
