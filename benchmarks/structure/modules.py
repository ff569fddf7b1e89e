"""The modules of a source tree, read and never imported: which names they hold, and where from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

PACKAGES = ("retrieval", "classifiers", "forecasting", "pipelines", "serving")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A file of a package.

    Args:
        name: Dotted; that of a folder for its `__init__`.
        path: From the root of the tree.
        text: What is written in it.
    """

    name: str
    path: Path
    text: str

    @property
    def is_face(self) -> bool:
        """Whether it is an `__init__`, which hands names on and is counted nowhere."""
        return self.path.stem == "__init__"

    @property
    def lines(self) -> int:
        """Lines of the file."""
        return len(self.text.splitlines())

    @cached_property
    def tree(self) -> ast.Module:
        """The file, parsed."""
        return ast.parse(self.text)

    @cached_property
    def defined(self) -> dict[str, ast.stmt]:
        """Functions and classes by name."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return {node.name: node for node in self.tree.body if isinstance(node, kinds)}

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Local name → module and name there; an empty one where it is a module itself."""
        found: dict[str, tuple[str, str]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {one.asname or one.name: (node.module, one.name) for one in node.names}
            elif isinstance(node, ast.Import):
                found |= {one.asname or one.name: (one.name, "") for one in node.names}
        return found


@dataclass
class Tree:
    """All modules below a root.

    Args:
        root: The folder that holds the packages.
    """

    root: Path
    modules: dict[str, Module] = field(init=False)

    def __post_init__(self) -> None:
        files = [path for name in PACKAGES for path in sorted((self.root / name).rglob("*.py"))]
        read = [self._read(path.relative_to(self.root)) for path in files]
        self.modules = {module.name: module for module in read}

    def _read(self, path: Path) -> Module:
        parts = path.parent.parts if path.stem == "__init__" else path.with_suffix("").parts
        return Module(".".join(parts), path, (self.root / path).read_text(encoding="utf-8"))

    @property
    def counted(self) -> list[Module]:
        """All but the faces."""
        return [module for module in self.modules.values() if not module.is_face]

    def home(self, module: str, name: str) -> tuple[str, str] | None:
        """Where a name is defined, through the faces that hand it on; None for a third party's."""
        if f"{module}.{name}" in self.modules:
            return f"{module}.{name}", ""
        if module not in self.modules:
            return None
        found = self.modules[module]
        if name and name not in found.defined and name in found.imported:
            handed = self.home(*found.imported[name])
            return handed or (module, name)
        return module, name


def run_imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import that is run, at any depth: those under TYPE_CHECKING are not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for branch in node.orelse:
                yield from run_imports(branch)
        else:
            yield from run_imports(node)
