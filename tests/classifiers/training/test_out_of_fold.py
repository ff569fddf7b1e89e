from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from classifiers.inputs import stored_label
from classifiers.scorers.ensemble import HEAD, NEIGHBORS, PROTOTYPES, Scorers
from classifiers.scorers.prototypes import Prototypes
from classifiers.training.data import to_targets
from classifiers.training.out_of_fold import OutOfFold, answer_out_of_fold, fold_of_each
from classifiers.training.scorers import TrainingSet
from retrieval import Encoder, ItemIndex

NAMES = np.array(["a", "b", "c"], dtype=object)
PARTS = {NEIGHBORS, PROTOTYPES, HEAD}


@pytest.fixture
def empty_index(tmp_path: Path, encoder: Encoder) -> Iterator[ItemIndex]:
    with ItemIndex(str(tmp_path / "planted.db"), encoder=encoder) as index:
        yield index


def _scattered(n: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _around(centers: np.ndarray, noise: float, seed: int) -> np.ndarray:
    vectors = centers + noise * _scattered(len(centers), centers.shape[1], seed)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _taught(
    index: ItemIndex,
    vectors: np.ndarray,
    stored: np.ndarray,
    *,
    exclusive: bool = True,
    groups: np.ndarray | None = None,
) -> TrainingSet:
    """Put examples with these vectors into the index."""
    ids = np.array([f"item {row}" for row in range(len(vectors))], dtype=object)
    table = pd.DataFrame({"item_id": ids, "name": ids, "label": stored})
    index.upsert(table, text=["name"], label="label", vectors=vectors)
    targets = to_targets(stored, NAMES, exclusive=exclusive)
    return TrainingSet(ids, vectors, targets, stored, described={}, groups=groups)


def _answers(index: ItemIndex, train: TrainingSet, k: int = 5) -> OutOfFold:
    exclusive = train.targets.ndim == 1
    start = Prototypes.of(NAMES, {}, train.vectors.shape[1])
    sources = Scorers(NAMES, exclusive, 0.05, start)
    answers = answer_out_of_fold(sources, train, index, k=k, with_head=True, seed=0)
    assert answers is not None
    return answers


def _accuracy(answers: OutOfFold, part: str) -> float:
    return float((answers.parts[part].argmax(axis=1) == answers.targets).mean())


# --- folds --------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 3))
def test_each_label_is_spread_evenly_over_the_folds(labels: list[int], seed: int) -> None:
    targets = np.array(labels)
    folds = fold_of_each(targets, None, seed)
    n_folds = folds.max() + 1
    assert 1 <= n_folds <= 5
    for label in set(labels):
        per_fold = np.bincount(folds[targets == label], minlength=n_folds)
        assert per_fold.max() - per_fold.min() <= 1
    assert (folds == fold_of_each(targets, None, seed)).all()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(0, 3))
def test_groups_are_never_split(groups: list[int], seed: int) -> None:
    each = np.array(groups, dtype=object)
    folds = fold_of_each(np.arange(len(groups)) % 3, each, seed)
    assert pd.Series(folds).groupby(each).nunique().eq(1).all()
    assert len(set(folds)) == min(len(set(groups)), 5)


# --- answers ------------------------------------------------------------------------------------


def test_each_answer_belongs_to_its_example(empty_index: ItemIndex) -> None:
    dim = empty_index.encoder.dim
    rng = np.random.default_rng(0)
    stored = NAMES[rng.integers(0, 3, 90)]  # in no order, so that a mix-up of rows would show
    centers = _scattered(3, dim, 1)[pd.Index(NAMES).get_indexer(stored)]
    train = _taught(empty_index, _around(centers, 0.7, 2), stored)
    answers = _answers(empty_index, train)
    assert answers.rows.tolist() == list(range(90))
    assert (answers.targets == train.targets).all()
    assert set(answers.parts) == set(answers.stranger_parts) == PARTS
    for part, proba in answers.parts.items():
        assert np.allclose(proba.sum(axis=1), 1)
        assert _accuracy(answers, part) > 0.95


