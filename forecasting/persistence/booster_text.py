"""LightGBM's text of trees, checked before LightGBM, which believes every index, reads it.

A forged text could otherwise end the process or never answer: children that lie elsewhere in
memory, or lead in a circle; features that no row has; lines where none are expected. The format is
that of LightGBM 4, its ``GBDT::SaveModelToString``: a header, a block of ``name=values`` lines for
each tree, how often features were used, parameters. Nothing else may stand there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

_Fields = Mapping[str, str]

_END = "end of trees"
_OF_SPLITS = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_OF_SPLITS_AT_MOST = ("split_gain", "internal_value", "internal_weight", "internal_count")
_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_WHOLE = {"split_feature", "decision_type", "left_child", "right_child", "cat_boundaries"}
_OF_TREES = {
    *("num_leaves", "num_cat", "cat_boundaries", "cat_threshold", "is_linear", "shrinkage"),
    *(*_OF_SPLITS, *_OF_SPLITS_AT_MOST, *_OF_LEAVES),
}
_OF_THE_HEADER = {
    *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx"),
    *("objective", "feature_names", "feature_infos", "monotone_constraints", "tree_sizes"),
}
_AVERAGE = "average_output"  # of a forest: a line of the header without a value
_CATEGORICAL = 1  # the bit of decision_type
_MOST = 2**31  # of a whole number
_REST = re.compile(
    r"(\nfeature_importances:\n(?:[^\n]+=\d{1,9}\n)*)?"
    r"(\nparameters:\n(?:\[\w+: [^\n]*\]\n)*\nend of parameters\n)?"
    r"(\npandas_categorical:[^\n]*\n?)?\n*"
)


def read_booster(text: str) -> lgb.Booster:
    """Return the trees of a text.

    Raises:
        ValueError: It is none that LightGBM has written.
        LightGBMError: LightGBM cannot read it.
    """
    body, ends, rest = text.partition(f"\n{_END}\n")
    header, *trees = body.split("\nTree=")
    if not ends:
        raise ValueError(f"no line {_END!r}")
    beginning, _, header = header.partition("\n")
    plain = header.replace(f"\n{_AVERAGE}\n", "\n", 1)
    flags = [_AVERAGE] if plain != header else []
    head = _fields(plain, _OF_THE_HEADER)
    if beginning != "tree" or not _REST.fullmatch(rest):
        raise ValueError("lines that LightGBM does not write")
    if (head.get("num_class"), head.get("num_tree_per_iteration")) != ("1", "1"):
        raise ValueError("trees of several classes")
    n_features = int(head["max_feature_idx"]) + 1
    for name in ("feature_names", "feature_infos"):
        if len(head[name].split(" ")) != n_features:
            raise ValueError(f"{name} is not of {n_features} features")
    told = [_told(number, tree, n_features) for number, tree in enumerate(trees)]
    # Where each tree begins, LightGBM finds itself: sizes could point elsewhere.
    lines = [f"{name}={value}" for name, value in head.items() if name != "tree_sizes"]
    return lgb.Booster(model_str="\n".join(["tree", *lines, *flags, "", *told, _END]) + "\n" + rest)


def _told(number: int, tree: str, n_features: int) -> str:
    """Return a tree that was checked, written as LightGBM writes it."""
    counted, _, block = tree.partition("\n")
    try:
        fields = _fields(block, _OF_TREES)
        if counted != str(number):
            raise ValueError("is not counted as such")
        _check_tree(fields, n_features)
    except (KeyError, ValueError) as error:
        raise ValueError(f"tree {number}: {error}") from None
    lines = (f"{name}={' '.join(value.split())}" for name, value in fields.items())
    return "\n".join([f"Tree={number}", *lines, "\n"])


def _fields(block: str, known: Set[str]) -> dict[str, str]:
    return dict(_pairs(block, known))


def _pairs(block: str, known: Set[str]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for line in block.rstrip("\n").split("\n"):
        name, equals, value = line.partition("=")
        if not equals or name not in known:
            raise ValueError("a line that LightGBM does not write")
        if name in seen:  # which of the two LightGBM takes is not said anywhere
            raise ValueError(f"{name} stands there twice")
        seen.add(name)
        yield name, value


def _check_tree(tree: _Fields, n_features: int) -> None:
    n_leaves = int(tree["num_leaves"])
    if n_leaves < 1 or int(tree.get("is_linear", 0)) != 0:
        raise ValueError("a kind that this project does not write")
    _numbers(tree, "shrinkage", 1)
    for name in _OF_LEAVES:
        _numbers(tree, name, n_leaves, or_none=name != "leaf_value")
    if n_leaves == 1:
        return
    n_splits = n_leaves - 1
    split = {name: _numbers(tree, name, n_splits) for name in _OF_SPLITS}
    for name in _OF_SPLITS_AT_MOST:
        _numbers(tree, name, n_splits, or_none=True)
    feature = split["split_feature"]
    if feature.min() < 0 or feature.max() >= n_features:
        raise ValueError("split_feature names a feature that there is not")
    for name in ("left_child", "right_child"):
        _check_children(name, split[name], n_leaves)
    _check_categories(tree, split)


def _check_children(name: str, child: npt.NDArray[np.float64], n_leaves: int) -> None:
    """Negative ones are leaves; a split is written after the one that leads to it."""
    is_split = child >= 0
    if (child[is_split] >= n_leaves - 1).any() or (~child[~is_split].astype(int) >= n_leaves).any():
        raise ValueError(f"{name} leads out of the tree")
    if (child[is_split] <= np.flatnonzero(is_split)).any():
        raise ValueError(f"{name} leads back")


def _check_categories(tree: _Fields, split: Mapping[str, npt.NDArray[np.float64]]) -> None:
    n_sets = int(tree["num_cat"])
    is_by_set = (split["decision_type"].astype(int) & _CATEGORICAL) == _CATEGORICAL
    chosen = split["threshold"][is_by_set]
    if n_sets < 0 or (n_sets == 0 and len(chosen)):
        raise ValueError("threshold names a set of categories that there is not")
    if n_sets == 0:
        return
    if ((chosen < 0) | (chosen >= n_sets) | (chosen % 1 != 0)).any():
        raise ValueError("threshold names a set of categories that there is not")
    bounds = _numbers(tree, "cat_boundaries", n_sets + 1)
    _numbers(tree, "cat_threshold", int(bounds[-1]))
    if bounds[0] != 0 or (np.diff(bounds) < 0).any():
        raise ValueError("cat_boundaries do not follow each other")


def _numbers(
    tree: _Fields, name: str, count: int, *, or_none: bool = False
) -> npt.NDArray[np.float64]:
    values = tree.get(name, "").split()
    if len(values) != count and not (or_none and not values):
        raise ValueError(f"{name} holds {len(values)} numbers, not {count}")
    numbers = np.array(values, dtype=np.float64)
    is_kind = bool(np.isfinite(numbers).all())
    if is_kind and name in _WHOLE:
        is_kind = bool(((numbers % 1 == 0) & (np.abs(numbers) < _MOST)).all())
    if not is_kind:
        raise ValueError(f"{name} holds something else than numbers of its kind")
    return numbers
