from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.monitoring.label_drift import LabelDrift, label_drift
from pipelines.runs.label_profiles import LabelProfile


def labels(
    counts: dict[str, int], unknown: int = 0, seed: int = 0, near: float = 0.2
) -> pd.DataFrame:
    names = [name for name, count in counts.items() for _ in range(count)] + ["?"] * unknown
    distance = np.random.default_rng(seed).beta(2, 2 / near, size=len(names))
    known = [name != "?" for name in names]
    return pd.DataFrame(
        {"label": names, "known": known, "novelty": distance * 10, "distance": distance}
    )


def drift(now: pd.DataFrame, last: pd.DataFrame) -> LabelDrift:
    return label_drift(now, LabelProfile.of(now, "b"), LabelProfile.of(last, "a"))


def test_shift_is_total_variation_and_moved_tells_what_moved() -> None:
    found = drift(labels({"a": 60, "b": 30, "c": 10}), labels({"a": 30, "b": 30, "d": 40}))
    assert found.label_shift is not None
    assert found.label_shift.value == pytest.approx(0.4)
    assert found.label_shift.chance == pytest.approx(1 / 2001)
    assert found.label_shift.items == 100
    moved = [(one.label, round(one.now - one.last, 9)) for one in found.moved]
    assert moved == [("d", -0.4), ("a", 0.3), ("c", 0.1)]


def test_chance_tells_small_samples_from_large_ones() -> None:
    small = drift(labels({"a": 7, "b": 3}), labels({"a": 4, "b": 6})).label_shift
    large = drift(labels({"a": 700, "b": 300}), labels({"a": 400, "b": 600})).label_shift
    assert small is not None and large is not None
    assert small.value == pytest.approx(large.value)
    assert large.chance < 0.001 < 0.1 < small.chance


def test_chance_is_as_often_small_as_it_says() -> None:
    rng = np.random.default_rng(3)
    names = [f"label {number}" for number in range(30)]
    chances = []
    for _ in range(100):
        now, last = (
            dict(zip(names, rng.multinomial(80, [1 / 30] * 30), strict=True)) for _ in "ab"
        )
        found = drift(labels(now), labels(last)).label_shift
        assert found is not None and found.value > 0.15, "many labels differ much by chance alone"
        chances.append(found.chance)
    assert sum(chance < 0.01 for chance in chances) <= 5
    assert 0.3 < float(np.mean(chances)) < 0.7


def test_stability_index_is_that_of_its_definition() -> None:
    now, last = labels({"a": 400}, seed=1, near=0.4), labels({"a": 500}, seed=2)
    found = drift(now, last).novelty_psi
    edges = [-np.inf, *np.quantile(last["distance"], np.arange(1, 10) / 10), np.inf]
    shares = []
    for table in (now, last):
        counts = pd.cut(table["distance"], edges).value_counts(sort=False) + 0.5
        shares.append((counts / counts.sum()).to_numpy())
    expected = ((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum()
    assert found is not None
    assert found.value == pytest.approx(expected)
    assert found.value > 0.25 and found.chance < 0.001
    same = drift(labels({"a": 400}, seed=1), last).novelty_psi
    assert same is not None and same.value < 0.1


def test_unknown_items_may_rise_and_fall() -> None:
    risen = drift(labels({"a": 80}, unknown=20), labels({"a": 95}, unknown=5))
    fallen = drift(labels({"a": 95}, unknown=5), labels({"a": 80}, unknown=20))
    assert risen.unknown_rise is not None and fallen.unknown_rise is not None
    assert risen.unknown_rise.value == pytest.approx(0.15)
    assert risen.unknown_rise.chance < 0.01
    assert fallen.unknown_rise.value == pytest.approx(-0.15)
    assert fallen.unknown_rise.chance > 0.99, "fewer unknown items are no alarm"
    assert risen.unknown_share == pytest.approx(0.2)


def test_what_cannot_be_compared_is_none() -> None:
    known, nothing = labels({"a": 5}), labels({}, unknown=5).assign(distance=np.nan)
    found = drift(nothing, known)
    assert (found.label_shift, found.novelty_psi, found.moved) == (None, None, ())
    assert found.unknown_rise is not None
    empty = drift(known.iloc[:0], known)
    assert np.isnan(empty.unknown_share)
    assert empty.unknown_rise is None