def test_nothing_can_be_learned_where_there_is_nothing_to_learn(empty_index: ItemIndex) -> None:
    # Labels by chance: whoever has seen an example knows its label, whoever has not guesses.
    stored = NAMES[np.arange(150) % 3]
    train = _taught(empty_index, _scattered(150, empty_index.encoder.dim, 3), stored)
    answers = _answers(empty_index, train)
    for part in PARTS:
        assert _accuracy(answers, part) < 0.5


def test_an_example_is_not_answered_by_its_group(empty_index: ItemIndex) -> None:
    # Pairs of twins, each pair with a label by chance: only the twin can tell.
    dim = empty_index.encoder.dim
    pair = np.repeat(np.arange(60), 2)
    stored = NAMES[np.random.default_rng(4).integers(0, 3, 60)][pair]
    vectors = _around(_scattered(60, dim, 5)[pair], 0.05, 6)
    alone = _taught(empty_index, vectors, stored)
    # Twins fall into one fold by chance here and there; else the twin is seen.
    assert _accuracy(_answers(empty_index, alone, k=1), NEIGHBORS) > 0.7
    grouped = _taught(empty_index, vectors, stored, groups=pair.astype(object))
    answers = _answers(empty_index, grouped, k=1)
    assert answers.similarity.max() < 0.9
    for part in PARTS:
        assert _accuracy(answers, part) < 0.55


def test_a_stranger_sees_nothing_of_its_label(empty_index: ItemIndex) -> None:
    dim = empty_index.encoder.dim
    stored = NAMES[np.arange(90) % 3]
    centers = _scattered(3, dim, 7)[np.arange(90) % 3]
    answers = _answers(empty_index, _taught(empty_index, _around(centers, 0.5, 8), stored))
    own = np.arange(90), answers.targets
    for proba in answers.stranger_parts.values():
        assert (proba[own] == 0).all()
        assert np.allclose(proba.sum(axis=1), 1)
    assert answers.similarity.min() > 0.5
    assert answers.stranger_similarity.max() < 0.5
    assert not np.isnan(answers.stranger_similarity).any()


def test_with_lists_of_labels_a_stranger_shares_none_of_them(empty_index: ItemIndex) -> None:
    dim = empty_index.encoder.dim
    lists = [["a"], ["b"], ["a", "b"], ["c"], []]
    which = np.arange(100) % 5
    stored = np.array([stored_label(lists[one]) for one in which], dtype=object)
    vectors = _around(_scattered(5, dim, 9)[which], 0.5, 10)
    train = _taught(empty_index, vectors, stored, exclusive=False)
    answers = _answers(empty_index, train)
    assert answers.targets.shape == (100, 3)
    for part, proba in answers.parts.items():
        assert ((proba > 0.5) == answers.targets).mean() > 0.9, part
    for proba in answers.stranger_parts.values():
        assert (proba[answers.targets] == 0).all()
    # An item of "a" shares a label with "a" and with "a, b"; without any label one shares nothing.
    assert answers.stranger_similarity[which < 4].max() < 0.5
    assert answers.stranger_similarity[which == 4].min() > 0.5


def test_a_label_with_one_example_is_not_asked_for(empty_index: ItemIndex) -> None:
    dim = empty_index.encoder.dim
    stored = NAMES[np.append(np.arange(80) % 2, 2)]
    vectors = _around(_scattered(3, dim, 11)[np.append(np.arange(80) % 2, 2)], 0.5, 12)
    answers = _answers(empty_index, _taught(empty_index, vectors, stored))
    assert answers.rows.tolist() == list(range(80))


def test_one_group_alone_gives_no_answer(empty_index: ItemIndex) -> None:
    stored = NAMES[np.arange(90) % 3]
    vectors = _scattered(90, empty_index.encoder.dim, 13)
    train = _taught(empty_index, vectors, stored, groups=np.full(90, "one", dtype=object))
    sources = Scorers(NAMES, True, 0.05)
    assert answer_out_of_fold(sources, train, empty_index, k=5, with_head=False, seed=0) is None
