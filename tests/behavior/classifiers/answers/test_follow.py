"""Items of a shared index come, change and go, and the classifier follows without training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from classifiers.scorers.ensemble import NewLabelsError
from retrieval import Encoder, InputError, ItemIndex

_ITEMS = pd.DataFrame(
    {
        "item_id": ["c0", "c1", "c2", "c3", "t0", "t1", "t2", "t3"],
        "text": [
            "coffee beans",
            "ground coffee",
            "instant coffee",
            "coffee pods",
            "green tea",
            "tea bags",
            "iced tea",
            "black tea leaves",
        ],
        "label": ["coffee"] * 4 + ["tea"] * 4,
        "launch_date": ["2024-01-01"] * 8,
    }
)
_COLUMNS = {"text": "text", "label": "label", "launch_date": "launch_date"}


@pytest.fixture
def index(tmp_path: Path, encoder: Encoder) -> Iterator[ItemIndex]:
    with ItemIndex(str(tmp_path / "items.db"), encoder) as opened:
        opened.upsert(_ITEMS, **_COLUMNS)
        yield opened


def _follow(classifier: NeighborClassifier, items: pd.DataFrame) -> None:
    index = classifier.index_
    vectors = index.encoder.encode(items["text"].tolist())
    classifier.follow(
        items["item_id"].tolist(),
        [label if isinstance(label, str) else None for label in items["label"]],
        vectors,
        lambda: index.upsert(items, **_COLUMNS, vectors=vectors),
    )


def _sums(classifier: NeighborClassifier) -> dict[str, np.ndarray]:
    prototypes = classifier.knowledge_.trained.sources.prototypes
    assert prototypes is not None
    return dict(zip(prototypes.names.tolist(), prototypes.sums, strict=True))


def test_a_new_label_comes_with_its_first_item(index: ItemIndex) -> None:
    classifier = NeighborClassifier(index=index, k=3).fit()
    soup = pd.DataFrame(
        [{"item_id": "s", "text": "tomato soup", "label": "soup", "launch_date": None}]
    )
    _follow(classifier, soup)
    assert classifier.classes_.tolist() == ["coffee", "soup", "tea"]
    assert classifier.predict(["chicken soup"]).tolist() == ["soup"]
    assert "s" in classifier.knowledge_.example_ids


def test_following_and_reading_anew_come_to_the_same(index: ItemIndex) -> None:
    classifier = NeighborClassifier(index=index, k=3).fit()
    changed = _ITEMS.iloc[[0, 5]].assign(label=["tea", None])
    _follow(classifier, changed)
    followed = classifier.knowledge_
    sums = _sums(classifier)
    classifier.catch_up()
    held = classifier.knowledge_
    assert followed.example_ids == held.example_ids
    assert followed.counts.tolist() == held.counts.tolist() == [3, 4]
    for name, one in _sums(classifier).items():
        np.testing.assert_allclose(sums[name], one, atol=1e-5)


def test_what_others_wrote_is_named_as_such_and_caught_up_with(index: ItemIndex) -> None:
    classifier = NeighborClassifier(index=index, k=3).fit()
    other = pd.DataFrame(
        [{"item_id": "s", "text": "tomato soup", "label": "soup", "launch_date": None}]
    )
    index.upsert(other, **_COLUMNS)
    with pytest.raises(NewLabelsError, match="came after fit"):
        classifier.predict(["tomato soup"])
    assert classifier.catch_up().predict(["tomato soup"]).tolist() == ["soup"]


def test_what_was_written_through_another_index_is_caught_up_with(index: ItemIndex) -> None:
    classifier = NeighborClassifier(index=index, k=3).fit()  # reads the index into memory
    other = pd.DataFrame(
        [{"item_id": "s", "text": "tomato soup", "label": "soup", "launch_date": None}]
    )
    with ItemIndex(index.uri, index.encoder) as another:
        another.upsert(other, **_COLUMNS)
    assert classifier.catch_up().predict(["tomato soup"]).tolist() == ["soup"]


def test_the_last_label_does_not_go(index: ItemIndex) -> None:
    classifier = NeighborClassifier(index=index, k=3).fit()
    ids = _ITEMS["item_id"].tolist()
    with pytest.raises(InputError, match="no label"):
        classifier.follow(ids, [None] * 8, np.zeros((8, 384), np.float32), lambda: 1 / 0)
    assert index.count() == 8
