from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from retrieval import Encoder, InputError, tune

WHAT = ("chips", "candy", "tea", "soap", "bread", "milk", "rice", "paper", "juice", "cheese")
HOW = ("red", "green", "salted", "organic", "classic", "new", "plain", "dark")
SIZES = ("small sample size", "large family size")
TEXTS = [f"{how} {what}, {size}" for what, how, size in itertools.product(WHAT, HOW, SIZES)]
KINDS = [what for what, _, _ in itertools.product(WHAT, HOW, SIZES)]
BIG = np.array([size == SIZES[1] for _, _, size in itertools.product(WHAT, HOW, SIZES)])


def _demand(seed: int = 0) -> np.ndarray:
    """Large packs sell more; how the launch begins is chance."""
    lot = np.random.default_rng(seed)
    level = 2.0 * BIG + 0.3 * lot.normal(size=len(TEXTS))
    return np.column_stack([level, lot.normal(size=len(TEXTS))])


def test_texts_that_sold_alike_become_neighbors(encoder: Encoder, tmp_path: Path) -> None:
    report = tune(encoder, TEXTS, demand=_demand(), folds=2, out=tmp_path / "encoder")
    assert (report.chosen, report.labels, report.demand) == ("map", 0, len(TEXTS))
    frozen, rung = report.rungs
    assert rung.demand_gain is not None and rung.demand_gain.is_better
    assert rung.demand_error is not None and frozen.demand_error is not None
    assert rung.demand_error < frozen.demand_error
    assert (rung.accuracy, rung.gain) == (None, None)
    assert "demand gained" in report.table() and "had sold" in report.card()
    vectors = Encoder(str(tmp_path / "encoder")).encode(TEXTS)
    near = vectors @ vectors.T
    np.fill_diagonal(near, -1)
    before = encoder.encode(TEXTS) @ encoder.encode(TEXTS).T
    np.fill_diagonal(before, -1)
    alike = [(BIG[one.argsort(axis=1)[:, -10:]] == BIG[:, None]).mean() for one in (near, before)]
    assert alike[0] > alike[1] + 0.05


def test_one_map_serves_labels_and_demand(encoder: Encoder, tmp_path: Path) -> None:
    labels = [size.split()[0] for _, _, size in itertools.product(WHAT, HOW, SIZES)]
    report = tune(encoder, TEXTS, labels, _demand(), folds=2, out=tmp_path / "encoder")
    frozen, rung = report.rungs
    assert (report.chosen, report.labels) == ("map", 2)
    assert rung.demand_gain is not None and rung.demand_gain.is_better
    assert rung.accuracy is not None and frozen.accuracy is not None
    assert rung.accuracy >= frozen.accuracy


def test_where_one_task_loses_nothing_is_kept(encoder: Encoder, tmp_path: Path) -> None:
    """What it is pulls all sizes together, and size is what sells."""
    report = tune(encoder, TEXTS, KINDS, _demand(), folds=2, out=tmp_path / "encoder")
    rung = report.rungs[1]
    assert report.chosen == "frozen"
    assert rung.gain is not None and rung.gain.is_better
    assert rung.note == "lost: demand"


def test_demand_that_texts_do_not_tell_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    chance = np.random.default_rng(3).normal(size=len(TEXTS))
    report = tune(encoder, TEXTS, demand=chance, folds=2, out=tmp_path / "encoder")
    assert (report.chosen, report.out) == ("frozen", None)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_known_teaches_nothing(encoder: Encoder, tmp_path: Path) -> None:
    demand = _demand()
    demand[::4, 0] = np.nan
    made = []
    for name in ("one", "other"):
        report = tune(encoder, TEXTS, demand=demand, folds=2, out=tmp_path / name)
        assert report.demand == len(TEXTS) - len(TEXTS[::4])
        made.append(Encoder(str(tmp_path / name)).encode(TEXTS))
        demand[::4, 1] = 1e6  # a shape without a level
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        (np.ones(3), "there are 160 texts"),
        (np.ones(len(TEXTS)), "same demand"),
        (np.r_[np.arange(50.0), np.full(110, np.nan)], "known of 50 texts; 100 are needed"),
        (["much"] * len(TEXTS), "demand"),
        (None, "give one of them"),
    ],
)
def test_wrong_input_is_told_before_the_work(
    encoder: Encoder, tmp_path: Path, demand: object, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        tune(encoder, TEXTS, demand=demand, out=tmp_path / "encoder")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="demand teaches a map"):
        tune(encoder, TEXTS, demand=_demand(), method="full", out=tmp_path / "encoder")
    with pytest.raises(InputError, match="too small"):
        tune(encoder, TEXTS, demand=_demand(), budget=1e-4, out=tmp_path / "encoder")
    assert list(tmp_path.iterdir()) == []
