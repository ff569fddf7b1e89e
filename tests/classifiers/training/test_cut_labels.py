from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classifiers.scorers.ensemble import HEAD, NEIGHBORS, PROTOTYPES, Scorers
from classifiers.scorers.prototypes import Prototypes
from classifiers.training.cut_labels import CutAnswers, answer_as_rare
from classifiers.training.scorers import TrainingSet
from retrieval import Encoder, ItemIndex

NAMES = np.array(list("abcdefg"), dtype=object)
N, K = 40, 5


@pytest.fixture
def index(tmp_path: Path, encoder: Encoder) -> Iterator[ItemIndex]:
    with ItemIndex(str(tmp_path / "planted.db"), encoder=encoder) as index:
        yield index


def _taught(index: ItemIndex, groups: np.ndarray | None = None) -> TrainingSet:
    """Put 40 items of each of seven labels into the index, each label round a place of its own."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(len(NAMES)), N)
    centers = rng.normal(size=(len(NAMES), index.encoder.dim))
    vectors = centers[targets] + 0.7 * rng.normal(size=(len(targets), index.encoder.dim))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    ids = np.array([f"item {row:03}" for row in range(len(targets))], dtype=object)
    table = pd.DataFrame({"item_id": ids, "name": ids, "label": NAMES[targets]})
    index.upsert(table, text=["name"], label="label", vectors=vectors)
    return TrainingSet(ids, vectors, targets, NAMES[targets], described={}, groups=groups)


def _answers(index: ItemIndex, train: TrainingSet, sizes: list[int]) -> CutAnswers | None:
    start = Prototypes.of(NAMES, {}, train.vectors.shape[1])
    sources = Scorers(NAMES, True, 0.05, start)
    return answer_as_rare(sources, train, index, sizes, k=K, with_head=True, seed=0)


def test_some_labels_are_cut_and_their_other_items_answered(index: ItemIndex) -> None:
    train = _taught(index)
    answers = _answers(index, train, [2, 5])
    assert answers is not None
    cut = dict(zip(answers.targets.tolist(), answers.sizes.tolist(), strict=True))
    assert sorted(cut.values()) == [2, 5], "a third of seven labels, the sizes in turn"
    counts = np.bincount(answers.targets, minlength=len(NAMES))
    assert all(counts[label] == N - size for label, size in cut.items())
    assert set(answers.parts) == {NEIGHBORS, PROTOTYPES, HEAD}
    assert all(said.shape == (len(answers.targets), len(NAMES)) for said in answers.parts.values())
    assert np.allclose(answers.parts[NEIGHBORS].sum(axis=1), 1)
    assert answers.similarity.shape == (len(answers.targets), K)


def test_only_what_is_left_of_a_label_is_near(index: ItemIndex) -> None:
    answers = _answers(index, _taught(index), [2])
    assert answers is not None
    assert (answers.similarity[:, :2] > 0.4).all(), "the two that are left"
    assert (answers.similarity[:, 2:] < 0.4).all(), "the others are gone, the item itself too"


def test_a_group_is_not_on_both_sides(index: ItemIndex) -> None:
    groups = np.tile(np.repeat(np.arange(5), N // 5), len(NAMES))
    train = _taught(index, groups)
    answers = _answers(index, train, [3])
    assert answers is not None
    # The items of one group in five are answered.
    assert np.bincount(answers.targets).max() == N // 5


@pytest.mark.parametrize("sizes", [[10], [39]])
def test_no_label_is_large_enough(index: ItemIndex, sizes: list[int]) -> None:
    assert _answers(index, _taught(index), sizes) is None
