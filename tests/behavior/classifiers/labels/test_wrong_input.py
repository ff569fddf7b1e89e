"""Whatever is passed where something else belongs: an error of ours, or a documented meaning."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from classifiers import LabelTree, NeighborClassifier, label_issues, normalize_labels
from retrieval import Between, Encoder, ItemIndex, LikewiseError
from tests.milvus_places import Places

X = ["whole milk", "skim milk", "potato chips", "corn chips"]
Y = ["dairy", "dairy", "snacks", "snacks"]
TABLE = pd.DataFrame({"item_id": list("abcd"), "name": X})
HALF = "\ud83d"

WRONG: dict[str, Any] = {
    "None": None,
    "NaN": float("nan"),
    "NA": pd.NA,
    "bytes": b"ab",
    "half a character": HALF,
    "half in a list": ["a", HALF, "b", "c"],
    "dict": {"a": 1},
    "set": {"a", "b"},
    "zero": 0,
    "minus": -1,
    "bool": True,
    "float": 2.5,
    "inf": float("inf"),
    "str": "abc",
    "empty str": "",
    "empty list": [],
    "nested": [["a"], ["b"], ["c"], ["d"]],
    "ragged": ["a", ["b"], "c", "d"],
    "mixed": ["a", 1, None, b"x"],
    "missing": [pd.NA] * 4,
    "ints": [1, 2, 3, 4],
    "dicts": [{}] * 4,
    "2-D": np.array([["a", "b"]] * 4),
    "0-D": np.array("a"),
    "3-D": np.zeros((4, 2, 2)),
    "vectors of another size": np.zeros((4, 3)),
    "empty table": pd.DataFrame(),
    "columns named by numbers": pd.DataFrame({0: ["a"] * 4, 1: ["b"] * 4}),
    "no ids": pd.DataFrame({"item_id": [None] * 4, "name": X}),
    "half in a table": pd.DataFrame(
        {"item_id": list("abcd"), "name": pd.Series(["a", HALF, "b", "c"], dtype=object)}
    ),
    "twice a column": pd.DataFrame([["a", "x", "y"]] * 4, columns=["item_id", "name", "name"]),
    "no texts": pd.DataFrame({"item_id": list("abcd"), "name": [1, 2, 3, 4]}),
    "categories": pd.Series(pd.Categorical(["a", None, "b", "c"])),
    "object": object(),
    "function": len,
    "index of tuples": pd.MultiIndex.from_tuples([("a", 1)] * 4),
    "date": pd.Timestamp("2024-01-01"),
    "complex": 1j,
    "range": range(4),
}


def _values() -> dict[str, Any]:
    return {**WRONG, "generator": (one for one in "abcd")}


def _ends_in_our_errors(call: Callable[[Any], object]) -> None:
    foreign = []
    for name, value in _values().items():
        try:
            call(value)
        except LikewiseError as error:
            assert str(error)
        except Exception as error:
            foreign.append(f"{name}: {type(error).__name__}: {error}")
    assert not foreign


@pytest.fixture(scope="module")
def one(encoder: Encoder) -> NeighborClassifier:
    return NeighborClassifier(encoder=encoder).fit(X, Y)


@pytest.fixture(scope="module")
def several(encoder: Encoder) -> NeighborClassifier:
    lists = [["a"], ["b"], [], ["a", "b"]]
    return NeighborClassifier(encoder=encoder, head=None, calibrate=False).fit(X, lists)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "arguments",
    [
        lambda value: ((value, Y), {}),
        lambda value: ((X, value), {}),
        lambda value: ((), {"labels": value}),
        lambda value: ((), {"labels": {"a": value}}),
        lambda value: ((X, Y), {"unlabeled": value}),
        lambda value: ((X, Y), {"groups": value}),
        lambda value: ((TABLE, Y), {"text": value}),
        lambda value: ((TABLE, Y), {"item_id": value}),
    ],
)
def test_what_cannot_be_learned(encoder: Encoder, arguments: Callable[[Any], Any]) -> None:
    def fit(value: Any) -> None:
        given, named = arguments(value)
        clf = NeighborClassifier(encoder=encoder, head=None, calibrate=False)
        clf.fit(*given, **named)

    _ends_in_our_errors(fit)


@pytest.mark.parametrize("name", sorted(NeighborClassifier().get_params(deep=False)))
def test_parameters(encoder: Encoder, name: str) -> None:
    def fit(value: Any) -> None:
        cheap = {"encoder": encoder, "head": None, "calibrate": False}
        NeighborClassifier(**{**cheap, name: value}).fit(X, Y)

    _ends_in_our_errors(fit)


@pytest.mark.filterwarnings("ignore")
def test_questions(one: NeighborClassifier, several: NeighborClassifier) -> None:
    for call in (
        one.predict,
        one.classify,
        one.explain,
        one.save,
        NeighborClassifier.load,
        lambda value: one.predict(X, where=value),
        lambda value: one.predict(X, candidates=value),
        lambda value: one.classify(X, coverage=value),
        lambda value: one.classify(X, neighbors=value),
        lambda value: one.classify(X, confidence=value),
        lambda value: one.explain(X, labels=value),
        lambda value: one.score(value, Y),
        lambda value: one.score(X, value),
        lambda value: one.score(X, Y, value),
        lambda value: several.score(X, value),
    ):
        if call == one.save:
            for value in (None, 3, b"", "", HALF, ["a"]):
                with pytest.raises(LikewiseError, match="path"):
                    one.save(value)  # type: ignore[arg-type]
        else:
            _ends_in_our_errors(call)


@pytest.mark.filterwarnings("ignore")
def test_what_is_added_or_removed(one: NeighborClassifier, several: NeighborClassifier) -> None:
    for call in (
        lambda value: copy.deepcopy(one).add_label(value),
        lambda value: copy.deepcopy(one).add_label("new", value),
        lambda value: copy.deepcopy(one).add_examples(value, Y),
        lambda value: copy.deepcopy(one).add_examples(X, value),
        lambda value: copy.deepcopy(several).add_examples(X, value),
        lambda value: copy.deepcopy(one).remove_examples(value),
    ):
        _ends_in_our_errors(call)


@pytest.mark.filterwarnings("ignore")
def test_labels_by_themselves(encoder: Encoder) -> None:
    for call in (
        normalize_labels,
        lambda value: normalize_labels([value]),
        LabelTree.from_paths,
        lambda value: LabelTree.from_paths([value]),
        lambda value: LabelTree.from_paths(["a > b"], value),
        lambda value: LabelTree.from_parents(["a"], value),
        lambda value: LabelTree.from_parents(["a"], {"a": value}),
        lambda value: label_issues(X, value, encoder=encoder),
        lambda value: label_issues(X, Y, encoder=value),
        lambda value: label_issues(X, Y, encoder=encoder, k=value),
        lambda value: label_issues(X, Y, encoder=encoder, duplicate_similarity=value),
    ):
        _ends_in_our_errors(call)


@pytest.mark.filterwarnings("ignore")
def test_encoders_and_indexes(milvus: Places, encoder: Encoder) -> None:
    with milvus().open(encoder) as index:
        index.upsert(TABLE, text="name")
        for call in (
            encoder.encode,
            lambda value: encoder.encode([value]),
            lambda value: Encoder(batch_size=value),
            lambda value: Encoder(backend=value),
            lambda value: Encoder(precision=value),
            lambda value: Encoder(prompts=value),
            lambda value: Encoder(device=value),
            lambda value: Encoder(truncate_dim=value),
            lambda value: Encoder(max_length=value),
            lambda value: Encoder(endpoint=value),
            lambda value: encoder.encode(X, side=value),
            index.neighbors,
            lambda value: index.neighbors(X, k=value),
            lambda value: index.neighbors(X, where=value),
            lambda value: index.neighbors(X, ids=value),
            lambda value: index.neighbors(X, labeled=value),
            index.get,
            lambda value: index.get([value]),
            index.vectors,
            lambda value: index.upsert(TABLE, text=value),
            lambda value: index.upsert(TABLE, text="name", label=value),
            lambda value: index.upsert(TABLE, text="name", attributes=value),
            lambda value: index.upsert(TABLE, text="name", item_id=value),
            lambda value: index.upsert(TABLE, text="name", vectors=value),
            lambda value: ItemIndex(":memory:", encoder, index=value),
            lambda value: ItemIndex(":memory:", encoder, index_params=value),
            lambda value: ItemIndex(":memory:", encoder, tenant=value),
            lambda value: ItemIndex(":memory:", encoder, collection=value),
            lambda value: ItemIndex(":memory:", None if value is None else _no_maker(value)),
            Between,
        ):
            _ends_in_our_errors(call)


def _no_maker(value: Any) -> Any:
    return "x" if callable(value) else value
