from __future__ import annotations

import numpy as np
import torch

from retrieval.encoding.adaptation.gate import Positions, Vectors
from retrieval.encoding.adaptation.linear_map import apply, fit_map, map_work, unit_of_work

DIM, LABELS = 48, 6


def _unit(vectors: np.ndarray) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _world(each: int, seed: int = 0) -> tuple[Vectors, Positions, Vectors]:
    """Labels differ in 8 directions; the other 40 are loud, and say nothing."""
    middles = np.random.default_rng(0).normal(size=(LABELS, 8))
    lot = np.random.default_rng([1, seed])
    labels = np.repeat(np.arange(LABELS), each)
    told = middles[labels] + 0.7 * lot.normal(size=(len(labels), 8))
    vectors = _unit(np.hstack([told, 1.2 * lot.normal(size=(len(labels), DIM - 8))]))
    return vectors, labels, _unit(np.hstack([middles, lot.normal(size=(LABELS, DIM - 8))]))


def _right(matrix: Vectors, learned: tuple[Vectors, Positions, Vectors]) -> float:
    asked, truth, _ = _world(100, seed=9)
    nearest = (apply(matrix, asked) @ apply(matrix, learned[0]).T).argmax(axis=1)
    return float((learned[1][nearest] == truth).mean())


def test_neighbors_come_to_be_of_one_label() -> None:
    world = _world(60)
    fitted = fit_map(*world, np.arange(len(world[0])))
    assert fitted.matrix.shape == (DIM, DIM)
    assert fitted.steps > 0
    assert min(fitted.losses) < fitted.losses[0] - 0.05
    before, after = _right(np.eye(DIM, dtype=np.float32), world), _right(fitted.matrix, world)
    assert after > before + 0.03


def test_what_cannot_be_learned_leaves_the_vectors_alone() -> None:
    vectors, labels, anchors = _world(20)
    drawn = np.random.default_rng(0).permutation(labels)
    fitted = fit_map(vectors, drawn, anchors, np.arange(len(vectors)))
    moved = np.abs(apply(fitted.matrix, vectors) - vectors).max()
    assert fitted.steps == 0
    assert moved < 1e-6


def test_a_single_example_of_each_label_is_enough() -> None:
    world = _world(1)
    fitted = fit_map(*world, np.arange(LABELS))
    assert fitted.losses == ()  # nothing to hold out
    assert np.isfinite(fitted.matrix).all()
    assert _right(fitted.matrix, world) > _right(np.eye(DIM, dtype=np.float32), world) - 0.05


def test_the_same_map_comes_again_whatever_the_threads() -> None:
    world, threads = _world(10), torch.get_num_threads()
    first = fit_map(*world, np.arange(len(world[0])), seed=3)
    torch.set_num_threads(threads + 1)
    again = fit_map(*world, np.arange(len(world[0])), seed=3)
    assert torch.get_num_threads() == threads + 1
    torch.set_num_threads(threads)
    np.testing.assert_array_equal(first.matrix, again.matrix)
    other = fit_map(*world, np.arange(len(world[0])), seed=4)
    assert (other.matrix != first.matrix).any()


def test_guessed_labels_do_not_tell_when_to_stop() -> None:
    world = _world(each=12)
    fitted = fit_map(*world, np.arange(len(world[0])), stops_early=False)
    assert fitted.losses == ()
    assert fitted.steps == map_work(len(world[0])) / 2 * 512 / len(world[0])


def test_costs_are_told_before() -> None:
    assert 0 < unit_of_work(DIM, LABELS) < 60
    assert map_work(100) < map_work(1_000) < map_work(10_000) == map_work(100_000)
