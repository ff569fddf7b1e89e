from __future__ import annotations

import numpy as np
import pytest

from retrieval.encoding.adaptation.gate import Positions, Vectors
from retrieval.encoding.adaptation.ladder import self_training
from retrieval.encoding.adaptation.ladder.self_training import SURE, guess_labels

LABELS, EACH, DIM = 4, 3, 8


def _unit(vectors: np.ndarray) -> Vectors:
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _around(centers: np.ndarray, each: int, seed: int) -> tuple[Vectors, Positions]:
    lot = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(centers)), each)
    return _unit(centers[labels] + 0.1 * lot.normal(size=(len(labels), DIM))), labels


@pytest.mark.parametrize("at_once", [20_000_000, 8])
def test_texts_get_the_label_of_what_they_lie_beside(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(self_training, "_AT_ONCE", at_once)  # in parts, for memory
    centers = np.eye(DIM)[:LABELS]
    known, labels = _around(centers, EACH, 0)
    asked, truth = _around(centers, 5, 1)
    known.setflags(write=False)  # as vectors from a cache are
    guess, trust = guess_labels(asked, known, labels, _unit(centers))
    np.testing.assert_array_equal(guess, truth)
    assert (trust > 0.9).all() and (trust <= 1).all()


def test_what_lies_between_two_labels_is_not_sure() -> None:
    centers = np.eye(DIM)[:LABELS]
    known, labels = _around(centers, EACH, 0)
    between = _unit(centers[:1] + centers[1:2])
    _, (trust,) = guess_labels(between, known, labels, _unit(centers))
    assert trust < 0.9
    assert guess_labels(between[:0], known, labels, _unit(centers))[0].shape == (0,)


def test_anchors_go_to_the_texts_whatever_the_words_say() -> None:
    centers = np.eye(DIM)[:2]
    known, labels = _around(centers, EACH, 0)
    words = _unit(centers[::-1])  # the opposite
    guess, trust = guess_labels(known, known, labels, words)
    np.testing.assert_array_equal(guess, labels)
    assert (trust >= SURE).all()
