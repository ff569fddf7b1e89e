"""Labels that form a tree: probabilities that add up along it, and how deep an answer may go."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from classifiers.arrays import FloatArray, Positions
from retrieval import InputError, require_kind

# Names from the root down to a node. Sorted, every node follows its parent.
_Path = tuple[str, ...]

_DIGITS = 12


@dataclass(frozen=True)
class LabelTree:
    """The labels of a classifier and all that is above them.

    An inner node may be a label too: an example known to be "Grocery > Snacks" and no more. It is a
    class of its own, whose probability is the node's own share beside those of its children.

    Attributes:
        nodes: Names of all nodes, each after its parent. The order depends on the names alone.
        parents: (n_nodes,) position of each node's parent; -1 for a root.
        depths: (n_nodes,) 0 for a root, 1 for its children, and so on.
        class_nodes: (n_classes,) position of the node that each label stands for, in the order the
            labels were given.
    """

    nodes: tuple[str, ...]
    parents: Positions
    depths: Positions
    class_nodes: Positions

    @classmethod
    def from_paths(cls, labels: Iterable[Any], separator: str = " > ") -> Self:
        """Read the tree from labels that are paths, such as "Grocery > Snacks > Chips".

        Blanks around a part do not count: labels that differ in nothing else are one node. A node
        is named as the label is written; a node without a label, by its path.

        Args:
            labels: The labels, for example the `classes_` of a classifier. A label without
                separator is a root; where all are, the tree is flat.
            separator: What stands between the parts. A blank at its start or end has to be there:
                " > " does not split "A>B", and ">" splits both "A>B" and "A > B".

        Raises:
            InputError: A label is not a string, or a part of a path is blank.
        """
        names = _checked_names(labels)
        pattern = _separator_pattern(separator)
        paths = [_parts(name, pattern, separator) for name in names]
        written: dict[_Path, str] = {}
        for path, name in sorted(zip(paths, names, strict=True)):
            written.setdefault(path, name)
        return cls._build(paths, lambda path: written.get(path, separator.join(path)))

    @classmethod
    def from_parents(cls, labels: Iterable[Any], parents: Mapping[str, str]) -> Self:
        """Read the tree from a mapping of child to parent.

        Args:
            labels: The labels, for example the `classes_` of a classifier. One that is not in
                `parents` is a root.
            parents: Name of a child → name of its parent; a root has no entry. What is neither a
                label nor above one is left out of the tree.

        Raises:
            InputError: A name is not a string or blank, the mapping goes round in a circle, or none
                of the labels is in it.
        """
        names = _checked_names(labels)
        parent_of = _checked_parents(parents)
        if parent_of and not set(names) & {*parent_of, *parent_of.values()}:
            shown, known = ", ".join(names[:3]), ", ".join(list(parent_of)[:3])
            raise InputError(f"parents names none of the labels ({shown}, ...), but {known}, ...")
        return cls._build([_path_to(name, parent_of) for name in names], lambda path: path[-1])

    @classmethod
    def _build(cls, paths: Sequence[_Path], name: Callable[[_Path], str]) -> Self:
        every = sorted({path[:end] for path in paths for end in range(1, len(path) + 1)})
        position = {path: number for number, path in enumerate(every)}
        return cls(
            nodes=tuple(name(path) for path in every),
            parents=np.array([position.get(path[:-1], -1) for path in every], dtype=np.intp),
            depths=np.array([len(path) - 1 for path in every], dtype=np.intp),
            class_nodes=np.array([position[path] for path in paths], dtype=np.intp),
        )

    def probabilities(self, proba: npt.ArrayLike) -> FloatArray:
        """Add up the probabilities of the labels along the tree.

        Args:
            proba: (n, n_classes), columns in the order of the labels the tree was made of; for
                example of `NeighborClassifier.predict_proba`.

        Returns:
            (n, n_nodes): a node has the probability of its own label, if it is one, plus those of
            its children; never more than its parent. The roots of a row sum to what the row sums
            to.

        Raises:
            InputError: `proba` does not have a column for each label.
        """
        given = np.asarray(proba, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != len(self.class_nodes):
            expected = f"(n, {len(self.class_nodes)})"
            raise InputError(f"probabilities have shape {given.shape}, expected {expected}")
        summed: FloatArray = np.ascontiguousarray((self._members @ given.T).T)
        # Without the noise of the addition: three thirds are 1.
        return summed.round(_DIGITS)

    def deepest(self, node_proba: FloatArray, confidence: float) -> tuple[Positions, FloatArray]:
        """Find the most precise answer that is still certain enough.

        That is the deepest node with a probability of at least `confidence`; of several at this
        depth the most probable one, and of equally probable ones the first in `nodes`. Above 0.5 at
        most one node of each depth qualifies and the answers lie on one way down from a root; up to
        0.5 the deepest node may lie beside the most probable branch.

        Args:
            node_proba: (n, n_nodes) from `probabilities`.
            confidence: In (0, 1].

        Returns:
            (n,) positions in `nodes`, -1 where not even a root is certain enough, and (n,) their
            probabilities, NaN there.

        Raises:
            InputError: `confidence` is not in (0, 1], or `node_proba` lacks a column for each node.
        """
        if not 0 < confidence <= 1:
            raise InputError(f"confidence must be in (0, 1], got {confidence!r}")
        if node_proba.ndim != 2 or node_proba.shape[1] != len(self.nodes):
            expected = f"(n, {len(self.nodes)})"
            raise InputError(f"node_proba has shape {node_proba.shape}, expected {expected}")
        answer = np.full(len(node_proba), -1, dtype=np.intp)
        probability = np.full(len(node_proba), np.nan)
        for depth in range(self.depths.max() + 1):
            columns = np.flatnonzero(self.depths == depth)
            level = node_proba[:, columns]
            best = level.argmax(axis=1)
            reached = np.take_along_axis(level, best[:, None], axis=1)[:, 0]
            certain = reached >= confidence
            answer[certain] = columns[best[certain]]
            probability[certain] = reached[certain]
        return answer, probability

    @cached_property
    def _members(self) -> csr_array:
        """(n_nodes, n_classes): 1 where a class is a node or is below it."""
        rows, columns = [], []
        nodes, classes = self.class_nodes, np.arange(len(self.class_nodes))
        while len(nodes):
            rows.append(nodes)
            columns.append(classes)
            above = self.parents[nodes]
            nodes, classes = above[above >= 0], classes[above >= 0]
        row, column = np.concatenate(rows), np.concatenate(columns)
        shape = (len(self.nodes), len(self.class_nodes))
        # Rows come out sorted: nodes sum in the order of the classes, none to more than its parent.
        return csr_array((np.ones(len(row)), (row, column)), shape=shape)


def _checked_names(labels: Iterable[Any]) -> list[str]:
    if isinstance(labels, str):
        raise InputError(f"labels must be several names, got the string {labels!r}")
    if not isinstance(labels, Iterable) or (isinstance(labels, np.ndarray) and labels.ndim != 1):
        raise InputError(f"labels must be several names, got {type(labels).__name__}")
    names = [_checked_name(label, "labels") for label in labels]
    if not names:
        raise InputError("labels is empty: a tree needs at least one")
    return names


def _checked_name(name: Any, source: str) -> str:
    if not isinstance(name, str):
        raise InputError(f"{source}: the names in a tree are strings, got {name!r}")
    if not name.strip():
        raise InputError(f"{source}: a blank name: {name!r}")
    return name.strip()


def _separator_pattern(separator: str) -> re.Pattern[str]:
    if not isinstance(separator, str) or not separator.strip():
        raise InputError(f"separator must be a string that is not blank, got {separator!r}")
    # A blank of the separator may also be the start or end of the label: "A > " has a blank part.
    before = r"(?<!\S)" if separator[0].isspace() else ""
    after = r"(?!\S)" if separator[-1].isspace() else ""
    return re.compile(before + re.escape(separator.strip()) + after)


def _parts(name: str, pattern: re.Pattern[str], separator: str) -> _Path:
    parts = tuple(part.strip() for part in pattern.split(name))
    if not all(parts):
        raise InputError(f"label {name!r} has a blank part; parts are separated by {separator!r}")
    return parts


def _checked_parents(parents: Mapping[str, str]) -> dict[str, str]:
    require_kind(parents, "parents", Mapping)
    parent_of: dict[str, str] = {}
    for child, parent in parents.items():
        name, above = _checked_name(child, "parents"), _checked_name(parent, "parents")
        if parent_of.setdefault(name, above) != above:
            raise InputError(f"parents: {name!r} has two: {parent_of[name]!r} and {above!r}")
    try:
        TopologicalSorter({child: [above] for child, above in parent_of.items()}).prepare()
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise InputError(f"parents goes round in a circle: {circle}") from None
    return parent_of


def _path_to(name: str, parent_of: Mapping[str, str]) -> _Path:
    path = [name]
    while path[-1] in parent_of:
        path.append(parent_of[path[-1]])
    return tuple(reversed(path))
